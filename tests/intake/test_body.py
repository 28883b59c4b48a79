"""Where a message lies while it is received."""

import hashlib
import mmap
from pathlib import Path

import pytest

from mailguard.intake.body import IN_MEMORY, Body


@pytest.mark.parametrize(
    ("size", "kind"),
    [(0, bytes), (IN_MEMORY, bytes), (IN_MEMORY + 1, mmap.mmap), (3 * IN_MEMORY, mmap.mmap)],
    ids=["empty", "at the threshold", "beyond", "far beyond"],
)
def test_large_messages_are_mapped_small_ones_are_bytes(
    tmp_path: Path, size: int, kind: type
) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    body = Body(tmp_path)

    for start in range(0, size, 65536):
        body.write(content[start : min(start + 65536, size)])
    raw = body.finish()

    assert isinstance(raw.buffer, kind)
    assert content[:size] == raw.buffer[:]
    assert hashlib.sha256(content[:size]).hexdigest() == raw.sha256


def test_the_file_has_no_name(tmp_path: Path) -> None:
    body = Body(tmp_path)

    body.write(b"x" * (IN_MEMORY + 1))

    assert list(tmp_path.iterdir()) == []
    body.discard()


def test_a_raw_outlives_its_body(tmp_path: Path) -> None:
    body = Body(tmp_path)
    body.write(b"x" * (IN_MEMORY + 1))

    raw = body.finish()
    body.discard()
    del body

    assert (raw.size, raw.buffer[-1:]) == (IN_MEMORY + 1, b"x")


def test_a_folder_that_is_gone_is_an_os_error(tmp_path: Path) -> None:
    body = Body(tmp_path / "gone")

    with pytest.raises(OSError, match="gone"):
        body.write(b"x" * (IN_MEMORY + 1))
