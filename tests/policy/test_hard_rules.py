"""The seven hard rules, each by its name. (The seventh, the golden set, is tests/golden.)"""

from collections.abc import Callable

import pytest

from mailguard.mail.envelope import Origin
from mailguard.mail.message import Message
from mailguard.policy.disposition import Disposition
from mailguard.policy.judge import conclude
from mailguard.policy.settings import Policy
from mailguard.policy.taxonomy import Action
from mailguard.scan.finding import Category, Finding, ScanReport
from mailguard.testing import transaction

PUPIL = "ana@pupils.elmpark.example"
FRIEND = "ben@pupils.elmpark.example"
TEACHER = "head@elmpark.example"
PARENT = "mum@home.example"
GOVERNOR = "gwen@law.example"
POLICE = "desk@west.police.uk"
HELPLINE = "help@childline.org.uk"
COUNSELLOR = "counsellor@elmpark.example"
UNION = "rep@neu.org.uk"
STRANGER = "x@shop.example"

WHO_CAN_HELP = [TEACHER, PARENT, GOVERNOR, POLICE, HELPLINE, COUNSELLOR, UNION]

Decide = Callable[..., Disposition]
Find = Callable[..., Finding]


@pytest.fixture
def decide(
    policy: Policy, message: Callable[..., Message], report: Callable[..., ScanReport]
) -> Decide:
    """Say what becomes of a message with these findings."""

    def decide_one(
        *findings: Finding,
        sender: str = PUPIL,
        to: str = TEACHER,
        origin: Origin = Origin.INSIDE,
        named: str = "",
        unscanned: tuple[str, ...] = (),
        headers: tuple[tuple[str, str], ...] = (),
        policy: Policy = policy,
    ) -> Disposition:
        judgement = conclude(
            report(*findings, unscanned=unscanned),
            transaction(sender=sender, to=[to], origin=origin),
            message(named or sender, headers=headers),
            policy,
        )
        return judgement.dispositions[0]

    return decide_one


@pytest.mark.parametrize("to", WHO_CAN_HELP)
@pytest.mark.parametrize("category", sorted(set(Category) - {Category.MALWARE}))
def test_rule_1_a_child_asking_for_help_is_never_held(
    decide: Decide, found: Find, category: Category, to: str
) -> None:
    disposition = decide(found(category, 4), to=to)

    assert disposition.action in {Action.RELAY, Action.FLAG}


@pytest.mark.parametrize("category", ["self_harm", "disclosure"])
@pytest.mark.parametrize("to", [TEACHER, PARENT, GOVERNOR, POLICE, FRIEND])
@pytest.mark.parametrize("level", [2, 3, 4])
def test_rule_1_the_alert_runs_beside_the_delivery(
    decide: Decide, found: Find, category: str, to: str, level: int
) -> None:
    disposition = decide(found(category, level), to=to)

    assert (disposition.action, disposition.alert) == (Action.FLAG, True)


@pytest.mark.parametrize("to", WHO_CAN_HELP)
def test_rule_1_malware_is_still_stopped(decide: Decide, found: Find, to: str) -> None:
    disposition = decide(found("malware", 3), found("self_harm", 4), to=to)

    assert disposition.action == Action.HOLD


def test_rule_1_a_cry_for_help_with_malware_alerts_all_the_same(
    decide: Decide, found: Find
) -> None:
    assert decide(found("malware", 3), found("self_harm", 2)).alert


@pytest.mark.parametrize("to", WHO_CAN_HELP)
def test_rule_1_a_seal_cue_seals_and_alerts(decide: Decide, found: Find, to: str) -> None:
    disposition = decide(found("imagery", 4, seals=True), to=to)

    assert (disposition.action, disposition.alert) == (Action.SEAL, True)


@pytest.mark.parametrize(
    "reason", ["encrypted", "engine", "timeout", "killed", "too_deep", "too_long", "format"]
)
def test_rule_1_what_could_not_be_read_does_not_hold_a_child_back(
    decide: Decide, reason: str
) -> None:
    assert decide(unscanned=(reason,)).action in {Action.RELAY, Action.FLAG}


def test_rule_1_no_choice_of_the_school_overrides_it(
    decide: Decide, found: Find, policy: Policy
) -> None:
    strict = Policy(
        directory=policy.directory,
        actions={Category.THREAT: Action.HOLD, Category.PHISHING: Action.REJECT},
    )

    disposition = decide(found("threat", 4), found("phishing", 3), policy=strict)

    assert disposition.action == Action.FLAG


