"""A real Postfix whose every way in asks MailGuard, its own way back for what is released too; and
mail that programs on the machine hand in (`non_smtpd_milters`), for which no client connects.

One Postfix, one MailGuard and one next hop serve all tests here.
"""

import asyncio
import json
import os
import re
import shutil
import smtplib
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from mailguard.config import load_config
from mailguard.flow.review import release
from mailguard.mail.envelope import Envelope
from mailguard.mail.raw import Raw
from mailguard.mail.release_key import sign_release
from mailguard.service.compose import Stores, open_stores, review_ports
from mailguard.smtp.maildir import Delivered
from mailguard.testing import mail, path
from mailguard.testing.postfix import PICKUP, Postfix
from mailguard.testing.service import Service, free_port, wait_until
from mailguard.testing.sink import Sink

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("postfix") is None, reason="Postfix is not installed"),
    pytest.mark.skipif(os.geteuid() != 0, reason="Postfix is started by root"),
]

T = TypeVar("T")

PUPIL = "sam@pupils.elmpark.example"
OTHER = "max@pupils.elmpark.example"
THIRD = "kim@pupils.elmpark.example"
TEACHER = "ms.khan@elmpark.example"
STRANGER = "x@elsewhere.example"

HELD = "wait till break tomorrow, I'm going to stab you"
MIXED = "Everyone hates you. kill yourself, nobody would miss you."
INFECTED = f"{HELD}. First turn off your antivirus"

CONFIG = """
[[listeners]]
name = "asked"
protocol = "milter"
address = "127.0.0.1:{port}"
clients = ["127.0.0.0/8", "10.20.0.0/16"]
next_hop = "smtp://127.0.0.1:{next_hop}"
next_hop_asks = true
"""

POSTFIX = """
non_smtpd_milters = inet:127.0.0.1:{port}
local_header_rewrite_clients =
"""


@dataclass
class Stage:
    """Postfix, which asks MailGuard about everything; and what was there before a test."""

    postfix: Postfix
    service: Service
    sink: Sink
    delivered: int = 0
    held: frozenset[str] = frozenset()

    def begin(self) -> None:
        self.delivered, self.held = len(self.sink.delivered), frozenset()
        self.held = frozenset(self.items())

    def arrived(self, count: int = 1) -> list[Delivered]:
        wait_until(lambda: len(self.sink.delivered) >= self.delivered + count, 20)
        return self.sink.delivered[self.delivered :]

    def items(self) -> dict[str, dict[str, str]]:
        """The states of what is in quarantine since the test began, by id and address."""
        found: dict[str, dict[str, str]] = {}
        with closing(sqlite3.connect(self.service.folder / "mailguard.db", timeout=10)) as database:
            query = "SELECT held_id, address, state FROM held_recipients ORDER BY held_id"
            for held_id, address, state in database.execute(query):
                found.setdefault(held_id, {})[address] = state
        return {held_id: found[held_id] for held_id in found if held_id not in self.held}

    def held_id(self) -> str:
        """The only one's id, once it is there."""
        wait_until(lambda: len(self.items()) == 1, 20)
        wait_until(lambda: "pending" not in str(self.items()))
        (held_id,) = self.items()
        return held_id

    def evidence(self, held_id: str) -> tuple[bytes, dict[str, Any]]:
        (file,) = self.service.spool.glob(f"2*/*/*/{held_id}/message.eml")
        return file.read_bytes(), json.loads(file.with_name("evidence.json").read_text())

    def send(
        self, raw: bytes, *, sender: str = PUPIL, to: Sequence[str] = (OTHER,), address: str = ""
    ) -> tuple[int, bytes]:
        with smtplib.SMTP("127.0.0.1", self.postfix.asking, timeout=60) as client:
            client.ehlo("client.example")
            if address:
                client.docmd("XCLIENT", f"ADDR={address} NAME=client.example")
                client.ehlo("client.example")
            client.mail(sender)
            for each in to:
                client.rcpt(each)
            return client.data(raw)

    def forget_symbols(self, held_id: str) -> None:
        with closing(sqlite3.connect(self.service.folder / "mailguard.db", timeout=10)) as database:
            database.execute("UPDATE held_messages SET symbols = '[]' WHERE id = ?", (held_id,))
            database.commit()

    def release(self, *held_ids: str) -> None:
        """Release them as a reviewer does, and wait until that has ended."""

        async def decide(stores: Stores) -> None:
            for held_id in held_ids:
                await release(held_id, by="J Smith", reason="drama", ports=review_ports(stores))

        self.with_stores(decide)
        wait_until(lambda: "releasing" not in str(self.items()), 20)

    def with_stores(self, work: Callable[[Stores], Awaitable[T]]) -> T:
        """Do `work` in the service's own database."""

        async def run() -> T:
            stores = open_stores(load_config(self.service.config))
            try:
                return await work(stores)
            finally:
                await stores.close()

        return asyncio.run(run())

    def key_for(self, held_id: str, raw: bytes) -> bytes:
        """A key as the jobs process makes it, in the hands of somebody else."""

        async def sign(stores: Stores) -> bytes:
            held = await stores.held.by_id(held_id)
            return sign_release(
                Raw.of(raw),
                Envelope(sender=path(held.sender), recipients=(path(OTHER),)),
                held_id=held_id,
                token=await stores.release_keys.issue(),
                secret=await stores.own_mail.secret(),
                now=stores.clock.now(),
            )

        return self.with_stores(sign)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, rule_cache: Path) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("asking")
    sink, port = Sink(folder / "maildir"), free_port()
    postfix = Postfix(
        proxy=1,
        relay=sink.port,
        milter=f"inet:127.0.0.1:{port}",
        extra=POSTFIX.format(port=port),
        services=PICKUP,
    )
    service = Service(
        folder=folder / "mailguard",
        next_hop=postfix.back,
        cache=rule_cache,
        extra=CONFIG.format(port=port, next_hop=postfix.asking),
    )
    with ExitStack() as stack:
        stack.callback(sink.stop)
        sink.start()
        stack.callback(postfix.stop)
        postfix.start()
        stack.callback(service.stop)
        service.start()
        yield Stage(postfix=postfix, service=service, sink=sink)


