"""The spool: evidence as files, durable before anybody is told that we have the message.

1. Both files are written in ``tmp/<id>/``, each fsynced and its close checked, then the folder.
2. The *folder* is renamed to ``YYYY/MM/DD/<id>/``: evidence is there whole, or not at all.
3. Every folder that this created or changed is fsynced, up to the root.
4. After a failed fsync nothing is tried again: the kernel has dropped the pages and would report
   success. What was written is taken away, and the sender keeps the message.
5. Files are 0600 and folders 0700, and never follow a symbolic link.

Blocking calls run in threads of the spool's own: a slow disk must not stop the database thread.
"""

import errno
import fcntl
import glob
import mmap
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from mailguard.errors import EvidenceDamaged, SpoolUnavailable
from mailguard.mail.raw import Raw
from mailguard.quarantine.held import CROCKFORD, HeldId, HeldMessage
from mailguard.store.durable import fsync_folder
from mailguard.store.threads import Threads

MESSAGE = "message.eml"
EVIDENCE = "evidence.json"
ASIDE = "aside"
"""The folder of what nobody can make sense of."""

HEADROOM = 2 << 20
"""Bytes wanted beside the message itself, for evidence.json, the row and the database's WAL."""

ROOM_S = 0.5
"""Seconds that an answer about free space stays good: at the fastest rate measured a disk could
lose a few hundred megabytes meanwhile, and a write that fails is 451 anyway."""

INODES = 16
"""Files and folders that one more message may need: two files and up to four folders, and some
spare for other sessions."""

MAPPED = 1 << 20
"""Bytes from which a message is read as a memory map instead of into memory."""

THREADS = 4
"""Enough that one slow fsync does not hold up the next message."""

DATE_DEPTH = 3
"""Folders between the root and a held message's own: year, month, day."""

FOLDER = re.compile(rf"\d{{4}}/\d\d/\d\d/[{CROCKFORD}]{{26}}")
"""The only names that ever become a path."""

T = TypeVar("T")


