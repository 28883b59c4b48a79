"""Where an author's own words end."""

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.mail.closing import find_closing


@pytest.mark.parametrize(
    "closing",
    [
        pytest.param("-- \nAna Cole\nElm Park Primary", id="delimiter"),
        pytest.param("--\nAna", id="delimiter without its space"),
        pytest.param("________________\nAna", id="line of underscores"),
        pytest.param("Sent from my iPhone", id="iPhone"),
        pytest.param("Sent from my iPad\n\n", id="iPad"),
        pytest.param("Sent from my Galaxy", id="Galaxy"),
        pytest.param("Sent from Outlook for iOS", id="Outlook for iOS"),
        pytest.param("Get Outlook for Android<https://mail.example/o>", id="Outlook for Android"),
        pytest.param("Sent from Mail for Windows", id="Windows"),
        pytest.param("Sent from Yahoo Mail on Android", id="Yahoo"),
        pytest.param("Sent via BlackBerry", id="BlackBerry"),
        pytest.param("Kind regards,\n\nAna Cole\nHead of Year 7\n01632 960123", id="regards"),
        pytest.param("Many thanks\nAna", id="thanks"),
        pytest.param("Yours sincerely,\nMrs A. Cole", id="sincerely"),
        pytest.param("cheers!\nben", id="cheers"),
        pytest.param("Love,\nGran xx", id="love"),
        pytest.param(
            "This email and any attachments are confidential and intended solely for the\n"
            "addressee.",
            id="confidential",
        ),
        pytest.param("Disclaimer: the views are the writer's own.", id="disclaimer"),
        pytest.param("CONFIDENTIALITY NOTICE\nFor you only.", id="notice"),
        pytest.param(
            "If you are not the intended recipient, please delete this message.", id="recipient"
        ),
        pytest.param("Please consider the environment before printing this.", id="environment"),
        pytest.param("Registered office: 1 Elm Road", id="office"),
        pytest.param("Regards\n-- \nAna\n\nThis message is confidential.", id="all of it"),
    ],
)
@pytest.mark.parametrize("own", ["", "See you on Monday.\n\nBring a coat.\n\n"])
def test_a_closing_is_recognised(own: str, closing: str) -> None:
    actual = find_closing(own + closing)

    assert len(own) == actual


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("See you on Monday.", id="no closing"),
        pytest.param("Kind regards are what he sent.\nBen", id="inside a sentence"),
        pytest.param("I sent it from my iPhone.", id="telling of a phone"),
        pytest.param("best\n" + "and on it goes\n" * 20, id="early in a long text"),
        pytest.param("This message is about the trip.", id="telling of a message"),
        pytest.param("- one\n- two", id="list"),
        pytest.param("Thanks for the lift, see you then.", id="thanks for something"),
    ],
)
def test_what_goes_on_is_no_closing(text: str) -> None:
    actual = find_closing(text)

    assert len(text) == actual


@given(st.text(alphabet="-_ \nabst", max_size=60))
def test_a_closing_begins_with_a_line(text: str) -> None:
    at = find_closing(text)

    assert at == len(text) or at == 0 or text[at - 1] == "\n"


@pytest.mark.parametrize(
    "unit", ["\n", "this email ", "if you ", "consider ", "with kind ", "regards ,\n", "-=", " > "]
)
def test_a_text_of_one_thing_is_looked_at_in_linear_time(unit: str) -> None:
    text = unit * (300_000 // len(unit))

    start = process_time()
    find_closing(text)

    assert process_time() - start < 2
