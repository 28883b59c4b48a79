"""A session in any order, in any pieces, against a model that reads the same bytes slowly.

`MAILGUARD_EXAMPLES=20000` tries as many sessions instead of a few.
"""

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvloop
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from mailguard.mail.envelope import Session
from mailguard.mail.raw import Raw
from mailguard.mail.reply import Replies, Reply
from mailguard.smtp.limits import Limits

from .conftest import Client, Relay, open_client, run_relay

EXAMPLES = int(os.environ.get("MAILGUARD_EXAMPLES", "40"))

LIMITS = Limits(errors=4, idle_commands=12, recipients=3, message_bytes=400)

SENDERS = {
    b"FROM:<ana@elmpark.example>": "250",
    b"from: <>": "250",
    b"FROM:ana@elmpark.example SIZE=400 BODY=8BITMIME": "250",
    b"FROM:<not-today@elmpark.example>": "450 hop",
    b"FROM:<never@elmpark.example>": "550 hop",
    b"": "501 5.1.7",
    b"FROM:": "501 5.1.7",
    b"FROM:<ana@elmpark.example>SIZE=3": "501 5.1.7",
    b"FROM:<ana\x00@elmpark.example>": "501 5.1.7",
    b"FROM:<ana@elmpark.example> SIZE=big": "501 5.5.4",
    b"FROM:<ana@elmpark.example> SIZE=401": "552 5.3.4",
}
RECIPIENTS = {
    b"TO:<ben@elmpark.example>": "250",
    b"to: <@a.example:cat@elmpark.example> NOTIFY=NEVER": "250",
    b"TO:<not-today@elmpark.example>": "450 hop",
    b"TO:<never@elmpark.example>": "550 hop",
    b"TO:<>": "501 5.1.3",
    b"TO:<a@b@c.example>": "501 5.1.3",
    b"ben@elmpark.example": "501 5.1.3",
}
"""The arguments of MAIL and RCPT that are tried, and what is said to them when it is their turn;
``hop`` where those are the next hop's words."""

PLAIN = {
    b"NOOP": "250",
    b"noop anything at all": "250",
    b"VRFY ana": "252",
    b"HELP": "214",
    b"RSET": "250",
    b"HELO client.example": "250",
    b"EHLO client.example": "250",
    b"EHLO": "501",
    b"HELO  ": "501",
    b"DATA": "354",
    b"DATA now": "501",
    b"XFORWARD NAME=pc.example ADDR=192.0.2.7": "250",
    b"XFORWARD NONSENSE=1": "501",
    b"XCLIENT ADDR=192.0.2.7": "550",
    b"STARTTLS": "502",
    b"AUTH PLAIN AGFuYQBwdw==": "502",
    b"BDAT 4 LAST": "502",
    b"": "502",
    b" NOOP": "502",
    b"\xff\x00\r": "502",
    b"QUIT": "221",
}
FATAL = {b"GET / HTTP/1.1": "500 5.5.2", b"NOOP\n": "500 5.5.2"}
"""After which the connection is closed; the latter ends in a bare line feed."""

COMMANDS = st.one_of(
    st.sampled_from(sorted(SENDERS)).map(lambda a: b"MAIL " + a),
    st.sampled_from(sorted(RECIPIENTS)).map(lambda a: b"RCPT " + a),
    st.sampled_from([b"HELO client.example", b"EHLO client.example", b"RSET", b"DATA"]),
    st.sampled_from([b"MAIL FROM:<ana@elmpark.example>", b"RCPT TO:<ben@elmpark.example>"]),
    st.sampled_from(sorted(PLAIN)),
    st.sampled_from(sorted(FATAL)),
    st.just(b"NOOP " + b"x" * 5000),
)
DATA = st.lists(
    st.sampled_from(
        [
            *[b"\r\n", b".", b"..", b"\r", b"\n", b"x", b"\xff\x00", b"\r\n.", b"\r\n.\r"],
            *[b"A: b\r\n", b"QUIT\r\n", b"\r\n\n", b"later\r\n", b"never\r\n", b"z" * 150],
        ]
    ),
    max_size=12,
).map(b"".join)
CUTS = st.one_of(st.just(1), st.integers(2, 9), st.just(100_000))


def word_of(text: bytes) -> Reply | None:
    """What the next hop says to an argument or a message that holds one of two words."""
    if b"not-today" in text or b"later" in text:
        return Reply.of(450, "hop")
    return Reply.of(550, "hop") if b"never" in text else None


@dataclass
class Hop:
    """A next hop without a socket."""

    taken: list[tuple[bytes, tuple[bytes, ...], bytes]] = field(default_factory=list)
    keywords: tuple[str, ...] = ("8BITMIME", "SIZE", "PIPELINING")

    async def open(self, session: Session | None = None, ident: str = "") -> "Dropped":
        return Dropped(self)

    async def close(self) -> None:
        """Nothing is open."""


