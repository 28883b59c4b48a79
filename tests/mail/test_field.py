"""Structured MIME fields and their parameters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.mail.field import PARAMETERS, parse_field


@pytest.mark.parametrize(
    ("value", "name", "expected"),
    [
        pytest.param("x; name=a.txt", "name", "a.txt", id="token"),
        pytest.param('x; NAME = "a b.txt" ; c=d', "name", "a b.txt", id="quoted"),
        pytest.param(r'x; name="a \"b\" \\ c:\d"', "name", r'a "b" \ c:\d', id="escapes"),
        pytest.param('x; name="a;b=c"; d=e', "d", "e", id="semicolon in quotes"),
        pytest.param('x; name="never closed', "name", "never closed", id="open quote"),
        pytest.param("x; name=a b.txt; c=d", "name", "a b.txt", id="space without quotes"),
        pytest.param("x; charset=us-ascii (plain)", "charset", "us-ascii", id="comment"),
        pytest.param("x; name=a; name=b", "name", "a", id="first of equal names"),
        pytest.param("x; name==?utf-8?q?caf=C3=A9?=", "name", "café", id="RFC 2047"),
        pytest.param("x; name*=utf-8'en'%e2%82%ac%20x", "name", "€ x", id="RFC 2231"),
        pytest.param("x; name*=koi8-r''%cd", "name", "м", id="RFC 2231 charset"),
        pytest.param("x; name*0=ab; name*1=cd", "name", "abcd", id="continuation"),
        pytest.param("x; name*1=cd; name*0=ab", "name", "abcd", id="continuation out of order"),
        pytest.param("x; name*0*=utf-8''a%20; name*1=\"b;c\"", "name", "a b;c", id="both"),
        pytest.param("x; name*0=a; name*2=c", "name", "ac", id="continuation with a gap"),
        pytest.param("x; name=a.txt; name*=''b.exe", "name", "b.exe", id="extended wins"),
        pytest.param("x; y", "name", "", id="absent"),
    ],
)
def test_a_parameter_is_read(value: str, name: str, expected: str) -> None:
    actual = parse_field(value).get(name)

    assert expected == actual


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("", "", id="empty"),
        pytest.param(" ; a=b", "", id="parameters only"),
        pytest.param("Text/PLAIN; a=b", "text/plain", id="lower case"),
        pytest.param("text/plain charset=x", "text/plain", id="no semicolon"),
    ],
)
def test_the_value_is_the_first_word(value: str, expected: str) -> None:
    actual = parse_field(value).value

    assert expected == actual


def test_plain_and_extended_forms_can_be_told_apart() -> None:
    actual = parse_field("attachment; filename=a.txt; filename*=utf-8''b.exe").parameters

    assert {"filename": "a.txt", "filename*": "b.exe"} == actual


def test_the_number_of_parameters_is_bounded() -> None:
    actual = parse_field("x" + "".join(f"; a{n}=b" for n in range(PARAMETERS * 3))).parameters

    assert len(actual) == PARAMETERS


@given(st.text(alphabet="x;=\"\\ *'%01aé\0()", max_size=60))
def test_any_text_can_be_parsed(value: str) -> None:
    field = parse_field(value)

    assert field.value == field.value.lower()
    assert all(name == name.lower() for name in field.parameters)
