"""Exports of school information systems, as people of the directory."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.errors import ConfigError
from mailguard.policy.mis import Export, decode, read_export
from mailguard.policy.oddity import Oddity
from mailguard.policy.people import Person
from mailguard.policy.taxonomy import Group

TODAY = date(2026, 3, 2)


def read(text: str, group: Group | None = None) -> Export:
    return read_export(text, today=TODAY, file="list.csv", group=group)


SIMS = """Pupils of Elm Park,,,,,,,,,,
UPN,Legal Surname,Legal Forename,Preferred Forename,DOB,Year Group,Reg Group,Primary Email,\
Contact 1 Name,Contact 1 Email,Contact 1 Parental Responsibility
B801200005001,Reed,Benjamin,Ben,02/05/2015,Year 5,5B,ben@elmpark.example,J Reed,J@post.example,Yes
"""
ARBOR = """"Legal first name","Legal last name","Preferred first name","Date of birth","UPN",\
"Year group","Registration form","Email address","Primary Guardian Name","Primary Guardian Email"
"Benjamin","Reed","Ben","2015-05-02","B801200005001","Year 5","5B","ben@elmpark.example",\
"Mrs J Reed","j@post.example"
"""
BROMCOM = """Legal First Name;Legal Last Name;Preferred First Name;Date of Birth;UPN;NC Year;\
Tutor Group;Student Email;Contact Forename;Contact Surname;Contact Email
Benjamin;Reed;Ben;02 May 2015;B801200005001;5;5B;ben@elmpark.example;J;Reed;j@post.example
"""


@pytest.mark.parametrize("text", [SIMS, ARBOR, BROMCOM], ids=["SIMS", "Arbor", "Bromcom"])
def test_a_pupil_and_a_parent_are_read_from_each_system(text: str) -> None:
    export = read(text)

    ben = Person(
        address="ben@elmpark.example",
        group=Group.PUPIL,
        name="Ben Reed",
        year=5,
        born=date(2015, 5, 2),
        upn="B801200005001",
        forename="Benjamin",
        surname="Reed",
        known_as="Ben",
    )
    parent = Person(
        address="j@post.example", group=Group.PARENT, name="J Reed", of=("B801200005001",)
    )
    assert export.people == (ben, parent)
    assert export.covers == {Group.PUPIL, Group.PARENT}
    assert export.odd == ()


def test_staff_are_told_by_their_role_and_by_no_pupil_columns() -> None:
    export = read("Forename,Surname,Work Email,Job Title\nAna,Holt,ana@elmpark.example,Teacher\n")

    assert [(p.name, p.group, p.address) for p in export.people] == [
        ("Ana Holt", Group.STAFF, "ana@elmpark.example")
    ]
    assert export.covers == {Group.STAFF}


def test_a_list_of_nobody_known_asks_for_the_group() -> None:
    text = "Name,Email\nGwen Oak,gwen@law.example\n"

    with pytest.raises(ConfigError, match="--group"):
        read(text)
    assert [p.group for p in read(text, Group.GOVERNOR).people] == [Group.GOVERNOR]


def test_a_file_without_headings_is_refused() -> None:
    with pytest.raises(ConfigError, match="no line names columns"):
        read("a,b\nc,d\n")


def test_our_own_columns_are_read_as_the_directory_file_is() -> None:
    export = read("address,group\ngwen@law.example,governor\n")

    assert [(p.address, p.group) for p in export.people] == [("gwen@law.example", Group.GOVERNOR)]


def test_a_line_for_each_contact_makes_one_pupil_with_both_parents() -> None:
    line = "B801200005001,Reed,Ben,5,{}\n"
    text = "UPN,Surname,Forename,Year,Contact Email\n" + "".join(
        line.format(address) for address in ("j@post.example", "k@post.example")
    )

    people = read(text).people

    assert [p.address for p in people] == ["", "j@post.example", "k@post.example"]
    assert {p.of for p in people[1:]} == {("B801200005001",)}


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("B801200005001,Other,Tim,1/2/2015,5,,", Oddity.UPN_TWICE),
        (",Oak,Tim,,5,,", Oddity.UNKNOWN),
        ("12,Oak,Tim,1/2/2015,5,,", Oddity.UNREADABLE),
        (",Oak,Tim,1/2/2015,5,nobody,", Oddity.UNREADABLE),
        (",Oak,Tim,1/2/2015,5,,01/09/2025", Oddity.LEAVER),
    ],
    ids=lambda value: value.name if isinstance(value, Oddity) else "",
)
def test_what_is_odd_is_told_with_its_line(line: str, kind: Oddity) -> None:
    heading = "UPN,Surname,Forename,DOB,Year,Email,Leaving date\n"
    export = read(f"{heading}B801200005001,Reed,Ben,2/5/2015,5,,\n{line}\n")

    assert [(odd.kind, odd.file, odd.line) for odd in export.odd] == [(kind, "list.csv", 3)]


def test_who_leaves_next_summer_is_still_there() -> None:
    text = "UPN,Surname,Forename,Leaving date\nB801200005001,Reed,Ben,20/07/2026\n"

    assert len(read(text).people) == 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_every_encoding_of_windows_is_read(encoding: str) -> None:
    assert decode("Zoë;É\n".encode(encoding)) == "Zoë;É\n"


@given(st.text(alphabet='UPN,Surname;\t"\n123é@x.', max_size=60).map(SIMS.__add__) | st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        export = read(text)
    except ConfigError as error:
        assert error.problems
    else:
        assert all(person.identity for person in export.people)
