"""A connection to the next hop that is one client's alone, who logs in on it."""

import asyncio

from mailguard.errors import NextHopUnavailable
from mailguard.mail.envelope import Session
from mailguard.mail.reply import Reply
from mailguard.smtp.delivery import SmtpDelivery
from mailguard.smtp.dialog import command
from mailguard.smtp.introduced import Introduced
from mailguard.smtp.link import Link
from mailguard.smtp.timeouts import Timeouts
from mailguard.smtp.turn import Turn


class PrivateHop:
    """The next hop on the one connection that one client has logged in on. See auth.Dialogue and
    ports.NextHop."""

    def __init__(self, link: Link, keywords: tuple[str, ...], timeouts: Timeouts) -> None:
        self._link = link
        self._timeouts = timeouts
        self._in_use = asyncio.Lock()
        self._is_closing = False
        self.keywords = keywords

    @property
    def is_alive(self) -> bool:
        """See auth.Dialogue."""
        return self._link.is_quiet

    @property
    def hop(self) -> "PrivateHop":
        """See auth.Dialogue."""
        return self

    async def ask(self, line: bytes) -> Reply:
        """See auth.Dialogue."""
        return await self._link.ask(command(line), self._timeouts.command)

    async def open(self, session: Session | None = None, ident: str = "") -> SmtpDelivery:
        """See ports.NextHop. The delivery before has been closed first; another connection would
        not be the client's."""
        await self._in_use.acquire()
        client = Introduced(session=session, ident=ident)
        return SmtpDelivery(self, self._link, self._timeouts, client)

    def keep(self, link: Link) -> None:
        """See delivery.Pool."""
        self._in_use.release()
        if self._is_closing:
            link.quit()

    def drop(self, link: Link) -> None:
        """See delivery.Pool."""
        link.abort()
        self._in_use.release()

    def close(self) -> None:
        """See auth.Dialogue. A message under way is finished first."""
        self._is_closing = True
        if not self._in_use.locked():
            self._link.quit()


async def dial_private(turn: Turn, timeouts: Timeouts) -> PrivateHop:
    """The first host's connection on which nobody can listen in. Raises NextHopUnavailable."""
    host, link = await turn.start()
    while not link.is_private:
        link.quit()
        error = NextHopUnavailable(f"{link.peer} would get passwords in the clear")
        host, link = await turn.elsewhere(error)
    return PrivateHop(link, host.keywords, timeouts)
