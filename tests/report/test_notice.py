"""The notice to the technician: number, code and reference, whatever the mail server said."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mailguard.quarantine.held import State
from mailguard.report.alert import Whereabouts, alert_about
from mailguard.report.notice import compose_page, compose_subject, notice_about
from mailguard.report.page import Page
from mailguard.report.reference import reference_of
from mailguard.report.render import render_html, render_text
from mailguard.testing import CANARY
from mailguard.testing.report import LONDON, TUESDAY, copy_for, held_for

replies = st.builds(
    "{}{} {}".format,
    st.sampled_from(("550", "552 5.2.2", "554 5.7.1", f"550 5.1.{CANARY}", "5x0", "")),
    st.sampled_from(("", " ")),
    st.just(f"<kim@elmpark.example>: {CANARY}"),
)


def page_about(*replies: str, number: int = 1) -> tuple[str, Page]:
    """The subject line and the page about so many messages, each refused with these replies."""
    copies = [
        copy_for(f"{CANARY}{i}@elmpark.example", state=State.UNDELIVERABLE, reply=reply)
        for i, reply in enumerate(replies)
    ]
    done = copy_for(f"{CANARY}@elmpark.example", state=State.RELEASED, reply="250 Ok")
    notices = [notice_about(held_for(done, *copies, number=n)) for n in range(1, number + 1)]
    return compose_subject(notices), compose_page(notices, "Elm Park Primary", LONDON, TUESDAY)


def test_it_says_how_many_did_not_get_it_and_with_which_codes() -> None:
    subject, page = page_about("552 5.2.2 Full", "550 5.1.1 Who?", "552 5.2.2 Full as well")

    facts = dict(page.sections[0].facts)
    reference = reference_of(held_for().id)
    assert subject == f"MailGuard – {reference} could not be delivered to everybody"
    assert facts["Reference"] == reference
    assert facts["Not delivered to"] == "3 recipients"
    assert facts["Code of the reply"] == "552 5.2.2 and 550 5.1.1"


def test_many_are_told_in_one_and_what_is_not_listed_is_counted() -> None:
    subject, page = page_about("550 5.1.1 No", number=53)

    points = page.sections[0].points
    assert subject == "MailGuard – 53 messages could not be delivered to everybody"
    assert len(points) == 51
    assert points[0] == f"{reference_of(held_for(number=1).id)}: 1 recipient, 550 5.1.1"
    assert points[-1] == "and 3 more"


@settings(max_examples=30)
@given(said=st.lists(replies, min_size=1, max_size=3))
def test_nothing_that_the_mail_server_wrote_and_no_address_gets_in(said: list[str]) -> None:
    subject, page = page_about(*said)

    for text in (subject, render_text(page), render_html(page)):
        assert CANARY not in text
        assert "elmpark.example" not in text


def test_a_reply_without_a_code_is_said_to_have_none() -> None:
    _, page = page_about("")

    assert dict(page.sections[0].facts)["Code of the reply"] == "none"


def test_an_alert_about_it_says_that_it_did_not_arrive() -> None:
    held = held_for(copy_for(state=State.UNDELIVERABLE), alert=True)

    assert alert_about(held).whereabouts is Whereabouts.UNDELIVERABLE
