"""Office files made by code: places where text hides, and what else such files do."""

import struct
import zlib

import pytest

from mailguard.extract.found import Piece, Reading
from mailguard.extract.item import About
from mailguard.extract.office.macro import unpack
from mailguard.extract.office.zipped import zipped
from mailguard.extract.reading import read_file
from mailguard.testing.compound import Tree, compound

MARKER = "the otter naps here"
W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
S = (
    'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
)
P = (
    'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
)
LINKS = "<Relationships>{}</Relationships>"

# "Attribute VB_Name..." with the marker, packed by hand as eight literals to a byte of flags.
SOURCE = b'Attribute VB_Name = "M"\r\n\' ' + MARKER.encode() + b"\r\n"


def packed(source: bytes) -> bytes:
    """MS-OVBA §2.4.1, without a single copy."""
    chunk = b"".join(b"\0" + source[n : n + 8] for n in range(0, len(source), 8))
    return b"\x01" + struct.pack("<H", 0xB000 | len(chunk) - 1) + chunk


STYLED = '<w:rStyle w:val="s"/>'
TYPES = {"[Content_Types].xml": "<Types/>"}


def read(data: bytes, name: str) -> Reading:
    return read_file(data, About(name=name))


def letter(body: str, **more: str) -> Reading:
    document = {"word/document.xml": f"<w:document {W}>{body}</w:document>"}
    return read(zipped(TYPES | document | more), "a.docx")


def workbook(sheet: str, parts: dict[str, str] | None = None) -> Reading:
    link = '<Relationship Id="r1" Target="worksheets/s.xml"/>'
    sheets = '<sheets><sheet name="Pupils" r:id="r1"/></sheets>'
    all_parts = {
        "xl/workbook.xml": f"<workbook {S}>{sheets}</workbook>",
        "xl/_rels/workbook.xml.rels": LINKS.format(link),
        "xl/worksheets/s.xml": f"<worksheet {S}>{sheet}</worksheet>",
    }
    return read(zipped(TYPES | all_parts | (parts or {})), "a.xlsx")


def deck(**slides: str) -> Reading:
    parts = {
        f"ppt/slides/{name}.xml": f"<p:sld {P}>{text}</p:sld>" for name, text in slides.items()
    }
    return read(
        zipped(TYPES | {"ppt/presentation.xml": f"<p:presentation {P}/>"} | parts), "a.pptx"
    )


def opendocument(parts: dict[str, str]) -> Reading:
    kind = {"mimetype": "application/vnd.oasis.opendocument.text"}
    return read(zipped(kind | parts), "a.odt")


def old(tree: Tree, name: str = "object.bin") -> Reading:
    return read(compound(tree), name)


def places(reading: Reading, text: str = MARKER) -> set[str]:
    return {
        piece.where for piece in reading.found if isinstance(piece, Piece) and text in piece.text
    }


def run(text: str, *, look: str = "") -> str:
    return f"<w:r><w:rPr>{look}</w:rPr><w:t>{text}</w:t></w:r>"


def cell(text: str) -> str:
    return f'<c t="inlineStr"><is><t>{text}</t></is></c>'


# ---- Word ----------------------------------------------------------------------------------------


def test_hidden_text_does_not_part_the_words_around_it() -> None:
    reading = letter(f"<w:p>{run('st')}{run('zz', look='<w:vanish/>')}{run('ab')}</w:p>")

    assert "stab" in reading.text
    assert places(reading, "zz") == {"hidden text"}
    assert "hidden" in reading.features


@pytest.mark.parametrize(
    "body",
    [
        f"<w:p>{run('st')}{run('zz', look=STYLED)}{run('ab')}</w:p>",
        f"<w:p><w:pPr><w:pStyle w:val='s'/></w:pPr>{run('zz')}</w:p><w:p>{run('stab')}</w:p>",
    ],
)
def test_text_may_be_hidden_by_its_style(body: str) -> None:
    style = '<w:style w:styleId="s"><w:rPr><w:vanish/></w:rPr></w:style>'
    reading = letter(body, **{"word/styles.xml": f"<w:styles {W}>{style}</w:styles>"})

    assert "stab" in reading.text
    assert places(reading, "zz") == {"hidden text"}


def test_text_that_is_said_not_to_be_hidden_is_shown() -> None:
    look = '<w:vanish w:val="false"/>'

    assert places(letter(f"<w:p>{run(MARKER, look=look)}</w:p>")) == {""}


