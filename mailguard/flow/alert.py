"""Tell the safeguarding lead at once: one mail about each message that carries an alert.

What is owed is a row (`told`) of the held message, marked in the transaction that makes the mails;
so no restart, clock or second process tells twice or not at all. Whoever wrote or received the
message is never told: it goes to the next office in line. So it does, too, when the next hop
refuses for good everybody of the office that was to be told.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from mailguard import events
from mailguard.errors import EvidenceDamaged, SpoolUnavailable, UnknownItem
from mailguard.flow.gather import RECENT, gather
from mailguard.flow.hold import entry_for
from mailguard.flow.parties import parties_of, read_head
from mailguard.flow.setting import Unkept
from mailguard.mail.message import Message
from mailguard.policy.directory import Directory, fold_address
from mailguard.policy.visibility import Chain, Parties, alerted_for
from mailguard.ports import Clock, HeldStore, OwnMailStore, Spool
from mailguard.quarantine.held import HeldId, HeldMessage
from mailguard.report.alert import (
    Alert,
    Place,
    Whereabouts,
    alert_about,
    compose_page,
    compose_subject,
)
from mailguard.report.message import compose_message
from mailguard.report.message_id import make_message_id
from mailguard.report.own_mail import Kind, OwnMail, Standing
from mailguard.report.render import render_html, render_text
from mailguard.scan.finding import Level

SEARCHED = 1 << 20
"""Bytes of an automatic answer in which our Message-ID is looked for: it quotes our header."""

_OUR_IDS = re.compile(rb"<[0-9a-f]{32}@[!-;=?-~]{1,255}>")
IDS = 100
"""Message-IDs of an answer that are looked up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertPorts:
    """All that making alerts needs."""

    mails: OwnMailStore
    held: HeldStore
    spool: Spool
    clock: Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSetting:
    """Who is told in which school, and from which address."""

    school: str
    place: Place
    sender: str
    chain: Chain
    directory: Directory

    @property
    def everybody(self) -> frozenset[str]:
        """All who are named in the line, folded."""
        chain = self.chain
        line = (*chain.dsl, *chain.headteacher, *chain.deputy, *chain.chair)
        return frozenset(map(fold_address, line))


