"""An invented school: its pupils, the rules and what they mean there by default."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random

from mailguard.mail.envelope import Envelope, Origin, QueueId, Session, Transaction
from mailguard.mail.envelope import Path as Address
from mailguard.mail.raw import Raw
from mailguard.policy.directory import build_directory
from mailguard.policy.people import Person
from mailguard.policy.settings import Policy
from mailguard.policy.taxonomy import Group
from mailguard.scan.registry import Ruleset
from mailguard.scan.school import School
from mailguard.service.load import load_ruleset
from mailguard.testing.numbers import pupil_number
from personal_data.letters import FORENAMES, SURNAMES

SENDER = "ana.reed@elmpark.example"
OUTSIDE = "office@finch.example"
_TODAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
_PUPILS = 400
_MIDDLES = ("", "", "", " Rose", " Kai", " June")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Everything that judging one message needs to know."""

    pupils: tuple[Person, ...]
    policy: Policy
    ruleset: Ruleset


def found_school(rng: Random, cache: Path) -> Place:
    """Make it up; `cache` keeps compiled rules."""
    pupils = tuple(_enrol(rng))
    directory = build_directory(
        School(name="Elm Park Primary", domains=frozenset({"elmpark.example"})),
        people=pupils,
        pupils=("*@pupils.elmpark.example",),
        staff=("*@elmpark.example",),
        key=rng.randbytes(32),
    )
    loaded = load_ruleset(school=directory.school, cache=cache)
    return Place(pupils=pupils, policy=Policy(directory=directory), ruleset=loaded.ruleset)


def _enrol(rng: Random) -> Iterator[Person]:
    for n in range(_PUPILS):
        forename = rng.choice(FORENAMES) + rng.choice(_MIDDLES)
        surname = rng.choice(SURNAMES) + rng.choice(("", "", "son", "ley", "worth"))
        yield Person(
            address=f"p{n}@pupils.elmpark.example",
            group=Group.PUPIL,
            name=f"{forename} {surname}",
            forename=forename,
            surname=surname,
            year=rng.randrange(1, 7),
            born=date(2014, 9, 1) + timedelta(days=rng.randrange(2100)),
            upn=pupil_number(rng),
        )


def send(raw: bytes, to: tuple[str, ...] = (OUTSIDE,)) -> Transaction:
    """A member of staff sends `raw` to somebody outside."""
    return Transaction(
        queue_id=QueueId("Q1"),
        session=Session(
            listener="inside",
            origin=Origin.INSIDE,
            peer="192.0.2.7",
            peer_port=0,
            helo="desk.elmpark.example",
            esmtp=True,
        ),
        envelope=Envelope(sender=_address(SENDER), recipients=tuple(map(_address, to))),
        raw=Raw.of(raw),
        received=_TODAY,
    )


def _address(text: str) -> Address:
    return Address(argument=f"<{text}>".encode(), address=text)