def test_a_text_box_that_is_there_twice_is_read_once() -> None:
    box = f"<w:txbxContent><w:p>{run(MARKER)}</w:p></w:txbxContent>"
    reading = letter(f"<w:p>{run('before')}{box}{box}{run(' after')}</w:p>")

    assert reading.text.count(MARKER) == 1
    assert "before after" in reading.text


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(
            f'<w:drawing><wp descr="{MARKER}"/></w:drawing>', id="description of a picture"
        ),
        pytest.param(f'<v:textpath xmlns:v="urn:v" string="{MARKER}"/>', id="WordArt"),
        pytest.param(f'<w:listItem w:displayText="{MARKER}"/>', id="choice in a form"),
        pytest.param(f"<w:r><w:instrText>{MARKER}</w:instrText></w:r>", id="field"),
        pytest.param(f"<w:moveFrom>{run(MARKER)}</w:moveFrom>", id="moved away"),
        pytest.param(
            f"<w:sdt><w:sdtContent>{run(MARKER)}</w:sdtContent></w:sdt>", id="content control"
        ),
    ],
)
def test_text_in_odd_places_of_a_letter_is_found(body: str) -> None:
    assert places(letter(f"<w:p>{body}</w:p>"))


BLOCK = f"<w:glossaryDocument {W}><w:p>{run(MARKER)}</w:p></w:glossaryDocument>"


@pytest.mark.parametrize(
    ("name", "part"),
    [
        pytest.param("word/glossary/document.xml", BLOCK, id="building block"),
        pytest.param("customXml/item1.xml", f"<a><b>{MARKER}</b></a>", id="data behind it"),
        pytest.param("word/afchunk.htm", f"<html><p>{MARKER}</p></html>", id="page inside"),
        pytest.param("word/notes.bin", f"{{\\rtf1 {MARKER}}}", id="rich text inside"),
        pytest.param("word/charts/c1.xml", f"<chartSpace><v>{MARKER}</v></chartSpace>", id="chart"),
        pytest.param("odd.dat", f"<w:hdr {W}><w:p>{run(MARKER)}</w:p></w:hdr>", id="header"),
    ],
)
def test_every_part_of_a_letter_is_read(name: str, part: str) -> None:
    assert places(letter("", **{name: part}))


def test_what_opening_a_letter_fetches_is_reported() -> None:
    links = LINKS.format(
        '<Relationship Id="a" Type="x/attachedTemplate" TargetMode="External" Target="https://mole.example/t"/>'
    )
    reading = letter("", **{"word/_rels/settings.xml.rels": links})

    assert "https://mole.example/t" in reading.text
    assert reading.features == ("external_link",)


def test_a_link_that_waits_for_a_click_is_text_and_no_feature() -> None:
    links = LINKS.format(
        '<Relationship Id="a" Type="x/hyperlink" TargetMode="External" Target="https://mole.example/"/>'
    )
    reading = letter("", **{"word/_rels/document.xml.rels": links})

    assert (places(reading, "mole.example"), reading.features) == ({"link"}, ())


def test_a_field_that_starts_a_program_is_reported() -> None:
    reading = letter("<w:p><w:r><w:instrText>DDEAUTO cmd</w:instrText></w:r></w:p>")

    assert "active" in reading.features


@pytest.mark.parametrize(
    "tree",
    [
        pytest.param({"VBA": {"dir": b"x", "Module1": b"compiled" + packed(SOURCE)}}, id="new"),
        pytest.param({"Macros": {"VBA": {"dir": b"x", "Module1": packed(SOURCE)}}}, id="old"),
    ],
)
def test_macros_are_read_and_reported(tree: Tree) -> None:
    reading = old(tree, "vbaProject.bin")

    assert places(reading) == {"macro Module1"}
    assert reading.features == ("macros",)


def test_macros_that_nobody_can_read_are_reported_all_the_same() -> None:
    data = zipped(TYPES | {"word/document.xml": f"<w:document {W}/>", "word/vbaProject.bin": "x"})

    assert read_file(data, About(name="form.docm")).features == ("macros",)


def test_packed_macros_with_copies_are_unpacked() -> None:
    # The example of MS-OVBA §3.2.2.
    data = bytes.fromhex(
        "012fb000236161616263646582660070616768696a013808616b6c00306d6e6f7006710270041072737475"
        "76107778797a003c"
    )

    assert b"#aaabcdefaaaaghijaaaaaklaaamnopqaaaaaaaaaaaarstuvwxyzaaa" == unpack(data)


# ---- Excel ---------------------------------------------------------------------------------------


def test_the_rows_that_a_pivot_table_keeps_are_read() -> None:
    records = f'<pivotCacheRecords {S}><r><s v="{MARKER}"/><n v="7"/></r></pivotCacheRecords>'

    assert places(workbook("", {"xl/pivotCache/r1.xml": records}))


