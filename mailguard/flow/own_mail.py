"""Send MailGuard's own mail: what is owed is a row with the finished message in it.

One process at a time goes through the rows of a kind. A digest is sent at most once, but for a
crash between the next hop's 250 and its record; any other until it is taken. Whatever is sent twice
has one Message-ID.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from mailguard import events, metrics
from mailguard.errors import NextHopUnavailable
from mailguard.flow.hold import SYSTEM
from mailguard.flow.release import Backoff
from mailguard.mail.envelope import Envelope, Path
from mailguard.mail.raw import Raw
from mailguard.mail.reply import NEXT_HOP_DOWN, Reply
from mailguard.mail.signature import sign
from mailguard.ports import AuditEntry, Clock, NextHop, OwnMailStore
from mailguard.report.own_mail import Kind, OwnMail, Standing

AT_ONCE = 5
"""Mails under way at a time, so that one recipient who makes the next hop think holds up no other
alert."""

NO_LAST_WORD = Reply.of(451, "4.4.2 The next hop gave no last word")
"""Stands in the record for the reply that never came (RFC 3463 X.4.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnMailPorts:
    """All that sending our own mail needs."""

    mails: OwnMailStore
    clock: Clock
    next_hop: NextHop


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What became of one mail that was tried."""

    mail: OwnMail
    standing: Standing
    """WAITING when it is tried again later."""

    reply: Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a mail ended, which the database has not taken yet."""

    attempt: Attempt
    entry: AuditEntry


@dataclass(slots=True)
class Progress:
    """What one process remembers between two rounds of sending."""

    backoff: Backoff = field(default_factory=Backoff)
    unrecorded: dict[str, Ending] = field(default_factory=dict)
    """By Message-ID. Must: none of these is sent again, whatever its row says."""


async def send_waiting(
    ports: OwnMailPorts, kind: Kind, *, sender: str, progress: Progress
) -> Sequence[Attempt]:
    """Try each waiting mail of `kind` that is due, one mail to one recipient, from `sender`; ``""``
    is the null sender, to which nobody answers (RFC 5321 §4.5.5).

    A notice is not tried before each alert that waits has been.

    Must: only under the lock of this kind, so that one process at a time does so for a store.
    Returns what was tried. Raises StoreUnavailable; what had been sent then is remembered in
    `progress`, and recorded first of all at the next call.
    """
    for ending in list(progress.unrecorded.values()):
        await _record(ending, ports, progress)
    now = ports.clock.now()
    waiting = await ports.mails.waiting()
    if kind is Kind.NOTICE and any(mail.kind is Kind.ALERT and not mail.reply for mail in waiting):
        return ()
    due = [
        mail
        for mail in waiting
        if mail.kind is kind and progress.backoff.is_due(mail.message_id, now)
    ]
    gate = asyncio.Semaphore(AT_ONCE)

    async def send_one(mail: OwnMail) -> Attempt:
        async with gate:
            return await _send_one(mail, ports, sender, progress)

    # One that fails cuts off no other: each has an end to record.
    found = await asyncio.gather(*map(send_one, due), return_exceptions=True)
    for each in found:
        if isinstance(each, BaseException):
            raise each
    return [each for each in found if isinstance(each, Attempt)]


async def _send_one(mail: OwnMail, ports: OwnMailPorts, sender: str, progress: Progress) -> Attempt:
    """Send one mail once, and record how that ended."""
    reply = NEXT_HOP_DOWN
    try:
        reply = await _transact(mail, ports, sender)
    except NextHopUnavailable as error:
        if error.may_have_accepted:
            reply = NO_LAST_WORD
    except _Interrupted:
        await _end(mail, NO_LAST_WORD, ports, progress)
        raise
    return await _end(mail, reply, ports, progress)


class _Interrupted(asyncio.CancelledError):
    """We were told to stop after DATA had begun: the next hop may have taken the message."""


async def _transact(mail: OwnMail, ports: OwnMailPorts, sender: str) -> Reply:
    """One transaction; the reply that decides. Raises NextHopUnavailable."""
    envelope = _envelope(sender, mail.recipient)
    key = sign(mail.raw, envelope, await ports.mails.secret(), ports.clock.now())
    delivery = await ports.next_hop.open()
    try:
        reply = await delivery.mail(envelope.sender.argument)
        if reply.is_positive:
            reply = await delivery.rcpt(envelope.recipients[0].argument)
        if not reply.is_positive:
            return reply
        try:
            return (await delivery.data(key, Raw.of(mail.raw)))[0]
        except asyncio.CancelledError as error:
            raise _Interrupted from error
    finally:
        await delivery.close()


async def _end(mail: OwnMail, reply: Reply, ports: OwnMailPorts, progress: Progress) -> Attempt:
    """Record what the next hop said of `mail`, and what that makes of it."""
    attempt = Attempt(mail=mail, standing=_standing_after(mail, reply), reply=reply)
    if reply is NO_LAST_WORD:
        events.own_mail_unanswered(mail.kind, mail.about, mail.message_id)
    if attempt.standing is Standing.WAITING:
        delay = progress.backoff.push_back(mail.message_id, ports.clock.now())
        events.own_mail_delayed(mail.kind, mail.about, mail.message_id, delay, reply)
        await ports.mails.note_failure(mail, str(reply))
        return attempt
    ending = Ending(attempt=attempt, entry=_entry(attempt, ports.clock))
    progress.unrecorded[mail.message_id] = ending
    if attempt.standing is Standing.ACCEPTED:
        events.own_mail_accepted(mail.kind, mail.about, mail.message_id, reply)
    elif attempt.standing is Standing.REFUSED:
        events.own_mail_refused(mail.kind, mail.about, mail.message_id, reply)
    await _record(ending, ports, progress)
    return attempt


def _standing_after(mail: OwnMail, reply: Reply) -> Standing:
    """An alert or a notice goes on until it is taken, but for one to an author whose mailbox is
    gone; of a digest or list nobody gets two."""
    if reply.is_positive:
        return Standing.ACCEPTED
    if not mail.kind.is_periodic and mail.kind is not Kind.RETURN:
        return Standing.WAITING
    if reply is NO_LAST_WORD and mail.kind.is_periodic:
        return Standing.UNKNOWN
    return Standing.REFUSED if reply.is_permanent else Standing.WAITING


async def _record(ending: Ending, ports: OwnMailPorts, progress: Progress) -> None:
    mail, standing = ending.attempt.mail, ending.attempt.standing
    await ports.mails.end(mail, standing, str(ending.attempt.reply), ending.entry)
    metrics.own_mail_ended(mail.kind, standing)
    progress.unrecorded.pop(mail.message_id, None)
    progress.backoff.due.pop(mail.message_id, None)


def _entry(attempt: Attempt, clock: Clock) -> AuditEntry:
    return AuditEntry(
        at=clock.now(),
        actor=SYSTEM,
        action=str(attempt.mail.kind),
        subject=attempt.mail.about,
        detail={
            "message_id": attempt.mail.message_id,
            "recipient": attempt.mail.recipient,
            "standing": str(attempt.standing),
            "reply": str(attempt.reply),
        },
    )


def _envelope(sender: str, recipient: str) -> Envelope:
    """Domains in ASCII, so that only a local part beyond it needs a next hop with SMTPUTF8."""
    addresses = [_with_ascii_domain(address) for address in (sender, recipient)]
    parameter = "" if all(address.isascii() for address in addresses) else " SMTPUTF8"
    return Envelope(
        sender=Path(argument=f"<{addresses[0]}>{parameter}".encode(), address=addresses[0]),
        recipients=(Path(argument=f"<{addresses[1]}>".encode(), address=addresses[1]),),
    )


def _with_ascii_domain(address: str) -> str:
    if not address:
        return ""
    local, _, domain = address.rpartition("@")
    with contextlib.suppress(UnicodeError):
        return f"{local}@{domain.encode('idna').decode()}"
    return address
