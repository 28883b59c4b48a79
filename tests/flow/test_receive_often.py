"""Many messages by chance, each sent until its client is told something for good: nobody is left
out, and nobody gets it twice."""

import io
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from mailguard.errors import NextHopUnavailable
from mailguard.flow.receive import receive
from mailguard.flow.setting import Ports, Setting
from mailguard.mail.envelope import Session, Transaction
from mailguard.mail.raw import Raw
from mailguard.mail.reply import NO_LAST_WORD, Replies, Reply
from mailguard.policy.disposition import Action
from mailguard.quarantine.held import State
from mailguard.testing import transaction
from mailguard.testing.fakes import OK, FakeJudge, judgement_of

FULL = Reply.of(452, "4.2.2 Mailbox full")
UNKNOWN = Reply.of(550, "5.1.1 No such user")
NAMES = tuple(f"r{i}@elmpark.example" for i in range(4))
TRIES = 12


@dataclass
class Server:
    """A next hop that makes up its mind anew each time, and knows whom it has delivered to."""

    chance: random.Random
    speaks_lmtp: bool
    got: Counter[str] = field(default_factory=Counter)
    speaks_up: bool = True
    """Each message gets its last word; otherwise what is sent again may double."""

    is_calm: bool = False
    """It takes everything at once from now on."""

    keywords: tuple[str, ...] = ()

    async def open(self, session: Session | None = None, ident: str = "") -> "Opened":
        if self.happens(0.1):
            raise NextHopUnavailable("down")
        return Opened(self)

    def happens(self, often: float) -> bool:
        return not self.is_calm and self.chance.random() < often


@dataclass
class Opened:
    server: Server
    accepted: list[str] = field(default_factory=list)

    def _break(self) -> None:
        if self.server.happens(0.04):
            raise NextHopUnavailable("closed")

    async def mail(self, argument: bytes) -> Reply:
        self._break()
        self.accepted = []
        return OK

    async def rcpt(self, argument: bytes) -> Reply:
        self._break()
        self.accepted.append(argument.decode().strip("<>"))
        return OK

    async def data(self, head: bytes, raw: Raw) -> Replies:
        self._break()
        server = self.server
        said = [FULL] if server.happens(0.2) else [UNKNOWN] if server.happens(0.1) else [OK]
        if server.speaks_lmtp:
            words = (OK, OK, FULL, UNKNOWN) if server.happens(0.7) else (OK,)
            words += () if server.speaks_up or server.is_calm else (NO_LAST_WORD,)
            said = [server.chance.choice(words) for _ in self.accepted]
        replies = tuple(said) * (1 if server.speaks_lmtp else len(self.accepted))
        server.got.update(
            name for name, reply in zip(self.accepted, replies, strict=True) if reply is OK
        )
        if not (server.speaks_up or server.speaks_lmtp) and server.happens(0.05):
            raise NextHopUnavailable("closed", may_have_accepted=True)
        return replies

    async def reset(self) -> None:
        self._break()
        self.accepted = []

    async def close(self) -> None:
        pass


async def send_once(
    ports: Ports, setting: Setting, server: Server, sent: Transaction, actions: Sequence[Action]
) -> Replies:
    names = tuple(path.address for path in sent.envelope.recipients)
    judge = FakeJudge(judgement_of(*actions, to=names))
    delivery = Opened(server, accepted=list(names))
    return await receive(sent, delivery, replace(ports, judge=judge), setting)


@pytest.mark.parametrize("seed", range(20))
async def test_everybody_gets_it_once_or_its_sender_or_the_quarantine_has_it(
    ports: Ports, setting: Setting, log_lines: io.StringIO, seed: int
) -> None:
    start = log_lines.tell()
    chance = random.Random(seed)
    client = chance.choice(["smtp", "smtp", "lmtp"])
    server = Server(chance, speaks_lmtp=chance.random() < 0.75, speaks_up=seed % 4 > 0)
    ports = replace(ports, next_hop=server)
    kinds = [Action.RELAY, Action.RELAY, Action.FLAG, Action.HOLD]
    policy = {name: chance.choice(kinds) for name in NAMES}
    waiting = [[name for name in NAMES if chance.random() < 0.8] or [NAMES[0]]]
    everybody = frozenset(waiting[0])
    told: dict[str, Reply] = {}
    for attempt in range(TRIES):
        server.is_calm = attempt == TRIES - 1
        again: list[list[str]] = []
        for names in waiting:
            sent = transaction(to=names, queue_id=f"Q{attempt}")
            sent = replace(sent, session=replace(sent.session, protocol=client))
            replies = await send_once(ports, setting, server, sent, [policy[n] for n in names])
            if client == "smtp":
                replies *= len(names)
            told |= dict(zip(names, replies, strict=True))
            later = [n for n, reply in zip(names, replies, strict=True) if reply.is_temporary]
            # Its queue may send to fewer at a time.
            cut = chance.randint(0, len(later)) if chance.random() < 0.3 else 0
            again += [part for part in (later[:cut], later[cut:]) if part]
        waiting = again

    rows = [r for held in await ports.held.select() for r in held.recipients]
    waits = Counter(r.address for r in rows if r.state in (State.HELD, State.UNDELIVERABLE))
    copies = {r.address for r in rows if r.state is State.DELIVERED}
    may_double = "event=dup_risk" in log_lines.getvalue()[start:]
    assert not (may_double and server.speaks_up)
    assert (waiting, ports.unsettled) == ([], [])
    assert State.PENDING not in {r.state for r in rows}
    assert copies <= set(server.got)
    for name in everybody:
        has = server.got[name] + waits[name]
        assert has <= 1 or may_double, name
        assert has == 1 or (has == 0 and told[name].is_permanent) or (may_double and has), name
    assert len(await ports.spool.folders()) == len({h.id for h in await ports.held.select()})
