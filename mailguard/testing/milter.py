"""A mail server that asks a milter, for tests: libmilter's protocol on a plain socket."""

import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any, Self

from mailguard.mail.envelope import Origin
from mailguard.milter.settings import MilterSettings

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

ALL_ACTIONS = 0x1FF
ALL_OPTIONS = 0x1FFFFF
"""What Postfix 3.7 and Sendmail 8.17 offer."""

FINAL = frozenset(b"acdtry")
"""Commands that answer the end of a message."""


def settings_of(**options: Any) -> MilterSettings:
    """Settings of a listener that mail servers on this machine may ask."""
    wanted: dict[str, Any] = {
        "name": "asked",
        "origin": Origin.ANY,
        "inside": LOOPBACK,
        "servers": LOOPBACK,
        **options,
    }
    return MilterSettings(**wanted)


def frame(command: bytes, data: bytes = b"") -> bytes:
    """One packet."""
    return struct.pack("!I", len(data) + 1) + command + data


def strings(*values: bytes) -> bytes:
    """Strings, each ended by NUL."""
    return b"".join(value + b"\0" for value in values)


def negotiation(version: int = 6, actions: int = ALL_ACTIONS, options: int = ALL_OPTIONS) -> bytes:
    """The first packet."""
    return frame(b"O", struct.pack("!III", version, actions, options))


def connect(address: bytes = b"192.0.2.7", port: int = 40000, family: bytes = b"4") -> bytes:
    """A client has connected to the mail server."""
    if family == b"U":
        return frame(b"C", b"unknown\0U")
    return frame(b"C", b"client.example\0" + family + struct.pack("!H", port) + address + b"\0")


def macros(stage: bytes, **values: bytes) -> bytes:
    """Values for a stage; long names get their braces."""
    pairs = (
        part
        for name, value in values.items()
        for part in (name.encode() if len(name) == 1 else b"{%s}" % name.encode(), value)
    )
    return frame(b"D", stage + strings(*pairs))


def envelope(sender: bytes, to: Sequence[bytes]) -> bytes:
    """MAIL and RCPTs, paths with brackets."""
    return frame(b"M", strings(sender)) + b"".join(frame(b"R", strings(path)) for path in to)


def content(raw: bytes, *, piece: int = 65535) -> bytes:
    """Header, body and end of a message, as a mail server that keeps lines with LF sends them."""
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = head.replace(b"\r\n ", b"\n ").replace(b"\r\n\t", b"\n\t").split(b"\r\n")
    fields = (line.partition(b":") for line in lines if line)
    return (
        b"".join(frame(b"L", strings(name, value)) for name, _, value in fields)
        + frame(b"N")
        + b"".join(frame(b"B", body[start : start + piece]) for start in range(0, len(body), piece))
        + frame(b"E")
    )


@dataclass
class MilterClient:
    """One connection. Raises EOFError where the milter has closed it."""

    address: tuple[str, int] | str
    """Of the milter; a path is a Unix socket."""

    timeout: float = 20
    progress: int = 0
    """Signs of life seen so far."""

    wire: socket.socket = field(init=False)

    def __enter__(self) -> Self:
        if isinstance(self.address, str):
            self.wire = socket.socket(socket.AF_UNIX)
            self.wire.settimeout(self.timeout)
            self.wire.connect(self.address)
        else:
            self.wire = socket.create_connection(self.address, timeout=self.timeout)
            # What is sent next is there next, not after the 40 ms of Nagle's algorithm.
            self.wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self

    def __exit__(self, *exception: object) -> None:
        self.wire.close()

    def send(self, *packets: bytes) -> None:
        """Send packets in one go."""
        self.wire.sendall(b"".join(packets))

    def read(self) -> tuple[bytes, bytes]:
        """The next packet: its command and data."""
        (length,) = struct.unpack("!I", self._exactly(4))
        data = self._exactly(length)
        return data[:1], data[1:]

    def answer(self) -> list[tuple[bytes, bytes]]:
        """All packets up to the one that ends a message; signs of life are counted."""
        packets = []
        while True:
            command, data = self.read()
            if command == b"p":
                self.progress += 1
                continue
            packets.append((command, data))
            if command[0] in FINAL:
                return packets

    def greet(self) -> None:
        """Negotiate and announce a client."""
        self.send(negotiation())
        assert self.read()[0] == b"O"
        self.send(connect(), frame(b"H", strings(b"client.example")))

    def ask(
        self, raw: bytes, *, sender: bytes = b"<ana@elmpark.example>", to: Sequence[bytes]
    ) -> list[tuple[bytes, bytes]]:
        """Ask about one message; the answer."""
        self.send(envelope(sender, to), content(raw))
        return self.answer()

    def is_closed(self) -> bool:
        """Whether the milter closes, which is waited for; what it says before is skipped."""
        try:
            while self.wire.recv(4096):
                pass
        except ConnectionResetError:
            return True
        return True

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            block = self.wire.recv(size - len(data))
            if not block:
                raise EOFError
            data += block
        return data
