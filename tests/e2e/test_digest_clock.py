"""The digest of the real service under a clock that changes, jumps and goes back: copies counted.

libfaketime sets the wall clock of every process while it runs; the monotonic clock stays real, as
on a machine whose time is set.
"""

import email
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.header import decode_header, make_header
from pathlib import Path

import pytest

from mailguard.testing.service import Service, wait_until
from mailguard.testing.sink import Sink

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
"""Not the MT one: its lock and Python's own keep each other waiting."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(LIBRARY is None, reason="libfaketime is not installed"),
]

EVERY_DAY = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

SLEEP = """
import select
import time

time.sleep = lambda seconds: select.select([], [], [], seconds) and None
"""
"""For Python's start: its own sleep ends with EINVAL under libfaketime 0.9.10, which takes the
monotonic time until which it sleeps for a wall-clock time."""

LOOKED_S = 4.0
"""By then the service has looked whether a digest is due: it does so every two seconds."""


@dataclass
class Clock:
    """The wall clock of a service."""

    folder: Path

    def __post_init__(self) -> None:
        self.folder.mkdir()
        (self.folder / "sitecustomize.py").write_text(SLEEP)

    @property
    def file(self) -> Path:
        return self.folder / "now"

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            # Seconds. Without a cache each look at a clock reads the file.
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            # What it takes for a fault of the C library would make waiting threads spin.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
            # The ages of files stay real: Python would compile every module anew.
            "NO_FAKE_STAT": "1",
            "PYTHONPATH": str(self.folder),
        }

    def set(self, moment: str) -> None:
        """Make it this time in UTC now, in every process within a second; it goes on from there."""
        wanted = datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()
        new = self.file.with_suffix(".new")
        new.write_text(f"{wanted - time.time():+.3f}\n")
        new.replace(self.file)


@dataclass
class Mailbox:
    """What arrived, as days and copies."""

    sink: Sink

    def days(self) -> list[str]:
        """The day of each digest, in order of arrival, as its subject has it."""
        subjects = (email.message_from_bytes(raw)["Subject"] for raw in self.sink.messages())
        texts = (str(make_header(decode_header(subject))) for subject in subjects)
        return [text.split(" – ")[1] for text in texts]

    def expect(self, *days: str) -> None:
        """Wait until exactly these have arrived, in this order."""
        wait_until(lambda: len(self.sink.delivered) >= len(days), 60)
        assert self.days() == list(days)

    def expect_no_more(self) -> None:
        """Let the service look once more: nothing may come."""
        before = len(self.sink.delivered)
        deadline = time.monotonic() + LOOKED_S
        with pytest.raises(AssertionError, match="did not come true"):
            wait_until(lambda: len(self.sink.delivered) != before, deadline - time.monotonic())

    def most_copies(self) -> int:
        """Of the digest of one day to one person."""
        return max(
            Counter(
                (day, *(path.address for path in delivered.recipients))
                for day, delivered in zip(self.days(), self.sink.delivered, strict=True)
            ).values()
        )


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[Mailbox]:
    sink = Sink(tmp_path / "mailbox")
    sink.start()
    yield Mailbox(sink)
    sink.stop()


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path / "faketime")


@pytest.fixture
def start(
    make_service: Callable[..., Service], sink: Sink, mailbox: Mailbox, clock: Clock
) -> Callable[..., Service]:
    def start(time: str) -> Service:
        return make_service(
            sink.port,
            own_mail=mailbox.sink.port,
            digest_time=time,
            digest_days=EVERY_DAY,
            only="jobs",
            environment=clock.environment,
        )

    return start


def test_one_digest_a_day_through_both_clock_changes(
    start: Callable[..., Service], mailbox: Mailbox, clock: Clock
) -> None:
    clock.set("2026-03-28T12:00:00")
    start("01:30")
    mailbox.expect("Sat 28 Mar")

    # 01:30 is left out on this day: the clock goes from 01:00 to 02:00.
    clock.set("2026-03-29T00:59:45")
    mailbox.expect_no_more()
    clock.set("2026-03-29T01:00:00")
    mailbox.expect("Sat 28 Mar", "Sun 29 Mar")
    clock.set("2026-03-29T01:30:00")
    mailbox.expect_no_more()
    clock.set("2026-03-30T00:30:00")
    mailbox.expect("Sat 28 Mar", "Sun 29 Mar", "Mon 30 Mar")

    # 01:30 is there twice on this day: the first counts.
    clock.set("2026-10-25T00:30:00")
    mailbox.expect("Sat 28 Mar", "Sun 29 Mar", "Mon 30 Mar", "Sun 25 Oct")
    clock.set("2026-10-25T01:30:00")
    mailbox.expect_no_more()
    clock.set("2026-10-26T01:30:00")
    mailbox.expect("Sat 28 Mar", "Sun 29 Mar", "Mon 30 Mar", "Sun 25 Oct", "Mon 26 Oct")
    assert mailbox.most_copies() == 1


def test_one_digest_for_days_that_were_missed_and_none_twice_when_the_clock_goes_back(
    start: Callable[..., Service], mailbox: Mailbox, clock: Clock
) -> None:
    clock.set("2026-11-02T09:00:00")
    service = start("07:30")
    mailbox.expect("Mon 2 Nov")

    # Off for two days.
    assert service.stop() == 0
    clock.set("2026-11-04T10:00:00")
    service.start()
    mailbox.expect("Mon 2 Nov", "Wed 4 Nov")

    # A week ahead by mistake, and back again.
    clock.set("2026-11-11T10:00:00")
    mailbox.expect("Mon 2 Nov", "Wed 4 Nov", "Wed 11 Nov")
    clock.set("2026-11-04T10:00:20")
    mailbox.expect_no_more()
    clock.set("2026-11-05T07:30:00")
    mailbox.expect("Mon 2 Nov", "Wed 4 Nov", "Wed 11 Nov", "Thu 5 Nov")

    # Started anew on the same day.
    assert service.stop() == 0
    service.start()
    mailbox.expect_no_more()
    assert mailbox.most_copies() == 1