@dataclass
class Dropped:
    """A delivery to it."""

    hop: Hop
    sender: bytes = b""
    recipients: list[bytes] = field(default_factory=list)

    async def mail(self, argument: bytes) -> Reply:
        self.sender = argument
        return word_of(argument) or Reply.of(250, "hop")

    async def rcpt(self, argument: bytes) -> Reply:
        refusal = word_of(argument)
        if refusal is None:
            self.recipients.append(argument)
        return refusal or Reply.of(250, "hop")

    async def data(self, head: bytes, raw: Raw) -> Replies:
        content = b"".join(raw.chunks())
        refusal = word_of(content)
        if refusal is None:
            self.hop.taken.append((self.sender, tuple(self.recipients), content))
        return (refusal or Reply.of(250, "hop"),) * len(self.recipients)

    async def reset(self) -> None:
        """Nothing is kept."""

    async def close(self) -> None:
        """Nothing is open."""


class Model:
    """What the server must say, byte for byte slowly: it looks at all that has not been read yet,
    one line at a time."""

    def __init__(self) -> None:
        self.stream = b""
        self.greeted = self.over = self.in_data = False
        self.errors = self.idle = self.asked = 0
        self.sender: bytes | None = None
        self.recipients: list[bytes] = []
        self.taken: list[tuple[bytes, tuple[bytes, ...], bytes]] = []

    def feed(self, data: bytes) -> list[tuple[str, ...]]:
        """For each reply that is due now, the beginnings that it may have."""
        self.stream += data
        due: list[tuple[str, ...]] = []
        while not self.over:
            word = self._message() if self.in_data else self._command()
            if word is None:
                break
            due.append((word,) if isinstance(word, str) else word)
        return due

    def _message(self) -> tuple[str, ...] | None:
        content, start = b"", 0
        while True:
            end = self.stream.find(b"\r\n", start)
            if end < 0:
                return None
            line, start = self.stream[start:end], end + 2
            if line == b".":
                break
            content += line.removeprefix(b".") + b"\r\n"
        self.stream, self.in_data = self.stream[start:], False
        assert self.sender is not None
        sender, recipients = self.sender, tuple(self.recipients)
        self._forget()
        # Which of two faults is met first depends on how the data was cut.
        bare = content.replace(b"\r\n", b"")
        faults = ("550 5.5.2",) if b"\r" in bare or b"\n" in bare else ()
        if len(content) + len(bare) * bool(faults) > LIMITS.message_bytes:
            faults += ("552 5.3.4",)
        if faults:
            return faults
        self.errors = self.idle = 0
        refusal = word_of(content)
        if refusal is not None:
            return (f"{refusal.code} hop",)
        self.taken.append((sender, recipients, content))
        return ("250 hop",)

    def _command(self) -> str | None:
        line, end, rest = self.stream.partition(b"\n")
        if not end:
            return None
        self.stream = rest
        if len(line) + 1 > 4096:
            return self._fault("500 5.5.6")
        if not line.endswith(b"\r"):
            return self._end("500 5.5.2")
        verb, _, argument = line[:-1].partition(b" ")
        verb = verb.upper()
        if verb == b"GET":
            return self._end("500 5.5.2")
        if verb not in b"HELO EHLO MAIL RSET STARTTLS AUTH XCLIENT NOOP VRFY HELP".split():
            if verb not in b"RCPT DATA QUIT XFORWARD".split():
                return self._fault("502")
        else:
            self.idle += 1
            if self.idle > LIMITS.idle_commands:
                return self._end("421 4.7.0")
        return self._obey(verb, argument, PLAIN.get(line[:-1], ""))

    def _obey(self, verb: bytes, argument: bytes, word: str) -> str:
        match verb:
            case b"MAIL":
                return self._mail(argument)
            case b"RCPT":
                return self._rcpt(argument)
            case b"DATA":
                return self._data(word)
            case b"XFORWARD" | b"XCLIENT" | b"STARTTLS" | b"AUTH" if self.sender is not None:
                return self._fault("503")
            case b"QUIT":
                return self._end(word)
            case b"RSET" | b"HELO" | b"EHLO" if word == "250":
                self._forget()
                self.greeted = self.greeted or verb != b"RSET"
        return self._fault(word) if word.startswith("5") else word

    def _mail(self, argument: bytes) -> str:
        if not self.greeted or self.sender is not None:
            return self._fault("503")
        word = SENDERS[argument]
        if word == "250":
            self.sender, self.recipients, self.asked = argument[5:], [], 0
        return word if word.endswith("hop") or word == "250" else self._fault(word)

    def _rcpt(self, argument: bytes) -> str:
        if self.sender is None:
            return self._fault("503")
        self.asked += 1
        if self.asked > 10 * LIMITS.recipients:
            return self._end("421 4.7.0")
        word = RECIPIENTS[argument]
        if word.startswith("501"):
            return self._fault(word)
        if self.asked > LIMITS.recipients:
            return "452 4.5.3"
        if word == "250":
            self.recipients.append(argument[3:])
        return word

    def _data(self, word: str) -> str:
        if self.sender is None:
            return self._fault("503")
        if word == "501":
            return self._fault(word)
        if not self.recipients:
            return self._fault("554 5.5.1" if self.asked else "503")
        self.in_data = True
        return word

    def _fault(self, word: str) -> str:
        self.errors += 1
        return word if self.errors < LIMITS.errors else self._end("421 4.7.0")

    def _end(self, word: str) -> str:
        self.over = True
        return word

    def _forget(self) -> None:
        self.sender, self.recipients = None, []


