"""The process from which caged readers are forked.

Started fresh, it knows no configuration, key, database or rule, and sees no message. It loads
every format reader, and the engines for pictures where its command line says ``pictures``, lets
each read its sample, and then forks a child for whoever asks on standard
input, which is a socket. The child locks itself (:mod:`mailguard.extract.cage_lock`) before it is
given anything to read.
"""

import codecs
import contextlib
import gc
import json
import os
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from encodings.aliases import aliases
from pathlib import Path
from typing import BinaryIO

from mailguard.extract.answer import found_to_json
from mailguard.extract.cage_lock import Walls, lock
from mailguard.extract.format import FORMATS
from mailguard.extract.found import Found, Limits, Opened, Piece
from mailguard.extract.frames import COMMAND, FORK, PICTURES, read_frame, write_frame
from mailguard.extract.item import About
from mailguard.extract.pictures.sight import warm_sight
from mailguard.extract.reading import read_file, walk

BATCH = 64
"""Names, features and misses that travel together."""


def main() -> int:
    """Serve until the other end is closed. No child outlives this process."""
    control = socket.socket(fileno=os.dup(0))
    silent = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(silent, standard)
    os.close(silent)
    _warm()
    blindness = warm_sight() if sys.argv[1:] == [PICTURES] else ""
    # What is there by now is shared with all children for as long as nobody touches it.
    gc.collect()
    gc.freeze()
    children: set[int] = set()
    while len(command := control.recv(COMMAND.size, socket.MSG_WAITALL)) == COMMAND.size:
        what, child, seconds = COMMAND.unpack(command)
        if what == FORK:
            children.add(_fork(control, seconds, blindness))
        else:
            control.sendall(struct.pack(">i", _kill(child) if child in children else 0))
            children.discard(child)
    for child in children:
        _kill(child)
    return 0


def _warm() -> None:
    """Let libraries load what they load on first use: afterwards there are no files."""
    for codec in sorted(set(aliases.values())):
        # Some are there on Windows only.
        with contextlib.suppress(LookupError, ImportError):
            codecs.lookup(codec)
    for form in FORMATS.readers:
        if form.sample:
            ending = form.endings[0] if form.endings else ""
            read_file(form.sample, About(name=f"sample{ending}"))
    read_file(b"sample", About(name="sample"))


def _fork(control: socket.socket, seconds: float, blindness: str) -> int:
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        try:
            control.close()
            ours.close()
            _serve(theirs, seconds, blindness)
        finally:
            # Must: the child never returns into the parent's code.
            os._exit(0)
    theirs.close()
    socket.send_fds(control, [struct.pack(">I", pid)], [ours.fileno()])
    ours.close()
    return pid


def _kill(child: int) -> int:
    """Return the signal it died of; 0 if it had ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def _serve(sock: socket.socket, seconds: float, blindness: str) -> None:
    """The life of a child: give everything up, say so, and answer requests."""
    # Must: a socket object asks the system for more than reading and writing.
    descriptor = sock.detach()
    requests, answers = os.fdopen(descriptor, "rb"), os.fdopen(descriptor, "wb", closefd=False)
    walls = lock(seconds)
    write_frame(answers, _hello(walls, blindness))
    while (asked := read_frame(requests)) is not None:
        request = json.loads(asked)
        if request["what"] == "try":
            _try(answers)
            continue
        data = read_frame(requests)
        if data is None:
            return
        about = About(**{**request["about"], "passwords": tuple(request["about"]["passwords"])})
        limits = Limits(**request["limits"])
        limits = replace(limits, pictures=limits.pictures - time.process_time())
        _answer(answers, walk(data, about, limits))


def _hello(walls: Walls, blindness: str) -> bytes:
    return json.dumps(
        {
            "seccomp": walls.seccomp,
            "landlock": walls.landlock,
            "readers": [form.name for form in FORMATS.readers],
            "failed": list(FORMATS.failed),
            "blindness": blindness,
        }
    ).encode()


def _answer(answers: BinaryIO, found: Iterator[Found]) -> None:
    """Send what is found as it is found: all text that comes before a death is known."""
    batch: list[Found] = []
    for each in found:
        batch.append(each)
        # Must: before the reader goes on, which may be its end.
        if isinstance(each, Piece | Opened) or len(batch) == BATCH:
            write_frame(answers, found_to_json(batch))
            batch.clear()
    write_frame(answers, found_to_json(batch))
    write_frame(answers, b"")


def _try(answers: BinaryIO) -> None:
    """Do what an intruder would, and name what worked; the last may be the end of this process."""
    attempts: tuple[tuple[str, Callable[[], object]], ...] = (
        ("open", lambda: os.open("/etc/passwd", os.O_RDONLY)),
        ("write", lambda: os.open("/tmp/mailguard-cage", os.O_WRONLY | os.O_CREAT)),  # noqa: S108
        ("list", lambda: next(Path("/").iterdir())),
        ("socket", lambda: socket.socket(socket.AF_INET)),
        ("local socket", lambda: socket.socket(socket.AF_UNIX)),
        ("signal", lambda: os.kill(os.getppid(), 0)),
        ("fork", _try_fork),
        ("exec", lambda: os.execv(sys.executable, [sys.executable, "-c", ""])),  # noqa: S606
    )
    for name, attempt in attempts:
        write_frame(answers, json.dumps([name, _works(attempt)]).encode())
    write_frame(answers, b"")


def _try_fork() -> None:
    if os.fork() == 0:
        os._exit(0)


def _works(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
