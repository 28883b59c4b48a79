"""Decode bytes to text: by the declared charset if it fits, else by what the bytes show."""

import codecs
import re
from collections.abc import Iterator

import chardet

SAMPLE = 4096
"""Bytes shown to the detector: more change nothing in what it says, only in its time (2 ms)."""

GLANCE = 512
"""Bytes shown to it where a charset was declared that fits, so that it would only be a doubt."""

_PLAIN_WORD = re.compile(rb"[A-Za-z]{4}")

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

# Must: nothing else. Python's registry also holds rot13, zlib, idna, punycode and
# unicode_escape, with which a sender could choose what we read.
_LABELS = {
    "utf-8": "utf8 unicode-1-1-utf-8 utf-8-sig",
    "utf-7": "utf7 unicode-1-1-utf-7",
    "utf-16-le": "utf-16 utf16 utf-16le ucs-2 unicode",
    "utf-16-be": "utf-16be",
    "utf-32-le": "utf-32 utf32 utf-32le",
    "utf-32-be": "utf-32be",
    # As browsers do (WHATWG Encoding §4.2): who declares these two writes cp1252's quotes.
    "cp1252": "windows-1252 us-ascii ascii ansi-x3.4-1968 iso-8859-1 iso8859-1 latin1 latin-1 l1",
    "iso8859-2": "iso-8859-2 latin2 latin-2",
    "iso8859-3": "iso-8859-3 latin3",
    "iso8859-4": "iso-8859-4 latin4",
    "iso8859-5": "iso-8859-5 cyrillic",
    "iso8859-6": "iso-8859-6 arabic",
    "iso8859-7": "iso-8859-7 greek",
    "iso8859-8": "iso-8859-8 iso-8859-8-i hebrew",
    "cp1254": "windows-1254 iso-8859-9 latin5",
    "iso8859-10": "iso-8859-10 latin6",
    "iso8859-13": "iso-8859-13",
    "iso8859-14": "iso-8859-14",
    "iso8859-15": "iso-8859-15 iso8859-15 latin-9 latin9",
    "iso8859-16": "iso-8859-16",
    "cp1250": "windows-1250",
    "cp1251": "windows-1251 win-1251",
    "cp1253": "windows-1253",
    "cp1255": "windows-1255",
    "cp1256": "windows-1256",
    "cp1257": "windows-1257",
    "cp1258": "windows-1258",
    "cp874": "windows-874 tis-620 iso-8859-11",
    "koi8-r": "koi8 koi8r",
    "koi8-u": "koi8u",
    "mac-roman": "macintosh macroman mac",
    "cp437": "ibm437",
    "cp850": "ibm850",
    "cp852": "ibm852",
    "cp855": "ibm855",
    "cp866": "ibm866",
    "gb18030": "gb2312 gbk cp936 gb-2312-80 euc-cn",
    "hz": "hz-gb-2312",
    "big5hkscs": "big5 big5-hkscs cp950",
    "cp932": "shift-jis sjis windows-31j ms-kanji",
    "euc-jp": "eucjp",
    "iso2022-jp-2": "iso-2022-jp iso-2022-jp-2",
    "cp949": "euc-kr euckr ks-c-5601-1987 ksc5601 uhc",
    "iso2022-kr": "iso-2022-kr",
}
_CODECS = {label: codec for codec, labels in _LABELS.items() for label in (codec, *labels.split())}

_ESCAPES = {"utf-7": b"+", "hz": b"~", "iso2022-jp-2": b"\x1b", "iso2022-kr": b"\x1b"}
"""Charsets in which plain ASCII bytes may be other letters, and the byte that begins them."""

ORDINARY = frozenset({"", "utf-8", "us-ascii", "iso-8859-1", "windows-1252"})
"""Labels under which there is no other reading but of text with NUL in it."""

_PLAIN = {"", "utf-8", "cp1252"}
"""Charsets of which :func:`read_text` believes only what fits, and looks at the bytes else."""

_WESTERN = {"cp1252", "cp1254", "iso8859-15", "mac-roman", "cp437", "cp850"}

_TELLING = {
    "gb18030",
    "big5hkscs",
    "cp932",
    "euc-jp",
    "cp949",
    "utf-16-be",
    "utf-32-le",
    "utf-32-be",
}
"""Charsets that text of another one does not fit, so that there is nothing to detect."""

