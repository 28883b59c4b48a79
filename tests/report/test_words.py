"""Everything has its words, and none of them accuses or scores."""

import re
from pathlib import Path

import pytest

from mailguard.policy.taxonomy import Group
from mailguard.policy.verdict import UNSCANNED_REASONS
from mailguard.quarantine.held import State
from mailguard.report import words
from mailguard.report.clauses import CLAUSES, describe_clause
from mailguard.scan.finding import Category, Level
from mailguard.scan.registry import Ruleset
from mailguard.testing.report import LONDON, TUESDAY, copy_for, held_for, item_of

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(
    ("known", "wanted"),
    [
        (words.CATEGORIES, {*Category} - {Category.UNSCANNED}),
        (words.LEVELS, {*Level}),
        (words.STATES, {*State}),
        (words.UNREAD, {*UNSCANNED_REASONS}),
    ],
    ids=["categories", "levels", "states", "reasons for not reading"],
)
def test_everything_has_its_words(known: dict[str, str], wanted: set[str]) -> None:
    assert wanted - known.keys() == set()


def test_no_word_accuses_anybody_or_gives_a_score() -> None:
    everything = " ".join(
        text
        for table in (words.CATEGORIES, words.LEVELS, words.STATES, words.UNREAD)
        for text in table.values()
    )

    assert re.findall(r"offender|victim|guilty|culprit|%|score|\d", everything) == []


@pytest.mark.parametrize(
    ("categories", "expected"),
    [
        ({"abuse": 2}, "Possible bullying"),
        ({"threat": 3, "abuse": 2, "drugs": 2}, "Possible threat, bullying and drugs"),
        ({"unscanned": 2}, "A part that could not be read"),
        ({"threat": 3, "unscanned": 2}, "Possible threat and a part that could not be read"),
        ({"unheard_of": 2}, "Something that needs a look"),
    ],
)
def test_categories_read_as_possibilities(categories: dict[str, int], expected: str) -> None:
    item = item_of(held_for(categories=categories))

    assert expected == words.describe_categories(item)


@pytest.mark.parametrize(
    ("relationships", "expected"),
    [
        (["pupil→pupil"], "pupil to pupil"),
        (["pupil→pupil", "pupil→staff"], "pupil to pupil and staff"),
        (["outside→pupil"], "somebody outside to pupil"),
        (["spoofed→staff"], "a forged school address to staff"),
        (
            ["staff→parent", "staff→outside", "staff→agency"],
            "staff to parent, somebody outside and agency",
        ),
    ],
)
def test_relationships_read_as_words(relationships: list[str], expected: str) -> None:
    item = item_of(held_for(*(copy_for(relationship=each) for each in relationships)))

    assert expected == words.describe_relationships(item)


def test_every_group_has_its_words() -> None:
    pairs = [copy_for(relationship=f"{group}→{group}") for group in Group]

    assert "→" not in words.describe_relationships(item_of(held_for(*pairs)))


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        (0.5, "since today 07:00"),
        (18, "since yesterday 13:30, 1 school day"),
        (90, "since Fri 27 Feb 13:30, 2 school days"),
        (24 * 80, "since Sat 13 Dec 2025 07:30, 57 school days"),
    ],
)
def test_the_age_is_said_as_people_say_it(hours: float, expected: str) -> None:
    item = item_of(held_for(hours=hours))

    assert expected == words.describe_age(item, TUESDAY, LONDON)


@pytest.mark.parametrize(
    ("copies", "expected"),
    [
        ([copy_for()], "held"),
        ([copy_for(), copy_for(state=State.DELIVERED)], "held for some, delivered for others"),
        ([copy_for(state=State.SEALED)], "sealed: nobody can open it here"),
        (
            [copy_for(state=State.RELEASING, reply="450 4.2.1 zq7canary")],
            "released, but the mail server does not take it (450 4.2.1)",
        ),
    ],
)
def test_states_read_as_words(copies: list[object], expected: str) -> None:
    assert expected == words.describe_states(item_of(held_for(*copies)))


def test_a_message_that_may_be_there_twice_is_said_to_be() -> None:
    item = item_of(held_for(dup_risk=True))

    assert "held; it may also have been delivered" == words.describe_states(item)


def test_reasons_with_the_same_words_are_counted_together() -> None:
    unread = (("killed", 2), ("timeout", 1), ("encrypted", 1), ("unheard_of", 4))

    assert (
        "what took too long in 3 messages, locked parts in 1, other things in 4"
        == words.describe_unread(unread)
    )


def test_every_clause_of_the_rules_has_its_words(ruleset: Ruleset) -> None:
    symbols = ruleset.symbols.values()

    assert {clause for symbol in symbols for clause in symbol.clauses} - CLAUSES.keys() == set()


def test_the_clauses_are_those_of_the_documentation() -> None:
    rows = re.findall(
        r"^\| ((?:symphony|allesley):\S+) \| (.+) \|$", (DOCS / "rules.md").read_text(), re.M
    )

    assert dict(rows) == CLAUSES


@pytest.mark.parametrize(
    ("clause", "expected"),
    [
        ("symphony:3.1.5a", "Symphony Learning Trust 3.1.5a – no private business"),
        ("allesley:cyber-bullying", "Allesley Primary – dangers: cyber-bullying; key advice on it"),
        ("ours:7", "ours:7"),
    ],
)
def test_a_clause_reads_as_words(clause: str, expected: str) -> None:
    assert expected == describe_clause(clause)
