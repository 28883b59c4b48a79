"""The built-in tables of helplines, confidants and agencies."""

import re

import pytest

from mailguard.policy.exemption import (
    AGENCIES,
    BODIES,
    CONFIDANTS,
    COUNTED,
    HELPLINES,
    is_confidential,
    is_lado,
    is_never_held,
    is_proven_confidential,
)
from mailguard.policy.taxonomy import Group


def test_no_domain_is_in_two_tables() -> None:
    assert len(BODIES) == len(HELPLINES) + len(CONFIDANTS) + len(AGENCIES)


@pytest.mark.parametrize("domain", sorted(BODIES))
def test_domains_are_written_as_they_are_looked_up(domain: str) -> None:
    assert re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", domain)


@pytest.mark.parametrize(
    "domain",
    [
        "childline.org.uk",
        "nspcc.org.uk",
        "samaritans.org",
        "papyrus-uk.org",
        "giveusashout.org",
        "kooth.com",
        "themix.org.uk",
        "ceop.police.uk",
    ],
)
def test_the_helplines_of_both_policies_are_known(domain: str) -> None:
    assert BODIES[domain] == Group.HELPLINE


@pytest.mark.parametrize(
    ("local_part", "expected"),
    [
        pytest.param("lado", True, id="itself"),
        pytest.param("lado.duty", True, id="first"),
        pytest.param("ladoreferrals", True, id="prefix"),
        pytest.param("children-lado", True, id="last"),
        pytest.param("dorado", False, id="other word"),
    ],
)
def test_the_lado_is_known_by_name(local_part: str, expected: bool) -> None:
    assert expected is is_lado(local_part)


@pytest.mark.parametrize("author", sorted(set(Group) - {Group.PUPIL}))
@pytest.mark.parametrize("recipient", sorted(Group))
def test_only_a_pupil_is_never_held(author: Group, recipient: Group) -> None:
    assert not is_never_held(author, recipient)


@pytest.mark.parametrize("recipient", ["pupil", "outside", "spoofed"])
def test_a_pupil_to_a_pupil_or_a_stranger_may_be_held(recipient: str) -> None:
    assert not is_never_held(Group.PUPIL, Group(recipient))


def test_a_forged_address_makes_nothing_confidential() -> None:
    assert set() == {pair for pair in COUNTED if Group.SPOOFED in pair}


@pytest.mark.parametrize(
    ("author", "recipient", "expected"),
    [
        pytest.param("pupil", "helpline", (True, True), id="to a helpline"),
        pytest.param("staff", "confidant", (True, True), id="to a confidant"),
        pytest.param("confidant", "staff", (True, False), id="says that it is one"),
        pytest.param("pupil", "staff", (False, False), id="neither"),
    ],
)
def test_mail_to_a_helpline_or_confidant_is_proven_confidential(
    author: str, recipient: str, expected: tuple[bool, bool]
) -> None:
    pair = Group(author), Group(recipient)

    assert expected == (is_confidential(*pair), is_proven_confidential(*pair))