@pytest.mark.parametrize(
    "sheet",
    [
        pytest.param(f'<dataValidation prompt="{MARKER}"/>', id="tip"),
        pytest.param(
            f"<dataValidation><formula1>{MARKER}</formula1></dataValidation>",
            id="list to choose from",
        ),
        pytest.param(f"<headerFooter><oddHeader>{MARKER}</oddHeader></headerFooter>", id="header"),
        pytest.param(f'<hyperlink tooltip="{MARKER}"/>', id="tip of a link"),
        pytest.param(
            f'<sheetData><row><c><f>IF(A1,"{MARKER}")</f></c></row></sheetData>', id="formula"
        ),
        pytest.param(
            f'<sheetData><row><c t="str"><v>{MARKER}</v></c></row></sheetData>', id="result"
        ),
        pytest.param(
            "<sheetData><row><c t='inlineStr'><is><r><t>the ot</t></r>"
            f"<r><t>{MARKER[6:]}</t></r></is></c></row></sheetData>",
            id="letters of several looks",
        ),
    ],
)
def test_text_in_odd_places_of_a_sheet_is_found(sheet: str) -> None:
    assert places(workbook(sheet))


def test_a_comment_of_a_sheet_is_found() -> None:
    comment = f"<comments {S}><comment><text><r><t>{MARKER}</t></r></text></comment></comments>"

    assert places(workbook("", {"xl/comments1.xml": comment})) == {"comment"}


def test_a_very_hidden_sheet_is_read_and_reported() -> None:
    sheet = '<sheets><sheet name="Den" state="veryHidden" r:id="r1"/></sheets>'
    sheets = f"<workbook {S}>{sheet}</workbook>"
    reading = workbook(
        f"<sheetData><row>{cell(MARKER)}</row></sheetData>", {"xl/workbook.xml": sheets}
    )

    assert places(reading) == {"hidden sheet Den"}
    assert "hidden" in reading.features


def test_an_export_of_pupils_shows_its_heading_and_how_many_they_are() -> None:
    heading = f"<row>{cell('Name')}{cell('Room')}</row>"
    rows = "".join(f"<row>{cell(f'Pupil {n}')}<c><v>{n}</v></c></row>" for n in range(240))
    reading = workbook(f"<sheetData>{heading}{rows}</sheetData>")

    assert reading.features == ("rows:240",)
    assert "Name\tRoom\nPupil 0\t0\n" in reading.text


def test_a_cell_far_to_the_right_stays_in_its_line() -> None:
    cells = "".join(f'<c r="{at}1" t="str"><v>x</v></c>' for at in ("A", "D", "XFD"))
    text = workbook(f'<sheetData><row r="1">{cells}</row></sheetData>').text

    assert "x\t\t\tx\t" in text
    assert len(text) < 200


def test_long_numbers_have_no_exponent() -> None:
    assert (
        "447700900123"
        in workbook("<sheetData><row><c><v>4.47700900123E11</v></c></row></sheetData>").text
    )


def test_a_link_to_another_program_is_reported() -> None:
    part = f'<externalLink {S}><ddeLink ddeService="cmd" ddeTopic="/c x"/></externalLink>'

    assert "active" in workbook("", {"xl/externalLinks/e1.xml": part}).features


def record(kind: int, body: bytes) -> bytes:
    """MS-XLSB §2.1.4."""
    head = bytes([kind]) if kind < 128 else bytes([kind & 0x7F | 0x80, kind >> 7])
    return head + bytes([len(body)]) + body


def wide(text: str) -> bytes:
    return struct.pack("<I", len(text)) + text.encode("utf-16-le")


def test_a_binary_workbook_is_read_with_what_is_hidden_in_it() -> None:
    row = struct.pack("<IIHBB", 0, 0, 0, 0, 0)
    hidden_row = struct.pack("<IIHBB", 1, 0, 0, 0, 0x10)
    sheet = (
        record(0, row)
        + record(7, struct.pack("<III", 0, 0, 0))
        + record(5, struct.pack("<IId", 2, 0, 447700900123))
        + record(0, hidden_row)
        + record(6, struct.pack("<II", 0, 0) + wide(f"{MARKER} too"))
    )
    parts = {
        "xl/workbook.bin": record(156, struct.pack("<II", 1, 1) + wide("r1") + wide("Den")),
        "xl/sharedStrings.bin": record(19, b"\0" + wide(MARKER)),
        "xl/worksheets/sheet1.bin": sheet,
        "xl/comments1.bin": record(637, b"\0" + wide("a pear")),
    }
    link = '<Relationship Id="r1" Target="worksheets/sheet1.bin"/>'
    links = {"xl/_rels/workbook.bin.rels": LINKS.format(link)}
    reading = read(zipped(TYPES | links | parts), "a.xlsb")

    assert places(reading, f"{MARKER}\t\t447700900123") == {"hidden sheet Den"}
    assert places(reading, f"{MARKER} too") == {"hidden sheet Den"}
    assert places(reading, "a pear") == {"comment"}
    assert (reading.misses, "hidden" in reading.features) == ((), True)


