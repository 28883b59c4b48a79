"""The attachment manifest, and attachments that are text."""

import pytest

from mailguard.mail.attachment import (
    Attachment,
    Extract,
    describe,
    needs_reader,
    read_attachment,
)
from mailguard.mail.message import Part

LIMIT = 1000


def part(data: bytes, content_type: str = "text/plain", filename: str = "") -> Part:
    return Part(
        number="2",
        content_type=content_type,
        charset="",
        is_attachment=True,
        filename=filename,
        data=data,
    )


@pytest.mark.parametrize(
    ("content_type", "filename", "sniffed"),
    [
        pytest.param("text/plain", "", "", id="plain text"),
        pytest.param("text/csv", "", "", id="table"),
        pytest.param("text/calendar", "", "", id="calendar"),
        pytest.param("text/vcard", "", "", id="contact"),
        pytest.param("application/json", "", "", id="JSON"),
        pytest.param("image/svg+xml", "", "", id="type that ends in +xml"),
        pytest.param("message/delivery-status", "", "", id="delivery report"),
        pytest.param("application/vnd.ms-excel", "class.CSV", "", id="table by its name"),
        pytest.param("application/octet-stream", "notes.txt. ", "", id="text by its name"),
        pytest.param("application/octet-stream", "", "text/plain", id="text by its content"),
    ],
)
def test_text_is_read_by_type_name_or_content(
    content_type: str, filename: str, sniffed: str
) -> None:
    attachment = part("Zoë, 4B".encode(), content_type, filename)

    actual = read_attachment(attachment, Extract(part="2", sniffed=sniffed), LIMIT)

    assert ("Zoë, 4B", ()) == actual


@pytest.mark.parametrize(
    ("content_type", "filename", "sniffed"),
    [
        pytest.param("text/html", "", "", id="type"),
        pytest.param("application/octet-stream", "page.htm", "", id="name"),
        pytest.param("text/plain", "", "text/html", id="content"),
    ],
)
def test_a_page_is_read_as_it_is_shown(content_type: str, filename: str, sniffed: str) -> None:
    attachment = part(b"<p>hel<b>lo</b></p>", content_type, filename)

    text, reason = read_attachment(attachment, Extract(part="2", sniffed=sniffed), LIMIT)

    assert ("hello", ()) == (text.strip(), reason)


def test_text_is_read_up_to_the_limit() -> None:
    actual = read_attachment(part(b"x" * LIMIT * 2), None, LIMIT)

    assert ("x" * LIMIT, ("too_long",)) == actual


@pytest.mark.parametrize(
    ("data", "content_type", "sniffed", "expected"),
    [
        pytest.param(b"\x89PNG", "image/png", "", "image", id="declared picture"),
        pytest.param(b"\x89PNG", "application/x", "image/png", "image", id="sniffed picture"),
        pytest.param(b"ID3", "audio/mpeg", "", "audio", id="sound"),
        pytest.param(b"x", "video/mp4", "", "video", id="film"),
        pytest.param(b"%PDF", "application/pdf", "application/pdf", "format", id="document"),
        pytest.param(b"{\\rtf1}", "text/rtf", "text/rtf", "format", id="text behind markup"),
        pytest.param(b"x", "application/pgp-signature", "", "format", id="no real signature"),
    ],
)
def test_what_is_no_text_is_unread_for_a_reason(
    data: bytes, content_type: str, sniffed: str, expected: str
) -> None:
    extract = Extract(part="2", sniffed=sniffed)

    actual = read_attachment(part(data, content_type), extract, LIMIT)

    assert ("", (expected,)) == actual


def test_binary_data_declared_as_text_is_both_read_and_unread() -> None:
    extract = Extract(part="2", sniffed="application/zip")

    text, reason = read_attachment(part(b"PK\x03\x04\x00notes.txt"), extract, LIMIT)

    assert ("notes.txt", ("format",)) == (text[-9:], reason)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_utf_16_is_no_binary_data(encoding: str) -> None:
    actual = read_attachment(part("hello you".encode(encoding)), None, LIMIT)

    assert ("hello you", ()) == actual