_NOT_ASCII = re.compile(rb"[\x80-\xff]")


def decode(data: bytes, declared: str) -> str:
    """Decode a short text completely, whatever it is; never raises, never gives lone surrogates.

    A byte order mark decides, then the declared charset if it is one of mail's and fits all bytes,
    then UTF-8 or what is declared if that nearly fits, then cp1252. Text declared as Western (or
    not at all) that is valid UTF-8 is UTF-8: mislabelled mail is common, and the opposite never
    occurs.
    """
    text = _decode_as_declared(data, declared)
    return data.decode("cp1252", "replace") if text is None else text


def read_text(data: bytes, declared: str) -> str:
    """Decode the content of a text part: as :func:`decode` does, but before cp1252 a detector is
    asked, which costs some 2 ms. Line ends become ``\\n``."""
    text = _decode_as_declared(data, declared)
    if text is None:
        text = data.decode(_detect(data), "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def other_charsets(data: bytes, declared: str) -> Iterator[str]:
    """Yield the charsets in which some readers show another text than :func:`read_text` returns:
    what the bytes look like where it is not what was declared, or the other way round."""
    codec = _codec(declared)
    if codec in _ESCAPES:
        if _ESCAPES[codec] in data:
            yield "us-ascii"
        return
    sample = data[:SAMPLE]
    if b"\0" not in sample and (codec in _PLAIN or data.isascii()):
        return
    shown = read_text(sample, declared)
    for other in (*_wide(sample), *_guessed(data, codec)):
        if sample.decode(other, "replace") not in shown:
            yield other


def _guessed(data: bytes, codec: str) -> Iterator[str]:
    """What text in a charset of another script would be if nothing were declared."""
    if codec in _PLAIN or data.isascii():
        return
    try:
        data.decode()
        yield "utf-8"
    except UnicodeDecodeError:
        # The detector costs some 10 ms.
        if codec not in _TELLING | _WESTERN and (detected := _detect(data, GLANCE)) not in _WESTERN:
            yield detected


def _codec(declared: str) -> str:
    return _CODECS.get(declared.strip(" \t\"'").lower().replace("_", "-"), "") if declared else ""


def _decode_as_declared(data: bytes, declared: str) -> str | None:
    codec = _codec(declared)
    if data.isascii() and _ESCAPES.get(codec, b"\0") not in data:
        return data.decode("ascii")
    for mark, marked in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(marked, "replace")
    for candidate in _candidates(data, codec):
        try:
            text = data.decode(candidate)
        except UnicodeError:
            continue
        # UTF-7 alone lets lone surrogates through.
        return text.encode("utf-8", "replace").decode() if candidate == "utf-7" else text
    odd_bytes = len(data) - len(data.decode("ascii", "ignore"))
    # Mailing lists put a line of their own below, in whatever charset.
    for candidate in dict.fromkeys(("utf-8", codec or "utf-8")):
        nearly = data.decode(candidate, "replace")
        if nearly.count("\ufffd") * 4 <= odd_bytes:
            return nearly
    return None


def _candidates(data: bytes, codec: str) -> Iterator[str]:
    if codec in ("", "cp1252", "utf-16-le"):
        yield from _wide(data)
    if codec in ("", "cp1252") and not data.isascii():
        yield "utf-8"
    if codec:
        yield codec


def _wide(data: bytes) -> Iterator[str]:
    """Which UTF-16 it is, if any: in the languages of Europe most second bytes are NUL, and no word
    stands without. NULs that somebody put behind or between plain words make no other text of
    them."""
    sample = data[:SAMPLE].rstrip(b"\0")
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    is_wide = max(even, odd) * 4 > len(sample) and min(even, odd) * 4 < max(even, odd)
    if is_wide and not _PLAIN_WORD.search(data):
        yield "utf-16-be" if even > odd else "utf-16-le"


def _detect(data: bytes, size: int = SAMPLE) -> str:
    odd = _NOT_ASCII.search(data)
    start = odd.start() if odd else 0
    detected = chardet.detect(data[start : start + size])["encoding"] or ""
    return _CODECS.get(detected.lower().replace("_", "-"), "cp1252")