def test_rule_1_despair_between_pupils_is_delivered(decide: Decide, found: Find) -> None:
    disposition = decide(found("self_harm", 4, name="SELF_HARM_IDEATION"), to=FRIEND)

    assert (disposition.action, disposition.alert) == (Action.FLAG, True)


@pytest.mark.parametrize("name", ["SELF_HARM_ENCOURAGE", "SELF_HARM_METHOD", "SELF_HARM_PACT"])
def test_rule_1_encouragement_and_method_between_pupils_are_held(
    decide: Decide, found: Find, name: str
) -> None:
    despair = found("self_harm", 3, name="SELF_HARM_IDEATION")

    disposition = decide(despair, found("self_harm", 3, name=name), to=FRIEND)

    assert (disposition.action, disposition.alert) == (Action.HOLD, True)


def test_rule_1_other_findings_between_pupils_are_held(decide: Decide, found: Find) -> None:
    disposition = decide(found("self_harm", 3), found("threat", 2), to=FRIEND)

    assert (disposition.action, disposition.alert) == (Action.HOLD, True)


@pytest.mark.parametrize(
    ("category", "level", "to", "expected"),
    [
        pytest.param("self_harm", 1, TEACHER, True, id="to staff, a note"),
        pytest.param("threat", 3, PARENT, True, id="to a parent"),
        pytest.param("self_harm", 3, FRIEND, True, id="despair to a friend"),
        pytest.param("threat", 1, FRIEND, False, id="anything else to a friend"),
        pytest.param("malware", 3, TEACHER, False, id="malware, which is stopped"),
        pytest.param("self_harm", 3, STRANGER, False, id="to a stranger"),
    ],
)
def test_rule_1_a_child_s_call_for_help_is_protected(
    decide: Decide, found: Find, category: str, level: int, to: str, expected: bool
) -> None:
    assert expected is decide(found(category, level), to=to).is_protected


def test_rule_1_protects_no_grown_up(decide: Decide, found: Find) -> None:
    disposition = decide(found("self_harm", 3), sender=STRANGER, to=TEACHER, origin=Origin.OUTSIDE)

    assert (disposition.action, disposition.is_protected) == (Action.FLAG, False)


@pytest.mark.parametrize("category", ["self_harm", "threat", "abuse", "disclosure"])
def test_rule_1_is_not_for_a_forged_pupil(decide: Decide, found: Find, category: str) -> None:
    disposition = decide(found(category, 3), origin=Origin.OUTSIDE)

    assert (
        str(disposition.relationship),
        disposition.action,
    ) == ("spoofed→staff", Action.HOLD)


def test_rule_1_is_not_for_a_pupil_s_name_on_a_stranger_s_message(
    decide: Decide, found: Find
) -> None:
    disposition = decide(found("threat", 3), sender=STRANGER, named=PUPIL, origin=Origin.OUTSIDE)

    assert disposition.action == Action.HOLD


def test_rule_1_is_not_for_staff_who_write_as_a_pupil(decide: Decide, found: Find) -> None:
    disposition = decide(
        found("threat", 3), sender=TEACHER, named=PUPIL, to="office@elmpark.example"
    )

    assert (str(disposition.relationship), disposition.action) == ("staff→staff", Action.HOLD)


@pytest.mark.parametrize("sender", [PUPIL, TEACHER, GOVERNOR])
@pytest.mark.parametrize("to", [HELPLINE, COUNSELLOR])
@pytest.mark.parametrize("category", sorted(set(Category) - {Category.MALWARE}))
def test_rule_2_mail_to_a_helpline_is_not_judged_and_not_listed(
    decide: Decide, found: Find, category: Category, to: str, sender: str
) -> None:
    disposition = decide(found(category, 4), sender=sender, to=to, unscanned=("engine",))

    assert (
        disposition.action,
        disposition.alert,
        disposition.unlisted,
        disposition.verdict.levels,
    ) == (Action.RELAY, False, True, ())


def test_rule_2_mail_to_a_helpline_is_unlisted_even_when_it_is_stopped(
    decide: Decide, found: Find
) -> None:
    disposition = decide(found("malware", 3), to=HELPLINE)

    assert (disposition.action, disposition.unlisted) == (Action.HOLD, True)


