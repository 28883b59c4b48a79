"""The self-test: a message that must be held and one that must come out, by the way all mail takes.

They come through a listener's own socket, are judged by the rules in use and carried out by the
same code as any other message, evidence on the disk included. Only the ends differ: what passes
ends in a sink here, what is held is marked and thrown away, and nothing is counted or listed.
The school's own actions do not apply, since it may choose to let through what is used here.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from mailguard import metrics
from mailguard.errors import NextHopUnavailable, UnknownItem
from mailguard.flow.advise import Give, decide, settle
from mailguard.flow.receive import carry_out
from mailguard.flow.setting import Mode, Ports, Setting
from mailguard.mail.canary import DOMAIN, GOOD_FOR, SINK, Sort, make_sender, read_nonce
from mailguard.mail.envelope import Session, Transaction
from mailguard.mail.raw import Raw
from mailguard.mail.reply import Replies, Reply
from mailguard.ports import AuditEntry, CanaryRun, CanaryStore, Clock, Delivery, LedgerRow, Spool
from mailguard.quarantine.held import TEST_SCHOOL, Act, HeldId, HeldMessage, State
from mailguard.quarantine.retention import Retention

HELD = "held"
CAME_OUT = "came out"

RECOGNISED = Reply.of(250, "2.1.0 Ok, a test of our own")
"""The reply to MAIL of a self-test. Whoever sends one stops at any other: the next hop would get
it."""

NOT_OURS = Reply.of(550, "5.7.1 Not a test of this installation")
"""A milter is asked to take nothing, and nobody else could send or get this."""

_TAKEN = Reply.of(250, "2.0.0 Ok, it came out")
_NOT_THE_SINK = Reply.of(550, "5.1.1 A test goes to the sink only")

_BODY = {
    Sort.BAD: "Wait till break tomorrow, I'm going to punch you in the face.\n"
    "You are worthless and everybody hates you.\n"
    "Verify your password here or your account will be closed.",
    Sort.GOOD: "Trip letters are due back on Friday.\nPlease remember a packed lunch and a coat.",
}

BAD_SYMBOLS = (
    "ABUSE_EXCLUSION",
    "ABUSE_WORTHLESS",
    "PHISHING_ACCOUNT_LOCKED",
    "PHISHING_CREDENTIALS",
    "THREAT_ASSAULT_INTENT",
)
"""Each of these alone has the bad message held."""

Send = Callable[[str, bytes], Awaitable[str]]
"""Send a message with this sender to the sink through one listener. Returns what went wrong, as a
sentence; nothing when it was taken."""


def compose_test(sort: Sort, sender: str, nonce: str, now: datetime) -> bytes:
    """One whole message, CRLF and all."""
    lines = (
        f"From: <{sender}>",
        f"To: <{SINK}>",
        "Subject: MailGuard tests itself",
        f"Date: {now:%d %b %Y %H:%M:%S} +0000",
        f"Message-ID: <{nonce}@{DOMAIN}>",
        "Auto-Submitted: auto-generated",
        "",
        *_BODY[sort].split("\n"),
        "",
    )
    return "\r\n".join(lines).encode("ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryTester:
    """What the sending side needs."""

    store: CanaryStore
    clock: Clock
    key: Callable[[], Awaitable[bytes]]
    make_nonce: Callable[[], bytes]
    disabled: frozenset[str] = frozenset()
    """Symbols that the school has switched off."""

    async def test(self, listener: str, send: Send) -> CanaryRun:
        """Send both messages through one listener, and say how that went. Raises
        StoreUnavailable."""
        failure = ""
        for sort in Sort:
            failure = failure or await self._send(listener, sort, send)
        return CanaryRun(at=self.clock.now(), listener=listener, failure=failure)

    async def _send(self, listener: str, sort: Sort, send: Send) -> str:
        now, nonce = self.clock.now(), self.make_nonce()
        sender = make_sender(await self.key(), listener, sort, now, nonce)
        problem = await send(sender, compose_test(sort, sender, nonce.hex(), now))
        return self._failure(sort, problem, await self.store.take_marks(nonce.hex()))

    def _failure(self, sort: Sort, problem: str, marks: Sequence[str]) -> str:
        """What is wrong, as a sentence; empty when all is well."""
        if sort is Sort.BAD and CAME_OUT in marks:
            if self.disabled.issuperset(BAD_SYMBOLS):
                return (
                    "A message that must be held came out: rules.disable switches off every rule "
                    f"that would have seen it ({', '.join(BAD_SYMBOLS)})."
                )
            return "A message that must be held came out."
        if sort is Sort.GOOD and HELD in marks:
            return "A harmless message was held."
        if problem:
            return problem
        if CAME_OUT not in marks and HELD not in marks:
            return "A message was taken, and is neither held nor did it come out."
        return ""


@dataclass(slots=True, kw_only=True)
class Admission:
    """Knows the self-tests of this installation when they come in; in each process each once."""

    key: Callable[[], Awaitable[bytes]]
    clock: Clock
    store: CanaryStore
    _used: dict[str, datetime] = field(default_factory=dict)

    async def admit(self, listener: str, sender: str) -> "CanarySink | None":
        """Where a message with this sender ends; None when it is ordinary mail. Raises
        StoreUnavailable."""
        key = await self.key()
        now = self.clock.now()
        nonce = read_nonce(sender, key, listener, now)
        if nonce is None or nonce in self._used:
            return None
        self._used = {used: at for used, at in self._used.items() if abs(now - at) <= 2 * GOOD_FOR}
        self._used[nonce] = now
        return CanarySink(nonce, self.store)


class CanarySink:
    """A :class:`~mailguard.ports.Delivery` that ends here: nothing of it reaches a next hop."""

    def __init__(self, nonce: str, store: CanaryStore) -> None:
        self.nonce = nonce
        self.store = store

    async def mail(self, argument: bytes) -> Reply:
        """Say that it is recognised."""
        return RECOGNISED

    async def rcpt(self, argument: bytes) -> Reply:
        """Accept the sink only."""
        return RECOGNISED if argument == f"<{SINK}>".encode() else _NOT_THE_SINK

    async def data(self, head: bytes, raw: Raw) -> Replies:
        """Mark that it came out. Raises StoreUnavailable."""
        await self.store.mark(self.nonce, CAME_OUT)
        return (_TAKEN,)

    async def reset(self) -> None:
        """Nothing to forget."""

    async def close(self) -> None:
        """Nothing to close."""


async def receive_test(
    transaction: Transaction, sink: CanarySink, ports: Ports, setting: Setting
) -> Replies:
    """Judge a self-test's message and carry the judgement out, as :func:`mailguard.flow.receive.
    receive` does with mail, but for what that writes down. Raises TemporaryFailure and what else
    goes wrong: the listener answers 451.
    """
    ports, setting = _apart(sink, ports, setting)
    with metrics.not_of_mail():
        async with asyncio.timeout(setting.answer_s) as budget:
            judgement = await ports.judge.judge(transaction)
            outcome = await carry_out(transaction, judgement, sink, ports, setting, budget)
    return outcome.replies(transaction)


def is_test(transaction: Transaction) -> bool:
    """Whether this calls itself a self-test: no mail server could ever deliver or return it."""
    envelope = transaction.envelope
    return envelope.sender.address.endswith(f"@{DOMAIN}") and (
        [path.address for path in envelope.recipients] == [SINK]
    )


async def advise_test(
    transaction: Transaction, sink: CanarySink, give: Give, ports: Ports, setting: Setting
) -> None:
    """The same where a mail server would keep the message and ask, as :func:`mailguard.flow.advise.
    advise` is asked. Raises what goes wrong: the listener answers 451.
    """
    ports, setting = _apart(sink, ports, setting)
    with metrics.not_of_mail():
        async with asyncio.timeout(setting.answer_s):
            judgement = await ports.judge.judge(transaction)
            course = await decide(transaction, judgement, ports, setting)
            if course.advice.refusal is None and not course.advice.discard:
                await sink.store.mark(sink.nonce, CAME_OUT)
        await settle(transaction, course, ports, is_told=give(course.advice))


def _apart(sink: CanarySink, ports: Ports, setting: Setting) -> tuple[Ports, Setting]:
    """The world of a self-test: all that it would leave behind goes nowhere."""
    apart = replace(
        ports,
        held=_MarkedRows(sink.nonce, sink.store, ports.spool),
        ledger=_NoLedger(),
        next_hop=_NoNextHop(),
        unsettled=[],
        unkept=[],
    )
    return apart, replace(setting, school=TEST_SCHOOL, mode=Mode.ENFORCE)


class _MarkedRows:
    """Instead of the rows of held messages: always empty, and what is added leaves a mark."""

    school = TEST_SCHOOL

    def __init__(self, nonce: str, store: CanaryStore, spool: Spool) -> None:
        self._nonce = nonce
        self._store = store
        self._spool = spool
        self._last: HeldMessage | None = None

    async def add(self, held: HeldMessage, entry: AuditEntry) -> None:
        self._last = held
        if held.state is not State.PENDING:
            await self._store.mark(self._nonce, HELD)
        await self._spool.remove(held.folder)

    async def by_id(self, held_id: str) -> HeldMessage:
        if self._last is None or self._last.id != held_id:
            raise UnknownItem(f"There is no message {held_id} in quarantine.")
        return self._last

    async def act(
        self,
        held_id: HeldId,
        act: Act,
        addresses: Sequence[str],
        entry: AuditEntry,
        *,
        reply: str = "",
        dup_risk: bool = False,
    ) -> HeldMessage:
        return await self.by_id(held_id)

    async def withdraw(
        self, held_id: HeldId, entry: AuditEntry, addresses: Sequence[str] = ()
    ) -> None:
        pass

    async def select(
        self, *, states: Iterable[State] = (), limit: int | None = None
    ) -> Sequence[HeldMessage]:
        return ()

    async def inventory(self) -> Mapping[str, HeldId]:
        return {}

    async def due(self, retention: Retention) -> Sequence[HeldMessage]:
        return ()

    async def expire(self, held_id: HeldId, retention: Retention, entry: AuditEntry) -> bool:
        return False

    async def note_attempt(self, held_id: HeldId, at: datetime) -> bool:
        return False

    async def note_failure(self, held_id: HeldId, reply: str) -> None:
        pass


class _NoLedger:
    def record(self, row: LedgerRow) -> None:
        pass


class _NoNextHop:
    keywords: tuple[str, ...] = ()

    async def open(self, session: Session | None = None, ident: str = "") -> Delivery:
        raise NextHopUnavailable("a self-test has no next hop")
