"""The view that rules and detectors see."""

from dataclasses import replace
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailguard.mail.message import Unread, parse
from mailguard.mail.text import VIEW_LIMIT, Extract, MessageView, Where, look

ALTERNATIVE = 'Content-Type: multipart/alternative; boundary="a"\n\n'
TWO_REASONS = (Unread(part="", reason="too_many_parts"), Unread(part="", reason="partial"))
MIXED = 'Content-Type: multipart/mixed; boundary="a"\n\n'


def view(text: str, *extracts: Extract) -> MessageView:
    """Look at `text`, written with LF, as a message with CRLF."""
    return look(parse(text.replace("\n", "\r\n").encode()), extracts)


def shown(message_view: MessageView) -> list[tuple[str, str, str]]:
    """Part, place and folded text of each segment."""
    return [(s.part, s.where.value, s.folded.text.strip()) for s in message_view.segments]


def test_subject_and_body_are_shown() -> None:
    actual = view("Subject: The Trip\n\nBring a Coat.\n")

    assert [("", "subject", "the trip"), ("1", "body", "bring a coat.")] == shown(actual)
    assert ((), ()) == (actual.attachments, actual.unread)


def test_a_segment_keeps_the_text_as_written() -> None:
    (segment,) = view("\nBring a “Coat”.\nNow").segments

    assert ("Bring a “Coat”.\nNow", 'bring a "coat".\nnow') == (segment.text, segment.folded.text)


def test_every_subject_counts() -> None:
    actual = view("Subject: one\nsubject: two\n\n")

    assert [("", "subject", "one\ntwo")] == shown(actual)


def test_quoted_text_is_apart() -> None:
    actual = view("\nI agree.\n\nOn 2 March 2026 Cara wrote:\n> it is late\n")

    assert [
        ("1", "body", "i agree."),
        ("1", "quoted", "on 2 march 2026 cara wrote:\nit is late"),
    ] == shown(actual)


def test_quoted_html_is_apart() -> None:
    actual = view(
        "Content-Type: text/html\n\n<p>I agree.</p><div>Cara wrote:</div>"
        "<blockquote>it is late</blockquote><p>Bye.</p>-----Original Message-----<br>old"
    )

    assert [
        ("1", "body", "i agree.\n\nbye."),
        ("1", "quoted", "it is late\n\ncara wrote:\n\n-----original message-----\nold"),
    ] == shown(actual)


def test_alternatives_that_say_the_same_are_shown_once() -> None:
    actual = view(
        ALTERNATIVE
        + "--a\n\nhello\nyou\n--a\nContent-Type: text/html\n\n<p>Hello <b>you</b></p>\n--a--\n"
    )

    assert [("1", "body", "hello\nyou")] == shown(actual)


def test_alternatives_that_differ_are_both_shown() -> None:
    actual = view(
        ALTERNATIVE + "--a\n\nhello\n--a\nContent-Type: text/html\n\n<p>goodbye</p>\n--a--\n"
    )

    assert [("1", "body", "hello"), ("2", "body", "goodbye")] == shown(actual)


def test_text_that_differs_only_in_its_place_is_shown_in_both() -> None:
    actual = view(ALTERNATIVE + "--a\n\nhello\n--a\n\n> hello\n--a--\n")

    assert [("1", "body", "hello"), ("2", "quoted", "hello")] == shown(actual)


def test_an_attached_text_is_shown_with_its_name() -> None:
    actual = view(
        MIXED
        + "--a\n\nhello\n--a\nContent-Type: text/csv\n"
        + 'Content-Disposition: attachment; filename="Class 4B.csv"\n\nAna,7\n> Ben,8\n--a--\n'
    )

    assert [
        ("1", "body", "hello"),
        ("2", "attachment", "ana,7\n> ben,8"),
        ("2", "filename", "class 4b.csv"),
    ] == shown(actual)
    assert [("2", "Class 4B.csv", "text/csv", 14)] == [
        (a.part, a.filename, a.declared, a.size) for a in actual.attachments
    ]


def test_an_enclosed_message_is_shown_as_an_attachment() -> None:
    actual = view(MIXED + "--a\nContent-Type: message/rfc822\n\nSubject: One\n\nTwo\n--a--\n")

    assert [("1.0", "attachment", "one"), ("1.1", "attachment", "two")] == shown(actual)