@pytest.mark.parametrize("category", ["self_harm", "disclosure", "abuse", "threat"])
def test_rule_2_a_helpline_s_answer_reaches_the_child_unlisted(
    decide: Decide, found: Find, category: str
) -> None:
    disposition = decide(found(category, 4), sender=HELPLINE, to=PUPIL, origin=Origin.OUTSIDE)

    assert (disposition.action, disposition.unlisted) == (Action.RELAY, True)


@pytest.mark.parametrize("category", ["grooming", "sexual", "extremism", "malware", "phishing"])
def test_rule_2_an_address_that_says_helpline_cannot_harm_a_child_unseen(
    decide: Decide, found: Find, category: str
) -> None:
    disposition = decide(found(category, 3), sender=HELPLINE, to=PUPIL, origin=Origin.OUTSIDE)

    assert (disposition.action, disposition.unlisted) == (Action.HOLD, False)


def test_rule_2_no_copy_is_kept_of_a_helpline_s_answer(decide: Decide, found: Find) -> None:
    answer = found("phishing", 1)

    disposition = decide(answer, sender=HELPLINE, to=PUPIL, origin=Origin.OUTSIDE)

    assert (disposition.action, disposition.unlisted) == (Action.RELAY, True)


@pytest.mark.parametrize("to", [UNION, "x@ofsted.gov.uk", "x@ico.org.uk", "lado@elm.gov.uk"])
@pytest.mark.parametrize("category", sorted(set(Category) - {Category.MALWARE}))
def test_rule_3_mail_to_a_confidant_is_checked_for_malware_only(
    decide: Decide, found: Find, category: Category, to: str
) -> None:
    disposition = decide(found(category, 4), sender=TEACHER, to=to, unscanned=("encrypted",))

    assert (
        disposition.action,
        disposition.alert,
        disposition.unlisted,
    ) == (Action.RELAY, False, True)


def test_rule_3_malware_to_a_confidant_is_stopped(decide: Decide, found: Find) -> None:
    disposition = decide(found("malware", 3), sender=TEACHER, to=UNION)

    assert (disposition.action, disposition.unlisted) == (Action.HOLD, True)


def test_rule_3_a_confidant_s_letter_to_staff_is_not_judged(decide: Decide, found: Find) -> None:
    disposition = decide(
        found("threat", 4), found("abuse", 3), sender=UNION, to=TEACHER, origin=Origin.OUTSIDE
    )

    assert (
        disposition.action,
        disposition.alert,
        disposition.unlisted,
    ) == (Action.RELAY, False, True)


@pytest.mark.parametrize("category", ["phishing", "malware"])
def test_rule_3_an_address_that_says_union_cannot_defraud_staff(
    decide: Decide, found: Find, category: str
) -> None:
    disposition = decide(found(category, 2), sender=UNION, to=TEACHER, origin=Origin.OUTSIDE)

    assert (disposition.action, disposition.unlisted) == (Action.HOLD, False)


@pytest.mark.parametrize("to", [HELPLINE, UNION])
def test_rules_2_and_3_are_not_for_forged_addresses(decide: Decide, found: Find, to: str) -> None:
    disposition = decide(found("threat", 3), to=to, origin=Origin.OUTSIDE)

    assert (disposition.action, disposition.unlisted) == (Action.HOLD, False)


@pytest.mark.parametrize(
    "header",
    [
        ("X-MailGuard-Notice", "digest"),
        ("X-MailGuard-Exempt", "yes"),
        ("X-Mailguard-Release", "0123456789"),
        ("Sender", "help@childline.org.uk"),
        ("Reply-To", "help@childline.org.uk"),
        ("Auto-Submitted", "auto-generated"),
    ],
    ids=lambda header: header[0],
)
def test_rule_4_nothing_that_a_header_claims_exempts(
    decide: Decide, found: Find, header: tuple[str, str]
) -> None:
    disposition = decide(found("threat", 3), to=FRIEND, headers=(header,))

    assert decide(found("threat", 3), to=FRIEND) == disposition


def test_rule_5_no_action_writes_to_parents_or_police() -> None:
    expected = {"relay", "flag", "return", "hold", "defer", "reject", "seal"}

    assert expected == set(Action)


@pytest.mark.parametrize("category", ["hate", "abuse", "threat"])
def test_rule_6_identity_words_that_are_only_counted_do_nothing(
    decide: Decide, found: Find, category: str
) -> None:
    disposition = decide(found(category, 0), to=FRIEND)

    assert (disposition.action, disposition.verdict.reasons) == (Action.RELAY, ())
