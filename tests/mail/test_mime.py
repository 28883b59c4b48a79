"""The MIME tree, its caps, and that it is the tree the standard library sees."""

from collections.abc import Iterator
from email.feedparser import BytesFeedParser
from email.message import Message as LibraryMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.mail.mime import Allowance, Entity, read_entity

MIXED = "Content-Type: multipart/mixed; boundary=a\n\n"


def read(text: str, *, depth: int = 30, parts: int = 1000, header_bytes: int = 10_000) -> Entity:
    """Read `text`, written with LF, as a message with CRLF."""
    allowance = Allowance(depth=depth, parts=parts, header_bytes=header_bytes)
    return read_entity(text.replace("\n", "\r\n").encode("latin-1"), allowance)


def outline(entity: Entity) -> str:
    """Types and bodies on one line: ``multipart/mixed(text/plain"hello")``."""
    if entity.children:
        return f"{entity.content.value}({' '.join(map(outline, entity.children))})"
    return f'{entity.content.value}"{entity.body.decode()}"'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", 'text/plain""', id="nothing"),
        pytest.param("\nhello", 'text/plain"hello"', id="no header"),
        pytest.param("hello", 'text/plain"hello"', id="no header, no blank line"),
        pytest.param("A: b\n\nhello", 'text/plain"hello"', id="body"),
        pytest.param("A: b", 'text/plain""', id="no body"),
        pytest.param("Content-Type: text\n\nx", 'text/plain"x"', id="type without a slash"),
        pytest.param("Content-Type: A/B; c=d\n\nx", 'a/b"x"', id="type"),
        pytest.param(
            MIXED + "--a\n\none\n--a\n\ntwo\n--a--\nbye",
            'multipart/mixed(text/plain"one" text/plain"two")',
            id="two parts",
        ),
        pytest.param(
            MIXED + "hello\n--a\n\none\n--a--",
            'multipart/mixed(text/plain"one")',
            id="text before the first part",
        ),
        pytest.param(
            MIXED + "--a\n\none\n--ab\n --a\n--a--x\n--a--",
            'multipart/mixed(text/plain"one\r\n--ab\r\n --a\r\n--a--x")',
            id="lines that are no delimiters",
        ),
        pytest.param(
            MIXED + "--a \t\n\none\n--a-- \n",
            'multipart/mixed(text/plain"one")',
            id="space after a delimiter",
        ),
        pytest.param(MIXED + "--a\n\none", 'multipart/mixed(text/plain"one")', id="never closed"),
        pytest.param(MIXED + "hello", 'multipart/mixed"hello"', id="never begun"),
        pytest.param(
            "Content-Type: multipart/mixed\n\n--a\n\none\n--a--",
            'multipart/mixed"--a\r\n\r\none\r\n--a--"',
            id="no boundary",
        ),
        pytest.param(
            'Content-Type: multipart/mixed;\n boundary="a b"\n\n--a b\n\none\n--a b--',
            'multipart/mixed(text/plain"one")',
            id="boundary in quotes on a folded line",
        ),
        pytest.param(
            MIXED + "--a\n" + MIXED.replace("=a", "=b") + "--b\n\none\n--a\n\ntwo\n--a--",
            'multipart/mixed(multipart/mixed(text/plain"one") text/plain"two")',
            id="inner one never closed",
        ),
        pytest.param(
            "Content-Type: message/rfc822\n\nSubject: x\n\nhello",
            'message/rfc822(text/plain"hello")',
            id="enclosed message",
        ),
        pytest.param(
            "Content-Type: multipart/digest; boundary=a\n\n--a\n\nSubject: x\n\nhello\n--a--",
            'multipart/digest(message/rfc822(text/plain"hello"))',
            id="digest",
        ),
        pytest.param(
            "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nQQ==",
            'message/rfc822"QQ=="',
            id="encoded enclosed message is left to the caller",
        ),
        pytest.param(
            "Content-Type: message/partial\n\nSubject: x\n\nhello",
            'message/partial"Subject: x\r\n\r\nhello"',
            id="part of a message is not opened",
        ),
    ],
)
def test_a_message_is_split_where_it_says(text: str, expected: str) -> None:
    actual = outline(read(text))

    assert expected == actual


