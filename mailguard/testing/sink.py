"""A next hop in a thread of the test's own process: real SMTP, and what it got can be looked at."""

import asyncio
import threading
from datetime import UTC, datetime
from pathlib import Path

from mailguard.smtp.maildir import Delivered, MaildirServer
from mailguard.smtp.server import listen


class _Clock:
    def now(self) -> datetime:
        return datetime.now(UTC)


class Sink:
    """Takes everything on a port of loopback until it is stopped."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        self._server = MaildirServer(folder, _Clock())
        self._socket = listen("127.0.0.1", port)
        self.port: int = self._socket.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="sink", daemon=True)
        self._started = threading.Event()

    def start(self) -> None:
        """Return once it accepts."""
        self._thread.start()
        self._started.wait(10)

    def stop(self) -> None:
        """Close its port; connections under way finish."""
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._server.stop(), self._loop).result(15)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(15)

    @property
    def delivered(self) -> list[Delivered]:
        """What arrived, oldest first."""
        return list(self._server.delivered)

    @property
    def is_busy(self) -> bool:
        """A client is connected, or a message is being stored."""
        return self._server.is_busy

    def messages(self) -> list[bytes]:
        """The exact bytes that arrived, oldest first."""
        return [delivered.file.read_bytes() for delivered in self.delivered]

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._server.start([self._socket]))
        self._started.set()
        self._loop.run_forever()
