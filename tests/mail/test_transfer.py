"""Transfer encodings, clean and broken."""

import base64
import binascii

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.mail.transfer import PIECES, decode_transfer


@pytest.mark.parametrize(
    ("data", "encoding", "expected"),
    [
        pytest.param(b"hi=20", "", (b"hi=20", ""), id="none"),
        pytest.param(b"hi\xff", "8bit", (b"hi\xff", ""), id="8bit"),
        pytest.param(b"aGVs\r\nbG8=\r\n", "base64", (b"hello", ""), id="base64"),
        pytest.param(b"aGVsbG8=", " BASE64 ", (b"hello", ""), id="case and space"),
        pytest.param(b"aGVsbG8=", '"base64"', (b"hello", ""), id="in quotes"),
        pytest.param(b"aGVsbG8=", "base64; x=y", (b"hello", ""), id="with a parameter"),
        pytest.param(b"aGVsbG8=", "(x) base64 (y)", (b"hello", ""), id="with comments"),
        pytest.param(b"aGVsbG8", "base64", (b"hello", ""), id="no padding"),
        pytest.param(b"aGVs!b*G8=", "base64", (b"hello", ""), id="junk between letters"),
        pytest.param(b"aGVsbG8=Cg==", "base64", (b"hello\n", "padding_inside_base64"), id="joined"),
        pytest.param(b"aGVsbG8xM", "base64", (b"hello1", "broken_base64"), id="a letter too many"),
        pytest.param(b"", "base64", (b"", ""), id="empty"),
        pytest.param(b"a=3D=\r\nb=C3=A9", "quoted-printable", (b"a=b\xc3\xa9", ""), id="quoted"),
        pytest.param(b"hel= \t\r\nlo", "quoted-printable", (b"hello", ""), id="space after break"),
        pytest.param(b"100=% =ZZ", "quoted-printable", (b"100=% =ZZ", ""), id="no hex digits"),
        pytest.param(b"x", "x-uuencode", (b"x", "unknown_transfer_encoding"), id="not of MIME"),
    ],
)
def test_content_is_decoded_as_far_as_possible(
    data: bytes, encoding: str, expected: tuple[bytes, str]
) -> None:
    actual = decode_transfer(data, encoding)

    assert expected == actual


@given(st.binary(max_size=200))
def test_what_was_encoded_comes_back(data: bytes) -> None:
    in_base64 = decode_transfer(base64.encodebytes(data), "base64")
    # Not as text, of which the encoder makes all line ends like the first.
    written = binascii.b2a_qp(data, quotetabs=True, istext=False)
    quoted = decode_transfer(written, "quoted-printable")

    assert ((data, ""), (data, "")) == (in_base64, quoted)


@given(st.binary(max_size=200), st.sampled_from(["base64", "quoted-printable", "?", "\0"]))
def test_any_bytes_can_be_decoded(data: bytes, encoding: str) -> None:
    decoded, _ = decode_transfer(data, encoding)

    assert len(decoded) <= len(data)


def test_padding_everywhere_is_bounded() -> None:
    decoded, defect = decode_transfer(b"QUJD=" * 1_000_000, "base64")

    assert (b"ABC" * PIECES, "padding_inside_base64") == (decoded, defect)
