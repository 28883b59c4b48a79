"""Files that a page has in itself: in a body they are parts like any other."""

import base64

import pytest

from mailguard.mail.data_address import FILES, LEAST_PICTURE, data_files
from mailguard.mail.message import parse
from mailguard.mail.text import look

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(LEAST_PICTURE)
TOP = "From: ana@elmpark.example\nTo: ben@elmpark.example\nMIME-Version: 1.0\n"


def address(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def page(*addresses: str) -> bytes:
    body = "".join(f'<p>See</p><img src="{each}">' for each in addresses)
    return f"{TOP}Content-Type: text/html\n\n{body}\n".encode()


def test_a_picture_in_a_page_is_a_part_and_nobody_differs_about_it() -> None:
    message = parse(page(address(PICTURE)))

    _, picture = message.parts
    assert (picture.number, picture.content_type) == ("1~1", "image/png")
    assert (picture.data, picture.is_attachment) == (PICTURE, True)
    assert (message.defects, message.unread) == ((), ())


def test_what_nobody_opens_of_it_is_told() -> None:
    view = look(parse(page(address(PICTURE))))

    assert [(unread.part, unread.reason) for unread in view.unread] == [("1~1", "image")]
    assert [attachment.part for attachment in view.attachments] == ["1~1"]


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(address(PICTURE), id="plain"),
        pytest.param(address(PICTURE).replace("data:", "DATA:"), id="in capitals"),
        pytest.param(address(PICTURE).replace("+", "%2B").replace("/", "%2f"), id="escaped"),
        pytest.param(address(PICTURE, "image/png;name=a.png"), id="with a name"),
        pytest.param(address(PICTURE, ""), id="without a type"),
        pytest.param(address(PICTURE)[:40] + "\n " + address(PICTURE)[40:], id="in two lines"),
    ],
)
def test_however_it_is_written_it_is_found(written: str) -> None:
    ((_, data),) = data_files(written.replace("image%2fpng", "image/png").encode())

    assert data == PICTURE


def test_what_only_keeps_a_distance_is_no_picture() -> None:
    tiny = address(b"GIF89a" + bytes(40), "image/gif")

    assert len(parse(page(tiny)).parts) == 1


def test_too_many_of_them_are_told() -> None:
    many = (address(PICTURE + bytes((number,))) for number in range(FILES + 1))
    message = parse(page(*many))

    assert len(message.parts) == 1 + FILES
    assert [unread.reason for unread in message.unread] == ["too_many_parts"]