@pytest.mark.parametrize(
    ("content_type", "data"),
    [
        pytest.param("application/pgp-signature", b"-----BEGIN PGP SIGNATURE-----\n", id="PGP"),
        pytest.param("application/pkcs7-signature", b"\x30\x82\x0c\x8a", id="S/MIME"),
    ],
)
def test_a_signature_has_no_text_to_miss(content_type: str, data: bytes) -> None:
    actual = read_attachment(part(data, content_type), None, LIMIT)

    assert ("", ()) == actual


@pytest.mark.parametrize(
    ("extract", "expected"),
    [
        pytest.param(
            Extract(part="2", sniffed="", is_read=True, text="hello"), ("hello", ()), id="text"
        ),
        pytest.param(
            Extract(part="2", sniffed="", is_read=True, misses=("encrypted",)),
            ("", ("encrypted",)),
            id="why",
        ),
        pytest.param(
            Extract(part="2", sniffed="", is_read=True, text="hel", misses=("too_long", "image")),
            ("hel", ("too_long", "image")),
            id="both",
        ),
        pytest.param(Extract(part="2", sniffed="", is_read=True), ("", ()), id="nothing in it"),
    ],
)
def test_what_the_cage_found_counts(
    extract: Extract, expected: tuple[str, tuple[str, ...]]
) -> None:
    actual = read_attachment(part(b"%PDF", "application/pdf"), extract, LIMIT)

    assert expected == actual


@pytest.mark.parametrize(
    ("extract", "sniffed"),
    [
        pytest.param(Extract(part="2", sniffed="application/pdf"), "application/pdf", id="known"),
        pytest.param(None, "", id="unknown"),
    ],
)
def test_the_manifest_says_what_is_attached(extract: Extract | None, sniffed: str) -> None:
    actual = describe(part(b"hello", "application/pdf", "a.pdf"), extract)

    digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    assert actual == Attachment(
        part="2",
        filename="a.pdf",
        declared="application/pdf",
        sniffed=sniffed,
        size=5,
        sha256=digest,
    )


@pytest.mark.parametrize(
    ("content_type", "filename", "sniffed", "data"),
    [
        pytest.param("text/plain", "", "text/plain", b"x", id="text"),
        pytest.param("text/plain", "a.txt", "text/x-python", b"x", id="text of some kind"),
        pytest.param("text/html", "a.html", "text/html", b"x", id="page"),
        pytest.param("application/pdf", "a.pdf", "", b"", id="nothing"),
        pytest.param("message/rfc822", "", "text/plain", b"x", id="what parsing did not open"),
        pytest.param(
            "application/pgp-signature", "", "", b"-----BEGIN PGP SIGNATURE-----\n", id="signature"
        ),
    ],
)
def test_plain_text_and_pages_need_no_reader(
    content_type: str, filename: str, sniffed: str, data: bytes
) -> None:
    assert not needs_reader(part(data, content_type, filename), sniffed)


@pytest.mark.parametrize(
    ("content_type", "filename", "sniffed", "data"),
    [
        pytest.param("application/pdf", "", "application/pdf", b"x", id="document"),
        pytest.param("text/plain", "", "application/pdf", b"x", id="document by its content"),
        pytest.param("text/plain", "a.docx", "text/plain", b"x", id="document by its name"),
        pytest.param("application/pdf", "a.txt", "text/plain", b"x", id="document by its type"),
        pytest.param("text/plain", "", "text/rtf", b"x", id="text behind markup"),
        pytest.param("text/plain", "", "text/plain", b"x\0yes" * 9, id="text that is none"),
    ],
)
def test_whatever_may_hold_more_needs_a_reader(
    content_type: str, filename: str, sniffed: str, data: bytes
) -> None:
    assert needs_reader(part(data, content_type, filename), sniffed)


def test_an_empty_attachment_is_wholly_read() -> None:
    assert ("", ()) == read_attachment(part(b"", "application/pdf", "a.pdf"), None, LIMIT)