@pytest.mark.parametrize(
    ("text", "header", "defects"),
    [
        pytest.param("A: b\nC:d\n\n", [("A", "b"), ("C", "d")], (), id="two fields"),
        pytest.param("A: b\n c\n\td\n\n", [("A", "b c\td")], (), id="folded"),
        pytest.param("A:\n b\n\n", [("A", "b")], (), id="folded at once"),
        pytest.param("A: Zo\xeb\n\n", [("A", "Zoë")], (), id="8-bit"),
        pytest.param("From x Mon\nA: b\n\n", [("A", "b")], (), id="mbox line"),
        pytest.param(
            "A: b\nFrom x\nC: d\n\n",
            [("A", "b"), ("C", "d")],
            ("from_line_in_header",),
            id="mbox line inside",
        ),
        pytest.param("A : b\n\n", [("A", "b")], ("space_before_colon",), id="space before colon"),
        pytest.param(": b\nA: b\n\n", [("A", "b")], (), id="no name"),
        pytest.param(" x\nA: b\n\n", [("A", "b")], ("folded_line_without_field",), id="folded 1st"),
        pytest.param(
            "A: b\nhello\n", [("A", "b")], ("no_blank_line_after_header",), id="no blank line"
        ),
    ],
)
def test_a_header_is_read(
    text: str, header: list[tuple[str, str]], defects: tuple[str, ...]
) -> None:
    actual = read(text)

    assert (tuple(header), defects) == (actual.header, actual.defects)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("Content-Type: multipart/mixed\n\n", ("no_boundary",), id="no boundary"),
        pytest.param(MIXED + "x", ("no_start_boundary",), id="never begun"),
        pytest.param(MIXED + "--a\n\nx", ("no_close_boundary",), id="never closed"),
        pytest.param(
            "Content-Transfer-Encoding: base64\n" + MIXED + "--a\n\nx\n--a--",
            ("encoded_multipart",),
            id="encoded",
        ),
        pytest.param(MIXED + "--a\n\nx\n--a--", (), id="nothing wrong"),
    ],
)
def test_what_is_wrong_with_a_multipart_is_noted(text: str, expected: tuple[str, ...]) -> None:
    actual = read(text).defects

    assert expected == actual


def test_a_container_too_deep_keeps_its_bytes() -> None:
    inner = MIXED + "--a\n\nhello\n--a--"
    text = MIXED.replace("=a", "=b") + "--b\n" + inner + "\n--b--"

    actual = read(text, depth=1)

    assert 'multipart/mixed(multipart/mixed"--a\r\n\r\nhello\r\n--a--")' == outline(actual)


def test_after_one_part_too_many_the_rest_is_one_part() -> None:
    allowance = Allowance(depth=9, parts=1, header_bytes=100)
    raw = (MIXED + "--a\n\none\n--a\n\ntwo\n--a\n\nthree\n--a--").encode()

    actual = read_entity(raw, allowance)

    assert [b"one", b"\ntwo\n--a\n\nthree\n--a--"] == [child.body for child in actual.children]
    assert (0, True) == (allowance.parts, allowance.is_exceeded)


def test_as_many_parts_as_allowed_are_not_too_many() -> None:
    allowance = Allowance(depth=9, parts=2, header_bytes=100)
    raw = (MIXED + "--a\n\none\n--a\n\ntwo\n--a--").encode()

    actual = read_entity(raw, allowance)

    assert ([b"one", b"two"], False) == (
        [child.body for child in actual.children],
        allowance.is_exceeded,
    )


def test_header_lines_beyond_the_cap_are_skipped_and_the_body_is_kept() -> None:
    text = "A: b\nC: " + "d" * 100 + "\nE: f\n\nhello"

    actual = read(text, header_bytes=50)

    assert [("A", "b"), ("C", "d" * 41)] == list(actual.header)
    assert (True, b"\r\nhello") == (actual.is_header_cut, actual.body)


SOUP = st.lists(
    st.sampled_from(
        [
            "Content-Type: multipart/mixed; boundary=a",
            "Content-Type: multipart/alternative; boundary=b",
            "Content-Type: multipart/digest; boundary=a",
            "Content-Type: message/rfc822",
            "Content-Type: text/html",
            "Subject: x",
            " ; folded=yes",
            "",
            "",
            "text",
            "--a",
            "--a",
            "--a ",
            "--b",
            "--a--",
            "--b--",
            "--ab",
        ]
    ),
    max_size=30,
)


@given(SOUP, st.sampled_from(["\n", "\r\n"]))
def test_the_tree_is_the_one_that_the_standard_library_sees(lines: list[str], end: str) -> None:
    raw = end.join(lines).encode()

    ours = list(_walk(read_entity(raw, Allowance(depth=99, parts=999, header_bytes=9999))))

    parser = BytesFeedParser()
    parser.feed(raw)
    assert list(_walk_library(parser.close())) == ours


def _walk(entity: Entity) -> Iterator[tuple[str, list[str], bytes]]:
    names = [name for name, _ in entity.header]
    # Of what could not be split the library drops some lines and we none; a last part that is not
    # closed loses its line end there and keeps it here.
    is_text = not entity.is_container
    yield entity.content.value, names, entity.body.rstrip() if is_text else b""
    for child in entity.children:
        yield from _walk(child)


def _walk_library(message: LibraryMessage) -> Iterator[tuple[str, list[str], bytes]]:
    kind, payload = message.get_content_type(), message.get_payload()
    is_text = isinstance(payload, str) and not kind.startswith(("multipart/", "message/"))
    yield kind, list(message.keys()), str(payload).encode().rstrip() if is_text else b""
    if isinstance(payload, list):
        for child in payload:
            yield from _walk_library(child)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message(raw: bytes) -> None:
    actual = read_entity(raw, Allowance(depth=3, parts=3, header_bytes=50))

    assert raw.endswith(actual.body)
