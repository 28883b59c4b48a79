"""The rows of MailGuard's own mail, and the mark of which alerts have been passed on."""

import secrets
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Update, case, func, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from mailguard.ports import AuditEntry
from mailguard.quarantine.held import HeldId, HeldMessage, State
from mailguard.report.own_mail import Coverage, Kind, Mark, OwnMail, Standing
from mailguard.store.audit_log import append_in
from mailguard.store.engine import Database
from mailguard.store.rows import load
from mailguard.store.tables import HeldMessages, HeldRecipients, OwnMails, Secrets

KEY_NAME = "own mail"
KEY_BYTES = 32

_ALERTS_FIRST = case((OwnMails.kind == Kind.ALERT, 0), else_=1)


class SqlOwnMailStore:
    """The port :class:`~mailguard.ports.OwnMailStore` for one school."""

    def __init__(self, database: Database, school: str) -> None:
        self._database = database
        self._school = school
        self._secret = b""

    async def secret(self) -> bytes:
        """The key under which our mail is signed: 32 random bytes, made at the first call."""
        if not self._secret:
            self._secret = await self._database.read(self._known_secret)
        if not self._secret:
            self._secret = await self._database.write(self._make_secret)
        return self._secret

    async def owe(self, mails: Sequence[OwnMail], *, told: Sequence[HeldId] = ()) -> int:
        """Insert those whose (kind, about, recipient) has no row yet; return how many they were.

        With `told`, these held messages are marked, in the same transaction, as ones that somebody
        was told about; if one of them is marked already, nothing is done: somebody else was faster.
        Digests or lists of the same recipient that still wait become superseded.
        """

        def work(connection: Connection) -> int:
            if told and not self._mark_told(connection, told):
                return 0
            return sum(self._add(connection, mail) for mail in mails)

        return await self._database.write(work, adds=True)

    async def waiting(self) -> Sequence[OwnMail]:
        """All that wait to be sent: alerts before digests, oldest first."""
        wanted = self._mine(OwnMails.standing == Standing.WAITING)
        return await self._read(wanted.order_by(_ALERTS_FIRST, OwnMails.id))

    async def latest(
        self, kind: Kind, recipient: str, standing: Standing | None = None
    ) -> OwnMail | None:
        """The one made last for this person, of those with `standing` if given."""
        wanted = self._mine(OwnMails.kind == kind, OwnMails.recipient == recipient)
        if standing is not None:
            wanted = wanted.where(OwnMails.standing == standing)
        found = await self._read(wanted.order_by(OwnMails.id.desc()).limit(1))
        return found[0] if found else None

    async def of(self, kind: Kind, about: str) -> Sequence[OwnMail]:
        """All that were made about this day or held message, oldest first."""
        wanted = self._mine(OwnMails.kind == kind, OwnMails.about == about)
        return await self._read(wanted.order_by(OwnMails.id))

    async def recent(self, kind: Kind, limit: int) -> Sequence[OwnMail]:
        """The `limit` made last, oldest first."""
        wanted = self._mine(OwnMails.kind == kind).order_by(OwnMails.id.desc()).limit(limit)
        return (await self._read(wanted))[::-1]

    async def note_failure(self, mail: OwnMail, reply: str) -> None:
        """Record the reply to an attempt after which it goes on waiting."""
        change = self._change(mail.message_id, OwnMails.standing == Standing.WAITING)
        await self._database.write(
            lambda connection: connection.execute(change.values(reply=reply)), adds=True
        )

    async def end(self, mail: OwnMail, standing: Standing, reply: str, entry: AuditEntry) -> None:
        """Record how it ended, with the audit entry, and forget its content.

        A digest that became superseded while it was being sent ends as the next hop said.
        """
        still_open = OwnMails.standing.in_((Standing.WAITING, Standing.SUPERSEDED))
        change = self._change(mail.message_id, still_open).values(
            standing=standing, reply=reply, ended=entry.at, raw=b""
        )

        def work(connection: Connection) -> None:
            if connection.execute(change).rowcount:
                append_in(connection, self._school, entry)

        await self._database.write(work)

    async def settle_alert(self, held_id: HeldId, entry: AuditEntry) -> None:
        """Mark a held message as told though no mail was made; `entry` says why."""

        def work(connection: Connection) -> None:
            if self._mark_told(connection, (held_id,)):
                append_in(connection, self._school, entry)

        await self._database.write(work)

    async def untold(self) -> Sequence[HeldMessage]:
        """The held messages that carry an alert nobody was sent yet, oldest first; not those that
        are still `pending`, nor those whose content is gone."""
        copies = select(HeldRecipients.held_id).where(HeldRecipients.held_id == HeldMessages.id)
        ids = (
            select(HeldMessages.id)
            .where(HeldMessages.school == self._school)
            .where(HeldMessages.alert.is_(True), HeldMessages.told.is_(False))
            .where(~copies.where(HeldRecipients.state == State.PENDING).exists())
            .where(copies.where(HeldRecipients.state != State.PURGED).exists())
        )
        return await self._database.read(lambda connection: load(connection, ids))

    async def exists(self, message_ids: Sequence[str]) -> bool:
        """Whether one of these is the Message-ID of a mail of ours."""
        wanted = self._mine(OwnMails.message_id.in_(message_ids)).limit(1)
        return bool(message_ids) and bool(await self._read(wanted))

    async def spend(self, message_id: str) -> bool:
        """Use up the key of one of our mails, which comes back through a listener; False when there
        is no such mail, or its key was used before."""
        change = self._change(message_id, OwnMails.spent.is_(False)).values(spent=True)
        return await self._database.write(
            lambda connection: connection.execute(change).rowcount == 1, adds=True
        )

    async def give_back(self, message_id: str) -> None:
        """The next hop did not take it after all: its key is good once more."""
        change = self._change(message_id).values(spent=False)
        await self._database.write(lambda connection: connection.execute(change), adds=True)

    def _mine(self, *conditions: ColumnElement[bool]) -> Select[Any]:
        return select(OwnMails.__table__).where(OwnMails.school == self._school, *conditions)

    def _change(self, message_id: str, *conditions: ColumnElement[bool]) -> Update:
        return update(OwnMails).where(
            OwnMails.school == self._school, OwnMails.message_id == message_id, *conditions
        )

    async def _read(self, wanted: Select[Any]) -> Sequence[OwnMail]:
        rows = await self._database.read(lambda connection: connection.execute(wanted).all())
        return [_own_mail(row) for row in rows]

    def _known_secret(self, connection: Connection) -> bytes:
        return (
            connection.scalar(
                select(Secrets.value).where(
                    Secrets.school == self._school, Secrets.name == KEY_NAME
                )
            )
            or b""
        )

    def _make_secret(self, connection: Connection) -> bytes:
        row = {
            "school": self._school,
            "name": KEY_NAME,
            "value": secrets.token_bytes(KEY_BYTES),
        }
        # Another process may have made one since it was looked for: the first one counts.
        connection.execute(upsert(Secrets).on_conflict_do_nothing(), row)
        return self._known_secret(connection)

    def _mark_told(self, connection: Connection, held_ids: Sequence[HeldId]) -> bool:
        """Mark all of them; False, and none is marked, when one is marked already."""
        mine = (HeldMessages.school == self._school, HeldMessages.id.in_(held_ids))
        free = select(func.count()).where(*mine, HeldMessages.told.is_(False))
        if connection.scalar(free) != len(set(held_ids)):
            return False
        connection.execute(update(HeldMessages).where(*mine).values(told=True))
        return True

    def _add(self, connection: Connection, mail: OwnMail) -> int:
        made = connection.execute(upsert(OwnMails).on_conflict_do_nothing(), self._values(mail))
        if not made.rowcount:
            return 0
        if mail.kind.is_periodic:
            connection.execute(
                update(OwnMails)
                .where(OwnMails.school == self._school, OwnMails.kind == mail.kind)
                .where(OwnMails.recipient == mail.recipient, OwnMails.about != mail.about)
                .where(OwnMails.standing == Standing.WAITING)
                .values(standing=Standing.SUPERSEDED, ended=mail.created, raw=b"")
            )
        return 1

    def _values(self, mail: OwnMail) -> dict[str, Any]:
        covers = mail.covers
        return {
            "school": self._school,
            "kind": str(mail.kind),
            "about": mail.about,
            "recipient": mail.recipient,
            "message_id": mail.message_id,
            "created": mail.created,
            "raw": mail.raw,
            "since": covers.since if covers else None,
            "until": covers.until if covers else None,
            "ledger_upto": covers.upto.ledger if covers else None,
            "audit_upto": covers.upto.audit if covers else None,
            "canary_upto": covers.upto.canary if covers else None,
            "standing": str(mail.standing),
            "reply": mail.reply,
            "ended": mail.ended,
            "spent": False,
        }


def _own_mail(row: Row[Any]) -> OwnMail:
    return OwnMail(
        school=row.school,
        kind=Kind(row.kind),
        about=row.about,
        recipient=row.recipient,
        message_id=row.message_id,
        created=row.created,
        raw=row.raw,
        covers=_coverage(row),
        standing=Standing(row.standing),
        reply=row.reply,
        ended=row.ended,
    )


def _coverage(row: Row[Any]) -> Coverage | None:
    if row.until is None:
        return None
    mark = Mark(ledger=row.ledger_upto, audit=row.audit_upto, canary=row.canary_upto)
    return Coverage(since=row.since, until=row.until, upto=mark)
