"""What makes a change of a folder survive a power cut."""

import os
from pathlib import Path


def fsync_folder(folder: Path) -> None:
    """Put the folder's list of names on stable storage. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
