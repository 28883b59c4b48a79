"""No file is passed over in silence: where its reader finds nothing, somebody else looks, or it is
a miss."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator

import pytest

from mailguard.extract import reading as module
from mailguard.extract.format import Format, Formats
from mailguard.extract.formats import text
from mailguard.extract.item import About, Feature, Item, Text
from mailguard.extract.reading import read_file
from mailguard.testing.compound import compound
from mailguard.testing.files import FILES, WORDS, winmail

PLAIN = Format(name="text", types=frozenset(["text/plain"]), endings=(), read=text.read, sample=b"")


@pytest.fixture
def mute(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have files called .mute read by a reader that yields nothing but what is given."""

    def install(*items: Item) -> None:
        def read(data: bytes, about: About) -> Iterator[Item]:
            return iter(items)

        reader = Format(name="mute", types=frozenset(), endings=(".mute",), read=read, sample=b"")
        monkeypatch.setattr(module, "FORMATS", Formats(readers=(reader, PLAIN), failed=()))

    return install


def test_text_that_its_reader_makes_nothing_of_is_read_as_text(mute: Callable[..., None]) -> None:
    mute(Text("", " \n"), Feature("active"))

    reading = read_file(WORDS.encode(), About(name="a.mute"))

    assert WORDS in reading.text
    assert reading.misses == ()


def test_bytes_that_their_reader_makes_nothing_of_are_a_miss(mute: Callable[..., None]) -> None:
    mute()

    reading = read_file(b"\1\0\2\3\4\5" + WORDS.encode() + b"\6\7\0", About(name="a.mute"))

    assert WORDS in reading.text
    assert reading.misses == ("format",)


def test_a_reader_may_vouch_that_there_is_nothing(mute: Callable[..., None]) -> None:
    mute(Feature("empty"))

    reading = read_file(WORDS.encode(), About(name="a.mute"))

    assert (reading.text, reading.misses) == ("", ())


def test_a_blank_file_is_read(mute: Callable[..., None]) -> None:
    mute()

    assert read_file(b" \r\n\0", About(name="a.mute")).misses == ()


def rar5_block(content: bytes) -> bytes:
    content = bytes((len(content),)) + content
    return struct.pack("<I", zlib.crc32(content)) + content


def empty_zip() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w"):
        pass
    return target.getvalue()


def rar5_rest(name: bytes, content: bytes) -> bytes:
    """A file that began in the volume before (RAR 5.0 archive format, "Split before")."""
    head = b"\2\x0a" + bytes((len(content), 4, len(content), 0x20))
    head += struct.pack("<I", zlib.crc32(content)) + b"\0\1" + bytes((len(name),)) + name
    return rar5_block(head) + content


SECOND_VOLUME = (
    b"Rar!\x1a\7\1\0"
    + rar5_block(b"\1\0\3\1")
    + rar5_rest(b"note.txt", b"x" * 100)
    + rar5_block(b"\5\0\0")
)
RAR = b"Rar!\x1a\7\1\0" + rar5_block(b"\1\0\0")


@pytest.mark.parametrize(
    ("name", "data", "misses"),
    [
        pytest.param("a.zip", empty_zip(), (), id="an empty zip"),
        pytest.param("a.zip", bytes(200) + empty_zip(), ("broken",), id="a zip that lost files"),
        pytest.param("a.rar", RAR + rar5_block(b"\5\0\0"), (), id="an empty rar"),
        pytest.param(
            "a.part2.rar",
            SECOND_VOLUME,
            ("broken",),
            id="a rar from the middle of a set",
        ),
        pytest.param("a.doc", compound({}), (), id="a compound file without streams"),
        pytest.param(
            "a.ppt",
            compound({"PowerPoint Document": b"\xff" * 5000}),
            ("format",),
            id="slides of which nothing makes sense",
        ),
        pytest.param("a.svg", b"<svg><path d='M0 0'/></svg>", (), id="a drawing without words"),
        pytest.param("a.jpg", WORDS.encode(), ("format",), id="text that is called a picture"),
        pytest.param("a.p7m", WORDS.encode(), ("format",), id="text that is called encrypted"),
    ],
)
def test_what_is_empty_is_told_from_what_is_broken(
    name: str, data: bytes, misses: tuple[str, ...]
) -> None:
    assert read_file(data, About(name=name)).misses == misses


def test_what_is_behind_the_end_of_an_apple_message_is_read() -> None:
    mail = b"Subject: a\n\nHello\n"

    reading = read_file(b"%d\n%b%b" % (len(mail), mail, WORDS.encode()), About(name="a.emlx"))

    assert "Hello" in reading.text
    assert WORDS in reading.text


def test_lines_of_a_calendar_that_are_no_fields_are_read() -> None:
    data = FILES["calendar"][0].replace(b"END:VEVENT", b"the owl hoots\r\nEND:VEVENT")

    assert "the owl hoots" in read_file(data, About(name="a.ics")).text


@pytest.mark.parametrize("number", [0x49, 0x70, 0x1001])
def test_what_a_receipt_in_a_winmail_dat_says_is_read(number: int) -> None:
    data = winmail(WORDS, number=number).replace(WORDS.encode(), b"x" * len(WORDS), 1)

    assert WORDS in read_file(data, About(name="winmail.dat")).text
