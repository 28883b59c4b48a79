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


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(
            "From: Cara\nSent: 02 March 2026 10:00\nTo: Ana\nSubject: x\n\na", id="Outlook"
        ),
        pytest.param(
            "________________________________\nFrom: Cara <c@x.example>\n"
            "Sent: Monday, March 2, 2026 10:00 AM\nTo: Ana <a@x.example>\nSubject: x\n\na",
            id="Outlook on the web",
        ),
        pytest.param(
            "From: Cara <c@x.example>\nDate: Monday, 2 March 2026 at 10:00\n"
            "To: Ana <a@x.example>\nCc: Ben\nSubject: Re: x\na",
            id="Outlook for Mac",
        ),
        pytest.param(
            'On 02/03/2026, 10:00, "Cara" <c@x.example> wrote:\n\n    a',
            id="Outlook for Mac, short",
        ),
        pytest.param(
            "---------- Forwarded message ---------\nFrom: Cara <c@x.example>\n"
            "Date: Mon, 2 Mar 2026 at 10:00\nSubject: x\nTo: Ana <a@x.example>\n\na",
            id="Gmail forward",
        ),
        pytest.param(
            "On Mon, 2 Mar 2026 at 10:00, Cara Finch <c@x.example> wrote:\n\n> a", id="Gmail reply"
        ),
        pytest.param(
            "On Mon, 2 Mar 2026 at 10:00, Cara Finch, the head of Year 7 <\n"
            "c@x.example> wrote:\n\n> a",
            id="Gmail reply, wrapped",
        ),
        pytest.param(
            "Begin forwarded message:\n\nFrom: Cara <c@x.example>\nSubject: x\n"
            "Date: 2 March 2026 at 10:00:00 GMT\nTo: Ana\n\na",
            id="Apple Mail forward",
        ),
        pytest.param(
            "> Begin forwarded message:\n> \n> From: Cara\n> \n> a", id="Apple Mail, marked"
        ),
        pytest.param(
            "On 2 Mar 2026, at 10:00, Cara <c@x.example> wrote:\n\n\n> a", id="iPhone reply"
        ),
        pytest.param(
            "-------- Original message --------\nFrom: Cara <c@x.example>\n"
            "Date: 02/03/2026 10:00 (GMT+00:00)\nTo: Ana\nSubject: x\n\na",
            id="Samsung",
        ),
        pytest.param("-----Original Message-----\nFrom: Cara\nTo: Ana\na", id="BlackBerry"),
        pytest.param(
            "On Monday, 2 March 2026 at 10:00:00 GMT, Cara <c@x.example> wrote:\n\na", id="Yahoo"
        ),
        pytest.param(
            "------- Original Message -------\n"
            "On Monday, March 2nd, 2026 at 10:00, Cara wrote:\n\na",
            id="Proton",
        ),
        pytest.param(
            "-------- Forwarded Message --------\nSubject: x\nFrom: Cara\n\na", id="Thunderbird"
        ),
        pytest.param("On 02/03/2026 10:00, Cara wrote:\n> a", id="Thunderbird reply"),
        pytest.param(
            "----- Forwarded by Cara Finch/Elm on 02/03/2026 10:00 -----\n\na", id="Notes forward"
        ),
        pytest.param("At 10:00 on 02/03/2026, Cara Finch wrote:\n\na", id="time first"),
        pytest.param("=====Original Message=====\na", id="line of equals signs"),
    ],
)
def test_the_block_of_a_mail_program_is_quoted_whole(block: str) -> None:
    own, quoted = split_quotation(f"See below.\n\n{block}")

    assert "See below." == own.strip()
    assert "a" == quoted.split()[-1]


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


def test_an_answer_between_a_name_and_its_quotation_is_the_authors_own() -> None:
    text = "At 8:16 on 9/9/02, Ana wrote:\n\nhello there\n\n> are you well\n\nI am\n"
    own, quoted = split_quotation(text)
    assert "hello there" in own
    assert "I am" in own
    assert quoted == "are you well"


def test_a_quotation_within_one_without_marks_is_no_answer() -> None:
    text = "On 9 May, Ana wrote:\n\nhers\n\nOn 8 May, Ben wrote:\n> his\nhers again\n"
    own, quoted = split_quotation(text)
    assert not own.strip()
    assert "hers again" in quoted


def test_many_names_above_a_quotation_take_linear_time() -> None:
    text = "on 1 a wrote:\n" * 20_000 + "x\n\n\n\n\n\n\n> q"
    started = process_time()
    own, quoted = split_quotation(text)
    assert quoted == "q"
    assert own.count("wrote:") == 20_000
    assert process_time() - started < 2
