"""Header values: folding, 8-bit bytes and encoded words."""

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.mail.words import decode_header, decode_words, unfold


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(b" plain ", "plain", id="plain"),
        pytest.param(b"one\r\n two\n\tthree", "one two\tthree", id="folded"),
        pytest.param("Zoë".encode(), "Zoë", id="raw UTF-8"),
        pytest.param(b"Zo\xeb", "Zoë", id="raw Latin-1"),
        pytest.param(b"a\rb", "ab", id="carriage return"),
    ],
)
def test_a_value_is_one_line_of_text(value: bytes, expected: str) -> None:
    actual = unfold(value)

    assert expected == actual


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("no words", "no words", id="none"),
        pytest.param("=?utf-8?q?caf=C3=A9_bar?=", "café bar", id="Q"),
        pytest.param("=?UTF-8?B?Y2Fmw6k=?=", "café", id="B"),
        pytest.param("a =?utf-8?q?b?= c", "a b c", id="text around"),
        pytest.param("a=?utf-8?q?b?=c", "abc", id="no space around"),
        pytest.param("=?utf-8?q?a?=  =?utf-8?q?b?=", "ab", id="space between words"),
        pytest.param("=?utf-8?q?a?= =?koi8-r?b?zQ==?=", "aм", id="two charsets"),
        pytest.param("=?utf-8?q?=C3?= =?utf-8?q?=A9?=", "é", id="cut within a letter"),
        pytest.param("=?utf-8*en?q?a?=", "a", id="with a language"),
        pytest.param("=?utf-8?q?a b?=", "a b", id="space inside"),
        pytest.param("=?utf-8?b?Y2Fmw6k?=", "café", id="no padding"),
        pytest.param("=?utf-8?q?cut off", "cut off", id="no end"),
        pytest.param("=?nonsense?q?caf=C3=A9?=", "café", id="unknown charset"),
        pytest.param("=?utf-8?x?a?=", "=?utf-8?x?a?=", id="unknown encoding"),
        pytest.param("=?utf-8?q?a=0D=0AX:_b?=", "a X: b", id="no line end gets in"),
    ],
)
def test_encoded_words_are_decoded(text: str, expected: str) -> None:
    actual = decode_header(text)

    assert expected == actual


@given(st.text(alphabet="=?utf-8qQbB_ A\r\n\0é*'", max_size=80))
def test_any_text_can_be_decoded(text: str) -> None:
    actual = decode_header(text)

    assert "=?" in text or text == actual
    assert actual == actual.encode().decode()


@given(st.binary(max_size=80))
def test_any_bytes_can_be_unfolded(value: bytes) -> None:
    actual = unfold(value)

    assert not set("\r\n") & set(actual)


@pytest.mark.parametrize("unit", ["=?", "=?utf-8?q?", "=?utf-8?q?a?= ", "=?x?b?/w==?= =?y?q?a?="])
def test_a_header_of_one_thing_is_decoded_in_linear_time(unit: str) -> None:
    text = unit * (200_000 // len(unit))

    start = process_time()
    decode_words(text)

    assert process_time() - start < 2