def test_what_the_world_found_out_is_shown() -> None:
    actual = view(
        "Content-Type: application/pdf; name=a.pdf\n\n%PDF",
        Extract(part="1", sniffed="application/x-dosexec", is_read=True, text="Hello"),
    )

    assert [("1", "attachment", "hello"), ("1", "filename", "a.pdf")] == shown(actual)
    assert ["application/x-dosexec"] == [a.sniffed for a in actual.attachments]


def test_what_was_missed_inside_a_file_is_told_beside_what_was_known_before() -> None:
    actual = view(
        "Content-Type: application/pkcs7-mime\n\nx",
        Extract(part="1", sniffed="", is_read=True, misses=("encrypted", "bomb")),
    )

    assert ["encrypted", "bomb"] == [unread.reason for unread in actual.unread]


def test_a_file_that_is_shown_as_text_is_opened_too() -> None:
    actual = view(
        "Content-Type: text/plain; name=a.docx\n\nPK",
        Extract(part="1", sniffed="application/zip", is_read=True, text="Hello", names=("b.exe",)),
    )

    assert [
        ("1", "body", "pk"),
        ("1", "attachment", "hello"),
        ("1", "filename", "a.docx\n\nb.exe"),
    ] == shown(actual)
    assert [("a.docx", ("b.exe",))] == [(a.filename, a.inside) for a in actual.attachments]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "Content-Type: image/png\n\nx", Unread(part="1", reason="image"), id="picture"
        ),
        pytest.param(
            "Content-Type: application/zip\n\nx", Unread(part="1", reason="format"), id="archive"
        ),
        pytest.param(
            "Content-Type: application/pkcs7-mime\n\nx",
            Unread(part="1", reason="encrypted"),
            id="the first reason counts",
        ),
        pytest.param(
            "\n" + "x" * (VIEW_LIMIT + 1), Unread(part="1", reason="too_long"), id="long body"
        ),
        pytest.param(
            "Content-Type: text/csv\n\n" + "x" * (VIEW_LIMIT + 1),
            Unread(part="1", reason="too_long"),
            id="long attachment",
        ),
        pytest.param(
            "Content-Type: text/html\n\n" + "<i></i>" * VIEW_LIMIT,
            Unread(part="1", reason="too_long"),
            id="long markup",
        ),
    ],
)
def test_what_is_not_shown_is_unread(text: str, expected: Unread) -> None:
    actual = view(text).unread

    assert (expected,) == actual


def test_every_reason_that_parsing_gave_is_kept() -> None:
    message = replace(parse(b"\n"), unread=TWO_REASONS)

    actual = look(message).unread

    assert TWO_REASONS == actual


def test_a_view_is_bounded_however_many_parts_there_are() -> None:
    attached = "--a\nContent-Type: text/csv\n\n" + "x" * (VIEW_LIMIT // 2) + "\n"

    actual = view(MIXED + attached * 3)

    assert sum(len(segment.text) for segment in actual.segments) == VIEW_LIMIT
    assert (Unread(part="3", reason="too_long"),) == actual.unread


@given(
    st.lists(
        st.sampled_from(
            [
                b"Content-Type: multipart/alternative; boundary=a",
                b"Content-Type: text/html; charset=utf-16",
                b"Content-Type: text/csv; name=x",
                b"Content-Transfer-Encoding: base64",
                b"Subject: =?utf-7?b?+2AA-?= \xff",
                b"--a",
                b"On 2 March \xff wrote:",
                b"> <blockquote type=cite>\xed\xa0\x80 <p",
                b"\0\xff\xfe",
                b"",
            ]
        ),
        max_size=20,
    )
)
@settings(max_examples=150)
def test_any_bytes_can_be_looked_at(lines: list[bytes]) -> None:
    actual = look(parse(b"\r\n".join(lines)))

    places = [(segment.part, segment.where) for segment in actual.segments]
    assert len(set(places)) == len(places)
    assert all(segment.text == segment.text.encode().decode() for segment in actual.segments)
    assert {Where.SUBJECT} >= {where for part, where in places if not part}


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"\n" + b"hello there\n" * 200_000, id="2 MB of text"),
        pytest.param(b"\n" + "a\u200b".encode() * 200_000, id="zero-width characters"),
        pytest.param(b"\n" + b"\xff\xfe\xfd" * 200_000, id="no charset at all"),
        pytest.param(b"\n" + b"> From:\n" * 100_000, id="quotations"),
        pytest.param(b"Content-Type: text/html\n\n<a " + b"b " * 200_000, id="attributes"),
        pytest.param(b"Content-Type: text/html\n\n" + b"<div>" * 200_000, id="nested elements"),
        pytest.param(
            MIXED.encode() + b"--a\nContent-Type: text/html\n\nx\xff\n" * 900, id="many parts"
        ),
    ],
)
def test_a_bomb_is_looked_at_in_two_seconds(raw: bytes) -> None:
    message = parse(raw)

    start = process_time()
    look(message)

    assert process_time() - start < 2


