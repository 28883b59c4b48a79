"""What is particular to the detectors of pupils' data: counts, carriers, subjects."""

from collections.abc import Iterable
from dataclasses import replace
from types import ModuleType

import pytest

from mailguard.mail.message import parse
from mailguard.mail.text import Extract, look
from mailguard.scan.detectors import (
    census_file,
    class_list,
    named_pupil,
    pupil_export,
    pupil_photo,
    special_category,
)
from mailguard.scan.example import compose
from mailguard.scan.finding import Finding, Level
from mailguard.scan.lint import SCHOOL
from mailguard.scan.roll import find_pupils
from mailguard.testing import mail, transaction


def find(detector: ModuleType, raw: bytes, extracts: Iterable[Extract] = ()) -> Finding | None:
    """The one finding, or None."""
    view = look(parse(raw), tuple(extracts))
    found: list[Finding] = list(detector.detect(view, transaction(raw), SCHOOL))
    assert len(found) < 2
    return found[0] if found else None


def subject(name: str) -> str:
    assert SCHOOL.roll is not None
    segment = look(parse(compose(text=name))).segments[0]
    return find_pupils(segment, SCHOOL.roll)[0].subject


def export(rows: int, separator: str = "\t") -> str:
    lines = [("UPN", "Legal Surname", "Legal Forename", "DOB", "Reg Group", "FSM")]
    lines += [("", "Ashe", f"Co{chr(97 + n)}ra", f"{n + 1}/5/2015", "4B", "N") for n in range(rows)]
    return "".join(f"{separator.join(line)}\n" for line in lines)


@pytest.mark.parametrize(
    ("rows", "level"), [(1, Level.FLAG), (9, Level.FLAG), (10, Level.SERIOUS), (25, Level.SERIOUS)]
)
def test_an_export_is_as_serious_as_it_has_people(rows: int, level: Level) -> None:
    found = find(pupil_export, compose(attachment=export(rows)))

    assert found is not None
    assert (found.count, found.level) == (rows, level)


@pytest.mark.parametrize("separator", ["\t", ",", ";", "|", " | ", "   ", " "])
def test_cells_may_be_parted_in_any_way(separator: str) -> None:
    text = export(12, separator).replace(f"{separator}{separator}", separator)
    found = find(pupil_export, compose(attachment=text))

    assert found is not None
    assert found.count == 12


def test_an_export_is_found_in_a_table_of_html() -> None:
    rows = "".join(
        f"<tr>{''.join(f'<td>{cell}</td>' for cell in line.split(chr(9)))}</tr>"
        for line in export(11).splitlines()
    )
    found = find(pupil_export, mail(f"<table>{rows}</table>", content_type="text/html"))

    assert found is not None
    assert found.count == 11


def test_what_two_parts_show_of_one_person_counts_once() -> None:
    extract = Extract(part="2", sniffed="application/pdf", is_read=True, text=export(4) * 2)
    found = find(pupil_export, compose(filename="list.pdf", attachment="x"), [extract])

    assert found is not None
    assert (found.count, found.part) == (4, "2")


def test_the_pupils_of_an_export_are_its_subjects() -> None:
    text = "Surname\tForename\tDOB\tSEN\nFinch\tCara\t2/5/2015\tK\n"
    found = find(pupil_export, compose(attachment=text))

    assert found is not None
    assert found.subjects == (subject("Cara Finch"),)


@pytest.mark.parametrize(
    "name",
    [
        "8012000_CTF_8013000_001.xml",
        "801LLLL_CTF_8013000_001.XML",
        "8012000_ctf_XXXXXXX_12.zip",
        "8012000_KS2_801LLLL_001.xml",
        "8012000_SWF_801LL26_001.xml",
    ],
)
def test_the_names_of_the_schools_own_exchange_are_known(name: str) -> None:
    assert find(census_file, compose(filename=name, attachment="x")) is not None


def test_a_census_file_inside_an_archive_is_found() -> None:
    extract = Extract(
        part="2",
        sniffed="application/zip",
        is_read=True,
        names=("notes.txt", "8012000_CTF_8013000_001.xml"),
    )

    assert find(census_file, compose(filename="a.zip", attachment="x"), [extract]) is not None


def test_a_class_list_counts_names_and_not_the_numbers_before_them() -> None:
    lines = (f"B801200005001\tAshe\tCo{chr(97 + n)}ra\t{n + 1}/5/2015\n" for n in range(12))
    found = find(class_list, compose(attachment="".join(lines)))

    assert found is not None
    assert found.count == 12


def test_a_list_of_results_counts_pupils_of_the_school_only() -> None:
    text = "".join(f"Co{chr(97 + n)}ra Ashe {n + 30}\n" for n in range(15))

    assert find(class_list, compose(text=text)) is None


def test_a_newsletter_that_names_pupils_here_and_there_is_no_list() -> None:
    names = ("Cara Finch", "Ben Holt", "Dina Okoro", "Elif Stone", "Faye Lindqvist", "Gus Penrose")
    more = ("Hana Weir", "Ivo Marsh", "Jia Thorne", "Kofi Vale", "Lena Quist")
    text = "".join(
        f"On {n} June there was a match.\nIt rained.\nWe played on.\n{name} scored in minute {n}.\n"
        for n, name in enumerate((*names, *more), 1)
    )

    assert find(class_list, compose(text=text)) is None


def test_who_writes_is_not_a_pupil_named() -> None:
    raw = mail("I am Cara Finch, and I live here.", from_="Cara Finch <cara@elmpark.example>")

    assert find(named_pupil, raw) is None
    assert find(named_pupil, raw.replace(b"From: Cara Finch", b"From: Dina Okoro")) is not None


def test_a_pupil_named_twice_counts_once() -> None:
    found = find(named_pupil, compose(text="Cara Finch and Ben Holt; Finch, Cara."))

    assert found is not None
    assert found.count == 2
    assert found.subjects == tuple(sorted((subject("Cara Finch"), subject("Ben Holt"))))
    assert len(found.spans) == 3


@pytest.mark.parametrize(
    "detector", [named_pupil, special_category, pupil_photo, class_list], ids=lambda d: d.__name__
)
def test_a_school_without_a_directory_names_nobody(detector: ModuleType) -> None:
    raw = compose(text="Cara Finch has an EHC plan.")
    view, school = look(parse(raw)), replace(SCHOOL, roll=None)

    assert list(detector.detect(view, transaction(raw), school)) == []


def test_whose_care_it_is_about_is_told() -> None:
    found = find(special_category, compose(text="Ben Holt: CAMHS referral. Cara Finch is well."))

    assert found is not None
    assert set(found.subjects) == {subject("Ben Holt"), subject("Cara Finch")}


def test_initials_are_nobodys_subject() -> None:
    found = find(special_category, compose(text="CF (Year 4) is on a child protection plan."))

    assert found is not None
    assert found.subjects == ()


def test_a_picture_that_tells_where_it_was_taken_is_found_without_a_name() -> None:
    extract = Extract(part="2", sniffed="image/jpeg", is_read=True, features=("location",))
    raw = compose(text="Here.", filename="1.jpg", attachment="x")

    assert find(pupil_photo, raw, [extract]) is not None
    assert find(pupil_photo, raw, [Extract(part="2", sniffed="image/jpeg", is_read=True)]) is None