@dataclass(slots=True)
class Known:
    """What one process remembers about messages that still wait, so as to find it out once."""

    people: dict[HeldId, tuple[str, ...]] = field(default_factory=dict)
    """Whom to tell; empty where nobody is left."""

    refusing: frozenset[str] = frozenset()
    """Those whose mail the next hop refuses for good."""

    passed_on: set[str] = field(default_factory=set)
    """Message-IDs of refused alerts that were seen to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    """One message that somebody is to be told about."""

    about: str
    alert: Alert
    queue_id: str
    held_id: HeldId | None
    people: tuple[str, ...]


async def owe_alerts(ports: AlertPorts, setting: AlertSetting, known: Known) -> None:
    """Make the mails about every held message that carries an alert nobody was told of.

    Two processes may do so at once. Raises StoreUnavailable.
    """
    await _pass_on_refused(ports, setting, known)
    untold = await ports.mails.untold()
    known.people = {held.id: known.people[held.id] for held in untold if held.id in known.people}
    items = []
    for held in untold:
        if held.id not in known.people:
            head = await read_head(held, ports.spool)
            if await _is_answer_to_us(held, head, ports, setting.sender):
                await ports.mails.settle_alert(
                    held.id, entry_for("alert", held, ports.clock, why="answers our own mail")
                )
                events.alert_answers_us(held.queue_id, held.id)
                continue
            parties = parties_of(held, head)
            people = _whom_to_tell(parties, setting, known.refusing)
            known.people[held.id] = people
            if not people:
                events.alert_to_nobody(held.queue_id, held.id)
        if people := known.people[held.id]:
            items.append(
                _Item(
                    about=held.id,
                    alert=alert_about(held),
                    queue_id=held.queue_id,
                    held_id=held.id,
                    people=people,
                )
            )
    if items:
        await _owe_all(items, ports, setting)


async def _pass_on_refused(ports: AlertPorts, setting: AlertSetting, known: Known) -> None:
    """Tell the next in line of each alert that everybody who was to get it is refused for good."""
    refused = await _refused(ports)
    refusing = frozenset(mail.recipient for mail in refused)
    if refusing != known.refusing:
        # What is being gathered must not go where nobody gets it.
        known.refusing, known.people = refusing, {}
    known.passed_on &= {mail.message_id for mail in refused}
    for mail in refused:
        if mail.message_id not in known.passed_on:
            await _pass_on(mail, ports, setting)
            known.passed_on.add(mail.message_id)


async def _pass_on(mail: OwnMail, ports: AlertPorts, setting: AlertSetting) -> None:
    copies = await ports.mails.of(Kind.ALERT, mail.about)
    is_named = fold_address(mail.recipient) in setting.everybody
    if is_named and not all(map(_is_refused, copies)):
        return
    try:
        held = await ports.held.by_id(mail.about)
    except UnknownItem:
        # Of a message without a row nobody knows any more who has a part in it.
        return
    parties = parties_of(held, await read_head(held, ports.spool))
    # An address that was corrected since: whoever has it now gets theirs, whoever else has one.
    tried = {copy.recipient for copy in copies} if is_named else ()
    people = alerted_for(parties, setting.chain, setting.directory, without=tried)
    if not people:
        events.alert_to_nobody(held.queue_id, held.id)
        return
    item = _Item(
        about=held.id,
        alert=alert_about(held),
        queue_id=held.queue_id,
        held_id=held.id,
        people=tuple(dict.fromkeys(people)),
    )
    secret, now = await ports.mails.secret(), ports.clock.now()
    if made := await ports.mails.owe(
        [_compose([item], person, setting, secret, now) for person in item.people]
    ):
        events.alert_owed(held.queue_id, held.id, made)
    if not is_named:
        entry = entry_for("alert", held, ports.clock, why="its recipient is not named any more")
        await ports.mails.end(mail, Standing.SUPERSEDED, mail.reply, entry)


def _whom_to_tell(
    parties: Parties, setting: AlertSetting, refusing: frozenset[str]
) -> tuple[str, ...]:
    """The first office in line; where nobody of it can be reached, the next one as well."""
    told: dict[str, None] = {}
    while people := alerted_for(parties, setting.chain, setting.directory, without=told):
        told |= dict.fromkeys(people)
        if not refusing.issuperset(people):
            break
    return tuple(told)


async def _refused(ports: AlertPorts) -> Sequence[OwnMail]:
    """The alerts that the next hop refuses for good."""
    return [
        mail
        for mail in await ports.mails.waiting()
        if mail.kind is Kind.ALERT and _is_refused(mail)
    ]


def _is_refused(mail: OwnMail) -> bool:
    return mail.standing is Standing.WAITING and mail.reply.startswith("5")


async def owe_unkept(
    unkept: list[Unkept], ports: AlertPorts, setting: AlertSetting, *, is_last: bool = False
) -> None:
    """Make the mails about messages without a row, and take them off the list.

    What would be gathered stays on the list until its time has come, or `is_last` says that there
    is no later. Raises StoreUnavailable, and then they are all still on it.
    """
    items = []
    refusing = (
        frozenset(mail.recipient for mail in await _refused(ports)) if unkept else frozenset()
    )
    for message in list(unkept):
        if message.held_id is not None and await _has_row(message.held_id, ports.held):
            unkept.remove(message)
            continue
        people = _whom_to_tell(message.parties, setting, refusing)
        if not people:
            events.alert_to_nobody(message.queue_id, "")
            unkept.remove(message)
            continue
        items.append(_item_without_row(message, people))
    if not items:
        return
    done = {item.about for item in await _owe_all(items, ports, setting, gathers=not is_last)}
    unkept[:] = [message for message in unkept if message.queue_id not in done]


async def _owe_all(
    items: Sequence[_Item],
    ports: AlertPorts,
    setting: AlertSetting,
    *,
    gathers: bool = True,
) -> Sequence[_Item]:
    """Make one mail a message, and beyond some an hour one for many; return those told of."""
    now = ports.clock.now()
    recent = await ports.mails.recent(Kind.ALERT, RECENT)
    told: list[_Item] = []
    for batch in gather(items, lambda item: item.people, recent, now, waits=gathers):
        await _owe(batch, ports, setting, now)
        told += batch
    return told


async def _owe(
    items: Sequence[_Item], ports: AlertPorts, setting: AlertSetting, now: datetime
) -> None:
    """Commit one mail about all of `items` to each of their people, and that they were told."""
    secret = await ports.mails.secret()
    mails = [_compose(items, person, setting, secret, now) for person in items[0].people]
    told = [item.held_id for item in items if item.held_id is not None]
    if await ports.mails.owe(mails, told=told):
        for item in items:
            events.alert_owed(item.queue_id, item.held_id or "", len(item.people))


def _compose(
    items: Sequence[_Item], person: str, setting: AlertSetting, secret: bytes, now: datetime
) -> OwnMail:
    about = items[0].about
    alerts = [item.alert for item in items]
    page = compose_page(alerts, setting.place, now)
    message_id = make_message_id(
        secret, setting.school, Kind.ALERT, about, person, setting.sender.rpartition("@")[2]
    )
    raw = compose_message(
        sender=setting.sender,
        school_name=setting.place.name,
        recipient=person,
        subject=compose_subject(alerts),
        text=render_text(page),
        html=render_html(page),
        message_id=message_id,
        at=now.astimezone(setting.place.zone),
    )
    return OwnMail(
        school=setting.school,
        kind=Kind.ALERT,
        about=about,
        recipient=person,
        message_id=message_id,
        created=now,
        raw=raw,
    )


def _item_without_row(message: Unkept, people: tuple[str, ...]) -> _Item:
    alert = Alert(
        # The queue id: it stands in the log and in the `Received:` line.
        reference=message.queue_id,
        level=Level(message.level),
        received=message.received,
        whereabouts=Whereabouts.REFUSED if message.is_refused else Whereabouts.DELIVERED,
        has_copy=False,
    )
    return _Item(
        about=message.queue_id,
        alert=alert,
        queue_id=message.queue_id,
        held_id=None,
        people=tuple(dict.fromkeys(people)),
    )


async def _has_row(held_id: HeldId, held: HeldStore) -> bool:
    try:
        await held.by_id(held_id)
    except UnknownItem:
        return False
    return True


async def _is_answer_to_us(
    held: HeldMessage, head: Message | None, ports: AlertPorts, sender: str
) -> bool:
    """Whether a machine answered a mail of ours: to answer it could go on for ever.

    Must: no header silences an alert alone, since anybody can write one. It has to name a
    Message-ID of ours too, which only who got that mail can know; and to go to us alone, or a
    headteacher could write to a child under it.
    """
    to = {fold_address(recipient.address) for recipient in held.recipients}
    if head is None or to != {fold_address(sender)}:
        return False
    says = head.header("Auto-Submitted").partition(";")[0].strip().lower()
    if held.sender and says in ("", "no"):
        return False
    try:
        raw = await ports.spool.read(held)
    except (EvidenceDamaged, SpoolUnavailable):
        return False
    ids = dict.fromkeys(found.decode() for found in _OUR_IDS.findall(raw.head(SEARCHED)))
    return await ports.mails.exists([*ids][:IDS])