@pytest.fixture
def stage(house: Stage) -> Stage:
    house.begin()
    return house


def without_trace(raw: bytes) -> bytes:
    """A recipient's copy without what servers put in front."""
    return re.sub(rb"\A(?:Received:[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)+", b"", raw)


def log_of(stage: Stage, event: str) -> int:
    return stage.service.log.count(f"event={event} ")


ODD = [
    ("X-Spaces", "   three  "),
    ("X-Folded", "one\r\n\ttwo"),
    ("x-mailguard-release", "v=1; forged"),
]


RELEASED = (
    mail(HELD, from_=PUPIL),
    mail(f"{HELD}. Grüße \udcff\n.\n..\n\nFrom me", from_=PUPIL, headers=ODD),
    mail(HELD, from_=PUPIL).replace(b"Message-ID: <1@elmpark.example>\r\n", b""),
)


def test_released_messages_arrive_once_as_they_were_and_without_their_keys(stage: Stage) -> None:
    for raw in RELEASED:
        stage.send(raw, address="192.0.2.9", sender=STRANGER)
    held = list(stage.items())
    kept = [stage.evidence(held_id)[0] for held_id in held]
    passed = log_of(stage, "release_passed")

    stage.release(*held)

    copies = [arrived.file.read_bytes() for arrived in stage.arrived(len(RELEASED))]
    assert sorted(map(without_trace, copies)) == sorted(kept) == sorted(RELEASED)
    assert not any(b"X-MailGuard-Release" in copy for copy in copies)
    assert stage.items() == {held_id: {OTHER: "released"} for held_id in held}
    assert log_of(stage, "release_passed") == passed + len(RELEASED)
    assert len(stage.sink.delivered) == stage.delivered + len(RELEASED)


def test_of_mixed_recipients_the_held_one_gets_its_copy_on_release(stage: Stage) -> None:
    raw = mail(MIXED, from_=PUPIL)
    stage.send(raw, to=[OTHER, TEACHER, THIRD])
    held_id = stage.held_id()

    stage.release(held_id)

    first, second = stage.arrived(2)
    assert [path.address for path in first.recipients] == [TEACHER]
    assert sorted(path.address for path in second.recipients) == [THIRD, OTHER]
    assert without_trace(second.file.read_bytes()) == raw
    assert stage.items() == {held_id: {OTHER: "released", THIRD: "released", TEACHER: "delivered"}}


