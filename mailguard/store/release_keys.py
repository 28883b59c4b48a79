"""The rows of the keys under which released messages pass a mail server that asks about them."""

import secrets
from datetime import timedelta

from sqlalchemy import Connection, delete, insert, or_, select, update

from mailguard.mail.signature import VALID
from mailguard.ports import Clock
from mailguard.store.engine import Database
from mailguard.store.tables import ReleaseKeys

TOKEN_BYTES = 16

STALE = VALID + timedelta(hours=1)
"""Nothing signed so long ago is good any more, and a key without a row never is."""


class SqlReleaseKeys:
    """The port :class:`~mailguard.ports.ReleaseKeys` for one school."""

    def __init__(self, database: Database, school: str, clock: Clock) -> None:
        self._database = database
        self._school = school
        self._clock = clock

    async def issue(self) -> str:
        """Make the token of one attempt to send a message; those of yesterday are forgotten.
        Durable on return."""
        now, token = self._clock.now(), secrets.token_hex(TOKEN_BYTES)
        row = {"school": self._school, "token": token, "issued": now, "spent": False}
        # Later ones too: a clock that was set back has made them.
        stale = or_(ReleaseKeys.issued < now - STALE, ReleaseKeys.issued > now + STALE)
        forget = delete(ReleaseKeys).where(ReleaseKeys.school == self._school, stale)

        def work(connection: Connection) -> None:
            connection.execute(forget)
            connection.execute(insert(ReleaseKeys), row)

        await self._database.write(work, adds=True)
        return token

    async def is_good(self, token: str) -> bool:
        """Whether it was issued and not used yet."""
        wanted = select(ReleaseKeys.token).where(
            ReleaseKeys.school == self._school,
            ReleaseKeys.token == token,
            ReleaseKeys.spent.is_(False),
        )
        return bool(await self._database.read(lambda connection: connection.scalar(wanted)))

    async def spend(self, token: str) -> bool:
        """Use it up; False when it was not issued, or was used before."""
        change = (
            update(ReleaseKeys)
            .where(ReleaseKeys.school == self._school, ReleaseKeys.token == token)
            .where(ReleaseKeys.spent.is_(False))
            .values(spent=True)
        )
        return await self._database.write(
            lambda connection: connection.execute(change).rowcount == 1, adds=True
        )

    async def give_back(self, token: str) -> None:
        """The message was not taken after all: it is good once more."""
        change = (
            update(ReleaseKeys)
            .where(ReleaseKeys.school == self._school, ReleaseKeys.token == token)
            .values(spent=False)
        )
        await self._database.write(lambda connection: connection.execute(change), adds=True)