# ---- PowerPoint ----------------------------------------------------------------------------------


def test_slides_come_in_their_order() -> None:
    slide = "<a:p><a:r><a:t>{}</a:t></a:r></a:p>"
    reading = deck(**{f"slide{n}": slide.format(f"page {n}") for n in (10, 2, 1)})

    assert "page 1\n\npage 2\n\npage 10" in reading.text


def test_a_hidden_shape_is_read_and_reported() -> None:
    shape = '<p:cNvPr hidden="1" descr="a pear"/>'
    reading = deck(slide1=f"{shape}<a:p><a:t>{MARKER}</a:t></a:p>")

    assert places(reading) == {"slide 1"}
    assert places(reading, "a pear") == {"description"}
    assert "hidden" in reading.features


# ---- OpenDocument --------------------------------------------------------------------------------


def test_an_encrypted_opendocument_is_a_miss() -> None:
    manifest = "<manifest><file-entry><encryption-data/></file-entry></manifest>"
    reading = opendocument({"META-INF/manifest.xml": manifest, "content.xml": "\x81\x82"})

    assert (reading.text, reading.misses) == ("", ("encrypted",))


def test_the_macros_of_an_opendocument_are_read_and_reported() -> None:
    reading = opendocument({"Basic/Standard/Module.xml": f"<module>{MARKER}</module>"})

    assert places(reading) == {"macro"}
    assert reading.features == ("macros",)


# ---- before 2007 ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["EncryptedPackage", "EncryptionInfo"])
def test_an_encrypted_office_file_is_a_miss(name: str) -> None:
    assert old({name: b"x"}).misses == ("encrypted",)


def test_an_encrypted_word_file_is_a_miss() -> None:
    stream = struct.pack("<HH6xH", 0xA5EC, 0xC1, 0x0100) + bytes(2000)

    assert old({"WordDocument": stream}).misses == ("encrypted",)


def test_an_encrypted_excel_file_is_a_miss() -> None:
    stream = struct.pack("<HHHH", 0x809, 4, 0x600, 5) + struct.pack("<HHH", 0x2F, 2, 0)

    assert "encrypted" in old({"Workbook": stream}).misses


def test_a_file_put_into_a_document_is_read() -> None:
    file = b"Dear diary, " + MARKER.encode()
    native = struct.pack("<IH", 0, 2) + b"diary.txt\0C:\\diary.txt\0" + bytes(8) + b"C:\\t\0"
    native += struct.pack("<I", len(file)) + file
    reading = old({"ObjectPool": {"_1": {"\x01Ole10Native": native}}})

    assert MARKER in reading.text
    assert "diary.txt" in reading.names
    assert "embedded" in reading.features


def test_an_old_macro_sheet_is_reported() -> None:
    stream = struct.pack("<HHHH", 0x809, 4, 0x600, 5)
    stream += struct.pack("<HHHH", 0x809, 4, 0x600, 0x40)

    assert "macros" in old({"Workbook": stream}).features


def test_strings_that_go_on_in_the_next_record_are_put_together() -> None:
    half = len(MARKER) // 2
    first = struct.pack("<IIHB", 1, 1, len(MARKER), 0) + MARKER[:half].encode()
    rest = b"\x01" + MARKER[half:].encode("utf-16-le")
    stream = struct.pack("<HHHH", 0x809, 4, 0x600, 5)
    stream += (
        struct.pack("<HH", 0xFC, len(first)) + first + struct.pack("<HH", 0x3C, len(rest)) + rest
    )
    stream += struct.pack("<HHHH", 0x809, 4, 0x600, 0x10)
    stream += struct.pack("<HHHHHI", 0xFD, 10, 0, 0, 0, 0)

    assert places(old({"Workbook": stream})) == {"sheet"}


def test_a_deflated_object_of_a_presentation_is_read() -> None:
    inside = zlib.compress(b"<html><p>" + MARKER.encode())
    stream = struct.pack("<HHI", 0x10, 4113, len(inside) + 4) + bytes(4) + inside

    assert MARKER in old({"PowerPoint Document": stream}).text


def test_an_unknown_kind_of_compound_file_gives_its_words_and_is_a_miss() -> None:
    reading = old({"Notes": MARKER.encode("utf-16-le")})

    assert MARKER in reading.text
    assert reading.misses == ("format",)
