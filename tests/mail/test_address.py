"""The grammar of MAIL and RCPT arguments, on bytes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.mail.address import ParsedPath, parameter, parse_path, printable
from mailguard.mail.envelope import Path


@pytest.mark.parametrize(
    ("argument", "address", "parameters"),
    [
        pytest.param(b"<ana@elmpark.example>", "ana@elmpark.example", b"", id="plain"),
        pytest.param(b"<>", "", b"", id="null sender"),
        pytest.param(b"<> BODY=7BIT", "", b"BODY=7BIT", id="null sender with parameters"),
        pytest.param(b"<a@b.example> SIZE=3 X", "a@b.example", b"SIZE=3 X", id="parameters"),
        pytest.param(b"  <a@b.example>  SIZE=3 ", "a@b.example", b" SIZE=3 ", id="spaces"),
        pytest.param(b"a@b.example SIZE=3", "a@b.example", b"SIZE=3", id="no brackets"),
        pytest.param(b"<A.B@C.Example>", "A.B@C.Example", b"", id="case is kept"),
        pytest.param(b'<"a b"@c.example>', '"a b"@c.example', b"", id="quoted space"),
        pytest.param(b'<"a\\"b"@c.example>', '"a\\"b"@c.example', b"", id="quoted quote"),
        pytest.param(b'<"a>b"@c.example>', '"a>b"@c.example', b"", id="quoted bracket"),
        pytest.param(b'<"a@b"@c.example>', '"a@b"@c.example', b"", id="quoted at sign"),
        pytest.param(b'<""@c.example>', '""@c.example', b"", id="empty quotes"),
        pytest.param(b"<.a..b.@c.example>", ".a..b.@c.example", b"", id="odd dots"),
        pytest.param(b"<a@[192.0.2.1]>", "a@[192.0.2.1]", b"", id="IPv4 literal"),
        pytest.param(b"<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]", b"", id="IPv6 literal"),
        pytest.param(b"<postmaster>", "postmaster", b"", id="no domain"),
        pytest.param("<zoë@b.example>".encode(), "zoë@b.example", b"", id="UTF-8"),
        pytest.param(b"<zo\xeb@b.example>", "zo\\xeb@b.example", b"", id="8-bit, no UTF-8"),
        pytest.param(b"<a%b!c+d=e/f@g.example>", "a%b!c+d=e/f@g.example", b"", id="odd characters"),
    ],
)
def test_a_path_is_read(argument: bytes, address: str, parameters: bytes) -> None:
    assert parse_path(argument) == ParsedPath(
        path=Path(argument=argument, address=address), has_route=False, parameters=parameters
    )


@pytest.mark.parametrize("route", [b"@a.example:", b"@a.example,@b.example:", b"@[192.0.2.1]:"])
def test_a_source_route_is_left_out_and_noted(route: bytes) -> None:
    parsed = parse_path(b"<" + route + b"ben@c.example>")

    assert parsed is not None
    assert (parsed.path.address, parsed.has_route) == ("ben@c.example", True)


@pytest.mark.parametrize(
    "argument",
    [
        b"",
        b" ",
        b"<",
        b">",
        b"<a@b.example",
        b"a@b.example>",
        b"<a@b.example>SIZE=3",
        b"<a@b.example>>",
        b"<<a@b.example>>",
        b"<a@b.example><c@d.example>",
        b"<a@b.example>\tSIZE=3",
        b"<a b@c.example>",
        b"< a@b.example>",
        b"<a@b.example >",
        b"<a@b@c.example>",
        b"<a@>",
        b"<@b.example>",
        b"<@b.example:>",
        b"<a@b.example,c@d.example>",
        b"<a(comment)@b.example>",
        b"<a@b.example(comment)>",
        b"<a:b@c.example>",
        b"<a\\@b@c.example>",
        b'<"a@b.example>',
        b'<"a"b@c.example>',
        b'<"a\\"@b.example>',
        b"<a@[192.0.2.1>",
        b"<a@b.example> X=\x7f",
        b"Ana <a@b.example>",
    ],
)
def test_what_is_no_path_is_refused(argument: bytes) -> None:
    assert parse_path(argument) is None


@given(control=st.integers(0, 31), place=st.integers(0, 30))
def test_a_control_character_is_refused_wherever_it_stands(control: int, place: int) -> None:
    argument = b'<"a b"@elmpark.example> SIZE=3'

    parsed = parse_path(argument[:place] + bytes([control]) + argument[place:])

    assert parsed is None


@given(argument=st.binary(max_size=60) | st.text('<>@:," \\.[]a', max_size=30).map(str.encode))
def test_whatever_is_read_is_in_the_argument_and_safe_to_repeat(argument: bytes) -> None:
    parsed = parse_path(argument)

    if parsed is not None:
        assert argument == parsed.path.argument
        assert argument.endswith(parsed.parameters)
        assert parsed.path.address.encode() in argument or "\\x" in parsed.path.address
        assert not re.search(rb"[\x00-\x1f\x7f]", argument)


WORD = st.text("abcXYZ019._-+", min_size=1, max_size=10).filter(lambda word: word[0] not in ".-")


@given(local=WORD, domain=WORD, parameters=st.lists(WORD, max_size=3).map(" ".join))
def test_an_ordinary_path_is_taken_apart_again(local: str, domain: str, parameters: str) -> None:
    argument = f"<{local}@{domain}> {parameters}".encode()

    parsed = parse_path(argument)

    assert parsed is not None
    assert (f"{local}@{domain}", parameters.encode()) == (parsed.path.address, parsed.parameters)


@pytest.mark.parametrize(
    "argument",
    [
        b"<" + b"a" * 100_000,
        b'<"' + b"\\a" * 50_000,
        b"<@" + b"a,@" * 33_000,
        b'"' * 100_000,
        b"<" + b"a@" * 50_000,
        b" " * 100_000 + b"\x00",
        b"<a@b> " + b"X=1 " * 25_000 + b"\x00",
    ],
    ids=["atom", "quoted", "route", "quotes", "at signs", "spaces", "parameters"],
)
def test_a_long_argument_that_fits_nothing_is_refused_at_once(argument: bytes) -> None:
    assert parse_path(argument) is None


@pytest.mark.parametrize(
    ("parameters", "value"),
    [
        (b"SIZE=100", b"100"),
        (b"BODY=8BITMIME size=100", b"100"),
        (b"SIZE", b""),
        (b"SIZE=", b""),
        (b"SIZE=a=b", b"a=b"),
        (b"XSIZE=1", None),
        (b"X=SIZE=1", None),
        (b"", None),
        (b"SIZE=1 SIZE=2", b"1"),
    ],
)
def test_a_parameter_is_found_in_any_case(parameters: bytes, value: bytes | None) -> None:
    assert value == parameter(parameters, b"SIZE")


@given(argument=st.binary())
def test_printable_is_printable_ascii(argument: bytes) -> None:
    text = printable(argument)

    assert text.isascii()
    assert text == "" or text.isprintable()


def test_printable_keeps_what_is_printable() -> None:
    assert printable(b"a b\x00\xff\r") == "a b\\x00\\xff\\x0d"
