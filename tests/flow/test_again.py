import asyncio
import io
from collections.abc import Callable
from dataclasses import replace

import pytest

from mailguard.errors import StoreUnavailable
from mailguard.flow import again
from mailguard.flow.again import receive_again, remember_unread
from mailguard.flow.setting import Ports, Setting
from mailguard.mail.envelope import Transaction
from mailguard.mail.reply import NEXT_HOP_DOWN, Replies
from mailguard.ports import Delivery
from mailguard.testing import mail, transaction
from mailguard.testing.fakes import OK, FakeDelivery, FakeReceipts


class BrokenReceipts(FakeReceipts):
    """Knows what it was given, and can neither keep nor give anything more."""

    async def keep_unread(self, *args: object, **options: object) -> None:
        raise StoreUnavailable("locked")

    async def take_unread(self, *args: object) -> None:
        raise StoreUnavailable("locked")


class Otherwise:
    """What becomes of all other mail."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def __call__(self, transaction: Transaction, delivery: Delivery) -> Replies:
        self.seen.append(transaction.queue_id)
        return (OK.naming(transaction.queue_id),)


@pytest.fixture
def otherwise() -> Otherwise:
    return Otherwise()


@pytest.fixture
def receipts() -> FakeReceipts:
    return FakeReceipts()


@pytest.fixture
def since(log_lines: io.StringIO) -> Callable[[], str]:
    """What was logged in this test."""
    start = log_lines.tell()
    return lambda: log_lines.getvalue()[start:]


MINE = OK.naming("TESTQUEUEID")


def answered(*replies: object) -> "asyncio.Future[Replies]":
    future: asyncio.Future[Replies] = asyncio.get_running_loop().create_future()
    future.set_result(replies)  # type: ignore[arg-type]
    return future


async def run(
    message: Transaction, otherwise: Otherwise, receipts: FakeReceipts, ports: Ports
) -> Replies:
    return await receive_again(
        message, FakeDelivery(), otherwise=otherwise, receipts=receipts, clock=ports.clock
    )


async def test_the_same_message_gets_the_same_reply_and_goes_no_further(
    otherwise: Otherwise, receipts: FakeReceipts, ports: Ports
) -> None:
    first = transaction(queue_id="FIRST")
    await remember_unread(first, answered(OK.naming("FIRST")), receipts=receipts)

    assert await run(transaction(queue_id="SECOND"), otherwise, receipts, ports) == (
        OK.naming("FIRST"),
    )
    assert otherwise.seen == []
    await run(transaction(queue_id="THIRD"), otherwise, receipts, ports)
    assert otherwise.seen == ["THIRD"]


@pytest.mark.parametrize(
    "other",
    [
        transaction(mail("Something else")),
        transaction(sender="kim@elmpark.example"),
        transaction(to=("ben@elmpark.example", "kim@elmpark.example")),
        transaction(b"X-Hop: 1\r\n" + mail()),
        replace(transaction(), session=replace(transaction().session, listener="another")),
    ],
    ids=["words", "sender", "recipients", "header", "listener"],
)
async def test_any_other_message_goes_on(
    otherwise: Otherwise, receipts: FakeReceipts, ports: Ports, other: Transaction
) -> None:
    await remember_unread(transaction(), answered(MINE), receipts=receipts)

    await run(other, otherwise, receipts, ports)

    assert len(otherwise.seen) == 1
    assert len(receipts.unread) == 1


async def test_two_attempts_at_a_time_are_a_dup_risk(
    receipts: FakeReceipts, ports: Ports, since: Callable[[], str]
) -> None:
    first = transaction(queue_id="FIRST")

    async def meanwhile(second: Transaction, delivery: Delivery) -> Replies:
        await remember_unread(first, answered(OK.naming("FIRST")), receipts=receipts)
        return (OK.naming(second.queue_id),)

    second = transaction(queue_id="SECOND")
    said = await receive_again(
        second, FakeDelivery(), otherwise=meanwhile, receipts=receipts, clock=ports.clock
    )

    assert said == (OK.naming("SECOND"),)
    assert since().count("dup_risk") == 1
    assert receipts.unread == {}


async def test_nothing_is_hashed_while_nothing_is_remembered(
    otherwise: Otherwise, receipts: FakeReceipts, ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(again, "fingerprint", None)
    monkeypatch.setattr(again, "hash_trace_free", None)
    monkeypatch.setattr(again, "has_one_message_id", None)

    await run(transaction(), otherwise, receipts, ports)

    assert len(otherwise.seen) == 1


@pytest.mark.parametrize("head", [b"", b"Message-ID: <2@elmpark.example>\r\n"], ids=["none", "two"])
async def test_only_a_message_with_one_message_id_is_remembered(
    receipts: FakeReceipts, head: bytes
) -> None:
    raw = head + mail() if head else mail().replace(b"Message-ID:", b"X-ID:")

    await remember_unread(transaction(raw), answered(MINE), receipts=receipts)

    assert receipts.unread == {}


async def test_only_what_was_taken_for_all_is_remembered(receipts: FakeReceipts) -> None:
    await remember_unread(transaction(), answered(NEXT_HOP_DOWN), receipts=receipts)
    await remember_unread(transaction(), answered(OK, NEXT_HOP_DOWN), receipts=receipts)

    assert receipts.unread == {}


async def test_what_cannot_be_known_again_is_logged(
    receipts: FakeReceipts, since: Callable[[], str]
) -> None:
    nameless = transaction(mail().replace(b"Message-ID:", b"X-ID:"))
    later: asyncio.Future[Replies] = asyncio.get_running_loop().create_future()

    await remember_unread(nameless, answered(NEXT_HOP_DOWN), receipts=receipts)
    assert since() == ""
    await remember_unread(nameless, answered(MINE), receipts=receipts)
    assert (since().count("reply_unread"), since().count("dup_risk")) == (1, 0)
    early = asyncio.create_task(remember_unread(nameless, later, receipts=receipts))
    await asyncio.sleep(0)
    later.set_result((MINE,))
    await early
    assert (since().count("reply_unread"), since().count("dup_risk")) == (2, 1)


async def test_what_only_some_have_may_double(
    receipts: FakeReceipts, since: Callable[[], str]
) -> None:
    await remember_unread(transaction(), answered(MINE, NEXT_HOP_DOWN), receipts=receipts)

    assert (since().count("reply_unread"), since().count("dup_risk")) == (1, 1)


async def test_a_large_message_is_hashed_beside_the_loop(
    otherwise: Otherwise, receipts: FakeReceipts, ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailguard.flow.receipts.HASHED_HERE", 10)
    await remember_unread(transaction(), answered(MINE), receipts=receipts)

    assert await run(transaction(), otherwise, receipts, ports) == (MINE,)


async def test_a_client_that_comes_by_lmtp_now_gets_a_reply_for_each_recipient(
    otherwise: Otherwise, receipts: FakeReceipts, ports: Ports
) -> None:
    message = transaction(to=("ben@elmpark.example", "kim@elmpark.example"))
    by_lmtp = replace(message, session=replace(message.session, protocol="lmtp"))
    await remember_unread(message, answered(MINE), receipts=receipts)

    assert await run(by_lmtp, otherwise, receipts, ports) == (MINE, MINE)


async def test_what_can_never_be_remembered_is_a_dup_risk(
    since: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(again, "ATTEMPTS", (0.0, 0.0))

    await remember_unread(transaction(), answered(MINE), receipts=BrokenReceipts())

    assert since().count("dup_risk") == 1


async def test_what_cannot_be_looked_up_goes_on_and_is_a_dup_risk(
    otherwise: Otherwise, ports: Ports, since: Callable[[], str]
) -> None:
    receipts = BrokenReceipts()
    await FakeReceipts.keep_unread(
        receipts, again._exact(transaction()), (MINE,), "Q", trace_free="t"
    )

    await run(transaction(queue_id="SECOND"), otherwise, receipts, ports)

    assert otherwise.seen == ["SECOND"]
    assert since().count("dup_risk") == 1


class Unanswered(FakeReceipts):
    """Whoever was to answer has died."""

    async def take_unread(self, fingerprint: str, merged: object) -> object:  # type: ignore[override]
        return self.unread.get(fingerprint)


async def test_a_first_transaction_that_never_ends_is_not_waited_for_for_ever(
    otherwise: Otherwise,
    ports: Ports,
    since: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(again, "FIRST_S", 0.05)
    monkeypatch.setattr(again, "FIRST_EVERY_S", 0.01)
    receipts = Unanswered()
    never: asyncio.Future[Replies] = asyncio.get_running_loop().create_future()
    dying = asyncio.create_task(
        remember_unread(transaction(queue_id="FIRST"), never, receipts=receipts)
    )
    await asyncio.sleep(0.01)

    await run(transaction(queue_id="SECOND"), otherwise, receipts, ports)
    assert since().count("dup_risk") == 1
    await run(transaction(queue_id="THIRD"), otherwise, receipts, ports)
    dying.cancel()

    assert otherwise.seen == ["SECOND", "THIRD"]
    assert since().count("dup_risk") == 1


async def test_a_message_whose_client_has_gone_does_not_wait_for_itself(
    otherwise: Otherwise, ports: Ports
) -> None:
    receipts = Unanswered()
    never: asyncio.Future[Replies] = asyncio.get_running_loop().create_future()
    message = transaction()
    keeping = asyncio.create_task(remember_unread(message, never, receipts=receipts))
    await asyncio.sleep(0.01)
    assert receipts.unread

    async with asyncio.timeout(1):
        await run(message, otherwise, receipts, ports)
    keeping.cancel()

    assert otherwise.seen == [message.queue_id]


def test_to_wait_for_the_first_and_to_answer_takes_less_than_a_mail_server_waits() -> None:
    """Postfix's `smtpd_proxy_timeout` is 100 s."""
    assert again.PATIENCE_S + again.FIRST_S + Setting(school="x").answer_s < 100
