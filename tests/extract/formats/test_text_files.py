"""Files that are text for machines: tables, pages, drawings, invitations, rich text."""

import base64
import csv

import pytest

from mailguard.extract.found import Piece, Reading
from mailguard.extract.item import About
from mailguard.extract.reading import read_file

MARKER = "the otter naps here"


def read(data: str | bytes, name: str) -> Reading:
    return read_file(data.encode() if isinstance(data, str) else data, About(name=name))


def places(reading: Reading, text: str = MARKER) -> set[str]:
    return {
        piece.where for piece in reading.found if isinstance(piece, Piece) and text in piece.text
    }


# ---- plain ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "charset"),
    [
        ("the otter naps – “here”", "utf-8"),
        ("the otter naps – “here”", "utf-8-sig"),
        ("the otter naps – “here”", "cp1252"),
        ("the otter naps – “here”", "utf-16"),
        ("the otter naps – “here”", "utf-16-le"),
        ("the otter naps – “here”", "utf-16-be"),
        ("the otter naps – “here”", "utf-32"),
        ("выдра дремлет здесь, у самой реки", "koi8-r"),
        ("выдра дремлет здесь, у самой реки", "cp1251"),
    ],
)
def test_text_is_read_in_any_charset(text: str, charset: str) -> None:
    reading = read(text.encode(charset), "diary.txt")

    assert text in reading.text
    assert reading.misses == ()


def test_a_program_that_poses_as_text_gives_its_words_and_is_a_miss() -> None:
    reading = read(bytes(range(256)) * 9 + MARKER.encode() + bytes(range(9)), "diary.txt")

    assert MARKER in reading.text
    assert reading.misses == ("format",)


# ---- tables --------------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_an_export_shows_its_heading_and_how_many_they_are(separator: str) -> None:
    lines = [["Name", "Born"], *(["Pupil, the", "04/03/2015"] for _ in range(240))]
    data = "\r\n".join(separator.join(f'"{cell}"' for cell in line) for line in lines)
    reading = read(data, "pupils.csv")

    assert reading.features == ("rows:240",)
    assert reading.text.startswith("Name\tBorn\nPupil, the\t04/03/2015\n")


def test_a_small_table_does_not_make_others_unreadable() -> None:
    before = csv.field_size_limit()

    read("name,form\nAna,3B\n", "class.csv")

    assert csv.field_size_limit() >= before


def test_an_excel_export_in_utf_16_is_a_table() -> None:
    reading = read("Name\tForm\r\nAnn\t4B\r\nBen\t5C\r\n".encode("utf-16"), "pupils.csv")

    assert "Name\tForm\nAnn\t4B" in reading.text
    assert reading.features == ("rows:2",)


def test_a_cell_that_starts_a_program_is_reported() -> None:
    assert "active" in read("=cmd|'/c calc.exe'!A0,1\n", "a.csv").features


def test_an_address_or_a_sum_starts_nothing() -> None:
    assert read("Phone,Sum\n+44 1632 960001,=A1+B1\n-3 | 4,x\n", "a.csv").features == ("rows:2",)


@pytest.mark.parametrize("data", ['"' + MARKER, f'a,"b\n{MARKER}', f"\0{MARKER}", f'{MARKER}""x"'])
def test_a_broken_table_is_read(data: str) -> None:
    assert MARKER in read(data, "a.csv").text


PAGE = """<p>The classes:</p>
<table><tr><th>Name<th>Born</tr><tr><td>Ann <b>Holt</b></td><td>04/03/2015</td></tr>
<tr style="display: none"><td>Ben Shaw</td><td>05/06/2015</td></tr>
<tr><td><p>Cat Moss</p></td><td></td></tr></table>
<table><tr><td>1</td><td>2</td></tr><tr><td>3</td><td>4</td></tr></table><p>Yours</p>"""


