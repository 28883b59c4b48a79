"""Tell systemd, if it started us, how we are: ready, alive, stopping (sd_notify(3))."""

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
        # Must: a systemd that does not read must not stop us; it would then take us for stuck.
        channel.setblocking(False)
        channel.connect(address)
        channel.sendall(state.encode())


def watchdog_s() -> float | None:
    """Seconds after which systemd wants to have heard ``WATCHDOG=1``; None when it does not wait
    for us (sd_watchdog_enabled(3))."""
    try:
        asked = int(os.environ.get("WATCHDOG_PID") or os.getpid())
        seconds = int(os.environ["WATCHDOG_USEC"]) / 1_000_000
    except (KeyError, ValueError):
        return None
    return seconds if asked == os.getpid() and seconds > 0 else None