@dataclass
class Rig:
    """A server, its next hop, and the loop that both run on."""

    loop: asyncio.AbstractEventLoop
    relay: Relay
    hop: Hop

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def rig(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    new_loop = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    loop = new_loop[request.param]()
    hop: Any = Hop()
    start = run_relay(tmp_path_factory.mktemp("relay"), 0, next_hop=hop, limits=LIMITS)
    rig = Rig(loop=loop, relay=loop.run_until_complete(start), hop=hop)
    yield rig
    rig.run(rig.relay.server.stop(grace_s=1))
    loop.close()


class Conversing(RuleBasedStateMachine):
    """Says things, waits for as many replies as the model expects, and compares."""

    def __init__(self, rig: Rig) -> None:
        super().__init__()
        self.rig = rig
        self.client: Client | None = None
        self.model = Model()

    @initialize()
    def connect(self) -> None:
        self.rig.hop.taken.clear()
        self.client = self.rig.run(open_client(self.rig.relay.port))
        self.model = Model()
        assert self.rig.run(self.client.reply()).startswith("220")

    @initialize(skip=st.booleans())
    def introduce(self, skip: bool) -> None:
        if self.client is not None and not skip:
            self._say(b"EHLO client.example\r\nMAIL FROM:<ana@elmpark.example>\r\n", 100_000)
            self._say(b"RCPT TO:<ben@elmpark.example>\r\n", 100_000)

    @precondition(lambda self: not self.model.in_data)
    @rule(commands=st.lists(COMMANDS, min_size=1, max_size=4), cut=CUTS)
    def pipeline(self, commands: list[bytes], cut: int) -> None:
        ends = (command + (b"" if command.endswith(b"\n") else b"\r\n") for command in commands)
        self._say(b"".join(ends), cut)

    @rule(content=DATA, cut=CUTS, more=st.sampled_from([b"", b"RSET\r\n", b"NOOP\r\nQUIT\r\n"]))
    def send_a_message(self, content: bytes, cut: int, more: bytes) -> None:
        begin = b"" if self.model.in_data else b"DATA\r\n"
        if begin and not self.model.recipients:
            return
        self._say(begin + content + b"\r\n.\r\n" + more, cut)

    @precondition(lambda self: self.model.in_data)
    @rule(content=DATA, cut=CUTS)
    def send_a_part(self, content: bytes, cut: int) -> None:
        self._say(content, cut)

    @precondition(lambda self: not self.model.over)
    @rule()
    def vanish(self) -> None:
        """Nothing that was under way may arrive."""
        assert self.client is not None
        self.client.reset()
        taken = self.model.taken
        self.model = Model()
        self.model.over, self.model.taken = True, taken

    @precondition(lambda self: self.model.over)
    @rule()
    def come_again(self) -> None:
        taken = self.model.taken
        hop_taken = list(self.rig.hop.taken)
        self.teardown()
        self.connect()
        self.model.taken = taken
        self.rig.hop.taken.extend(hop_taken)

    @invariant()
    def what_was_taken_is_what_was_said(self) -> None:
        assert self.model.taken == self.rig.hop.taken

    def _say(self, data: bytes, cut: int) -> None:
        assert self.client is not None
        if self.model.over:
            return
        self.rig.run(self._send(data, cut))
        due = self.model.feed(data)
        for words in due:
            reply = self.rig.run(self.client.reply())
            if reply == "closed" and self.model.over and self.model.stream:
                # Whoever says more to a server that has hung up may be answered by RST, which
                # takes with it what was not read yet.
                return
            assert reply.startswith(words), f"{reply!r}, not {words}"
        if self.model.over:
            assert self.rig.run(self.client.reply()) == "closed"

    async def _send(self, data: bytes, cut: int) -> None:
        """In pieces that arrive apart, as long as there are not too many."""
        assert self.client is not None
        for start in range(0, len(data), cut):
            if self.client.writer.is_closing():
                return
            self.client.writer.write(data[start : start + cut])
            if len(data) < 100 * cut:
                await asyncio.sleep(0)

    def teardown(self) -> None:
        if self.client is not None:
            self.client.writer.transport.abort()
            self.rig.run(asyncio.sleep(0))


def test_any_session_goes_as_the_slow_model_says(rig: Rig) -> None:
    run_state_machine_as_test(
        lambda: Conversing(rig),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
