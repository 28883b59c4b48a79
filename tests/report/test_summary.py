"""The whole page in words, as text that somebody can read here, and as HTML."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from mailguard.policy.mail_kind import MailKind
from mailguard.report.digest import Digest, Missed, Rules, Undelivered
from mailguard.report.own_mail import Standing
from mailguard.report.page import Page, Section
from mailguard.report.render import WIDTH, render_html, render_text
from mailguard.report.summary import NOT_SEEN, compose_page, compose_subject
from mailguard.testing.report import busy_digest, digest_of, held_for, item_of

GOLDEN = Path(__file__).parent / "golden"

SERIOUS, MODERATE = item_of(held_for(level=3)), item_of(held_for(number=2))

DIGESTS = {
    "empty": digest_of(),
    "usual": digest_of(SERIOUS, MODERATE),
    "busy": busy_digest(),
}


def text_of(digest: Digest) -> str:
    return render_text(compose_page(digest))


@pytest.mark.parametrize(
    ("digest", "expected"),
    [
        (digest_of(), "MailGuard daily summary – Tue 3 Mar – nothing to review"),
        (digest_of(MODERATE), "MailGuard daily summary – Tue 3 Mar – 1 to review"),
        (
            digest_of(SERIOUS, MODERATE, item_of(held_for(number=3))),
            "MailGuard daily summary – Tue 3 Mar – 3 to review (1 today)",
        ),
    ],
    ids=["nothing", "nothing today", "one today"],
)
def test_the_subject_says_how_much_and_nothing_else(digest: Digest, expected: str) -> None:
    assert expected == compose_subject(digest)


@pytest.mark.parametrize("name", DIGESTS)
def test_the_text_is_as_agreed(name: str) -> None:
    assert (GOLDEN / f"{name}.txt").read_text("utf-8") == text_of(DIGESTS[name])


def test_the_html_is_as_agreed() -> None:
    assert (GOLDEN / "usual.html").read_text("utf-8") == render_html(compose_page(DIGESTS["usual"]))


@pytest.mark.parametrize("name", DIGESTS)
def test_no_line_of_text_is_too_long(name: str) -> None:
    assert max(len(line) for line in text_of(DIGESTS[name]).splitlines()) <= WIDTH


def test_both_forms_say_the_same() -> None:
    page = compose_page(busy_digest())
    html = " ".join(render_html(page).split())

    values = [
        text
        for section in page.sections
        for text in (section.lead, section.note, *section.points, *dict(section.facts).values())
    ]
    cards = [card for section in page.sections for card in section.cards]
    values += [text for card in cards for text in (card.title, *card.reasons)]
    missing = [text for text in values if escaped(text) not in html]

    assert missing == []


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&#34;").replace("'", "&#39;")


def test_what_is_left_out_is_counted_with_the_command_that_lists_it() -> None:
    digest = digest_of(*(item_of(held_for(number=number)) for number in range(1, 36)))

    text = text_of(digest)

    assert 30 == text.count("Look   mailguard quarantine show")
    assert "  mailguard quarantine list --as head@elmpark.example\n" in text
    assert "There are 5 more" in text


def test_a_stand_in_is_told_why() -> None:
    text = text_of(replace(digest_of(SERIOUS), is_principal=False, recipient="dsl@elmpark.example"))

    assert "It goes to dsl@elmpark.example because" in text
    assert "every school day" not in text


def test_a_first_digest_covers_everything() -> None:
    assert "From the beginning to today 07:30" in text_of(replace(digest_of(), since=None))


def test_what_is_not_known_is_not_said() -> None:
    digest = digest_of()
    system = replace(digest.system, rules=Rules(), self_tests=(), unread=())

    text = text_of(replace(digest, system=system))

    assert "Rules" not in text
    assert "Self-test       none has run" in text
    assert "Not fully read  none" in text


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("told", "2 messages that the mail server refused for some; the technician has been told"),
        ("late", "the technician has not been told yet"),
        ("nobody", "nobody is named to be told: ask the technician to set people.technician"),
    ],
)
def test_mail_that_did_not_reach_everybody_is_a_line_with_who_knows(
    told: Literal["told", "late", "nobody"], expected: str
) -> None:
    digest = digest_of()
    system = replace(digest.system, undelivered=Undelivered(count=2, told=told))

    said = " ".join(text_of(replace(digest, system=system)).split())

    assert expected in said
    assert "Not delivered to everybody" not in text_of(digest)


def test_many_alerts_that_were_not_taken_are_one_warning() -> None:
    digest = busy_digest()
    missed = tuple(
        Missed(what="alert", about=f"MG-{n:06}", reply="550 5.1.1", standing=Standing.WAITING)
        for n in range(40)
    )

    page = compose_page(replace(digest, system=replace(digest.system, missed=missed)))

    (warning,) = (each for each in page.warnings if "alert" in each)
    assert "MG-000000, MG-000001" in warning
    assert "and 35 more were not taken by the mail server: it said 550 5.1.1" in warning


@pytest.mark.parametrize("kind", MailKind)
def test_mail_that_was_not_seen_for_a_week_is_a_warning_in_both_forms(kind: MailKind) -> None:
    digest = digest_of()
    page = compose_page(replace(digest, system=replace(digest.system, unseen=(kind,))))

    (warning,) = page.warnings

    assert warning.startswith(NOT_SEEN[kind])
    assert "was seen since Tuesday 24 February" in warning
    assert warning in " ".join(render_html(page).split())
    assert warning in " ".join(render_text(page).split())
    assert compose_page(digest).warnings == ()


def test_mail_that_cannot_be_seen_is_no_daily_warning() -> None:
    digest = digest_of()
    page = compose_page(
        replace(digest, system=replace(digest.system, blind_to=(MailKind.INTERNAL,)))
    )

    (unseen,) = (each for each in page.sections if each.heading == "What is not seen")

    assert page.warnings == ()
    assert unseen.points[0].startswith("No mail from one person at school to another is seen")


def test_markup_in_a_text_stays_text() -> None:
    page = Page(
        title="<b>",
        subtitle=("<script>",),
        summary="<img src=x>",
        warnings=("<a href=x>",),
        sections=(Section(heading="<h1>", points=("<form>",), commands=("<i> &",)),),
    )

    html = render_html(page)

    assert "<script>" not in html
    assert "<img" not in html
    assert "<a " not in html
    assert "<form" not in html
    assert "&lt;i&gt;" in html
