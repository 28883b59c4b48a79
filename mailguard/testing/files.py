"""Small files of all formats that are read, each with :data:`WORDS` in it, for tests and fuzzers.

By the name of the reader in :mod:`mailguard.extract.formats` that they are for.
"""

import binascii
import bz2
import gzip
import io
import lzma
import plistlib
import struct
import tarfile
import zipfile
from base64 import b85decode
from collections.abc import Mapping
from types import MappingProxyType

from mailguard.testing.compound import Tree, compound

WORDS = "The otter naps here."
_BYTES = WORDS.encode()
_WIDE = WORDS.encode("utf-16-le")


def zipped(*files: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A ZIP archive of `files`."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in files:
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return target.getvalue()


def _tar() -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        entry = tarfile.TarInfo("note.txt")
        entry.size = len(_BYTES)
        archive.addfile(entry, io.BytesIO(_BYTES))
    return target.getvalue()[:2048]


_TNEF_TEXT = 0x800C


def winmail(text: str, *, number: int = 0x37) -> bytes:
    """A winmail.dat with `text` as body and as the property `number`, which is the subject."""
    plain = text.encode("cp1252")
    body = struct.pack("<BHHI", 1, _TNEF_TEXT, 2, len(plain) + 1) + plain + b"\0\0\0"
    properties = struct.pack("<IHHII", 1, 0x1E, number, 1, len(plain)) + plain
    return (
        b"\x78\x9f\x3e\x22\1\0"
        + body
        + struct.pack("<BHHI", 1, 0x9003, 6, len(properties))
        + properties
        + b"\0\0"
    )


def _outlook() -> Tree:
    return {
        "__properties_version1.0": bytes(32),
        "__substg1.0_0037001F": _WIDE,
        "__substg1.0_1000001F": _WIDE,
        "__recip_version1.0_#00000000": {
            "__substg1.0_3003001F": "ben@elmpark.example".encode("utf-16-le")
        },
        "__attach_version1.0_#00000000": {
            "__substg1.0_3707001F": "note.txt".encode("utf-16-le"),
            "__substg1.0_37010102": _BYTES,
        },
    }


def _slides() -> bytes:
    text = struct.pack("<HHI", 0, 4000, len(_WIDE)) + _WIDE
    return struct.pack("<HHI", 0x0F, 1006, len(text)) + text


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + bytes(4)


def _png() -> bytes:
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", 640, 480, 8, 2, 0, 0, 0))
    text = _chunk(b"tEXt", b"Comment\0" + _BYTES)
    return b"\x89PNG\r\n\x1a\n" + head + text + _chunk(b"IEND", b"")


def _jpeg() -> bytes:
    comment = b"\xff\xfe" + struct.pack(">H", len(_BYTES) + 2) + _BYTES
    size = b"\xff\xc0" + struct.pack(">HBHHB", 8, 8, 480, 640, 3)
    return b"\xff\xd8" + comment + size + b"\xff\xda\0\2" + bytes(9) + b"\xff\xd9"


def _shortcut() -> bytes:
    head = b"L\0\0\0\x01\x14\x02\0" + bytes(12) + struct.pack("<I", 0x20 | 0x80) + bytes(52)
    return head + struct.pack("<H", len(WORDS)) + _WIDE


def _double() -> bytes:
    head = b"\0\x05\x16\7" + bytes(20) + struct.pack(">H", 1)
    return head + struct.pack(">III", 4, 38, len(_BYTES)) + _BYTES


def _signed() -> bytes:
    """SignedData (RFC 5652 §5.1) that is signed by nobody."""
    data, signed = (bytes.fromhex(f"06092a864886f70d0107{kind}") for kind in ("01", "02"))

    def tagged(tag: int, content: bytes) -> bytes:
        return bytes((tag, len(content))) + content

    inside = tagged(0x30, data + tagged(0xA0, tagged(4, b"Subject: a\r\n\r\n" + _BYTES)))
    content = tagged(0x30, b"\x02\1\1" + tagged(0x31, b"") + inside + tagged(0x31, b""))
    return tagged(0x30, signed + tagged(0xA0, content))


_WORD_NAMES = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_OPEN_NAMES = (
    'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"'
)
_LETTER = (
    f"<w:document {_WORD_NAMES}><w:body><w:p><w:r><w:t>{WORDS}</w:t></w:r></w:p></w:body>"
    "</w:document>"
)
_OPEN_LETTER = (
    f"<office:document-content {_OPEN_NAMES}><office:body><office:text>"
    f"<text:p>{WORDS}</text:p></office:text></office:body></office:document-content>"
)
_PDF = f"""%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]/Contents 4 0 R/Resources<</Font<</F1 5 0 R
>>>>/Annots[<</Type/Annot/Subtype/Text/Rect[0 0 9 9]/Contents(Note)>>]>>endobj
4 0 obj<</Length 55>>stream
BT /F1 12 Tf 20 200 Td ({WORDS}) Tj ET
endstream endobj
5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj
trailer<</Root 1 0 R/Size 6>>
%%EOF
"""
_MAIL = (
    "From: ana@elmpark.example\r\nSubject: a letter\r\nMIME-Version: 1.0\r\n"
    'Content-Type: multipart/mixed; boundary="x"\r\n\r\n--x\r\n\r\n'
    f"{WORDS}\r\n--x--\r\n"
)
_ONENOTE = bytes.fromhex("e4525c7b8cd8a74daeb15378d02996d3")
_ONENOTE_FILE = bytes.fromhex("e716e3bd65261145a4c48d4d0b7a9eac")

FILES: Mapping[str, tuple[bytes, ...]] = MappingProxyType(
    {
        "archive": (
            _tar(),
            # Made with each format's own packer: a note.txt of WORDS.
            b85decode(  # rar 4
                "Qeko-8V3N+kaGY44FCWD00000$Zm81fG7YI0000K00002R2><L001EX6fg(?AOHXWZf|sDE_8TwRA^-&Z*"
                "+8Jav*MDaC0DNWpZUM#65ceKnDN"
            ),
            b85decode(  # rar 5
                "Qeko-8V3OY#Tqj*0|5X4cNYl+6#@bj1QZ}t9T|!M0SInybY(7dcyv@~Wgu^KbY*fNZeeh9AZTTBWiA=AIy"
                "D0Y000"
            ),
            b85decode(  # cab
                "O;bZg00000VE_OC00000EC2ui000000|5a50RR9100000MF0Q*0RR916aWAK00000001EX001BWZf|sDE_"
                "8Tw0000002BZe090sYAa8VZWpW^HVQ_OGXk~I`E&"
            ),
            b85decode("9$77HXfQ1l0000K0000003iS%00?exbY(7dcyv_qRA^-&Z*+8Jav*MDaC0DNWpZUM00"),  # lha
            b85decode(  # 7z
                "H+sCUCma9-cr}767ytkO00000S^xk500000vOJ)*0RR(JXk{R8baZ8MAZ}rBb0BDCa%C<60R#pB0SOoY2M"
                "YlJ0U;p)01OlW2nqpI9T|!M00jXV3;+NC000000000001*=aZUAopbO2=lE&y}@cmQ+&000>P6bb<V302D"
                "1JbT>%6$SwSAb_NS000"
            ),
        ),
        "calendar": (
            f"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:{WORDS}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n".encode(),
            f"BEGIN:VCARD\r\nFN:Ana\r\nNOTE:{WORDS}\r\nEND:VCARD\r\n".encode(),
        ),
        "compressed": (
            gzip.compress(_BYTES, mtime=0),
            bz2.compress(_BYTES),
            lzma.compress(_BYTES),
            lzma.compress(_BYTES, lzma.FORMAT_ALONE),
        ),
        "encoded": (
            b"begin 644 note.txt\n" + binascii.b2a_uu(_BYTES) + b"`\nend\n",
            b"begin-base64 644 note.txt\n" + binascii.b2a_base64(_BYTES) + b"====\n",
            b"=ybegin line=128 size=20 name=note.txt\n"
            + bytes((byte + 42) % 256 for byte in _BYTES)
            + b"\n=yend size=20\n",
        ),
        "finder": (_double(),),
        "html": (f"<html><body><p>{WORDS}</p></body></html>".encode(),),
        "image": (_png(), _jpeg()),
        "json": (f'{{"text": "{WORDS}"}}'.encode(),),
        "mailbox": (f"From ana Mon Mar  2 12:00:00 2026\r\n{_MAIL}".encode(),),
        "message": (_MAIL.encode(),),
        "metafile": (struct.pack("<II", 1, 88) + bytes(32) + b" EMF" + bytes(48) + _WIDE,),
        "odf": (
            zipped(
                ("mimetype", b"application/vnd.oasis.opendocument.text"),
                ("content.xml", _OPEN_LETTER.encode()),
                method=zipfile.ZIP_STORED,
            ),
        ),
        "ole": (
            compound({"PowerPoint Document": _slides()}),
            compound({"Notes": _BYTES}),
        ),
        "onenote": (
            _ONENOTE + _WIDE + struct.pack("<16sQ12x", _ONENOTE_FILE, len(_BYTES)) + _BYTES,
        ),
        "ooxml": (
            zipped(("[Content_Types].xml", b"<Types/>"), ("word/document.xml", _LETTER.encode())),
        ),
        "outlook": (compound(_outlook()),),
        "pdf": (_PDF.encode(),),
        "rtf": (f"{{\\rtf1\\ansi {WORDS}\\par}}".encode(),),
        "secured": (
            _signed(),
            f"-----BEGIN PGP SIGNED MESSAGE-----\n\n{WORDS}\n".encode(),
        ),
        "shortcut": (
            _shortcut(),
            f"[InternetShortcut]\r\nURL=https://{WORDS.replace(' ', '.')}\r\n".encode(),
            plistlib.dumps({"URL": WORDS}),
            plistlib.dumps({"URL": WORDS}, fmt=plistlib.FMT_BINARY),
        ),
        "table": (f"name,note\nAna,{WORDS}\nBen,none\n".encode(),),
        "text": (_BYTES, b"\xff\xfe" + _WIDE),
        "tnef": (winmail(WORDS),),
        "xml": (f'<svg xmlns="http://www.w3.org/2000/svg"><text>{WORDS}</text></svg>'.encode(),),
        "zip": (zipped(("note.txt", _BYTES)), zipped(("a.zip", zipped(("note.txt", _BYTES))))),
    }
)

IN_C = ("archive", "compressed", "odf", "ole", "ooxml", "pdf", "xml", "zip")
"""Readers behind which a library in C reads what a stranger wrote."""

IN_PYTHON = tuple(sorted(set(FILES) - set(IN_C)))
