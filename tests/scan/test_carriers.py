"""Each kind of number and secret is found in whatever carries it; what looks like one is not."""

from collections.abc import Iterator
from random import Random

import pytest

from mailguard.extract.cage import Cage
from mailguard.extract.unpack import unpack
from mailguard.mail.message import parse
from mailguard.mail.text import look
from mailguard.scan.finding import Category, Level
from mailguard.scan.registry import Ruleset
from mailguard.scan.scanner import scan
from mailguard.testing import transaction
from mailguard.testing.carriers import CARRIERS, Carrier, compose_message
from mailguard.testing.identifiers import GENERATORS
from mailguard.testing.lookalikes import LOOKALIKES

SECRETS = frozenset(g.symbol for g in GENERATORS.values() if g.symbol.startswith("CREDENTIALS_"))
PEOPLE = ("Ana Reed", "Tom Cole", "Una Pike")

PLACES = [(carrier, shape) for carrier in CARRIERS.values() for shape in carrier.shapes]

PRINTED = ("pdf", "table")
"""Cells of a printed table come with one space between them, so that a password in it is a word
like any other, and of several columns nobody can tell which is headed how."""


@pytest.fixture(scope="module")
def cage() -> Iterator[Cage]:
    cage = Cage()
    yield cage
    cage.close()


def found_in(raw: bytes, ruleset: Ruleset, cage: Cage, least: Level = Level.COUNT) -> set[str]:
    """Symbols of data; all of secrets count as one."""
    message = parse(raw)
    report = scan(look(message, unpack(message, cage, 20)), transaction(raw), ruleset)
    found = {
        finding.symbol.name
        for finding in report.findings
        if finding.symbol.category in (Category.PERSONAL_DATA, Category.CREDENTIALS)
        and finding.level >= least
    }
    secrets = SECRETS | {"CREDENTIALS_TABLE"}
    return {"CREDENTIALS" if symbol in secrets else symbol for symbol in found}


@pytest.mark.parametrize(
    ("carrier", "shape"), PLACES, ids=[f"{carrier.name}-{shape}" for carrier, shape in PLACES]
)
def test_each_is_found_in_each_carrier(
    ruleset: Ruleset, cage: Cage, carrier: Carrier, shape: str
) -> None:
    rng = Random(7)
    kinds = list(GENERATORS.values())
    # Some at a time, so that none lends its words to all others.
    step = 5
    if (carrier.name, shape) == PRINTED:
        kinds, step = [kind for kind in kinds if kind.symbol not in SECRETS], 1
    missed = []
    for start in range(0, len(kinds), step):
        some = kinds[start : start + step]
        rows: list[tuple[str, ...]]
        if shape == "prose":
            rows = [(rng.choice(kind.contexts).replace("{}", kind.valid(rng)),) for kind in some]
        else:
            rows = [("Name", *(kind.heading for kind in some))]
            rows += ((name, *(kind.valid(rng) for kind in some)) for name in PEOPLE)
        found = found_in(compose_message(carrier, tuple(rows)), ruleset, cage)
        wanted = {"CREDENTIALS" if k.symbol in SECRETS else k.symbol for k in some}
        missed += sorted(wanted - found)

    assert missed == []


@pytest.mark.parametrize("name", GENERATORS)
def test_one_that_is_wrong_in_a_character_is_none(ruleset: Ruleset, cage: Cage, name: str) -> None:
    kind, rng = GENERATORS[name], Random(7)
    found = {
        symbol
        for context in kind.contexts
        for symbol in found_in(
            compose_message(CARRIERS["body"], ((context.replace("{}", kind.near_miss(rng)),),)),
            ruleset,
            cage,
            Level.FLAG,
        )
    }

    assert found == set()


@pytest.mark.parametrize("name", LOOKALIKES)
def test_what_only_looks_like_one_is_none(ruleset: Ruleset, cage: Cage, name: str) -> None:
    kind, rng = LOOKALIKES[name], Random(7)
    found = {
        symbol
        for context in kind.contexts * 3
        for symbol in found_in(
            compose_message(CARRIERS["body"], ((context.replace("{}", kind.make(rng)),),)),
            ruleset,
            cage,
            Level.FLAG,
        )
    }

    assert found == set()
