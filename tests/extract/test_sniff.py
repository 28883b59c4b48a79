"""What attached files are by their content."""

import io
import zipfile

import pytest

from mailguard.extract.sniff import HEAD, Sniffer, sniff
from mailguard.mail.attachment import Extract
from mailguard.mail.message import Message, Part


def message(*parts: Part) -> Message:
    return Message(
        headers=(), subject="", from_=(), to=(), message_id="", parts=parts, defects=(), unread=()
    )


def part(data: bytes, *, number: str = "2", is_attachment: bool = True) -> Part:
    return Part(
        number=number,
        content_type="application/octet-stream",
        charset="",
        is_attachment=is_attachment,
        filename="",
        data=data,
    )


PROGRAM = b"MZ" + bytes(58) + b"\x80\0\0\0" + bytes(64) + b"PE\0\0\x64\x86" + bytes(200)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b"", "", id="empty"),
        pytest.param(b"hello there\n", "text/plain", id="text"),
        pytest.param(b"%PDF-1.7\n", "application/pdf", id="PDF"),
        pytest.param(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "image/png", id="picture"),
        pytest.param(b"L\0\0\0\x01\x14\x02\0" + bytes(80), "application/x-ms-shortcut", id="lnk"),
        pytest.param(
            b"[InternetShortcut]\r\nURL=https://x.example/\r\n", "application/x-mswinurl", id="url"
        ),
        pytest.param(b"<html><HTA:Application id=x>", "application/hta", id="HTML application"),
        pytest.param(b"@echo off\r\nstart x\r\n", "text/x-msdos-batch", id="batch file"),
        pytest.param(
            b'Set s = CreateObject("WScript.Shell")\r\n', "text/vbscript", id="Windows script"
        ),
        pytest.param(b"ITSF\x03\0\0\0", "application/vnd.ms-htmlhelp", id="help file"),
        pytest.param(
            bytes.fromhex("e4525c7b8cd8a74daeb15378d02996d3"), "application/onenote", id="OneNote"
        ),
        pytest.param(
            bytes(0x8001) + b"CD001\x01" + bytes(99), "application/x-iso9660-image", id="disk image"
        ),
    ],
)
async def test_a_file_is_named_by_its_content(data: bytes, expected: str) -> None:
    actual = await Sniffer().extract(message(part(data)))

    assert (Extract(part="2", sniffed=expected),) == actual


async def test_a_program_is_recognised_whatever_libmagic_calls_it() -> None:
    (actual,) = await Sniffer().extract(message(part(PROGRAM)))

    assert actual.sniffed in {
        "application/x-dosexec",
        "application/vnd.microsoft.portable-executable",
    }


async def test_only_attachments_are_looked_at() -> None:
    body = part(b"hello", number="1", is_attachment=False)

    actual = await Sniffer().extract(message(body, part(b"%PDF-1.7\n")))

    assert ["2"] == [extract.part for extract in actual]


async def test_what_lies_beyond_the_head_does_not_count() -> None:
    (actual,) = await Sniffer().extract(message(part(b"x\n" * HEAD + b"<hta:application ")))

    assert "text/plain" == actual.sniffed


def zipped(*members: tuple[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        for name, content in members:
            writer.writestr(name, content)
    return archive.getvalue()


WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
CONTAINER = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(2000)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(zipped(("x", b""), ("word/document.xml", b"")), WORD, id="made by hand"),
        pytest.param(
            zipped(("a.docx", zipped(("word/document.xml", b"")))), "application/zip", id="inside"
        ),
        pytest.param(
            CONTAINER + "WordDocument".encode("utf-16-le"), "application/msword", id="old Word"
        ),
        pytest.param(
            CONTAINER + "__substg1.0_".encode("utf-16-le") + "WordDocument".encode("utf-16-le"),
            "application/vnd.ms-outlook",
            id="old Word in a message of Outlook",
        ),
        pytest.param(b"Dear Sir,\n%PDF-1.7\n", "application/pdf", id="text before a PDF"),
        pytest.param(b"x" * 2000 + b"%PDF-1.7\n", "text/plain", id="text about PDF"),
    ],
)
def test_a_container_is_told_by_what_is_in_it(data: bytes, expected: str) -> None:
    assert sniff(data) == expected
