"""Whole sessions against a slow reference: it reads one byte at a time, and is written from the
protocol's description, so that it shares no line with what it checks."""

import struct
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mailguard.mail.envelope import Transaction
from mailguard.milter.dialogue import Dialogue, Refused
from mailguard.milter.frame import BadPacket, Frames
from mailguard.testing.fakes import FakeClock
from mailguard.testing.milter import connect, frame, macros, negotiation, settings_of, strings

MOST_BYTES, MOST_RECIPIENTS = 300, 3
SETTINGS = settings_of(message_bytes=MOST_BYTES, recipients=MOST_RECIPIENTS)

PEERS = {
    b"192.0.2.7": "192.0.2.7",
    b"127.0.0.1": "127.0.0.1",
    b"2001:db8::7": "2001:db8::7",
    b"IPv6:2001:db8::8": "2001:db8::8",
    b"nonsense": "",
}
CONTINUE = b"\0\0\0\1c"

Seen = dict[str, Any]


class Bad(Exception):
    """The protocol has no such thing here."""


class Slow:
    """What the mail server should hear, and the messages that should come out."""

    def __init__(self) -> None:
        self.said = b""
        self.seen: list[Seen] = []
        self.end = ""
        self.stream: list[int] = []
        self.agreed: int | None = None
        self.client: tuple[bytes, bytes, int, bytes] | None = None
        self.helo = b""
        self.known: dict[bytes, dict[bytes, bytes]] = {}
        self.letter: Seen | None = None

    def feed(self, block: bytes) -> None:
        for byte in block:
            if self.end:
                return
            self.stream.append(byte)
            if len(self.stream) < 4:
                continue
            size = (
                self.stream[0] << 24 | self.stream[1] << 16 | self.stream[2] << 8 | self.stream[3]
            )
            if size == 0 or size > 1048576:
                self.end = "bad"
            elif len(self.stream) == 4 + size:
                packet, self.stream = bytes(self.stream[4:]), []
                try:
                    self.obey(packet[:1], packet[1:])
                except Bad:
                    self.end = "bad"

    def obey(self, command: bytes, data: bytes) -> None:
        if (command == b"O") is (self.agreed is not None):
            raise Bad
        if command == b"O":
            self.negotiate(data)
        elif command == b"D":
            self.learn(data)
        elif command == b"C":
            self.meet(data)
        elif command in (b"H", b"M") and self.client is None:
            raise Bad
        elif command == b"H":
            self.helo = self.words(data)[0]
            self.nod(0x2000)
        elif command == b"M":
            self.begin(self.words(data))
        elif command in (b"T", b"U"):
            self.said += CONTINUE
        elif command == b"A":
            self.forget()
        elif command == b"Q":
            self.end = "over"
        elif command == b"K":
            self.forget()
            self.client, self.helo, self.known = None, b"", {}
        elif command in (b"R", b"L", b"N", b"B", b"E") and self.letter is not None:
            self.add(command, data, self.letter)
        else:
            raise Bad

    def negotiate(self, data: bytes) -> None:
        if len(data) < 12:
            raise Bad
        version, can, may = struct.unpack("!III", data[:12])
        if version < 2 or not can & 8:
            raise Bad
        self.agreed = may & 0x1CF380
        answer = struct.pack("!III", min(version, 6), 8 | can & 0x100, self.agreed)
        if can & 0x100:
            answer += b"\0\0\0\1{tls_version} {cipher}\0"
            answer += b"\0\0\0\2i {auth_authen}\0\0\0\0\5i\0"
        self.said += struct.pack("!I", len(answer) + 1) + b"O" + answer

    def learn(self, data: bytes) -> None:
        if not data:
            raise Bad
        words = self.words(data[1:]) if len(data) > 1 else []
        if len(words) % 2:
            raise Bad
        values = {}
        for at in range(0, len(words), 2):
            name = words[at]
            name = name[1:] if name[:1] == b"{" else name
            name = name[:-1] if name[-1:] == b"}" else name
            values[name] = words[at + 1]
        self.known[data[:1]] = values

    def meet(self, data: bytes) -> None:
        if self.client is not None or b"\0" not in data:
            raise Bad
        name, rest = data[: data.index(0)], data[data.index(0) + 1 :]
        family = rest[:1]
        if family == b"U":
            self.client = (name, family, 0, b"")
        elif family in (b"4", b"6", b"L") and len(rest) > 3 and rest[-1] == 0:
            self.client = (name, family, rest[1] * 256 + rest[2], rest[3:-1])
        else:
            raise Bad
        self.nod(0x1000)

    def begin(self, words: list[bytes]) -> None:
        for stage in b"EBNLTR":
            self.known.pop(bytes([stage]), None)
        self.letter = {
            "sender": self.path(words),
            "to": [],
            "esmtp": len(words) > 1,
            "text": b"",
            "in head": True,
            "refusal": 0,
        }
        self.nod(0x4000)

    def add(self, command: bytes, data: bytes, letter: Seen) -> None:
        if command == b"R":
            path = self.path(self.words(data))
            if len(letter["to"]) < MOST_RECIPIENTS:
                letter["to"].append(path)
            else:
                letter["refusal"] = letter["refusal"] or 452
            self.nod(0x8000)
        elif command == b"L":
            end = data.find(b"\0")
            if end < 1 or data[-1] != 0 or end == len(data) - 1 or not letter["in head"]:
                raise Bad
            value = b"\r\n".join(data[end + 1 : -1].replace(b"\r\n", b"\n").split(b"\n"))
            space = b"" if self.agreed is not None and self.agreed & 0x100000 else b" "
            self.write(letter, data[:end] + b":" + space + value + b"\r\n")
            self.nod(0x80)
        elif command == b"E":
            if not letter["to"]:
                raise Bad
            self.head_ends(letter)
            self.write(letter, data)
            self.finish(letter)
        else:
            self.head_ends(letter)
            self.write(letter, data if command == b"B" else b"")
            self.nod(0x80000 if command == b"B" else 0x40000)

    def finish(self, letter: Seen) -> None:
        assert self.client is not None
        _, family, port, address = self.client
        peer = PEERS.get(address, "") if family in (b"4", b"6") else ""
        auth = self.value(b"auth_authen")
        is_inside = auth or family == b"L" or peer == "127.0.0.1"
        seen = {
            "sender": letter["sender"],
            "to": letter["to"],
            "text": letter["text"],
            "peer": peer,
            "port": port,
            "helo": self.helo,
            "auth": auth,
            "ident": self.value(b"i"),
            "origin": "inside" if is_inside else "outside",
            "esmtp": letter["esmtp"],
        }
        self.seen.append({"refusal": letter["refusal"]} if letter["refusal"] else seen)
        self.forget()

    def value(self, name: bytes) -> bytes:
        found = [self.known.get(bytes([stage]), {}).get(name, b"") for stage in b"EBNLTRMHC"]
        return next((each for each in found if each), b"")

    def forget(self) -> None:
        self.letter = None
        for stage in b"EBNLTRM":
            self.known.pop(bytes([stage]), None)

    def head_ends(self, letter: Seen) -> None:
        if letter["in head"]:
            letter["in head"] = False
            self.write(letter, b"\r\n")

    def write(self, letter: Seen, text: bytes) -> None:
        if letter["refusal"] == 0 and len(letter["text"]) + len(text) > MOST_BYTES:
            letter["refusal"] = 552
        letter["text"] += text

    def words(self, data: bytes) -> list[bytes]:
        words, word = [], b""
        for byte in data:
            if byte:
                word += bytes([byte])
            else:
                words.append(word)
                word = b""
        if word or not words:
            raise Bad
        return words

    def path(self, words: list[bytes]) -> bytes:
        text = b" ".join(words)
        if len(text) > 4096 or any(byte < 32 or byte == 127 for byte in text):
            raise Bad
        return text

    def nod(self, silence: int) -> None:
        if self.agreed is not None and not self.agreed & silence:
            self.said += CONTINUE


