"""Who an address belongs to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.errors import ConfigError
from mailguard.policy.directory import Directory, Pattern, build_directory
from mailguard.policy.people import Person
from mailguard.policy.taxonomy import Group
from mailguard.scan.school import School
from mailguard.testing import SCHOOL


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        pytest.param("zoe@pupils.elmpark.example", "pupil", id="pattern"),
        pytest.param("ZOE+x@PUPILS.ElmPark.Example.", "pupil", id="pattern, odd spelling"),
        pytest.param("office@elmpark.example", "staff", id="later pattern"),
        pytest.param("mum@home.example", "parent", id="file"),
        pytest.param("gwen@law.example", "governor", id="file, outside address"),
        pytest.param("x@old.elmpark.example", "pupil", id="ours, not yet classed"),
        pytest.param("counsellor@elmpark.example", "helpline", id="body with a school address"),
        pytest.param("help@childline.org.uk", "helpline", id="helpline"),
        pytest.param("x@mail.childline.org.uk", "helpline", id="below a helpline"),
        pytest.param("jo@solicitor.example", "confidant", id="configured confidant"),
        pytest.param("x@ofsted.gov.uk", "confidant", id="longest domain decides"),
        pytest.param("x@elm.gov.uk", "agency", id="agency"),
        pytest.param("x@west.police.uk", "agency", id="police"),
        pytest.param("report@ceop.police.uk", "helpline", id="CEOP is a helpline"),
        pytest.param("lado@elm.gov.uk", "confidant", id="LADO"),
        pytest.param("duty.lado@council.example", "confidant", id="LADO of a configured agency"),
        pytest.param("lado@shop.example", "outside", id="LADO of nobody"),
        pytest.param("x@notchildline.org.uk", "outside", id="not a helpline"),
        pytest.param("x@childline.org.uk.evil.example", "outside", id="helpline as a prefix"),
        pytest.param("x@notelmpark.example", "outside", id="not ours"),
        pytest.param('"a@elmpark.example"@evil.example', "outside", id="ours in quotes"),
        pytest.param("x@" + "a." * 200_000 + "childline.org.uk", "outside", id="endless domain"),
        pytest.param("x@" + "a." * 200_000 + "elmpark.example", "outside", id="endless, ours"),
        pytest.param("postmaster", "outside", id="no domain"),
        pytest.param("", "outside", id="null"),
    ],
)
def test_an_address_has_one_group(directory: Directory, address: str, expected: str) -> None:
    assert expected == directory.classify(address)


def test_the_file_wins_over_patterns() -> None:
    person = Person(address="guest@pupils.elmpark.example", group=Group.STAFF)
    directory = build_directory(SCHOOL, people=[person], pupils=["*@pupils.elmpark.example"])

    assert directory.classify("Guest@pupils.elmpark.example") == Group.STAFF


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        pytest.param(["staff", "pupils"], "pupil", id="pupils before staff"),
        pytest.param(["staff", "governors"], "governor", id="governors before staff"),
        pytest.param(["parents", "governors"], "governor", id="governors before parents"),
        pytest.param(["staff", "parents"], "parent", id="parents before staff"),
    ],
)
def test_the_first_group_with_a_pattern_that_matches_wins(groups: list[str], expected: str) -> None:
    patterns = {group: ["*@elmpark.example"] for group in groups}
    directory = build_directory(
        SCHOOL,
        pupils=patterns.get("pupils", []),
        governors=patterns.get("governors", []),
        parents=patterns.get("parents", []),
        staff=patterns.get("staff", []),
    )

    assert expected == directory.classify("x@elmpark.example")


def test_a_school_below_an_agency_s_domain_is_a_school() -> None:
    school = School(name="Hill", domains=frozenset({"hill.elm.gov.uk"}))
    directory = build_directory(school)

    assert (
        directory.classify("x@hill.elm.gov.uk"),
        directory.classify("x@elm.gov.uk"),
    ) == ("pupil", "agency")


def test_a_body_named_below_a_school_s_domain_is_a_body() -> None:
    directory = build_directory(SCHOOL, helplines=["listen.elmpark.example"])

    assert directory.classify("x@listen.elmpark.example") == Group.HELPLINE


@pytest.mark.parametrize("text", ["Listen.example", "*@listen.example", "@listen.example."])
def test_a_body_s_domain_may_be_written_as_a_pattern(text: str) -> None:
    directory = build_directory(SCHOOL, helplines=[text])

    assert directory.classify("x@listen.example") == Group.HELPLINE


def test_a_counsellor_who_writes_is_staff(directory: Directory) -> None:
    assert directory.member_group("counsellor@elmpark.example") == Group.STAFF


def test_a_stranger_is_no_member(directory: Directory) -> None:
    assert directory.member_group("x@shop.example") is None


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        pytest.param(
            "Head+x@elmpark.example", {"head@elmpark.example", "j.smith@elmpark.example"}, id="two"
        ),
        pytest.param("ben@pupils.elmpark.example", {"ben@pupils.elmpark.example"}, id="one"),
        pytest.param("X@shop.example", {"x@shop.example"}, id="unknown"),
    ],
)
def test_lines_with_one_name_and_group_are_one_person(
    directory: Directory, address: str, expected: set[str]
) -> None:
    assert expected == directory.same_person(address)


def test_lines_without_a_name_are_different_people() -> None:
    people = [
        Person(address="a@elmpark.example", group=Group.STAFF),
        Person(address="b@elmpark.example", group=Group.STAFF),
    ]
    directory = build_directory(SCHOOL, people=people)

    assert {"a@elmpark.example"} == directory.same_person("a@elmpark.example")


@pytest.mark.parametrize(
    ("pattern", "address", "expected"),
    [
        pytest.param("*@elm.example", "a@elm.example", True, id="whole local part"),
        pytest.param("*@elm.example", "a@sub.elm.example", False, id="subdomain"),
        pytest.param("p*@elm.example", "p1@elm.example", True, id="prefix"),
        pytest.param("p*@elm.example", "q1@elm.example", False, id="other prefix"),
        pytest.param("*-p*@*.example", "a-p1@elm.example", True, id="three stars"),
        pytest.param("*-p*@*.example", "a-q1@elm.example", False, id="middle missing"),
        pytest.param("*a*b@x.example", "ba@x.example", False, id="pieces out of order"),
        pytest.param("ab*ba@x.example", "aba@x.example", False, id="ends do not overlap"),
        pytest.param("A@Elm.Example.", "a@elm.example", True, id="no star, any case"),
        pytest.param("a@elm.example", "ba@elm.example", False, id="no star, other address"),
        pytest.param("[a]?@elm.example", "ax@elm.example", False, id="only stars are special"),
    ],
)
def test_a_star_stands_for_any_run(pattern: str, address: str, expected: bool) -> None:
    assert expected is Pattern.of(pattern).matches(address)


@given(st.lists(st.tuples(st.text("ab", max_size=3), st.text("abc", max_size=4)), max_size=4))
def test_a_pattern_matches_whatever_its_stars_are_filled_with(parts: list[tuple[str, str]]) -> None:
    pattern = Pattern.of("".join(piece + "*" for piece, _ in parts) + "@elm.example")
    address = "".join(piece + run for piece, run in parts) + "@elm.example"

    assert pattern.matches(address)


def test_matching_takes_no_longer_for_hostile_addresses() -> None:
    pattern = Pattern.of("*a*a*a*a*a*a*a*a*a*b@elm.example")

    assert not pattern.matches("a" * 1_000_000 + "@elm.example")


def test_all_mistakes_in_the_lists_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        build_directory(
            SCHOOL,
            pupils=["pupils.elmpark.example"],
            staff=["*+staff@elmpark.example"],
            helplines=["two words", "c*@childline.org.uk"],
        )

    assert error.value.problems == (
        "directory.pupils: 'pupils.elmpark.example' must be like *@pupils.elmpark.example",
        "directory.staff: '*+staff@elmpark.example' has a +, and what follows that in an address"
        " is ignored",
        "directory.helplines: 'two words' must be an address or a domain,"
        " like counsellor@elmpark.example or childline.org.uk",
        "directory.helplines: 'c*@childline.org.uk' must be an address or a domain,"
        " like counsellor@elmpark.example or childline.org.uk",
    )


def test_a_second_space_in_a_name_makes_no_second_person() -> None:
    head, other = "head@elmpark.example", "j.smith@elmpark.example"
    people = [
        Person(address=head, name="Jo Smith", group=Group.STAFF),
        Person(address=other, name="jo  Smith", group=Group.STAFF),
    ]
    directory = build_directory(SCHOOL, people=people)

    assert {head, other} == directory.same_person(other)