def test_tables_of_a_page_are_lines_of_cells_and_each_is_counted() -> None:
    reading = read(PAGE, "classes.html")

    lines = [line.strip() for line in reading.text.split("\n") if line.strip()]
    assert lines[:7] == [
        "The classes:",
        "Name\tBorn",
        "Ann Holt\t04/03/2015",
        "Ben Shaw\t05/06/2015",
        "Cat Moss",
        "1\t2",
        "3\t4",
    ]
    assert reading.features == ("rows:3", "rows:2")


@pytest.mark.parametrize("letter", ["\ufdd1", "\ufdd0", "&#xFDD1;", "&#64977", "&#x00fdd0;"])
def test_nothing_in_a_page_passes_for_the_end_of_a_cell(letter: str) -> None:
    page = f"<table><tr><td>{MARKER[:5]}{letter}{MARKER[5:]}{letter}</td></tr></table>"

    assert MARKER.split() == read(page, "a.html").text.split()


# ---- pages and drawings --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "where"),
    [
        (f"<p>{MARKER}</p>", ""),
        (f"<p style='display:none'>{MARKER}</p>", ""),
        (f"<!-- {MARKER} -->", ""),
        (f"<script>document.write('{MARKER}')</script>", "script"),
        (f"<blockquote type='cite'>{MARKER}</blockquote>", "quoted"),
    ],
)
def test_text_of_a_page_is_found(page: str, where: str) -> None:
    assert where in places(read(f"<html><body>{page}", "page.html"))


def test_a_page_is_also_read_as_it_is_shown() -> None:
    hidden = '<span style="display:none">zz</span>'
    reading = read(f"<html><p>the ot{hidden}ter naps here</p><p>{hidden}</p><p>x</p>", "page.html")

    assert places(reading) == {"as shown"}
    assert "the otzzter naps here" in reading.text


def test_a_page_with_a_script_is_active() -> None:
    assert "active" in read("<html><script>run()</script>", "page.html").features


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("page.html", '<html><a href="data:text/plain;base64,{}">'),
        ("drawing.svg", '<svg><image href="data:text/plain;base64,{}"/></svg>'),
    ],
)
def test_a_file_inside_a_page_is_read(name: str, page: str) -> None:
    encoded = base64.b64encode(MARKER.encode()).decode()

    assert MARKER in read(page.format(encoded), name).text


@pytest.mark.parametrize(
    "drawing",
    [
        f"<text>{MARKER}</text>",
        f"<text><tspan>the ot</tspan><tspan>{MARKER[6:]}</tspan></text>",
        f"<title>{MARKER}</title>",
        f"<desc>{MARKER}</desc>",
        f'<a href="https://{MARKER.replace(" ", "-")}.example/{MARKER}">x</a>',
        f"<text>{MARKER}</b></text>",
        f"<text>&nosuch;{MARKER}",
    ],
)
def test_text_of_a_drawing_is_found(drawing: str) -> None:
    reading = read(f'<svg xmlns="http://www.w3.org/2000/svg">{drawing}</svg>', "drawing.svg")

    assert MARKER.replace(" ", "-") in reading.text.replace(" ", "-")


def test_an_entity_is_read_where_it_stands() -> None:
    data = '<!DOCTYPE svg [<!ENTITY x "otter naps">]><svg><text>the &x; here</text></svg>'

    assert MARKER in read(data, "drawing.svg").text


def test_an_entity_in_another_file_is_not_fetched() -> None:
    data = '<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/hostname">]><svg><text>a&x;b</text></svg>'

    assert "ab" in read(data, "drawing.svg").text


def test_a_script_in_a_drawing_is_reported() -> None:
    assert "active" in read('<svg onload="run()"><text>x</text></svg>', "drawing.svg").features


def test_any_xml_is_text_and_attributes_that_are_shown() -> None:
    reading = read(f'<pupils><pupil title="{MARKER}">Ann</pupil></pupils>', "export.xml")

    assert MARKER in reading.text
    assert "Ann" in reading.text


