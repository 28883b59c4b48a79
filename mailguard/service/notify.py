"""Tell systemd, if it started us, that we are ready or stopping (sd_notify(3))."""

import contextlib
import os
import socket


def notify(state: str) -> None:
    """Send `state`, e.g. ``READY=1``. Without NOTIFY_SOCKET, or when nobody reads it, nothing
    happens: mail goes on whether or not a supervisor listens."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel,
    ):
        channel.connect(address)
        channel.sendall(state.encode())