class DiskSpool:
    """The port :class:`~mailguard.ports.Spool` as a folder on a local disk.

    All methods but :meth:`has_room` raise SpoolUnavailable when the disk fails.
    """

    def __init__(self, root: Path, largest_message: int) -> None:
        """Remember where it is, and the size in bytes of the largest message to expect."""
        self._root = root
        self._tmp = root / "tmp"
        self._largest = largest_message
        self._threads = Threads(THREADS, "spool")
        self._room, self._room_until = False, 0.0
        self._durable_day: Path | None = None
        """The last day folder whose parents this process has fsynced; none is ever removed."""

    async def store(self, held_id: HeldId, folder: str, raw: Raw, evidence: bytes) -> None:
        """Make ``message.eml`` and ``evidence.json`` durable under `folder`.

        On return both files and every folder above them are on stable storage. Raises
        SpoolUnavailable, leaving nothing behind that a restart would take for evidence.
        """
        await self._run(lambda: self._store(held_id, folder, raw, evidence))

    async def read(self, held: HeldMessage) -> Raw:
        """The exact bytes, checked against the row's SHA-256. Raises EvidenceDamaged."""
        return await self._run(lambda: self._read(held))

    async def evidence(self, held: HeldMessage) -> bytes:
        """The bytes of ``evidence.json``. Raises EvidenceDamaged when it is gone."""
        return await self.evidence_at(held.folder)

    async def evidence_at(self, folder: str) -> bytes:
        """The same by folder, for one that has no row."""
        return await self._run(lambda: _content(self._place(folder) / EVIDENCE)[:])

    async def remove(self, folder: str) -> None:
        """Delete both files and their folder. Missing ones are not an error."""
        await self._run(lambda: self._remove(folder))

    async def set_aside(self, folder: str) -> bool:
        """Move a folder that makes no sense to where only people look; False when it is gone."""
        return await self._run(lambda: self._set_aside(folder))

    async def has_room(self) -> bool:
        """Whether a message of the largest allowed size would still fit."""
        # In this thread: a local file system answers from memory.
        now = time.monotonic()
        if now >= self._room_until:
            self._room = self._has_room()
            self._room_until = now + ROOM_S
        return self._room

    async def folders(self) -> Sequence[str]:
        """Every ``YYYY/MM/DD/<id>`` that holds evidence, oldest first."""
        return await self._run(self._folders)

    async def sweep(self) -> int:
        """At start: delete what a crash left half-written; return how many there were.

        What another process is just writing is left alone.
        """
        return await self._run(self._sweep)

    async def close(self) -> None:
        """Finish what is being written, and end the threads."""
        self._threads.stop()

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await self._threads.run(work)
        except OSError as error:
            raise SpoolUnavailable(f"spool: {error}") from error

    def _place(self, folder: str) -> Path:
        if not FOLDER.fullmatch(folder):
            raise EvidenceDamaged(f"not a folder of the spool: {folder!r}")
        return self._root / folder

    def _store(self, held_id: HeldId, folder: str, raw: Raw, evidence: bytes) -> None:
        target = self._place(folder)
        draft = self._tmp / held_id
        self._prepare()
        draft.mkdir(mode=0o700)
        place = draft
        try:
            with _claimed(draft) as descriptor:
                _write_file(descriptor, MESSAGE, raw.chunks())
                _write_file(descriptor, EVIDENCE, (evidence,))
                os.fsync(descriptor)
                _make_parents(target)
                draft.rename(target)
                place = target
            self._make_durable(target.parent)
        except OSError:
            # Must: leave no folder that a restart would take for evidence somebody answered for.
            with suppress(OSError):
                self._take_away(place)
            raise

    def _prepare(self) -> None:
        if not self._root.is_dir():
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            fsync_folder(self._root.parent)
        self._tmp.mkdir(mode=0o700, exist_ok=True)

    def _make_durable(self, day: Path) -> None:
        """Fsync each folder that the rename, or a new day, has changed."""
        fsync_folder(day)
        fsync_folder(self._tmp)
        if day != self._durable_day:
            # Another process may have made these, and not have come to fsync them yet.
            for parent in day.parents[:DATE_DEPTH]:
                fsync_folder(parent)
            self._durable_day = day

    def _take_away(self, place: Path) -> None:
        """Out of sight first, in one step; then delete."""
        gone = self._tmp / place.name
        with suppress(FileNotFoundError):
            place.rename(gone)
        with suppress(FileNotFoundError):
            shutil.rmtree(gone)

    def _remove(self, folder: str) -> None:
        target = self._place(folder)
        self._prepare()
        self._take_away(target)
        with suppress(FileNotFoundError):
            fsync_folder(target.parent)

    def _set_aside(self, folder: str) -> bool:
        place = self._place(folder)
        aside = self._root / ASIDE
        aside.mkdir(mode=0o700, exist_ok=True)
        try:
            place.rename(aside / folder.replace("/", "-"))
        except FileNotFoundError:
            return False
        for changed in (aside, place.parent, self._root):
            fsync_folder(changed)
        return True

    def _read(self, held: HeldMessage) -> Raw:
        raw = Raw.of(_content(self._place(held.folder) / MESSAGE))
        if raw.sha256 != held.sha256:
            raise EvidenceDamaged(f"{held.id}: {MESSAGE} is not what was stored")
        return raw

    def _has_room(self) -> bool:
        try:
            disk = os.statvfs(self._root)
        except OSError:
            return False
        # Some file systems have no fixed number of inodes, and say 0.
        has_inodes = not disk.f_files or disk.f_favail >= INODES
        return has_inodes and disk.f_bavail * disk.f_frsize >= self._largest + HEADROOM

    def _folders(self) -> Sequence[str]:
        # Not Path.glob: it takes three times as long, and there may be 100,000.
        names = glob.iglob("[0-9]*/[0-9]*/[0-9]*/*", root_dir=self._root)  # noqa: PTH207
        return sorted(name for name in names if FOLDER.fullmatch(name))

    def _sweep(self) -> int:
        self._prepare()
        return sum(_swept(leftover) for leftover in self._tmp.iterdir())


@contextmanager
def _claimed(folder: Path) -> Iterator[int]:
    """Open `folder` and hold its flock, by which :meth:`DiskSpool.sweep` knows it is in use.

    Raises BlockingIOError when somebody else holds it.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    finally:
        os.close(descriptor)


def _swept(leftover: Path) -> bool:
    try:
        with _claimed(leftover):
            shutil.rmtree(leftover)
    except (BlockingIOError, FileNotFoundError, NotADirectoryError):
        # In use, being deleted by somebody else just now, or not ours.
        return False
    return True


def _make_parents(target: Path) -> None:
    for parent in reversed(target.parents[:DATE_DEPTH]):
        parent.mkdir(mode=0o700, exist_ok=True)


def _write_file(folder: int, name: str, chunks: Iterable[bytes]) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, 0o600, dir_fd=folder)
    try:
        for chunk in chunks:
            rest = memoryview(chunk)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        # Its error counts too: a file system may report a failed write only here.
        os.close(descriptor)


def _content(path: Path) -> bytes | mmap.mmap:
    """All bytes of a file; a memory map when there are many. Raises EvidenceDamaged."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise EvidenceDamaged(f"{path.parent.name}: {path.name} is missing") from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise EvidenceDamaged(f"{path.parent.name}: {path.name} is a link") from None
        raise
    with os.fdopen(descriptor, "rb") as file:
        if os.fstat(descriptor).st_size < MAPPED:
            return file.read()
        return mmap.mmap(descriptor, 0, prot=mmap.PROT_READ)
