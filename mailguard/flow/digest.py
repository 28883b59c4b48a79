"""Owe each person the digest of the day: what it says is put together here, sending is elsewhere.

Who is owed what is a row, made for all of a day's people in one transaction. So however often this
runs, in however many processes, and whatever the clock does, a person has one row for a day.
"""

from datetime import date, datetime

from mailguard import events
from mailguard.flow.collect import DigestPorts, DigestSetting, Files, collect
from mailguard.policy.directory import fold_address
from mailguard.report.digest import Digest
from mailguard.report.message import compose_message
from mailguard.report.message_id import make_message_id
from mailguard.report.own_mail import Kind, OwnMail
from mailguard.report.render import render_html, render_text
from mailguard.report.schedule import latest_due
from mailguard.report.summary import compose_page, compose_subject


async def owe_digests(now: datetime, ports: DigestPorts, setting: DigestSetting) -> int:
    """Owe everybody the digest of the last school day whose time has come, if it is not owed yet.

    Days that were missed are in that one. Returns how many were made. Raises StoreUnavailable, and
    then none was.
    """
    day = latest_due(now, setting.schedule)
    return 0 if day is None else await owe_for(day, now, ports, setting)


async def owe_for(
    day: date, now: datetime, ports: DigestPorts, setting: DigestSetting, *, again: bool = False
) -> int:
    """Owe the digest of `day` to everybody who has none for it; with `again`, another one to all.

    Who stands in for somebody gets one only when the principals get theirs: later on the day it
    would come as a surprise, and an alert is the way for what cannot wait.
    """
    about = await _free_name(day, ports) if again else day.isoformat()
    served = {fold_address(m.recipient) for m in await ports.mails.of(Kind.DIGEST, about)}
    if served.issuperset(map(fold_address, setting.principals)):
        return 0
    files = Files(ports=ports, setting=setting)
    secret = await ports.mails.secret()
    mails = []
    for person in setting.people:
        if fold_address(person) in served:
            continue
        digest, covers = await collect(person, day, now, files)
        if not (digest.is_principal or digest.to_review):
            continue
        message_id = make_message_id(
            secret, setting.school, Kind.DIGEST, about, person, setting.sender.rpartition("@")[2]
        )
        mails.append(
            OwnMail(
                school=setting.school,
                kind=Kind.DIGEST,
                about=about,
                recipient=person,
                message_id=message_id,
                created=now,
                raw=write_digest(digest, message_id, setting),
                covers=covers,
            )
        )
    made = await ports.mails.owe(mails)
    if made:
        events.digests_owed(about, made)
    return made


def write_digest(digest: Digest, message_id: str, setting: DigestSetting) -> bytes:
    """The digest as a whole message."""
    page = compose_page(digest)
    return compose_message(
        sender=setting.sender,
        school_name=setting.school_name,
        recipient=digest.recipient,
        subject=compose_subject(digest),
        text=render_text(page),
        html=render_html(page),
        message_id=message_id,
        at=digest.until.astimezone(digest.schedule.zone),
    )


async def _free_name(day: date, ports: DigestPorts) -> str:
    """``2026-11-23/2``, or the next number that nobody used; the first has none."""
    name, number = day.isoformat(), 2
    while await ports.mails.of(Kind.DIGEST, name):
        name, number = f"{day.isoformat()}/{number}", number + 1
    return name
