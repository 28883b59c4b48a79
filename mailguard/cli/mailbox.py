"""Find messages on disk: single files, mboxes, Maildirs, folders of .eml files, standard input."""

import mmap
import os
import re
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LARGEST = 200 << 20
"""Bytes of the largest message that any listener can be made to accept (`limits.message_mb`)."""

_FROM_LINE = re.compile(rb"(?:\A|(?<=\n)\r?\n)From [^\n]*(?:\n|\Z)")
"""Begins a message of an mbox, at the start or after a blank line. Lines of a message that look so
were written ">From " (mboxo, mboxrd)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One message."""

    name: str
    """Its file; in an mbox ``file#1``, ``file#2`` and so on."""

    content: bytes | mmap.mmap


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A file or folder that could not be read, and why."""

    name: str
    reason: str


def find_files(path: str) -> Iterator[Path | Unreadable]:
    """Yield every file that `path` stands for, in order.

    A folder with ``cur`` and ``new`` is a Maildir and gives what lies in both; any other gives its
    files that end in ``.eml``. Folders inside are looked through too; symbolic links to folders are
    not. A folder without any message is unreadable: most likely another one was meant.
    """
    if path == "-" or not Path(path).is_dir():
        yield Path(path)
        return
    unreadable: list[Unreadable] = []
    is_empty = True
    for root, folders, names in os.walk(path, onerror=lambda e: unreadable.append(_failed(e))):
        folders.sort()
        files = [Path(root, name) for name in sorted(names) if name.lower().endswith(".eml")]
        if {"cur", "new"} <= set(folders):
            files += [file for name in ("cur", "new") for file in _kept(Path(root, name))]
            folders[:] = [name for name in folders if name not in {"cur", "new", "tmp"}]
            is_empty = False
        is_empty = is_empty and not files
        yield from files
    yield from unreadable
    if is_empty and not unreadable:
        yield Unreadable(name=path, reason="has no .eml file in it and is no Maildir")


def read_messages(file: Path) -> Iterator[Found | Unreadable]:
    """Yield each message in `file`; ``-`` is standard input.

    A file that begins with "From " is an mbox; anything else at all is one message.
    """
    name = str(file)
    try:
        content = sys.stdin.buffer.read() if name == "-" else _open(file)
    except OSError as error:
        yield Unreadable(name=name, reason=error.strerror or str(error))
        return
    if not _FROM_LINE.match(content):
        yield _checked(name, content)
        return
    for number, (start, end) in enumerate(_split_mbox(content), 1):
        yield _checked(f"{name}#{number}", content[start:end])


def _checked(name: str, content: bytes | mmap.mmap) -> Found | Unreadable:
    if len(content) > LARGEST:
        return Unreadable(name=name, reason="is larger than any message that MailGuard accepts")
    return Found(name=name, content=content)


def _failed(error: OSError) -> Unreadable:
    return Unreadable(name=str(error.filename), reason=error.strerror or str(error))


def _kept(folder: Path) -> list[Path]:
    try:
        return sorted(file for file in folder.iterdir() if not file.name.startswith("."))
    except OSError:
        # As a file it cannot be read either, and then says why.
        return [folder]


def _open(file: Path) -> bytes | mmap.mmap:
    """All of a file, mapped rather than read where it has a size."""
    mode = file.stat().st_mode
    # A device may never end. A pipe does: it is what <(command) gives.
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
        raise OSError("is neither a file nor a folder")
    with file.open("rb") as stream:
        if stat.S_ISFIFO(mode) or os.fstat(stream.fileno()).st_size == 0:
            return stream.read()
        return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)


def _split_mbox(content: bytes | mmap.mmap) -> Iterator[tuple[int, int]]:
    """The half-open range of each message, without "From " lines and the blank lines before."""
    begins = None
    for line in _FROM_LINE.finditer(content):
        if begins is not None:
            yield begins, line.start()
        begins = line.end()
    assert begins is not None
    # The last message, too, is followed by a blank line.
    tail = re.search(rb"(?<=\n)\r?\n\Z", content[-3:])
    yield begins, max(begins, len(content) - (len(tail[0]) if tail else 0))