# ---- JSON, invitations, cards --------------------------------------------------------------------


def test_escapes_of_json_are_undone() -> None:
    data = '{"a": "the \\u006f\\u0074ter\\tnaps \\ud83d\\ude00 \\"here\\""}'

    assert 'the otter\tnaps 😀 "here"' in read(data, "a.json").text


@pytest.mark.parametrize(
    "data",
    [
        "[" + ",".join('{"name": "A", "form": "4B"}' for _ in range(240)) + "]",
        "\n".join('{"name": "A", "form": {"name": 4}}' for _ in range(240)),
    ],
)
def test_records_of_json_are_counted(data: str) -> None:
    assert read(data, "pupils.json").features == ("rows:240",)


@pytest.mark.parametrize("form", ["{}", '{{"pupils": {}, "made": 1}}'])
def test_records_of_json_are_also_a_table(form: str) -> None:
    records = (
        '[\n{"legalSurname": "Holt", "born_on": "2015-03-04"},'
        '\n{"legalSurname": "Reed", "born_on": null, "UPN": 7, "more": [1]}\n]'
    )
    reading = read(form.format(records), "a.json")

    assert places(reading, "legal Surname\tborn on\tUPN\tmore\nHolt\t2015-03-04\nReed\t\t7") == {
        "as a table"
    }


def test_values_of_xml_are_said_with_the_names_of_their_elements() -> None:
    page = "<list><pupil><DateOfBirth>2015-03-04</DateOfBirth><UPN>A123</UPN></pupil></list>"

    assert "Date Of Birth: 2015-03-04" in read(page, "a.xml").text
    assert "UPN: A123" in read(page, "a.xml").text


TABLE = "Surname\tDate Of Birth\nHolt\t2015-03-04\nReed\t2016-05-06"


@pytest.mark.parametrize(
    "page",
    [
        "<p><x><Surname>Holt</Surname><DateOfBirth>2015-03-04</DateOfBirth></x>"
        "<x><Surname>Reed</Surname><DateOfBirth>2016-05-06</DateOfBirth></x></p>",
        '<p><x Surname="Holt" DateOfBirth="2015-03-04"/>'
        '<x Surname="Reed" DateOfBirth="2016-05-06"/></p>',
        '<p><x Surname="Holt"><DateOfBirth>2015-03-04</DateOfBirth><more><a/></more></x>\n'
        '<x Surname="Reed"><DateOfBirth>2016-05-06</DateOfBirth></x></p>',
    ],
)
def test_records_of_xml_are_also_a_table(page: str) -> None:
    reading = read(f'<?xml version="1.0"?>{page}', "a.xml")

    assert places(reading, TABLE) == {"as a table"}
    assert "rows:2" in reading.features


def test_lines_and_colours_are_no_records() -> None:
    shape = '<path d="M0 1" fill="red"/>'
    reading = read(f'<svg xmlns="http://www.w3.org/2000/svg">{shape * 3}</svg>', "a.svg")

    assert "as a table" not in places(reading, "red")
    assert reading.features == ()


def test_names_of_elements_do_not_stand_amid_sentences_of_xml() -> None:
    page = "<doc><chapter>the <important>otter</important> naps <place>here</place></chapter></doc>"

    assert "important:" not in read(page, "a.xml").text
    assert "place:" not in read(page, "a.xml").text


def test_json_that_is_nested_without_end_is_read() -> None:
    assert MARKER in read("[" * 100_000 + f'"{MARKER}"', "a.json").text


