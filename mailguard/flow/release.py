"""Send what reviewers released: original envelope and bytes, until the next hop has answered.

One process at a time does this for a store. What can be sent twice is only a message whose 250 was
read but not recorded; it carries the same Message-ID and is logged as `dup_risk`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mailguard import events
from mailguard.errors import (
    EvidenceDamaged,
    MailGuardError,
    NextHopUnavailable,
    StoreUnavailable,
)
from mailguard.flow.hold import entry_for
from mailguard.flow.setting import Ports
from mailguard.mail.envelope import Envelope, Path
from mailguard.mail.raw import Raw
from mailguard.mail.release_key import sign_release
from mailguard.mail.reply import NEXT_HOP_DOWN, Reply
from mailguard.mail.reply import NO_LAST_WORD as NO_REPLY
from mailguard.quarantine.held import Act, HeldMessage, HeldRecipient, State

FIRST_RETRY_S = 5.0
"""A next hop that restarts is back within seconds, and a reviewer may be waiting."""

LAST_RETRY_S = 300.0
"""Postfix's own `minimal_backoff_time`."""

NO_LAST_WORD = Reply.of(
    451, "4.4.2 The next hop gave no last word: ask whether it arrived before releasing it again"
)
"""Stands in the record for the reply that never came (RFC 3463 X.4.2)."""

Answer = tuple[HeldRecipient, Reply]

Sign = Callable[[Sequence[HeldRecipient]], bytes]
"""What goes in front of a message for those whom the next hop has accepted; mostly nothing."""


@dataclass(slots=True)
class Backoff:
    """When each waiting message is tried again; forgotten at restart, which tries at once."""

    due: dict[str, tuple[datetime, float]] = field(default_factory=dict)
    """By held id, or by the Message-ID of a mail of ours."""

    def is_due(self, name: str, now: datetime) -> bool:
        """Whether it may be tried now. A clock that jumped back does not make it wait longer."""
        at, delay = self.due.get(name, (now, 0.0))
        return now >= at or at - now > timedelta(seconds=delay)

    def push_back(self, name: str, now: datetime) -> float:
        """Wait twice as long as last time; return the seconds."""
        _, delay = self.due.get(name, (now, FIRST_RETRY_S / 2))
        delay = min(delay * 2, LAST_RETRY_S)
        self.due[name] = (now + timedelta(seconds=delay), delay)
        return delay


async def deliver_released(ports: Ports, ports_of: Callable[[str], Ports], backoff: Backoff) -> int:
    """Try each released message that is due, through the next hop of the listener it came by.

    Returns how many were tried. Raises StoreUnavailable.
    """
    tried = 0
    for held in await ports.held.select(states=[State.RELEASING]):
        if not backoff.is_due(held.id, ports.clock.now()):
            continue
        tried += 1
        try:
            is_done = await _try_one(held, ports_of(held.listener), backoff)
        except StoreUnavailable:
            raise
        except MailGuardError as error:
            # One bad item stops nothing else; it is tried again like one whose next hop is down.
            delay = backoff.push_back(held.id, ports.clock.now())
            events.release_failed(held.queue_id, held.id, delay, error)
            continue
        if is_done:
            backoff.due.pop(held.id, None)
    return tried