class Real:
    """What is tested, behind the same two ends."""

    def __init__(self) -> None:
        self.frames = Frames()
        self.dialogue = Dialogue(SETTINGS, FakeClock(), via="")
        self.said = b""
        self.seen: list[Seen] = []
        self.end = ""

    def feed(self, block: bytes) -> None:
        if self.end:
            return
        self.frames.feed(block)
        try:
            while not self.end and (packet := self.frames.next()) is not None:
                self.said += self.dialogue.take(*packet)
                self.end = "over" if self.dialogue.is_over else ""
                if self.dialogue.complete is not None:
                    self.seen.append(self.seen_of(self.dialogue.complete))
                    self.dialogue.complete = None
        except BadPacket:
            self.end = "bad"

    def seen_of(self, found: Transaction | Refused) -> Seen:
        if isinstance(found, Refused):
            return {"refusal": found.reply.code}
        session = found.session
        return {
            "sender": found.envelope.sender.argument,
            "to": [path.argument for path in found.envelope.recipients],
            "text": found.raw.head(found.raw.size),
            "peer": session.peer,
            "port": session.peer_port,
            "helo": session.helo.encode(),
            "auth": session.auth.encode(),
            "ident": session.ident.encode(),
            "origin": str(session.origin),
            "esmtp": session.esmtp,
        }