@pytest.mark.parametrize(
    ("header", "place"),
    [("", "body"), ("In-Reply-To: <1@b.example>\n", "quoted")],
    ids=["new", "reply"],
)
def test_a_message_that_is_all_quotation_is_its_authors_unless_it_replies(
    header: str, place: str
) -> None:
    actual = view(f"{header}Subject: s\n\n> nobody answers this\n")

    assert [("1", place, "nobody answers this")] == [s for s in shown(actual) if s[0]]


def test_a_part_in_an_unknown_transfer_encoding_is_unread() -> None:
    actual = view("Content-Transfer-Encoding: x-uuencode\n\nbegin 644 a\n")

    assert actual.unread == (Unread(part="1", reason="transfer_encoding"),)


def test_a_message_that_is_quotation_and_signature_is_its_authors() -> None:
    actual = view("Subject: s\n\nSent from my iPhone\n\n> nobody answers this\n")

    assert [("1", "body", "sent from my iphone\n\nnobody answers this")] == [
        s for s in shown(actual) if s[0]
    ]


def test_a_word_above_the_signature_leaves_the_quotation_one() -> None:
    actual = view("Subject: s\n\nLook at this\n\nSent from my iPhone\n\n> nobody answers this\n")

    assert ["subject", "body", "quoted"] == [place for _, place, _ in shown(actual)]


def test_a_segment_tells_its_closing() -> None:
    (segment,) = view("\nSee you.\n-- \nAna\n").segments

    assert "See you.\n" == segment.text[: segment.closing]


def test_hidden_text_is_read_and_told_apart() -> None:
    (segment,) = view(
        "Content-Type: text/html\n\n<p>we<b hidden>\u00e4 no <i>b</i></b>ek</p>"
    ).segments

    assert ["\u00e4 no b"] == [segment.text[start:end] for start, end in segment.hidden]
    assert segment.shown is not None
    assert ("wea no bek", "week") == (segment.folded.text.strip(), segment.shown.text.strip())
    at = segment.shown.text.index("week")
    start, end = segment.shown.span(at, at + 4)
    assert "we\u00e4 no bek" == segment.text[start:end]


def test_text_that_hides_nothing_is_folded_once() -> None:
    (segment,) = view("Content-Type: text/html\n\n<p style='color:red'>week</p>").segments

    assert ((), None) == (segment.hidden, segment.shown)


def test_hidden_text_of_a_quotation_stays_in_its_place() -> None:
    actual = view(
        "Content-Type: text/html\n\n"
        "<p>Sent from my iPhone<i hidden>x</i></p>"
        "<blockquote type=cite>a<b hidden>b</b>c</blockquote>"
    )

    (segment,) = actual.segments
    assert Where.BODY is segment.where
    assert ["x", "b"] == [segment.text[start:end] for start, end in segment.hidden]


def test_what_a_page_leads_to_is_in_the_view() -> None:
    actual = view(
        "Content-Type: text/html\n\n<a href=https://a.example>b</a><img src=https://a.example/1>"
    )

    (page,) = actual.pages
    assert [("b", "https://a.example")] == [(link.text, link.target) for link in page.links]
    assert (1, 0) == (page.remote_images, page.inline_images)


def test_a_view_cut_off_cuts_off_what_is_hidden() -> None:
    html = "<p hidden>" + "a" * VIEW_LIMIT + "</p>b"

    (segment,) = view(f"Content-Type: text/html\n\n{html}").segments

    assert ((0, VIEW_LIMIT),) == segment.hidden


def test_an_attached_page_is_also_read_without_what_it_hides() -> None:
    page = "Content-Disposition: attachment\nContent-Type: text/html\n\n"
    (segment,) = view(f'{page}<p>st<i style="display:none">zz</i>ab</p>').segments

    assert segment.where is Where.ATTACHMENT
    assert "stzzab" in segment.folded.text
    assert segment.shown is not None
    assert "stab" in segment.shown.text
