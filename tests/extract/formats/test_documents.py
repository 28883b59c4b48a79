"""Documents that a real program has written: what was planted is found, wherever it is."""

import lzma
import struct
from functools import cache
from pathlib import Path

import pytest

from mailguard.extract.cage import Cage
from mailguard.extract.found import Piece, Reading
from mailguard.extract.item import About
from mailguard.extract.reading import read_file

SAMPLES = Path(__file__).parent / "samples"
MARKER = "the otter naps in "
ODD_LETTERS = "– “quoted” ÄÖ Привет"

LETTER = {
    "the heading": "",
    "the body": "",
    "a table": "",
    "the header": "header",
    "the footer": "footer",
    "a footnote": "footnote",
    "an endnote": "endnote",
    "a comment": "comment",
    "a text box": "text box",
    "the properties": "properties",
    "a deletion": "deleted text",
    "hidden text": "hidden text",
}
SHEETS = {
    "the body": "sheet Pupils",
    "a formula": "sheet Pupils",
    "a hidden row": "sheet Pupils",
    "a hidden column": "sheet Pupils",
    "a hidden sheet": "hidden sheet Den",
    "a comment": "comment",
    "the header": "notes of sheet Pupils",
    "the properties": "properties",
}
SLIDES = {
    "the body": "slide 1",
    "a hidden slide": "hidden slide 2",
    "a note": "note 1",
    "a comment": "comment",
    "the properties": "properties",
}

PLANTED = {
    "letter.docx": LETTER,
    "letter.odt": LETTER | {"a footnote": "note", "an endnote": "note", "a table": "sheet Pupils"},
    "letter.fodt": LETTER | {"a footnote": "note", "an endnote": "note", "a table": "sheet Pupils"},
    "letter.rtf": LETTER | {"an endnote": "footnote"},
    # Word's old format has both in the text, and does not say there which they are.
    "letter.doc": LETTER | {"a deletion": "", "hidden text": "", "the footer": "header"},
    "pupils.xlsx": SHEETS,
    "pupils.ods": SHEETS | {"the header": "header"},
    "pupils.fods": SHEETS | {"the header": "header"},
    "pupils.xls": {k: v for k, v in SHEETS.items() if k != "a formula"}
    | {"a comment": "notes of sheet Pupils"},
    "talk.pptx": SLIDES,
    "talk.odp": SLIDES | {"a description": "slide 1"},
    "talk.fodp": SLIDES | {"a description": "slide 1"},
    "talk.ppt.xz": SLIDES | {"a hidden slide": "slide 2", "a note": "note"},
    "letter.pdf": {
        "the heading": "page 1",
        "the body": "page 1",
        "a table": "page 1",
        "the header": "page 1",
        "the footer": "page 1",
        "a footnote": "page 1",
        "an endnote": "page 2",
        "a text box": "page 1",
        "the properties": "properties",
    },
}


def sample(name: str) -> bytes:
    data = (SAMPLES / name).read_bytes()
    return lzma.decompress(data) if name.endswith(".xz") else data


def about(name: str) -> About:
    return About(name=name.removesuffix(".xz"))


@cache
def read(name: str, **more: tuple[str, ...]) -> Reading:
    return read_file(sample(name), About(name=name.removesuffix(".xz"), **more))


def places(reading: Reading, text: str) -> set[str]:
    return {
        piece.where for piece in reading.found if isinstance(piece, Piece) and text in piece.text
    }


@pytest.mark.parametrize(
    ("name", "planted", "where"),
    [
        pytest.param(name, planted, where, id=f"{name} {planted}")
        for name, all_planted in PLANTED.items()
        for planted, where in all_planted.items()
    ],
)
def test_what_is_planted_is_found_in_its_place(name: str, planted: str, where: str) -> None:
    assert where in places(read(name), MARKER + planted)


@pytest.mark.parametrize("name", PLANTED)
def test_nothing_of_an_ordinary_document_is_missed(name: str) -> None:
    assert read(name).misses == ()


@pytest.mark.parametrize("name", PLANTED)
def test_a_document_is_read_in_the_cage_as_outside(name: str, cage: Cage) -> None:
    assert cage.read(sample(name), about(name)) == read(name)


