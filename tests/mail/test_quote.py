"""The author's own words and what is quoted."""

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.mail.quote import split_quotation


@pytest.mark.parametrize(
    ("text", "own", "quoted"),
    [
        pytest.param("hello\nyou", "hello\nyou", "", id="nothing quoted"),
        pytest.param("> a\n>b\n>> c\n  > d", "", "a\nb\nc\nd", id="marked lines"),
        pytest.param("yes\n> a\nno\n> b\n", "yes\n\nno\n\n", "a\n\nb", id="answers between"),
        pytest.param("a > b\nx->y", "a > b\nx->y", "", id="sign inside a line"),
        pytest.param(
            "hi\nOn Mon, 2 Mar 2026, Cara <c@x.example> wrote:\n> a\nbye",
            "hi\n\nbye",
            "On Mon, 2 Mar 2026, Cara <c@x.example> wrote:\na",
            id="attribution above marked lines",
        ),
        pytest.param(
            "hi\nOn Mon, 2 Mar 2026 at 10:00, Cara Finch\n<c@x.example> wrote:\n\n> a",
            "hi\n",
            "On Mon, 2 Mar 2026 at 10:00, Cara Finch\n<c@x.example> wrote:\n\na",
            id="attribution on two lines",
        ),
        pytest.param(
            "hi\nOn 2 March 2026 Cara wrote:\n\na\nb",
            "hi",
            "On 2 March 2026 Cara wrote:\n\na\nb",
            id="attribution above plain lines",
        ),
        pytest.param(
            "hi\nCara <c@x.example> writes:\na", "hi", "Cara <c@x.example> writes:\na", id="address"
        ),
        pytest.param("Cara wrote:\n> a", "", "Cara wrote:\na", id="short attribution"),
        pytest.param(
            "In her diary Anne wrote:\nit is so.",
            "In her diary Anne wrote:\nit is so.",
            "",
            id="no attribution",
        ),
        pytest.param(
            "hi\n-----Original Message-----\na", "hi", "-----Original Message-----\na", id="Outlook"
        ),
        pytest.param(
            "hi\n---------- Forwarded message ---------\n> a",
            "hi",
            "---------- Forwarded message ---------\na",
            id="Gmail forward",
        ),
        pytest.param(
            "hi\n\nBegin forwarded message:\n\na",
            "hi\n",
            "Begin forwarded message:\n\na",
            id="Apple forward",
        ),
        pytest.param(
            "hi\nFrom: Cara\nSent: Monday\nTo: Ana\nSubject: x\n\na",
            "hi",
            "From: Cara\nSent: Monday\nTo: Ana\nSubject: x\n\na",
            id="block of fields",
        ),
        pytest.param(
            "hi\n*From:* Cara\n\n*Date:* Monday\n\n*Subject:* x\na",
            "hi",
            "*From:* Cara\n\n*Date:* Monday\n\n*Subject:* x\na",
            id="block of bold fields with blank lines",
        ),
        pytest.param(
            "hi\nVon: Cara\nGesendet: Montag\nAn: Ana\na",
            "hi",
            "Von: Cara\nGesendet: Montag\nAn: Ana\na",
            id="block of German fields",
        ),
        pytest.param(
            "From: the office\nTo the hall", "From: the office\nTo the hall", "", id="no block"
        ),
        pytest.param(
            "hi\nAm 02.03.2026 um 10:00 schrieb Cara Finch:\n> a",
            "hi\n",
            "Am 02.03.2026 um 10:00 schrieb Cara Finch:\na",
            id="German attribution",
        ),
    ],
)
def test_quoted_text_is_told_apart(text: str, own: str, quoted: str) -> None:
    actual = split_quotation(text)

    assert (own, quoted) == actual


@given(
    st.lists(
        st.sampled_from(
            (
                *("", "word", "> word", ">> word", "word:"),
                *("On 2 March Cara wrote:", "Cara wrote:", "> wrote:"),
                *("-----Original Message-----", "From: word", "To: word", "Subject: word"),
            )
        ),
        max_size=25,
    )
)
def test_no_word_is_lost(text: list[str]) -> None:
    own, quoted = split_quotation("\n".join(text))

    words = " ".join(text).replace(">", " ").split()
    assert sorted(words) == sorted(f"{own} {quoted}".split())


@pytest.mark.parametrize(
    "unit",
    [
        pytest.param(">\n", id="marked lines"),
        pytest.param("wrote:\n", id="attributions"),
        pytest.param("On 1 wrote:\n>\n", id="attributions above marked lines"),
        pytest.param("From:\n", id="beginnings of blocks"),
        pytest.param("wrote:\n\n\n\n", id="blank lines"),
        pytest.param("-- original ", id="one line"),
    ],
)
def test_a_text_of_one_thing_is_split_in_linear_time(unit: str) -> None:
    text = unit * (500_000 // len(unit))

    start = process_time()
    split_quotation(text)

    assert process_time() - start < 2
