"""The processes of the cage as seen from outside: how they are made, asked and ended."""

import json
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from mailguard.extract.answer import found_from_json
from mailguard.extract.found import Found, Limits
from mailguard.extract.frames import ANSWER_LIMIT, COMMAND, FORK, KILL, LENGTH
from mailguard.extract.item import About

START_S = 20.0
"""For the first process to load every library, on a machine that has other things to do."""


class Dead(Exception):
    """The caged process is no more, or is not to be asked again; `reason` as in a miss."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Zygote:
    """The process that :mod:`mailguard.extract.cage_zygote` is."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._control, theirs = socket.socketpair()
        self._control.settimeout(START_S)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-m", "mailguard.extract.cage_zygote"],
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

    @property
    def hello(self) -> dict[str, Any]:
        """What it said when it was locked. It may be trusted: nothing hostile came before."""
        assert self._hello is not None
        return self._hello

    def read(self, data: bytes, about: About, limits: Limits, deadline: float) -> Iterator[Found]:
        """Yield what it finds. Raises Dead."""
        self.is_used = True
        self._greet()
        request = {"what": "read", "about": asdict(about), "limits": asdict(limits)}
        self._send(json.dumps(request).encode(), deadline)
        self._send(data, deadline)
        self._room = ANSWER_LIMIT
        while answer := self._receive(deadline):
            try:
                yield from found_from_json(answer)
            except ValueError:
                raise Dead("killed") from None

    def try_out(self, deadline: float) -> Iterator[tuple[str, bool]]:
        """Yield what it tried, and whether that worked. Raises Dead."""
        self.is_used = True
        self._greet()
        self._send(json.dumps({"what": "try"}).encode(), deadline)
        while True:
            try:
                answer = self._receive(deadline)
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
            self._greet()
            self._sock.setblocking(False)
            return bool(self._sock.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return True
        except (Dead, OSError, ValueError):
            return False

    def close(self) -> None:
        """Talk to it no more."""
        self._sock.close()

    def _greet(self) -> None:
        if self._hello is None:
            self._hello = json.loads(self._receive(time.monotonic() + START_S))

    def _send(self, body: bytes, deadline: float) -> None:
        try:
            self._wait_until(deadline)
            self._sock.sendall(LENGTH.pack(len(body)))
            self._sock.sendall(body)
        except TimeoutError:
            raise Dead("timeout") from None
        except OSError:
            raise Dead("killed") from None

    def _wait_until(self, deadline: float) -> None:
        """Let the next call on the socket wait so long. Raises TimeoutError when it is over."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)

    def _receive(self, deadline: float) -> bytes:
        (length,) = LENGTH.unpack(self._exactly(LENGTH.size, deadline))
        self._room -= length + LENGTH.size
        if self._room < 0:
            raise Dead("too_long")
        return self._exactly(length, deadline)

    def _exactly(self, size: int, deadline: float) -> bytes:
        body = bytearray()
        while len(body) < size:
            try:
                # Must: at every piece, or who sends one byte at a time has no deadline.
                self._wait_until(deadline)
                piece = self._sock.recv(min(size - len(body), 1 << 20))
            except TimeoutError:
                raise Dead("timeout") from None
            except OSError:
                raise Dead("killed") from None
            if not piece:
                raise Dead("killed")
            body += piece
        return bytes(body)