@pytest.mark.parametrize("name", PLANTED)
def test_a_document_is_read_whatever_it_is_called(name: str) -> None:
    reading = read_file(sample(name), About(name="picture.jpg"))

    assert MARKER in reading.text


@pytest.mark.parametrize("name", PLANTED)
def test_letters_beyond_ascii_are_kept(name: str) -> None:
    shown = ODD_LETTERS if name.startswith("letter") else "– “quoted” Привет"

    assert shown in read(name).text


@pytest.mark.parametrize("name", ["letter.docx", "letter.odt", "letter.fodt", "letter.rtf"])
def test_what_was_deleted_does_not_part_the_words_around_it(name: str) -> None:
    assert "Somebody said  so." in read(name).text


@pytest.mark.parametrize(
    "name", ["letter.docx", "letter.odt", "letter.doc", "letter.rtf", "letter.pdf"]
)
def test_a_link_shows_where_it_leads(name: str) -> None:
    assert "https://otter-link.example/den" in read(name).text


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("letter.docx", 3),
        ("letter.odt", 3),
        ("pupils.xlsx", 4),
        ("pupils.xls", 4),
        ("pupils.ods", 4),
        ("pupils.fods", 4),
    ],
)
def test_the_rows_of_a_table_are_counted_without_its_heading(name: str, rows: int) -> None:
    assert f"rows:{rows}" in read(name).features


SHEET = """\
Name\tBorn\tPhone\tSecret
Ann Holt\t04/03/2015\t447700900123\tthe otter naps in a hidden column
the otter naps in the body\t\t4.5
the otter naps in a hidden row
"""


@pytest.mark.parametrize("name", ["pupils.xlsx", "pupils.xls", "pupils.ods", "pupils.fods"])
def test_a_sheet_is_one_table_with_its_heading_and_what_is_hidden_in_it(name: str) -> None:
    (text,) = (
        each.text
        for each in read(name).found
        if isinstance(each, Piece) and each.where == "sheet Pupils" and "Born" in each.text
    )

    assert text.startswith(SHEET)


@pytest.mark.parametrize("name", ["pupils.xlsx", "pupils.xls", "pupils.ods", "pupils.fods"])
def test_a_sheet_is_also_read_as_it_is_shown(name: str) -> None:
    shown = "Ann Holt\t04/03/2015\t447700900123\nthe otter naps in the body\t\t4.5"

    assert places(read(name), shown) == {"shown cells of sheet Pupils"}


@pytest.mark.parametrize("name", ["letter.docx", "letter.odt", "letter.fodt"])
def test_a_table_in_a_letter_is_lines_of_cells(name: str) -> None:
    table = "Name\tForm\nAnn Holt\t4B\nBen Shaw\t5C\nthe otter naps in a table\t6D"

    assert places(read(name), table)


@pytest.mark.parametrize(
    "name", ["pupils.xlsx", "pupils.xls", "pupils.ods", "talk.pptx", "talk.ppt.xz", "talk.odp"]
)
def test_hidden_sheets_and_slides_are_reported(name: str) -> None:
    assert "hidden" in read(name).features


def test_a_locked_pdf_is_a_miss() -> None:
    reading = read("locked.pdf")

    assert (reading.text, reading.misses) == ("", ("encrypted",))


def test_a_locked_pdf_is_read_with_a_password_of_the_message() -> None:
    reading = read("locked.pdf", passwords=("please", "otter7"))

    assert MARKER + "the body" in reading.text
    assert reading.misses == ()


def test_words_that_hidden_letters_split_in_an_old_document_are_whole() -> None:
    reading = read("split.doc")

    assert places(reading, "the otter naps here – yes") == {"shown text"}
    assert places(reading, "the otqqqter nazzps here") == {""}


@pytest.mark.parametrize("at", range(0x0FA, 0x102))
def test_what_an_old_document_hides_may_be_damaged(at: int) -> None:
    data = bytearray(sample("split.doc"))
    start = data.index(struct.pack("<H", 0xA5EC))
    data[start + at] ^= 0xFF

    assert "the otqqqter nazzps here" in read_file(bytes(data), About(name="a.doc")).text


def test_every_sample_is_used() -> None:
    unused = (
        {path.name for path in SAMPLES.iterdir()}
        - set(PLANTED)
        - {"README.md", "locked.pdf", "locked", "pictures", "split.doc", "split.fodt"}
    )

    assert unused == set()
