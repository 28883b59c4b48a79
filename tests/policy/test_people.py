"""The directory file: what it says of people, and what is said of its mistakes."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.errors import ConfigError
from mailguard.policy.people import Person, fold_address, read_directory
from mailguard.policy.taxonomy import Group


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        pytest.param("Ana@ElmPark.Example", "ana@elmpark.example", id="case"),
        pytest.param("ana+news@elmpark.example", "ana@elmpark.example", id="tag"),
        pytest.param("ana@elmpark.example.", "ana@elmpark.example", id="dot at the end"),
        pytest.param('"ana"@elmpark.example', "ana@elmpark.example", id="quotes"),
        pytest.param('"a\\na"@elmpark.example', "ana@elmpark.example", id="quoted pair"),
        pytest.param('"an a"@elmpark.example', '"an a"@elmpark.example', id="quotes needed"),
        pytest.param('"a@b"@elmpark.example', '"a@b"@elmpark.example', id="at sign in quotes"),
        pytest.param("a.n.a@elmpark.example", "a.n.a@elmpark.example", id="dots stay"),
        pytest.param("+ana@elmpark.example", "+ana@elmpark.example", id="nothing but a tag"),
        pytest.param("Postmaster", "postmaster", id="no domain"),
        pytest.param("", "", id="null sender"),
    ],
)
def test_two_spellings_of_a_mailbox_fold_to_one(spelling: str, expected: str) -> None:
    assert expected == fold_address(spelling)


@given(st.text(alphabet='aB"\\@+. é\x00', max_size=20) | st.text(max_size=40))
def test_folding_an_address_twice_changes_nothing_more(address: str) -> None:
    once = fold_address(address)

    assert once == fold_address(once)


def test_a_line_tells_all_about_a_person() -> None:
    text = (
        "address,name,group,year,born,upn,of\n"
        "Ana@elmpark.example,Ana Reed,pupil,3,2017-09-01,a123456789012,\n"
        "mum@home.example,May Reed,parent,,,,A123456789012 ANA@elmpark.example\n"
    )

    people = read_directory(text)

    ana = Person(
        address="ana@elmpark.example",
        name="Ana Reed",
        group=Group.PUPIL,
        year=3,
        born=date(2017, 9, 1),
        upn="A123456789012",
    )
    mum = Person(
        address="mum@home.example",
        name="May Reed",
        group=Group.PARENT,
        of=("A123456789012", "ana@elmpark.example"),
    )
    assert (ana, mum) == people


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("group,address\npupil,ana@elmpark.example\n", id="any order"),
        pytest.param("ADDRESS;Group\nana@elmpark.example;Pupil\n", id="any case, semicolons"),
        pytest.param("address\tgroup\nana@elmpark.example\tpupils\n", id="tabs, plural"),
        pytest.param("\ufeffaddress,group\r\nana@elmpark.example,pupil\r\n", id="Excel"),
        pytest.param('"address","group"\n"ana@elmpark.example","pupil"', id="quotes, no last end"),
        pytest.param("\n,\naddress , group\n\n ana@elmpark.example , pupil\n,,\n", id="blanks"),
        pytest.param('name;group;address\n"Reed, Ana";pupil;ana@elmpark.example\n', id="comma"),
    ],
)
def test_files_from_any_program_are_read(text: str) -> None:
    expected = [("ana@elmpark.example", Group.PUPIL)]

    assert expected == [(person.address, person.group) for person in read_directory(text)]


@pytest.mark.parametrize(
    ("year", "expected"),
    [
        pytest.param("7", 7, id="number"),
        pytest.param("Year 11", 11, id="word"),
        pytest.param("Y2", 2, id="letter"),
        pytest.param("R", 0, id="reception"),
        pytest.param("Nursery", -1, id="nursery"),
        pytest.param("", None, id="unknown"),
    ],
)
def test_school_years_are_read_as_schools_write_them(year: str, expected: int | None) -> None:
    (person,) = read_directory(f"address,group,year\nana@elmpark.example,pupil,{year}")

    assert expected == person.year


def test_british_dates_are_read() -> None:
    (person,) = read_directory("address,group,born\nana@elmpark.example,pupil,03/02/2015")

    assert date(2015, 2, 3) == person.born


def test_all_mistakes_are_told_at_once_with_their_lines() -> None:
    text = (
        "address,name,group,year,born,upn,of\n"
        "ana,Ana,pupli,14,31/02/2015,A1,\n"
        "ben@elmpark.example,Ben,pupil,5,,,\n"
        "\n"
        "BEN+x@elmpark.example,Ben,pupil,5,,,\n"
        "mum@home.example,May,parent,,,,kim@elmpark.example\n"
        "cai@elmpark.example,Cai,pupil,6,,,,more\n"
    )

    with pytest.raises(ConfigError) as error:
        read_directory(text)

    assert error.value.problems == (
        "line 2: address: 'ana' is not an address, like ana@elmpark.example",
        "line 2: born: '31/02/2015' must be a date, like 2015-09-01 or 01/09/2015",
        "line 2: group: 'pupli' must be pupil, staff, governor or parent",
        "line 2: upn: 'A1' is not a UPN, like A123456789012",
        "line 2: year: '14' must be a school year: nursery, reception or 1 to 13",
        "line 5: ben@elmpark.example is on line 3 too",
        "line 6: 'kim@elmpark.example' in of is no pupil's address or UPN",
        "line 7: 8 values for 7 columns",
    )


def test_a_parent_of_a_pupil_whose_line_is_wrong_is_no_second_mistake() -> None:
    text = (
        "address,group,year,of\n"
        "ana@elmpark.example,pupil,99,\n"
        "mum@home.example,parent,,ana@elmpark.example\n"
    )

    with pytest.raises(ConfigError) as error:
        read_directory(text)

    assert [int(problem[5]) for problem in error.value.problems] == [2]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "", ["line 1: the file is empty; its first line names the columns"], id="empty"
        ),
        pytest.param(
            "\nname,year,year,mail\n",
            [
                "line 2: there is no column 'mail'; the columns are"
                " address, name, group, year, born, upn, of, forename, surname, known_as",
                "line 2: the column 'year' is there twice",
                "line 2: the column 'address' is missing",
                "line 2: the column 'group' is missing",
            ],
            id="columns",
        ),
        pytest.param(
            'address,group\n"ana"x,pupil\n',
            ["line 2: this is not a table (',' expected after '\"')"],
            id="quotes",
        ),
    ],
)
def test_a_file_that_is_no_directory_is_refused(text: str, expected: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        read_directory(text)

    assert expected == list(error.value.problems)


_CELLS = st.sampled_from(
    ["ana@elmpark.example", "pupil", "staff", "5", "r", "2015-01-02", "1/1/1", '"', "\x00", "é", ""]
)
_LINES = st.lists(st.lists(_CELLS, max_size=8).map(",".join), max_size=6).map("\n".join)


@given(_LINES.map("address,name,group,year,born,upn,of\n".__add__) | st.text())
def test_any_text_is_read_or_refused_with_reasons(text: str) -> None:
    try:
        people = read_directory(text)
    except ConfigError as error:
        assert all(problem.startswith("line ") for problem in error.problems)
        assert error.problems
    else:
        assert len({person.address for person in people}) == len(people)