WORD = st.text("abc.@-<>", min_size=1, max_size=12).map(str.encode)
PATHS = st.lists(WORD, min_size=1, max_size=3) | st.just([b"<\xc3\xab@x.example>"])
TEXT = st.binary(max_size=40) | st.sampled_from([b" a\n\tb", b" a\r\n b\n\n", b"x" * 200])
VALUE = TEXT.map(lambda text: text.replace(b"\0", b""))
STAGES = st.sampled_from([b"C", b"H", b"M", b"R", b"T", b"L", b"N", b"B", b"E", b"?"])
KEPT = st.integers(0, 40)
"""Bytes at the end of a packet that come with the next."""

BAD_PATHS = ([b"<a\r\nb>"], [b"<" + b"a" * 5000 + b">"], [b"\x7f"])


class Sessions(RuleBasedStateMachine):
    """Packets that may come now, each split anywhere; after some messages, any packet at all."""

    def __init__(self) -> None:
        super().__init__()
        self.slow, self.blocks, self.bytes = Slow(), Real(), Real()
        self.held_back = b""
        self.honest = 0

    @initialize(
        version=st.integers(2, 7),
        can=st.sampled_from([0x1FF, 0x3F]),
        may=st.just(0x1FFFFF) | st.integers(0, 0x1FFFFF),
        honest=st.integers(0, 4),
    )
    def negotiate(self, version: int, can: int, may: int, honest: int) -> None:
        self.honest = honest
        self.say(negotiation(version, can, may) + connect())

    def say(self, packet: bytes, kept: int = 0) -> None:
        """Everybody hears it; who reads blocks hears the last `kept` bytes with the next packet."""
        block = self.held_back + packet
        cut = max(0, len(block) - kept)
        self.held_back = block[cut:]
        self.blocks.feed(block[:cut])
        for byte in packet:
            self.bytes.feed(bytes([byte]))
        self.slow.feed(packet)

    def knows_client(self) -> bool:
        return not self.slow.end and self.slow.client is not None

    def has_letter(self) -> bool:
        return not self.slow.end and self.slow.letter is not None

    def is_in_head(self) -> bool:
        return self.has_letter() and self.slow.letter["in head"]

    def is_addressed(self) -> bool:
        return self.has_letter() and bool(self.slow.letter["to"])

    def may_misbehave(self) -> bool:
        return not self.slow.end and len(self.slow.seen) >= self.honest

    @precondition(knows_client)
    @rule(name=WORD, kept=KEPT)
    def helo(self, name: bytes, kept: int) -> None:
        self.say(frame(b"H", strings(name)), kept)

    @precondition(knows_client)
    @rule(words=PATHS, to=st.lists(PATHS, min_size=1, max_size=4), kept=KEPT)
    def envelope(self, words: list[bytes], to: list[list[bytes]], kept: int) -> None:
        self.say(frame(b"M", strings(*words)), kept)
        for each in to:
            self.say(frame(b"R", strings(*each)), kept)

    @rule(stage=STAGES, name=st.sampled_from(["i", "auth_authen", "j"]), value=WORD)
    def learn(self, stage: bytes, name: str, value: bytes) -> None:
        self.say(macros(stage, **{name: value}))

    @precondition(is_in_head)
    @rule(name=WORD, value=VALUE, kept=KEPT)
    def header(self, name: bytes, value: bytes, kept: int) -> None:
        self.say(frame(b"L", strings(name, value)), kept)

    @precondition(has_letter)
    @rule(command=st.sampled_from([b"N", b"B", b"B"]), text=TEXT, kept=KEPT)
    def body(self, command: bytes, text: bytes, kept: int) -> None:
        self.say(frame(command, text), kept)

    @precondition(is_addressed)
    @rule(text=TEXT, kept=KEPT)
    def end(self, text: bytes, kept: int) -> None:
        self.say(frame(b"E", text), kept)

    @precondition(knows_client)
    @rule(
        words=PATHS,
        to=st.integers(1, 4),
        fields=st.lists(st.tuples(WORD, VALUE), max_size=3),
        text=TEXT,
        kept=KEPT,
    )
    def message(
        self, words: list[bytes], to: int, fields: list[tuple[bytes, bytes]], text: bytes, kept: int
    ) -> None:
        self.say(frame(b"M", strings(*words)) + frame(b"R", strings(b"<c@d.example>")) * to)
        self.say(b"".join(frame(b"L", strings(*field)) for field in fields), kept)
        self.say(frame(b"E", text))

    @rule(command=st.sampled_from([b"T", b"U"]), kept=KEPT)
    def plain(self, command: bytes, kept: int) -> None:
        self.say(frame(command), kept)

    @precondition(has_letter)
    @rule(kept=KEPT)
    def abort(self, kept: int) -> None:
        self.say(frame(b"A"), kept)

    @precondition(lambda self: self.knows_client() and self.slow.seen)
    @rule(
        family=st.sampled_from([b"4", b"6", b"L", b"U"]),
        address=st.sampled_from([*PEERS]),
        kept=KEPT,
    )
    def next_client(self, family: bytes, address: bytes, kept: int) -> None:
        self.say(frame(b"K") + connect(address, 4711, family), kept)

    @precondition(may_misbehave)
    @rule(
        packet=st.one_of(
            st.sampled_from([frame(bytes([letter])) for letter in b"OCHMRLBEQNDAK?"]),
            st.sampled_from(BAD_PATHS).map(lambda path: frame(b"M", strings(*path))),
            st.sampled_from([b"C", b"H", b"M", b"R", b"L", b"D"]).flatmap(
                lambda command: st.binary(max_size=20).map(lambda data: frame(command, data))
            ),
            st.binary(min_size=1, max_size=8),
        ),
        kept=KEPT,
    )
    def misbehave(self, packet: bytes, kept: int) -> None:
        self.say(packet, kept)

    @invariant()
    def nobody_disagrees(self) -> None:
        assert self.result(self.bytes) == self.result(self.slow)
        if not self.held_back:
            assert self.result(self.blocks) == self.result(self.slow)

    def teardown(self) -> None:
        self.blocks.feed(self.held_back)
        assert self.result(self.blocks) == self.result(self.slow)

    def result(self, reader: Slow | Real) -> tuple[bytes, list[Seen], str]:
        return reader.said, reader.seen, reader.end


TestSessions = Sessions.TestCase
TestSessions.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
