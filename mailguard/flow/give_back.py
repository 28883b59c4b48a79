"""Tell authors of what went back to them: one mail about each message, made once.

What is owed follows from the rows: each message of which a copy is `returned` and about which its
author has no mail yet. So no restart and no death between evidence and mail loses one, and the row
of the mail, unique for the message and its author, keeps a second one from being made.
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, tzinfo

from mailguard import events
from mailguard.errors import EvidenceDamaged, SpoolUnavailable
from mailguard.flow.hold import SYSTEM
from mailguard.flow.parties import read_head
from mailguard.policy.directory import Directory, fold_address
from mailguard.policy.taxonomy import Group
from mailguard.ports import AuditEntry, Clock, HeldStore, OwnMailStore, Spool, Tickets
from mailguard.quarantine.held import HeldId, HeldMessage, State
from mailguard.quarantine.ticket import address_for
from mailguard.report.give_back import compose_page, compose_subject, give_back
from mailguard.report.message import compose_message
from mailguard.report.message_id import make_message_id
from mailguard.report.own_mail import Kind, OwnMail, Standing
from mailguard.report.render import render_html, render_text

_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,250}>")
"""What may be written into our header: one Message-ID, whole."""

_ADULTS = frozenset({Group.STAFF, Group.GOVERNOR})


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveBackPorts:
    """All that making these notices needs."""

    mails: OwnMailStore
    held: HeldStore
    spool: Spool
    tickets: Tickets
    clock: Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveBackSetting:
    """How they look in one school, and who is who there."""

    school: str
    school_name: str
    zone: tzinfo
    sender: str
    domain: str
    """Of the addresses to answer to; ``""`` where the school has none, and nobody can answer."""

    directory: Directory
    has_data_lead: bool = True
    """Somebody gets the list in which the reasons stand."""

    helplines: tuple[str, ...] = ()


async def owe_given_back(ports: GiveBackPorts, setting: GiveBackSetting, told: set[HeldId]) -> None:
    """Make the mails about what went back since, and give up those that came too late.

    `told` is what this process knows already. Must: only under the lock of this kind, so that one
    process at a time does so for a store. Raises StoreUnavailable.
    """
    returned = await ports.held.select(states=[State.RETURNED])
    told &= {held.id for held in returned}
    await _give_up({held.id for held in returned}, ports)
    for held in returned:
        if held.id in told:
            continue
        if not await ports.mails.of(Kind.RETURN, held.id):
            await _owe(held, ports, setting)
        told.add(held.id)


async def _give_up(returned: set[HeldId], ports: GiveBackPorts) -> None:
    """End what still waits about a message that somebody has decided about, or that is gone."""
    for mail in await ports.mails.waiting():
        if mail.kind is not Kind.RETURN or mail.about in returned:
            continue
        entry = AuditEntry(
            at=ports.clock.now(),
            actor=SYSTEM,
            action=str(Kind.RETURN),
            subject=mail.about,
            detail={
                "message_id": mail.message_id,
                "recipient": mail.recipient,
                "standing": str(Standing.SUPERSEDED),
                "why": "somebody has decided about the message",
            },
        )
        await ports.mails.end(mail, Standing.SUPERSEDED, mail.reply, entry)


async def _owe(held: HeldMessage, ports: GiveBackPorts, setting: GiveBackSetting) -> None:
    now = ports.clock.now()
    author = fold_address(held.sender)
    can_answer = bool(setting.domain) and may_answer(held, setting.directory)
    # Before the mail: a token in a mail is good from the start, one without a mail is nobody's.
    token = await ports.tickets.issue(held.id, author) if can_answer else ""
    raw = await _compose(held, token, now, ports, setting)
    mail = OwnMail(
        school=setting.school,
        kind=Kind.RETURN,
        about=held.id,
        recipient=held.sender,
        message_id=_message_id(held, await ports.mails.secret(), setting),
        created=now,
        raw=raw,
    )
    if await ports.mails.owe([mail]):
        events.return_owed(held.queue_id, held.id)


def may_answer(held: HeldMessage, directory: Directory) -> bool:
    """Whether the author can have it sent with a reason: a grown-up of the school, in whose name
    alone it went out."""
    groups = {
        recipient.relationship.partition("→")[0]
        for recipient in held.recipients
        if recipient.state is State.RETURNED
    }
    return groups <= _ADULTS and directory.member_group(held.sender) in _ADULTS


async def _compose(
    held: HeldMessage, token: str, now: datetime, ports: GiveBackPorts, setting: GiveBackSetting
) -> bytes:
    evidence = None
    with suppress(EvidenceDamaged, SpoolUnavailable):
        evidence = await ports.spool.evidence(held)
    head = await read_head(held, ports.spool)
    original = head.message_id if head is not None else ""
    given = give_back(
        held,
        evidence,
        is_child=setting.directory.member_group(held.sender) is Group.PUPIL,
        can_answer=bool(token),
        has_lead=setting.has_data_lead,
    )
    page = compose_page(given, setting.school_name, setting.zone, now, setting.helplines)
    return compose_message(
        sender=setting.sender,
        school_name=setting.school_name,
        recipient=held.sender,
        subject=compose_subject(given),
        text=render_text(page),
        html=render_html(page),
        message_id=_message_id(held, await ports.mails.secret(), setting),
        at=now.astimezone(setting.zone),
        answers=original if _MESSAGE_ID.fullmatch(original) else "",
        reply_to=address_for(token, setting.domain) if token else "",
    )


def _message_id(held: HeldMessage, secret: bytes, setting: GiveBackSetting) -> str:
    domain = setting.sender.rpartition("@")[2]
    return make_message_id(secret, setting.school, Kind.RETURN, held.id, held.sender, domain)