@pytest.mark.parametrize(
    "line",
    [
        f"SUMMARY:{MARKER}",
        f"DESCRIPTION;LANGUAGE=en:{MARKER}",
        "DESCRIPTION:the ot\r\n ter naps here",
        'LOCATION;ALTREP="cid:a;b:c":the otter naps here',
        f"X-ALT-DESC;FMTTYPE=text/html:<b>{MARKER}</b>",
        f"ATTACH;ENCODING=BASE64;VALUE=BINARY:{base64.b64encode(MARKER.encode()).decode()}",
        f"ATTACH:data:text/plain;base64,{base64.b64encode(MARKER.encode()).decode()}",
    ],
)
def test_text_of_an_invitation_is_found(line: str) -> None:
    lines = ("BEGIN:VCALENDAR", "BEGIN:VEVENT", line, "END:VEVENT", "END:VCALENDAR", "")

    assert MARKER in read("\r\n".join(lines), "invite.ics").text


@pytest.mark.parametrize(
    "line",
    [
        f"NOTE:{MARKER}",
        f"item1.NOTE:{MARKER}\\, and there",
        "NOTE;ENCODING=QUOTED-PRINTABLE:the =6Ftter na=\r\nps here",
        "N:the;otter;naps;here",
    ],
)
def test_text_of_a_card_is_found(line: str) -> None:
    data = f"BEGIN:VCARD\r\nVERSION:2.1\r\n{line}\r\nEND:VCARD\r\n"

    assert MARKER in read(data, "ann.vcf").text


def test_cards_are_counted() -> None:
    assert read("BEGIN:VCARD\r\nFN:A\r\nEND:VCARD\r\n" * 240, "all.vcf").features == ("rows:240",)


# ---- rich text -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rich", "where"),
    [
        (f"{MARKER}", ""),
        ("the \\b ot\\b0 ter naps here", ""),
        ("the \\'6ftter naps here", ""),
        ("the \\u111?tter naps here", ""),
        ("{\\uc3 the \\u111 abctter naps here}", ""),
        ("the otter\\u32?naps here", ""),
        (f"{{\\v {MARKER}}}", "hidden text"),
        (f"{{\\deleted {MARKER}}}", "deleted text"),
        (f"{{\\*\\nobodyknows {MARKER}}}", "unknown"),
        (f"{{\\*\\annotation {MARKER}}}", "comment"),
        (f"{{\\field{{\\*\\fldinst {MARKER}}}}}", "field"),
        (f"{{\\info{{\\title {MARKER}}}}}", "properties"),
        (f"{{\\object{{\\*\\objdata {(b'text: ' + MARKER.encode()).hex()}}}}}", ""),
        (f"\\bin3 }}}}}}{MARKER}", ""),
    ],
)
def test_rich_text_is_found_in_its_place(rich: str, where: str) -> None:
    assert where in places(read(f"{{\\rtf1\\ansi {rich}}}", "letter.rtf"))


def test_letters_of_two_bytes_are_put_together() -> None:
    rich = "{\\rtf1\\ansi{\\fonttbl{\\f0\\fcharset128 M;}}\\f0 " + "".join(
        f"\\'{byte:02x}" for byte in "獺が眠る".encode("cp932")
    )

    assert "獺が眠る" in read(rich + "}", "letter.rtf").text


def test_rich_text_without_an_end_is_read() -> None:
    assert MARKER in read("{\\rtf1 {{{" + MARKER, "letter.rtf").text


# ---- notes ---------------------------------------------------------------------------------------


def test_a_file_in_onenote_is_read_and_the_rest_is_a_miss() -> None:
    store = bytes.fromhex("e4525c7b8cd8a74daeb15378d02996d3") + bytes(99)
    store += "a note of mine".encode("utf-16-le") + bytes(8)
    store += bytes.fromhex("e716e3bd65261145a4c48d4d0b7a9eac")
    store += len(MARKER).to_bytes(8, "little") + bytes(12) + MARKER.encode()
    reading = read(store, "lesson.one")

    assert MARKER in reading.text
    assert "a note of mine" in reading.text
    assert (reading.misses, reading.features) == (("format",), ("embedded",))


def test_words_in_a_drawing_of_commands_are_read() -> None:
    reading = read(bytes(40) + MARKER.encode("utf-16-le") + bytes(40), "image1.emf")

    assert MARKER in reading.text
    assert reading.misses == ("image",)
