"""Bytes to text, in whatever charset they are or claim to be."""

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.mail.charset import decode, other_charsets, read_text

DECLARED = st.one_of(
    st.sampled_from(
        (
            *("", "utf-8", "us-ascii", "iso-8859-1", "windows-1255", "koi8-r"),
            *("utf-7", "utf-16", "utf-32be", "iso-2022-jp", "iso-2022-kr", "hz-gb-2312"),
            *("gb2312", "big5", "shift_jis", "euc-kr"),
            *("rot13", "zlib", "idna", "punycode", "unicode_escape", "x\0y"),
        )
    ),
    st.text(max_size=12),
)


@pytest.mark.parametrize(
    ("data", "declared", "expected"),
    [
        pytest.param(b"plain", "us-ascii", "plain", id="ASCII"),
        pytest.param("café".encode(), "utf-8", "café", id="UTF-8"),
        pytest.param("café".encode(), "'UTF_8' ", "café", id="label in another spelling"),
        pytest.param("café".encode(), "iso-8859-1", "café", id="UTF-8 declared as Latin-1"),
        pytest.param("café".encode(), "us-ascii", "café", id="UTF-8 declared as ASCII"),
        pytest.param("café".encode("latin-1"), "iso-8859-1", "café", id="Latin-1"),
        pytest.param("“go”".encode("cp1252"), "iso-8859-1", "“go”", id="cp1252 as Latin-1"),
        pytest.param("café – ok".encode("cp1252"), "utf-8", "café – ok", id="cp1252 as UTF-8"),
        pytest.param("é – x".encode() + b"\xff", "utf-8", "é – x\ufffd", id="one bad byte"),
        pytest.param("мир".encode("koi8-r"), "koi8-r", "мир", id="KOI8-R"),
        pytest.param("你好".encode("gbk"), "gb2312", "你好", id="GBK as GB2312"),
        pytest.param("日本".encode("iso2022-jp"), "iso-2022-jp", "日本", id="escapes in ASCII"),
        pytest.param(b"+AGgAaQ-", "utf-7", "hi", id="UTF-7"),
        pytest.param(b"+AGgAaQ-", "utf-8", "+AGgAaQ-", id="UTF-7 must be declared"),
        pytest.param(b"+2AA-", "utf-7", "?", id="no lone surrogate out of UTF-7"),
        pytest.param(codecs.BOM_UTF8 + b"hi", "koi8-r", "hi", id="byte order mark, UTF-8"),
        pytest.param("hi".encode("utf-16"), "us-ascii", "hi", id="byte order mark, UTF-16"),
        pytest.param("hi you".encode("utf-16-le"), "", "hi you", id="UTF-16 undeclared"),
        pytest.param("hi you".encode("utf-16-be"), "utf-16", "hi you", id="UTF-16, big end first"),
        pytest.param(b"hi you", "utf-16", "hi you", id="ASCII declared as UTF-16"),
        pytest.param(b"uryyb", "rot13", "uryyb", id="no codec of Python's own: rot13"),
        pytest.param(b"\\x41", "unicode_escape", "\\x41", id="no codec of Python's own: escapes"),
    ],
)
def test_text_is_decoded_as_it_was_meant(data: bytes, declared: str, expected: str) -> None:
    actual = decode(data, declared)

    assert expected == actual


def test_undeclared_text_of_another_script_is_detected() -> None:
    text = "Привет, как дела? Увидимся завтра в школе."

    actual = read_text(text.encode("koi8-r"), "")

    assert text == actual


@pytest.mark.parametrize(
    ("data", "declared", "expected"),
    [
        pytest.param(b"plain", "us-ascii", [], id="ASCII"),
        pytest.param("café".encode(), "utf-8", [], id="UTF-8"),
        pytest.param("café".encode("latin-1"), "iso-8859-1", [], id="Latin-1"),
        pytest.param("café".encode(), "koi8-r", ["utf-8"], id="UTF-8 declared as KOI8-R"),
        pytest.param("你好你好".encode("gbk"), "gb2312", [], id="GBK"),
        pytest.param("hi you".encode("utf-16-le"), "utf-8", ["utf-16-le"], id="UTF-16 as UTF-8"),
        pytest.param(b"+AGgAaQ-", "utf-7", ["us-ascii"], id="UTF-7 or what stands there"),
        pytest.param(b"hi you", "utf-7", [], id="UTF-7 without escapes"),
    ],
)
def test_text_is_read_as_declared_and_as_it_looks(
    data: bytes, declared: str, expected: list[str]
) -> None:
    actual = list(other_charsets(data, declared))

    assert expected == actual


def test_text_of_another_script_than_declared_is_read_in_both() -> None:
    text = "Привет, как дела? Увидимся завтра в школе."

    actual = list(other_charsets(text.encode("koi8-r"), "windows-1251"))

    assert ["koi8-r"] == actual


def test_line_ends_of_a_text_part_become_line_feeds() -> None:
    actual = read_text(b"a\r\nb\rc\nd", "")

    assert "a\nb\nc\nd" == actual


@given(st.binary(max_size=80), DECLARED)
def test_any_bytes_decode_under_any_name(data: bytes, declared: str) -> None:
    for text in (decode(data, declared), read_text(data, declared)):
        assert text == text.encode().decode()


@pytest.mark.parametrize("declared", ["", "us-ascii"])
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"Bring the pineapple on Friday.\n" + bytes(69), id="NULs behind"),
        pytest.param(b"Bring the pineapple on Friday.\n" + b"x\0" * 3000, id="letters with NULs"),
        pytest.param(("x y " * 3000).encode("utf-16-le") + b"Bring the pineapple", id="far behind"),
    ],
)
def test_nuls_make_no_other_text_of_plain_words(data: bytes, declared: str) -> None:
    assert "Bring the pineapple" in read_text(data, declared)


@pytest.mark.parametrize("charset", ["big5", "gb2312", "shift_jis", "euc-kr"])
def test_one_wrong_byte_spoils_no_text_of_the_declared_charset(charset: str) -> None:
    words = {
        "big5": "水獺在這裡睡覺",
        "gb2312": "水獭在这里睡觉",
        "shift_jis": "カワウソはここで寝る",
    }
    text = words.get(charset, "수달이 여기서 잔다")

    assert text in read_text(text.encode(charset) + b"\n\xff\n-- \nlist", charset)
