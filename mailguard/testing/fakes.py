"""Fakes of the ports: a next hop that follows a script, a judge that has made up its mind."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mailguard.errors import NextHopUnavailable
from mailguard.mail.envelope import Session, Transaction
from mailguard.mail.raw import Raw
from mailguard.mail.reply import Replies, Reply
from mailguard.policy.disposition import Action, Disposition
from mailguard.policy.judge import Judgement
from mailguard.policy.relationship import Group, Relationship
from mailguard.policy.verdict import Verdict
from mailguard.ports import AuditEntry, LedgerRow, UnreadReply
from mailguard.quarantine.held import HeldMessage
from mailguard.scan.finding import Category, Finding, Level, ScanReport, Symbol
from mailguard.testing import NOON

OK = Reply.of(250, "2.0.0 Ok: queued as NEXT")
GONE = NextHopUnavailable("closed")
GONE_AFTER_DOT = NextHopUnavailable("closed", may_have_accepted=True)

Step = Reply | Exception


@dataclass
class FakeDelivery:
    """Answers OK unless told otherwise for a command; records what it was sent."""

    replies: dict[str, list[Step]] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    taken: list[bytes] = field(default_factory=list)
    each: list[Reply] | None = None
    """What an LMTP next hop answers to the final dot, for each recipient."""

    _accepted: int = 0

    def _answer(self, command: str, shown: str) -> Reply:
        self.commands.append(shown)
        planned = self.replies.get(command)
        step = planned.pop(0) if planned else OK
        if isinstance(step, Exception):
            raise step
        return step

    async def mail(self, argument: bytes) -> Reply:
        self._accepted = 0
        return self._answer("MAIL", f"MAIL {argument.decode()}")

    async def rcpt(self, argument: bytes) -> Reply:
        reply = self._answer("RCPT", f"RCPT {argument.decode()}")
        self._accepted += reply.is_positive
        return reply

    async def data(self, head: bytes, raw: Raw) -> Replies:
        reply = self._answer("DATA", "DATA")
        if self.each is not None:
            self.taken.append(head + b"".join(raw.chunks()))
            return tuple(self.each)
        if reply.is_positive:
            self.taken.append(head + b"".join(raw.chunks()))
        return (reply,) * max(1, self._accepted)

    async def reset(self) -> None:
        self._answer("RSET", "RSET")

    async def close(self) -> None:
        self.commands.append("close")


@dataclass
class FakeNextHop:
    """Hands out the deliveries it was given, in order, then fresh ones."""

    deliveries: list[FakeDelivery | Exception] = field(default_factory=list)
    opened: list[FakeDelivery] = field(default_factory=list)
    keywords: tuple[str, ...] = ("8BITMIME", "SIZE")

    async def open(self, session: Session | None = None, ident: str = "") -> FakeDelivery:
        step = self.deliveries.pop(0) if self.deliveries else FakeDelivery()
        if isinstance(step, Exception):
            raise step
        self.opened.append(step)
        return step


@dataclass
class FakeJudge:
    """Gives one judgement, or raises one error, for every message."""

    judgement: Judgement | Exception

    async def judge(self, transaction: Transaction) -> Judgement:
        if isinstance(self.judgement, Exception):
            raise self.judgement
        return self.judgement


@dataclass
class FakeLedger:
    """Keeps its rows in a list."""

    rows: list[LedgerRow] = field(default_factory=list)

    def record(self, row: LedgerRow) -> None:
        self.rows.append(row)


@dataclass
class FakeReceipts:
    """Remembers in memory, for ever; knows nothing of quarantine."""

    unread: dict[str, UnreadReply] = field(default_factory=dict)
    similar: set[str] = field(default_factory=set)
    addresses: dict[str, set[str]] = field(default_factory=dict)

    async def has_unread(self, fingerprint: str) -> bool:
        return fingerprint in self.unread

    async def has_any_unread(self) -> bool:
        return bool(self.unread)

    async def has_similar(self, trace_free: str) -> bool:
        return trace_free in self.similar

    async def has_any_delivered(self) -> bool:
        return bool(self.addresses)

    async def keep_unread(
        self, fingerprint: str, replies: Replies, queue_id: str, *, trace_free: str
    ) -> None:
        self.unread[fingerprint] = UnreadReply(replies=replies, queue_id=queue_id)
        self.similar.add(trace_free)

    async def drop_unread(self, fingerprint: str, queue_id: str) -> None:
        self.unread.pop(fingerprint, None)

    async def forget_unread(self, fingerprint: str, *, but: str) -> bool:
        is_other = fingerprint in self.unread and self.unread[fingerprint].queue_id != but
        if is_other:
            self.unread.pop(fingerprint)
        return is_other

    async def take_unread(
        self, fingerprint: str, merged: Callable[[HeldMessage], AuditEntry]
    ) -> UnreadReply | None:
        return self.unread.pop(fingerprint, None)

    async def delivered(self, fingerprint: str) -> frozenset[str]:
        return frozenset(self.addresses.get(fingerprint, ()))

    async def note_delivered(self, fingerprint: str, addresses: Sequence[str]) -> None:
        self.addresses.setdefault(fingerprint, set()).update(addresses)

    async def forget_delivered(self, fingerprint: str, addresses: Sequence[str]) -> None:
        self.addresses.get(fingerprint, set()).difference_update(addresses)


@dataclass
class FakeClock:
    """Stands still until told."""

    at: datetime = NOON

    def now(self) -> datetime:
        return self.at

    def advance(self, **by: float) -> None:
        self.at += timedelta(**by)


LEVELS = {
    Action.RELAY: Level.COUNT,
    Action.FLAG: Level.FLAG,
    Action.RETURN: Level.HOLD,
    Action.HOLD: Level.HOLD,
    Action.SEAL: Level.CRITICAL,
    Action.REJECT: Level.HOLD,
    Action.DEFER: Level.HOLD,
}


def judgement_of(
    *actions: Action,
    unlisted: bool = False,
    protected: bool = False,
    alert: bool = False,
    to: tuple[str, ...] = (),
) -> Judgement:
    """A judgement with one disposition for each action."""
    relationship = Relationship(author=Group.PUPIL, recipient=Group.PUPIL)
    addresses = to or tuple(f"r{i}@elmpark.example" for i in range(len(actions)))
    symbol = Symbol(
        name="ABUSE_TEST",
        category=Category.ABUSE,
        level=Level.HOLD,
        says="A sentence.",
        clauses=("symphony:3.1.2",),
    )
    finding = Finding(symbol=symbol, level=Level.HOLD, part="1", where=None)
    found = any(action is not Action.RELAY for action in actions)
    return Judgement(
        report=ScanReport(
            findings=(finding,) if found else (), unscanned=(), ruleset="0123456789abcdef"
        ),
        dispositions=tuple(
            Disposition(
                address=address,
                relationship=relationship,
                verdict=Verdict(
                    relationship=relationship,
                    levels=((Category.ABUSE, LEVELS[action]),) if found else (),
                    sealed=action is Action.SEAL,
                    reasons=("A sentence.",) if found else (),
                    delivered=frozenset({Category.ABUSE} if protected else ()),
                ),
                action=action,
                alert=alert or action is Action.SEAL,
                unlisted=unlisted,
            )
            for address, action in zip(addresses, actions, strict=True)
        ),
    )
