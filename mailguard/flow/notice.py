"""Tell the technicians of what the next hop refused for some recipients: one mail a message.

Who was told is a row for each message and person, also where one mail is about many messages: the
row of the first has the mail in it, and those of the others refer to it by being superseded.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo

from mailguard import events
from mailguard.flow.gather import RECENT, gather
from mailguard.flow.hold import SYSTEM
from mailguard.ports import AuditEntry, Clock, HeldStore, OwnMailStore
from mailguard.quarantine.held import HeldId, HeldMessage, State
from mailguard.report.message import compose_message
from mailguard.report.message_id import make_message_id
from mailguard.report.notice import compose_page, compose_subject, notice_about
from mailguard.report.own_mail import Kind, OwnMail, Standing
from mailguard.report.render import render_html, render_text


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticePorts:
    """All that making notices needs."""

    mails: OwnMailStore
    held: HeldStore
    clock: Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeSetting:
    """Who is told in which school, and from which address."""

    school: str
    school_name: str
    zone: tzinfo
    sender: str
    technicians: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    """One message that somebody is to be told about."""

    held: HeldMessage
    people: tuple[str, ...]


async def owe_notices(ports: NoticePorts, setting: NoticeSetting, told: set[HeldId]) -> None:
    """Make the mails about every undeliverable message that a technician has not been told of, and
    give up those that nobody needs any more.

    `told` is what this process knows already. Must: only under the lock of this kind, so that one
    process at a time does so for a store. Raises StoreUnavailable.
    """
    stored = await ports.held.select(states=[State.UNDELIVERABLE])
    waiting = [held for held in stored if held.is_undelivered]
    await _give_up(ports, setting, is_over=not waiting)
    told &= {held.id for held in waiting}
    items = []
    for held in waiting:
        if held.id in told:
            continue
        served = {mail.recipient for mail in await ports.mails.of(Kind.NOTICE, held.id)}
        people = tuple(person for person in setting.technicians if person not in served)
        if people:
            items.append(_Item(held=held, people=people))
        else:
            told.add(held.id)
    if not items:
        return
    now = ports.clock.now()
    # One that was superseded was never a mail of its own.
    recent = [
        mail
        for mail in await ports.mails.recent(Kind.NOTICE, RECENT)
        if mail.standing is not Standing.SUPERSEDED
    ]
    for batch in gather(items, lambda item: item.people, recent, now):
        await _owe(batch, ports, setting, now)


async def _give_up(ports: NoticePorts, setting: NoticeSetting, *, is_over: bool) -> None:
    """End what still waits where nothing is undeliverable any more, or the person is not named any
    more: the mail server may refuse it for ever."""
    for mail in await ports.mails.waiting():
        is_named = mail.recipient in setting.technicians
        if mail.kind is not Kind.NOTICE or (is_named and not is_over):
            continue
        why = "nothing is undeliverable any more" if is_named else "its recipient is not named"
        detail: dict[str, str | int | list[str]] = {
            "message_id": mail.message_id,
            "recipient": mail.recipient,
            "standing": str(Standing.SUPERSEDED),
            "why": why,
        }
        entry = AuditEntry(
            at=ports.clock.now(),
            actor=SYSTEM,
            action=str(Kind.NOTICE),
            subject=mail.about,
            detail=detail,
        )
        await ports.mails.end(mail, Standing.SUPERSEDED, mail.reply, entry)


async def _owe(
    items: Sequence[_Item], ports: NoticePorts, setting: NoticeSetting, now: datetime
) -> None:
    """Commit one mail about all of `items` to each of their people, and that they were told."""
    secret = await ports.mails.secret()
    made = [
        mail for person in items[0].people for mail in _compose(items, person, setting, secret, now)
    ]
    if await ports.mails.owe(made):
        for item in items:
            events.notice_owed(item.held.queue_id, item.held.id, len(item.people))


def _compose(
    items: Sequence[_Item], person: str, setting: NoticeSetting, secret: bytes, now: datetime
) -> Sequence[OwnMail]:
    """The row of each of `items` for `person`: the first has the mail in it."""
    sender, school = setting.sender, setting.school

    def row_about(held_id: HeldId) -> OwnMail:
        return OwnMail(
            school=school,
            kind=Kind.NOTICE,
            about=held_id,
            recipient=person,
            message_id=make_message_id(
                secret, school, Kind.NOTICE, held_id, person, sender.rpartition("@")[2]
            ),
            created=now,
            raw=b"",
        )

    first, *others = (row_about(item.held.id) for item in items)
    notices = [notice_about(item.held) for item in items]
    page = compose_page(notices, setting.school_name, setting.zone, now)
    raw = compose_message(
        sender=sender,
        school_name=setting.school_name,
        recipient=person,
        subject=compose_subject(notices),
        text=render_text(page),
        html=render_html(page),
        message_id=first.message_id,
        at=now.astimezone(setting.zone),
    )
    named = [replace(other, standing=Standing.SUPERSEDED, ended=now) for other in others]
    return [replace(first, raw=raw), *named]