async def _try_one(held: HeldMessage, ports: Ports, backoff: Backoff) -> bool:
    """Send one message once; True when no recipient of it is left waiting."""
    # One address may stand in the envelope twice: it gets one copy.
    waiting = list({r.address: r for r in held.recipients if r.state is State.RELEASING}.values())
    try:
        raw = await ports.spool.read(held)
    except EvidenceDamaged as error:
        damaged = Reply.of(554, f"5.3.0 {error}")
        await _refuse(held, [(r, damaged) for r in waiting], ports)
        return True
    # Before the attempt is noted: without a key it would not begin.
    sign = await _key_for(held, raw, ports)
    if await ports.held.note_attempt(held.id, ports.clock.now()):
        events.dup_risk(held.queue_id, held.id, "an earlier attempt has no recorded end")
    try:
        answers = await _send(held, waiting, raw, ports, sign)
    except NextHopUnavailable as error:
        if error.may_have_accepted:
            events.dup_risk(held.queue_id, held.id, "no reply to the final dot")
            await _give_back(held, waiting, ports)
            return True
        answers = [(recipient, NEXT_HOP_DOWN) for recipient in waiting]
    await _end(held, Act.SENT, [each for each in answers if each[1].is_positive], ports)
    await _refuse(held, [each for each in answers if each[1].is_permanent], ports)
    if lost := [recipient for recipient, reply in answers if reply == NO_REPLY]:
        events.dup_risk(held.queue_id, held.id, "no reply for some of its recipients")
        await _give_back(held, lost, ports)
    delayed = [reply for _, reply in answers if reply.is_temporary and reply != NO_REPLY]
    if not delayed:
        return True
    await ports.held.note_failure(held.id, str(delayed[0]))
    delay = backoff.push_back(held.id, ports.clock.now())
    events.release_delayed(held.queue_id, held.id, delay, delayed[0])
    return False


async def _give_back(held: HeldMessage, waiting: list[HeldRecipient], ports: Ports) -> None:
    """It may have arrived or not. Sending it again could go on for ever, so a person decides."""
    await _refuse(held, [(recipient, NO_LAST_WORD) for recipient in waiting], ports, dup_risk=True)


async def _refuse(
    held: HeldMessage, answers: list[Answer], ports: Ports, *, dup_risk: bool = False
) -> None:
    """Give these copies back to where they were released from."""
    for act in dict.fromkeys(recipient.refusal for recipient, _ in answers):
        given_back = [each for each in answers if each[0].refusal is act]
        await _end(held, act, given_back, ports, dup_risk=dup_risk)


async def _key_for(held: HeldMessage, raw: Raw, ports: Ports) -> Sign:
    """How to sign this attempt to send it, where the next hop asks us about it again."""
    if ports.keyring is None:
        return lambda _: b""
    token, secret = await ports.keyring.keys.issue(), await ports.keyring.secret()

    def sign(accepted: Sequence[HeldRecipient]) -> bytes:
        envelope = Envelope(
            sender=Path(argument=held.sender_argument, address=held.sender),
            recipients=tuple(Path(argument=r.argument, address=r.address) for r in accepted),
        )
        return sign_release(
            raw, envelope, held_id=held.id, token=token, secret=secret, now=ports.clock.now()
        )

    return sign


async def _send(
    held: HeldMessage, waiting: list[HeldRecipient], raw: Raw, ports: Ports, sign: Sign
) -> list[Answer]:
    """One transaction for all that wait: each with the reply that decides about it."""
    delivery = await ports.next_hop.open()
    try:
        reply = await delivery.mail(held.sender_argument)
        if not reply.is_positive:
            return [(recipient, reply) for recipient in waiting]
        answers = [(recipient, await delivery.rcpt(recipient.argument)) for recipient in waiting]
        accepted = [recipient for recipient, reply in answers if reply.is_positive]
        if not accepted:
            return answers
        finals = iter(await delivery.data(sign(accepted), raw))
        return [(r, next(finals) if reply.is_positive else reply) for r, reply in answers]
    finally:
        await delivery.close()


async def _end(
    held: HeldMessage, act: Act, answers: list[Answer], ports: Ports, *, dup_risk: bool = False
) -> None:
    """Record that these recipients are done with, each by the next hop's last word on it."""
    for reply in dict.fromkeys(reply for _, reply in answers):
        addresses = [recipient.address for recipient, said in answers if said == reply]
        entry = entry_for("released" if act is Act.SENT else "refused", held, ports.clock)
        await ports.held.act(held.id, act, addresses, entry, reply=str(reply), dup_risk=dup_risk)
        tell = events.released if act is Act.SENT else events.release_refused
        tell(held.queue_id, held.id, len(addresses), reply)
