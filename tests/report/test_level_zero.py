"""Judged by our own rules like anybody's mail, what we write is innocent: no loop can start."""

from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from mailguard.mail.envelope import Origin
from mailguard.mail.message import parse
from mailguard.policy.directory import Directory, build_directory
from mailguard.policy.disposition import Action, Policy
from mailguard.policy.judge import judge
from mailguard.report.alert import Alert, Place, Whereabouts, compose_page, compose_subject
from mailguard.report.clauses import CLAUSES
from mailguard.report.helplines import DEFAULT_HELPLINES
from mailguard.report.message import compose_message
from mailguard.report.page import Card, Page, Section
from mailguard.report.render import render_html, render_text
from mailguard.report.words import CATEGORIES
from mailguard.scan.finding import Level
from mailguard.scan.registry import Ruleset
from mailguard.testing import NOON, SCHOOL, transaction

SENDER, HEAD = "mailguard@elmpark.example", "head@elmpark.example"
PLACE = Place(name="Elm Park", zone=ZoneInfo("Europe/London"), helplines=DEFAULT_HELPLINES)
ALERTS = [
    Alert(
        reference="MG-7K3QFM",
        level=Level.CRITICAL,
        received=NOON,
        whereabouts=whereabouts,
        has_copy=has_copy,
    )
    for whereabouts in Whereabouts
    for has_copy in (True, False)
]
ORDINARY = (
    (Origin.INSIDE, SENDER),
    (Origin.ANY, SENDER),
    (Origin.INSIDE, "mailguard@hosted.example"),
    (Origin.OUTSIDE, "mailguard@hosted.example"),
)


@pytest.fixture(scope="session")
def directory() -> Directory:
    return build_directory(SCHOOL, pupils=["*@pupils.elmpark.example"], staff=["*@elmpark.example"])


def verdicts(
    page: Page, subject: str, ruleset: Ruleset, directory: Directory, to: str = HEAD
) -> list[tuple[Action, Level, bool, list[str]]]:
    """What becomes of it, from inside and outside, under an address of the school and another."""
    return [verdict(page, subject, ruleset, directory, to, *each) for each in ORDINARY]


def verdict(
    page: Page,
    subject: str,
    ruleset: Ruleset,
    directory: Directory,
    to: str,
    origin: Origin,
    sender: str,
) -> tuple[Action, Level, bool, list[str]]:
    raw = compose_message(
        sender=sender,
        school_name="Elm Park",
        recipient=to,
        subject=subject,
        text=render_text(page),
        html=render_html(page),
        message_id="<1@elmpark.example>",
        at=NOON,
    )
    given = transaction(raw, sender=sender, to=[to], origin=origin)
    judgement = judge(given, parse(raw), (), ruleset, Policy(directory=directory))
    (one,) = judgement.dispositions
    symbols = [finding.symbol.name for finding in judgement.report.findings]
    return one.action, one.verdict.level, one.alert, symbols


def innocent(found: list[tuple[Action, Level, bool, list[str]]]) -> bool:
    return all(
        action is Action.RELAY and level is Level.COUNT and not alert
        for action, level, alert, _ in found
    )


@pytest.mark.parametrize("alert", ALERTS, ids=lambda a: f"{a.whereabouts.name} {a.has_copy}")
def test_an_alert_reaches_no_level(alert: Alert, ruleset: Ruleset, directory: Directory) -> None:
    page = compose_page([alert], PLACE, NOON)

    found = verdicts(page, compose_subject([alert]), ruleset, directory)

    assert innocent(found), found


def test_a_mail_about_many_alerts_reaches_no_level(ruleset: Ruleset, directory: Directory) -> None:
    many = ALERTS * 4
    page = compose_page(many, PLACE, NOON)

    found = verdicts(page, compose_subject(many), ruleset, directory, to="gwen@law.example")

    assert innocent(found), found


def test_an_alert_that_seems_forged_alerts_nobody(ruleset: Ruleset, directory: Directory) -> None:
    """From outside under the school's own address any mail is flagged, whatever it says."""
    page = compose_page(ALERTS[:1], PLACE, NOON)

    action, level, alerts, symbols = verdict(
        page, compose_subject(ALERTS[:1]), ruleset, directory, HEAD, Origin.OUTSIDE, SENDER
    )

    assert (action, level, alerts, symbols) == (Action.FLAG, Level.FLAG, False, [])


def digest_of(cards: list[Card]) -> Page:
    return Page(
        title="MailGuard daily summary",
        subtitle=("Elm Park",),
        summary="Items need you today.",
        warnings=(),
        sections=(
            Section(heading="1. Needs you today", cards=tuple(cards), is_urgent=True),
            Section(heading="Policy clauses behind these items", points=tuple(CLAUSES.values())),
            Section(heading="If a child may be in danger now", points=DEFAULT_HELPLINES),
        ),
    )


def test_a_digest_with_every_sentence_of_every_rule_reaches_no_level(
    ruleset: Ruleset, directory: Directory
) -> None:
    cards = [
        Card(
            reference="MG-7K3QFM",
            title=f"Possible {CATEGORIES.get(symbol.category, 'other')}, pupil to staff",
            facts=(("Level", "critical (level 4), alert"), ("State", "held")),
            reasons=(symbol.says,),
            command="mailguard quarantine show MG-7K3QFM",
        )
        for symbol in ruleset.symbols.values()
    ]
    pieces = [cards[start:end] for start, end in pairwise([*range(0, len(cards), 30), len(cards)])]

    guilty = [
        found
        for piece in pieces
        if not innocent(
            found := verdicts(digest_of(piece), "MailGuard daily summary", ruleset, directory)
        )
    ]

    assert guilty == []
