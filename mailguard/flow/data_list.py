"""Owe the data protection lead the list of the week, where there is something to list.

What it covers is counted in rows of the audit log, from the last list that was accepted, as for the
digest. Whether there is something is asked as of the moment when it was due: what happens on a
Tuesday does not bring Monday's list about.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime

from mailguard import events
from mailguard.errors import UnknownItem
from mailguard.flow.collect import DigestPorts, DigestSetting, Files
from mailguard.policy.directory import fold_address
from mailguard.policy.visibility import may_see
from mailguard.quarantine.held import Decision, HeldMessage, State
from mailguard.report.data_list import DataList, Entry, compose_page, compose_subject
from mailguard.report.digest import compose_item
from mailguard.report.message import compose_message
from mailguard.report.message_id import make_message_id
from mailguard.report.own_mail import Coverage, Kind, Mark, OwnMail, Standing
from mailguard.report.render import render_html, render_text
from mailguard.report.schedule import Schedule, due_at, latest_due

MONDAY = 0

GIVEN_BACK = ("return", "returned")
"""Actions of the audit log by which a copy goes back to its author."""


def weekly(schedule: Schedule) -> Schedule:
    """Mondays at the time of the digest, but for holidays."""
    return replace(schedule, days=frozenset({MONDAY}))


async def owe_data_lists(
    now: datetime, ports: DigestPorts, setting: DigestSetting, empty: set[date]
) -> int:
    """Owe every data lead the list of the last Monday whose time has come, if it is not owed yet;
    return how many were made.

    `empty` is what this process knows already: Mondays on which there was nothing. Raises
    StoreUnavailable.
    """
    schedule = weekly(setting.schedule)
    day = latest_due(now, schedule) if setting.data_leads else None
    if day is None or day in empty:
        return 0
    about = day.isoformat()
    served = {fold_address(mail.recipient) for mail in await ports.mails.of(Kind.DATA, about)}
    files = Files(ports=ports, setting=setting)
    secret = await ports.mails.secret()
    mails = []
    for person in setting.data_leads:
        if fold_address(person) in served:
            continue
        data, covers, latest = await collect_data(person, day, now, files)
        if not data.total or latest is None or latest >= due_at(day, schedule):
            continue
        domain = setting.sender.rpartition("@")[2]
        message_id = make_message_id(secret, setting.school, Kind.DATA, about, person, domain)
        mails.append(
            OwnMail(
                school=setting.school,
                kind=Kind.DATA,
                about=about,
                recipient=person,
                message_id=message_id,
                created=now,
                raw=write_list(data, message_id, setting),
                covers=covers,
            )
        )
    made = await ports.mails.owe(mails) if mails else 0
    if made:
        events.data_lists_owed(about, made)
    else:
        empty.add(day)
    return made


async def collect_data(
    person: str, day: date, now: datetime, files: Files
) -> tuple[DataList, Coverage, datetime | None]:
    """The list of `day` for `person` as it would be now, the time it covers, and when the first
    thing in it happened. Nothing is changed by looking. Raises StoreUnavailable."""
    ports, setting = files.ports, files.setting
    last = await ports.mails.latest(Kind.DATA, person, Standing.ACCEPTED)
    covered = last.covers if last is not None and last.about != day.isoformat() else None
    counts = await ports.figures.count(covered.upto if covered else Mark())
    given_back = {held_id for action in GIVEN_BACK for held_id in counts.about.get(action, ())}
    released = set(counts.about.get("release", ()))
    returned, sent, held = [], [], []
    moments: list[datetime] = []
    for held_id in sorted(given_back | released):
        message = await _find(held_id, person, files)
        if message is None:
            continue
        reasons = _answers(message)
        if reasons and held_id in released:
            sent.append(await _entry(message, reasons, now, files))
            moments += [reason.at for reason in reasons]
        elif held_id in given_back:
            returned.append(await _entry(message, (), now, files))
            moments.append(message.received)
    for message in await files.kept():
        is_held = any(recipient.state is State.HELD for recipient in message.recipients)
        if is_held and files.is_with_data_lead(message) and await _find(message.id, person, files):
            held.append(await _entry(message, (), now, files))
            moments.append(message.received)
    data = DataList(
        school_name=setting.school_name,
        recipient=person,
        day=day,
        since=covered.until if covered else None,
        until=now,
        zone=setting.schedule.zone,
        returned=tuple(returned),
        sent=tuple(sent),
        held=tuple(held),
    )
    covers = Coverage(since=data.since, until=now, upto=counts.upto)
    return data, covers, min(moments, default=None)


def write_list(data: DataList, message_id: str, setting: DigestSetting) -> bytes:
    """The list as a whole message."""
    page = compose_page(data)
    return compose_message(
        sender=setting.sender,
        school_name=setting.school_name,
        recipient=data.recipient,
        subject=compose_subject(data),
        text=render_text(page),
        html=render_html(page),
        message_id=message_id,
        at=data.until.astimezone(data.zone),
    )


async def _find(held_id: str, person: str, files: Files) -> HeldMessage | None:
    """The message, if `person` may be shown it."""
    setting = files.setting
    with suppress(UnknownItem):
        held = await files.by_id(held_id)
        parties = await files.parties_of(held)
        if may_see(person, parties, setting.chain, setting.directory):
            return held
    return None


def _answers(held: HeldMessage) -> Sequence[Decision]:
    """The releases that its own author asked for."""
    author = fold_address(held.sender)
    decisions = (recipient.decision for recipient in held.recipients)
    return [made for made in decisions if made is not None and made.by == author]


async def _entry(
    held: HeldMessage, answers: Sequence[Decision], now: datetime, files: Files
) -> Entry:
    setting = files.setting
    told = await files.ports.mails.of(Kind.RETURN, held.id)
    return Entry(
        item=compose_item(
            await files.case_of(held),
            until=now,
            schedule=setting.schedule,
            detail=setting.detail,
            directory=setting.directory,
        ),
        reason=answers[0].reason if answers else "",
        answered=answers[0].at if answers else None,
        is_told=all(mail.standing is not Standing.REFUSED for mail in told),
    )
