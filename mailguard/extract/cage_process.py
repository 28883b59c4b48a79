"""The processes of the cage as seen from outside: how they are made, asked and ended."""

import contextlib
import json
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from mailguard.extract.answer import found_from_json
from mailguard.extract.cage_lock import Walls
from mailguard.extract.found import Found, Limits
from mailguard.extract.frames import ANSWER_LIMIT, COMMAND, FORK, KILL, LENGTH, PICTURES
from mailguard.extract.item import About
from mailguard.extract.patience import Patience

GRACE_S = 1.0
"""After its own time, which it keeps itself, a reader has this long to say what it has."""

START_S = 20.0
"""For the first process to load every library, on a machine that has other things to do."""


class Dead(Exception):
    """The caged process is no more, or is not to be asked again; `reason` as in a miss."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Zygote:
    """The process that :mod:`mailguard.extract.cage_zygote` is."""

    def __init__(self, seconds: float, *, reads_pictures: bool = False) -> None:
        self._seconds = seconds
        arguments = [PICTURES] if reads_pictures else []
        self._control, theirs = socket.socketpair()
        self._control.settimeout(START_S)
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-I", "-m", "mailguard.extract.cage_zygote", *arguments],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={"LC_ALL": "C.UTF-8"},
                cwd="/",
            )

    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def fork(self) -> "Child":
        """Have a new child made. Raises OSError."""
        self._control.sendall(COMMAND.pack(FORK, 0, self._seconds))
        told, descriptors, _, _ = socket.recv_fds(self._control, 4, 1)
        if len(told) < 4 or not descriptors:
            raise ConnectionError("no child")
        (pid,) = struct.unpack(">I", told)
        return Child(pid, socket.socket(fileno=descriptors[0]))

    def kill(self, pid: int) -> int:
        """End a child; return the signal that it died of, 0 if it had ended. Raises OSError."""
        self._control.sendall(COMMAND.pack(KILL, pid, 0))
        told = self._control.recv(4, socket.MSG_WAITALL)
        if len(told) < 4:
            raise ConnectionError("no answer")
        return int(struct.unpack(">i", told)[0])

    def close(self) -> None:
        """End it and all of its children."""
        self._control.close()
        self._process.kill()
        self._process.wait()


class Child:
    """One caged process."""

    def __init__(self, pid: int, sock: socket.socket) -> None:
        self.pid = pid
        self.is_used = False
        self._sock = sock
        self._room = ANSWER_LIMIT
        self._hello: dict[str, Any] | None = None
        self._patience: Patience | None = None

    @property
    def used(self) -> float:
        """Seconds of processor time that the last file has taken."""
        return self._patience.used if self._patience else 0.0

    @property
    def hello(self) -> dict[str, Any]:
        """What it said when it was locked. It may be trusted: nothing hostile came before."""
        assert self._hello is not None
        return self._hello

    @property
    def walls(self) -> Walls:
        """What holds it."""
        return Walls(seccomp=self.hello["seccomp"] is True, landlock=int(self.hello["landlock"]))

    def read(self, data: bytes, about: About, limits: Limits, deadline: float) -> Iterator[Found]:
        """Yield what it finds until its processor time is over, or the `deadline` by the clock.

        Raises Dead: for ``engine`` where the machine left it no time.
        """
        self.is_used = True
        self.greet()
        self._patience = Patience(self.pid, limits.seconds + GRACE_S, deadline + GRACE_S)
        request = {"what": "read", "about": asdict(about), "limits": asdict(limits)}
        self._send(json.dumps(request).encode())
        self._send(data)
        self._room = ANSWER_LIMIT
        while answer := self._receive():
            try:
                yield from found_from_json(answer)
            except ValueError:
                raise Dead("killed") from None

    def try_out(self) -> Iterator[tuple[str, bool]]:
        """Yield what it tried, and whether that worked. Raises Dead."""
        self.is_used = True
        self.greet()
        self._send(json.dumps({"what": "try"}).encode())
        while True:
            try:
                answer = self._receive()
            except Dead:
                # It became another program, so it no longer answers.
                yield "exec", True
                return
            if not answer:
                return
            name, works = json.loads(answer)
            yield str(name), works is True

    def is_alive(self) -> bool:
        """Whether it has started, and not ended since: it has seen no file so far. Never raises."""
        try:
            self.greet()
            self._sock.setblocking(False)
            return bool(self._sock.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return True
        except (Dead, OSError, ValueError):
            return False

    def greet(self) -> None:
        """Wait until it is locked, and says what holds it. Raises Dead."""
        if self._hello is None:
            self._hello = json.loads(self._receive())

    def close(self) -> None:
        """Talk to it no more."""
        self._sock.close()

    def _send(self, body: bytes) -> None:
        for part in (LENGTH.pack(len(body)), body):
            left = memoryview(part)
            while left:
                with self._waiting():
                    left = left[self._sock.send(left) :]

    def _receive(self) -> bytes:
        (length,) = LENGTH.unpack(self._exactly(LENGTH.size))
        self._room -= length + LENGTH.size
        if self._room < 0:
            raise Dead("too_long")
        return self._exactly(length)

    def _exactly(self, size: int) -> bytes:
        body = bytearray()
        while len(body) < size:
            with self._waiting():
                piece = self._sock.recv(min(size - len(body), 1 << 20))
                if not piece:
                    raise Dead("killed")
                body += piece
        return bytes(body)

    @contextlib.contextmanager
    def _waiting(self) -> Iterator[None]:
        """Let one call on the socket wait as long as there is patience. Raises Dead when there is
        none; the call that only waited in vain is to be made again."""
        # Must: at every piece, or who sends one byte at a time has no end.
        left = self._patience.left if self._patience else START_S
        if not left:
            assert self._patience is not None
            raise Dead("timeout" if self._patience.is_to_blame else "engine")
        self._sock.settimeout(left)
        try:
            yield
        except TimeoutError:
            if self._patience is None:
                raise Dead("engine") from None
        except OSError:
            raise Dead("killed") from None
