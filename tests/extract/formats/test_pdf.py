"""PDF files made by code: what hangs on pages, what they start, and what only looks like text."""

import zlib

import pytest

from mailguard.extract import cage as module_of_cage
from mailguard.extract.cage import Cage
from mailguard.extract.formats import pdf
from mailguard.extract.found import Piece, Reading
from mailguard.extract.item import About
from mailguard.extract.reading import read_file

MARKER = "the otter naps here"
PAGE = "<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]/Resources<<{}>>{}>>"


@pytest.fixture(autouse=True)
def however_busy_the_machine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes its time here has it all."""
    monkeypatch.setattr(module_of_cage, "CLOCK_TIMES", 1000)


def document(page: str, *objects: str, catalog: str = "") -> bytes:
    """A file of one page; further objects are numbered from 4."""
    found = [
        f"<</Type/Catalog/Pages 2 0 R{catalog}>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        page,
        *objects,
    ]
    body = "".join(f"{n} 0 obj{text}endobj\n" for n, text in enumerate(found, start=1))
    return f"%PDF-1.7\n{body}trailer<</Root 1 0 R/Size {len(found) + 1}>>\n%%EOF\n".encode(
        "latin-1"
    )


def stream(content: str, more: str = "") -> str:
    return f"<</Length {len(content)}{more}>>stream\n{content}\nendstream "


def read(data: bytes) -> Reading:
    return read_file(data, About(name="a.pdf"))


def places(reading: Reading) -> set[str]:
    return {
        piece.where for piece in reading.found if isinstance(piece, Piece) and MARKER in piece.text
    }


FONT = "/Font<</F 5 0 R>>"
HELVETICA = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"


def written(operators: str) -> bytes:
    page = PAGE.format(FONT, "/Contents 4 0 R")
    return document(page, stream(f"BT /F 9 Tf 9 99 Td {operators} ({MARKER}) Tj ET"), HELVETICA)


@pytest.mark.parametrize(
    "operators",
    [
        pytest.param("", id="plain"),
        pytest.param("3 Tr", id="neither filled nor stroked"),
        pytest.param("1 g", id="white"),
        pytest.param("0 0 0.1 rg", id="nearly black"),
        pytest.param("900 900 Td", id="beside the page"),
    ],
)
def test_text_of_a_page_is_found_however_it_is_drawn(operators: str) -> None:
    assert places(read(written(operators))) == {"page 1"}


@pytest.mark.parametrize(
    ("annotation", "where"),
    [
        ("/Subtype/Text/Contents({})", "comment"),
        ("/Subtype/FreeText/Contents({})", "comment"),
        ("/Subtype/Highlight/F 2/Contents({})", "comment"),
        ("/Subtype/Widget/FT/Tx/T(name)/V({})", "form field"),
        ("/Subtype/Widget/FT/Tx/T(name)/TU({})", "form field"),
        ("/Subtype/Link/A<</S/URI/URI({})>>", "link"),
        ("/Subtype/Link/A<</S/Launch/F({})>>", "link"),
    ],
)
def test_what_hangs_on_a_page_is_found(annotation: str, where: str) -> None:
    annotation = annotation.format(MARKER)
    page = PAGE.format("", f"/Annots[<</Type/Annot/Rect[0 0 9 9]{annotation}>>]")

    assert places(read(document(page))) == {where}


def test_a_file_inside_is_read() -> None:
    names = "<</Names[(diary.txt)<</Type/Filespec/UF(diary.txt)/EF<</F 4 0 R>>>>]>>"
    data = document(
        PAGE.format("", ""), stream(MARKER), catalog=f"/Names<</EmbeddedFiles {names}>>"
    )
    reading = read(data)

    assert MARKER in reading.text
    assert (reading.names, reading.features) == (("diary.txt", "file 1"), ("embedded",))


@pytest.mark.parametrize(
    ("catalog", "feature"),
    [
        ("/OpenAction<</S/JavaScript/JS(1)>>", "active"),
        ("/Names<</JavaScript<</Names[(a)<</S/JavaScript/JS(1)>>]>>>>", "active"),
        ("/OpenAction<</S/Launch/F(calc.exe)>>", "launch"),
    ],
)
def test_what_a_file_starts_is_reported(catalog: str, feature: str) -> None:
    assert feature in read(document(PAGE.format("", ""), catalog=catalog)).features


def test_what_a_file_starts_is_found_by_any_spelling() -> None:
    data = document(PAGE.format("", ""), catalog="/OpenAction<</S/L#61unch/F(calc.exe)>>")

    assert "launch" in read(data).features


def test_what_a_file_starts_is_found_in_packed_objects() -> None:
    packed = zlib.compress(b"5 0 <</S/Launch/F(calc.exe)>>").decode("latin-1")
    more = "/Type/ObjStm/N 1/First 4/Filter/FlateDecode"
    data = document(PAGE.format("", ""), stream(packed, more), catalog="/OpenAction 5 0 R")

    assert "launch" in read(data).features


PICTURE = stream(
    "x", "/Type/XObject/Subtype/Image/Width 1/Height 1/BitsPerComponent 8/ColorSpace/DeviceGray"
)


def pictured(size: int, text: str) -> bytes:
    page = PAGE.format(f"{FONT}/XObject<</P 6 0 R>>", "/Contents 4 0 R")
    content = f"q {size} 0 0 {size} 0 0 cm /P Do Q BT /F 9 Tf 9 9 Td ({text}) Tj ET"
    return document(page, stream(content), HELVETICA, PICTURE)


@pytest.mark.parametrize(
    ("size", "text", "misses"),
    [
        pytest.param(300, "", ("image",), id="a scanned page"),
        pytest.param(300, "read me", ("image",), id="a scanned page with a word"),
        pytest.param(30, "", ("image",), id="a small picture alone"),
        pytest.param(30, "Dear parents", (), id="a letter with a crest"),
    ],
)
def test_a_page_whose_picture_may_be_writing_is_a_miss(
    size: int, text: str, misses: tuple[str, ...]
) -> None:
    assert read(pictured(size, text)).misses == misses


def test_of_too_many_pages_the_first_are_read() -> None:
    kids = "3 0 R " * 200_000
    data = written("").replace(b"[3 0 R]/Count 1", b"[%s]/Count 200000" % kids.encode())
    reading = read_file(data, About(name="a.pdf"))

    assert places(reading) >= {"page 1", f"page {pdf.PAGES}"}
    assert reading.misses == ("too_long",)


def test_an_outline_in_circles_ends() -> None:
    outline = f"<</Title({MARKER})/Next 4 0 R/First 4 0 R>>"
    data = document(PAGE.format("", ""), outline, catalog="/Outlines<</First 4 0 R/Last 4 0 R>>")

    assert places(read(data)) == {"outline"}


def test_a_form_that_calls_itself_ends_as_a_miss(cage: Cage) -> None:
    reading = cage.read(calling_itself(), About(name="a.pdf"), 1.0)

    assert set(reading.misses) & {"killed", "timeout", "too_long"}


def test_after_a_bomb_the_next_file_is_read(cage: Cage) -> None:
    cage.read(deflated_twice(), About(name="a.pdf"), 1.0)

    assert MARKER in cage.read(written(""), About(name="b.pdf")).text


def calling_itself() -> bytes:
    """A form that shows itself a thousand times."""
    page = PAGE.format("/XObject<</X 5 0 R>>", "/Contents 4 0 R")
    more = "/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X 5 0 R>>>>"
    return document(page, stream("/X Do "), stream("/X Do " * 1000, more))


def deflated_twice() -> bytes:
    """A kilobyte that is 256 megabytes."""
    unpacked = zlib.compressobj(9)
    once = b"".join([*(unpacked.compress(bytes(1 << 24)) for _ in range(16)), unpacked.flush()])
    twice = zlib.compress(once, 9).decode("latin-1")
    filters = "/Filter[/FlateDecode/FlateDecode]"
    return document(PAGE.format("", "/Contents 4 0 R"), stream(twice, filters))


def damaged(how: str) -> bytes:
    data = written("")
    match how:
        case "no tree of pages":
            return data.replace(b"/Pages", b"/Seite")
        case "cut off":
            return data[: data.index(b"trailer")].replace(b"/Catalog", b"/Katalog")
        case _:
            return b"\0" * 2000 + data.replace(b"trailer", b"trxxler").replace(b"/Root", b"/Toor")


@pytest.mark.parametrize("how", ["no tree of pages", "cut off", "neither trailer nor root"])
def test_text_of_a_file_that_pdfium_refuses_is_found_and_is_a_miss(how: str) -> None:
    reading = read(damaged(how))

    assert MARKER in reading.text
    assert reading.misses == ("broken",)


def test_letters_are_read_by_the_table_of_their_font() -> None:
    table = (
        "1 begincodespacerange <00> <FF> endcodespacerange 2 beginbfchar <01> <006F> <02> <0074> "
    )
    table += "endbfchar 1 beginbfrange <03> <04> <0065> endbfrange"
    font = "<</Type/Font/Subtype/Type1/BaseFont/X/ToUnicode 6 0 R>>"
    page = PAGE.format(FONT, "/Contents 4 0 R").replace("/Type/Page/", "/Type/Xage/")
    content = stream("BT /F 9 Tf [<010202>-20<03>] TJ ET")
    data = document(page, content, font, stream(table)).replace(b"/Pages/Kids", b"/Seite/Kids")

    assert "otte" in read(data).text


def test_what_a_process_died_of_is_read_again_without_it(cage: Cage) -> None:
    dying = calling_itself().replace(
        b"trailer",
        b"7 0 obj<</Length 60>>stream\nBT (%b) Tj ET\nendstream endobj\ntrailer" % MARKER.encode(),
    )

    reading = cage.read(dying, About(name="a.pdf"), 1.0)

    assert MARKER in reading.text
    assert set(reading.misses) & {"killed", "timeout", "too_long"}


def test_an_empty_page_is_read() -> None:
    reading = read(document(PAGE.format("", "")))

    assert (reading.text, reading.misses) == ("", ())
