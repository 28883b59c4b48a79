"""Replace the directory file, so that whatever happens one of the two is there, whole."""

import os
import shutil
import tempfile
from pathlib import Path

from mailguard.store.durable import fsync_folder, give_to_owner

BACKUP = ".before"
"""Follows the name of the file that was there before."""


def replace_directory(file: Path, text: str) -> None:
    """Put `text` in the place of `file`, which need not exist; what it held is kept beside it.

    A new file is for its owner alone; an old one keeps its owner and mode. Raises OSError.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=file.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
            _dress(descriptor, file)
            stream.write(text)
            stream.flush()
            os.fsync(descriptor)
        if file.exists():
            _keep(file)
        Path(name).replace(file)
    finally:
        # Gone already, unless something failed.
        Path(name).unlink(missing_ok=True)
    fsync_folder(file.parent)


def _dress(descriptor: int, file: Path) -> None:
    if not file.exists():
        give_to_owner(descriptor, file.parent)
        return
    before = file.stat()
    if os.geteuid() == 0:
        os.fchown(descriptor, before.st_uid, before.st_gid)
    os.fchmod(descriptor, before.st_mode & 0o777)


def _keep(file: Path) -> None:
    backup = file.with_name(file.name + BACKUP)
    backup.unlink(missing_ok=True)
    # A hard link: the backup is there, whole, before the name leads to the new file.
    try:
        os.link(file, backup)
    except OSError:
        shutil.copy2(file, backup)