def test_malware_that_a_reviewer_has_released_arrives(stage: Stage) -> None:
    raw = mail(INFECTED, from_=PUPIL)
    stage.send(raw)
    held_id = stage.held_id()

    stage.release(held_id)

    (arrived,) = stage.arrived()
    assert "malware" in stage.evidence(held_id)[1]["held"]["categories"]
    assert without_trace(arrived.file.read_bytes()) == raw
    assert stage.items() == {held_id: {OTHER: "released"}}


def test_malware_in_what_is_released_is_held_once_more(stage: Stage) -> None:
    raw = mail(INFECTED, from_=PUPIL)
    stage.send(raw)
    first = stage.held_id()
    # As if the rule for it had come after the message.
    stage.forget_symbols(first)

    stage.release(first)

    again = next(held_id for held_id in stage.items() if held_id != first)
    assert stage.items() == {first: {OTHER: "released"}, again: {OTHER: "held"}}
    kept, said = stage.evidence(again)
    assert kept == raw
    assert said["held"]["categories"].keys() == {"malware"}
    assert log_of(stage, "release_stopped") == 1
    assert len(stage.sink.delivered) == stage.delivered


def test_a_key_is_good_for_its_message_once_and_for_nothing_else(stage: Stage) -> None:
    raw = mail(HELD, from_=PUPIL)
    stage.send(raw)
    key = stage.key_for(stage.held_id(), raw)

    codes = {
        stage.send(key + raw.replace(b"stab", b"hurt"))[0],
        stage.send(key + raw, to=[THIRD])[0],
        stage.send(key.replace(b"m=", b"m=0", 1) + raw)[0],
    }
    before = len(stage.items())
    stage.send(key + raw)
    once = len(stage.items())
    stage.send(key + raw)

    (arrived,) = stage.arrived()
    assert codes == {250}
    assert (before, once, len(stage.items())) == (4, 4, 5)
    assert without_trace(arrived.file.read_bytes()) == raw


def test_mail_that_a_program_hands_in_comes_from_inside_and_is_delivered(stage: Stage) -> None:
    raw = mail("Backup done.", from_=TEACHER)

    stage.postfix.submit(raw, sender=TEACHER, to=[TEACHER])

    (arrived,) = stage.arrived()
    assert without_trace(arrived.file.read_bytes()) == raw
    assert stage.items() == {}


def test_what_a_program_hands_in_is_held_released_and_not_held_again(stage: Stage) -> None:
    raw = mail(HELD, from_=PUPIL)

    stage.postfix.submit(raw, sender=PUPIL, to=[OTHER])

    held_id = stage.held_id()
    kept, said = stage.evidence(held_id)
    session = said["session"]
    assert kept == raw
    assert (session["origin"], session["peer"], session["protocol"]) == (
        "inside",
        "127.0.0.1",
        "milter",
    )
    assert said["dispositions"][0]["relationship"] == "pupil→pupil"
    wait_until(lambda: f"{session['ident']}: milter-discard" in stage.postfix.log)
    stage.release(held_id)
    (arrived,) = stage.arrived()
    assert without_trace(arrived.file.read_bytes()) == raw
    assert stage.items() == {held_id: {OTHER: "released"}}


def test_of_what_a_program_hands_in_only_the_held_ones_get_nothing(stage: Stage) -> None:
    stage.postfix.submit(mail(MIXED, from_=PUPIL), sender=PUPIL, to=[OTHER, TEACHER])

    (arrived,) = stage.arrived()
    assert [path.address for path in arrived.recipients] == [TEACHER]
    held_id = stage.held_id()
    assert stage.items() == {held_id: {OTHER: "held", TEACHER: "delivered"}}


def test_what_is_only_flagged_is_delivered_and_a_copy_kept(stage: Stage) -> None:
    raw = mail(MIXED, from_=PUPIL)

    stage.send(raw, to=[TEACHER])

    (arrived,) = stage.arrived()
    held_id = stage.held_id()
    assert without_trace(arrived.file.read_bytes()) == stage.evidence(held_id)[0] == raw
    assert stage.items() == {held_id: {TEACHER: "delivered"}}
