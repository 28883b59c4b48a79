"""Who may see a message, and who is next in line."""

import pytest

from mailguard.policy.directory import Directory
from mailguard.policy.visibility import Chain, Parties, alerted_for, may_see, reviewers_for

HEAD = "head@elmpark.example"
CHAIN = Chain(
    headteacher=(HEAD,),
    dsl=("dsl@elmpark.example", "dsl2@elmpark.example"),
    deputy=("deputy@elmpark.example",),
    chair=("gwen@law.example",),
)


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("head@elmpark.example", id="as it is"),
        pytest.param("HEAD@ElmPark.Example", id="case"),
        pytest.param("head+private@elmpark.example", id="tag"),
        pytest.param("head@elmpark.example.", id="dot at the end"),
        pytest.param('"head"@elmpark.example', id="quotes"),
        pytest.param("j.smith@elmpark.example", id="their other address"),
    ],
)
def test_nobody_sees_a_message_they_wrote_or_received(directory: Directory, address: str) -> None:
    parties = Parties(addresses=("ana@pupils.elmpark.example", address))

    assert not may_see(HEAD, parties, CHAIN, directory)


@pytest.mark.parametrize("person", ["Head+x@elmpark.example", "J.Smith@elmpark.example"])
def test_the_person_asking_may_be_written_in_any_way(directory: Directory, person: str) -> None:
    assert not may_see(person, Parties(addresses=(HEAD,)), CHAIN, directory)


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("h.ead@elmpark.example", id="dots are not ignored"),
        pytest.param("head@pupils.elmpark.example", id="other domain"),
        pytest.param("ben@pupils.elmpark.example", id="somebody else"),
        pytest.param("", id="null sender"),
    ],
)
def test_others_messages_may_be_seen(directory: Directory, address: str) -> None:
    assert may_see(HEAD, Parties(addresses=(address,)), CHAIN, directory)


@pytest.mark.parametrize(
    ("relationship", "expected"),
    [
        pytest.param("staff→confidant", False, id="to a confidant"),
        pytest.param("confidant→staff", False, id="from a confidant"),
        pytest.param("pupil→helpline", False, id="to a helpline"),
        pytest.param("pupil→staff", True, id="any other"),
    ],
)
def test_the_headteacher_does_not_see_confidential_mail(
    directory: Directory, relationship: str, expected: bool
) -> None:
    parties = Parties(addresses=("x@shop.example",), relationships=("pupil→staff", relationship))

    assert expected is may_see("J.Smith@elmpark.example", parties, CHAIN, directory)


def test_others_see_confidential_mail(directory: Directory) -> None:
    parties = Parties(addresses=("x@shop.example",), relationships=("staff→confidant",))

    assert may_see("dsl@elmpark.example", parties, CHAIN, directory)


@pytest.mark.parametrize(
    ("addresses", "relationship", "expected"),
    [
        pytest.param(["x@shop.example"], "outside→pupil", [HEAD], id="nobody involved"),
        pytest.param(
            ["j.smith@elmpark.example"],
            "outside→staff",
            ["dsl@elmpark.example", "dsl2@elmpark.example"],
            id="head involved",
        ),
        pytest.param(
            [HEAD, "dsl@elmpark.example"],
            "staff→staff",
            ["dsl2@elmpark.example"],
            id="head and one safeguarding lead",
        ),
        pytest.param(
            [HEAD, "dsl@elmpark.example", "DSL2+x@elmpark.example"],
            "staff→staff",
            ["deputy@elmpark.example"],
            id="both offices",
        ),
        pytest.param(
            [HEAD, "dsl@elmpark.example", "dsl2@elmpark.example", "deputy@elmpark.example"],
            "staff→staff",
            ["gwen@law.example"],
            id="all staff",
        ),
        pytest.param(
            [
                HEAD,
                "dsl@elmpark.example",
                "dsl2@elmpark.example",
                "deputy@elmpark.example",
                "gwen@law.example",
            ],
            "staff→staff",
            [],
            id="everybody",
        ),
        pytest.param(
            ["x@shop.example"],
            "staff→confidant",
            ["dsl@elmpark.example", "dsl2@elmpark.example"],
            id="confidential",
        ),
        pytest.param(["g@law.example"], "governor→staff", ["gwen@law.example"], id="a governor's"),
        pytest.param(["gwen@law.example"], "governor→staff", [HEAD], id="the chair's own"),
        pytest.param(["gwen@law.example"], "staff→governor", [HEAD], id="to a governor"),
    ],
)
def test_what_one_may_not_see_goes_to_the_next_in_line(
    directory: Directory, addresses: list[str], relationship: str, expected: list[str]
) -> None:
    parties = Parties(addresses=tuple(addresses), relationships=(relationship,))

    assert expected == list(reviewers_for(parties, CHAIN, directory))


def test_an_empty_office_is_passed_over(directory: Directory) -> None:
    chain = Chain(headteacher=(HEAD,), chair=("gwen@law.example",))

    assert reviewers_for(Parties(addresses=(HEAD,)), chain, directory) == ("gwen@law.example",)


@pytest.mark.parametrize(
    ("addresses", "relationship", "expected"),
    [
        pytest.param(["x@shop.example"], "pupil→staff", CHAIN.dsl, id="nobody involved"),
        pytest.param(["DSL@elmpark.example"], "pupil→staff", CHAIN.dsl[1:], id="one of two"),
        pytest.param([*CHAIN.dsl], "pupil→staff", CHAIN.headteacher, id="both"),
        pytest.param([*CHAIN.dsl], "staff→confidant", CHAIN.deputy, id="and confidential"),
        pytest.param(["g@law.example"], "governor→staff", CHAIN.chair, id="a governor's"),
        pytest.param(["gwen@law.example"], "governor→staff", CHAIN.dsl, id="the chair's own"),
    ],
)
def test_an_alert_goes_to_the_safeguarding_lead_before_the_headteacher(
    directory: Directory, addresses: list[str], relationship: str, expected: tuple[str, ...]
) -> None:
    parties = Parties(addresses=tuple(addresses), relationships=(relationship,))

    assert alerted_for(parties, CHAIN, directory) == expected
