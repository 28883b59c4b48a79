"""Attached text in the charset that the message declares for it."""

from email.message import Message as Letter

import pytest

from mailguard.extract.cage import Cage
from mailguard.extract.declared import in_utf8
from mailguard.extract.unpack import unpack
from mailguard.mail.message import parse

MARKER = "выдра спит"


def letter(data: bytes, charset: str, name: str) -> bytes:
    message = Letter()
    message["Content-Type"] = f"application/octet-stream; charset={charset}"
    message["Content-Disposition"] = f'attachment; filename="{name}"'
    message.set_payload(data)
    return message.as_bytes()


@pytest.mark.parametrize("charset", ["utf-7", "utf-16", "koi8-r", "iso-8859-5", "cp1251"])
@pytest.mark.parametrize("name", ["list.csv", "page.html"])
def test_the_declared_charset_reaches_the_reader(charset: str, name: str) -> None:
    cage = Cage()
    try:
        text = f"{MARKER},b\n" * 20
        (extract,) = unpack(parse(letter(text.encode(charset), charset, name)), cage, 10)
    finally:
        cage.close()

    assert MARKER in extract.text


@pytest.mark.parametrize(
    ("data", "charset", "sniffed"),
    [
        pytest.param(b"plain", "us-ascii", "text/plain", id="nothing to decode"),
        pytest.param(b"%PDF-1.7 \xe1", "koi8-r", "application/pdf", id="no text"),
        pytest.param(b"a\0b\xe1", "koi8-r", "text/plain", id="its bytes show what it is"),
        pytest.param("é".encode(), "", "text/plain", id="nothing declared"),
    ],
)
def test_what_is_no_matter_of_charsets_stays_as_it_is(
    data: bytes, charset: str, sniffed: str
) -> None:
    assert in_utf8(data, charset, sniffed) == data
