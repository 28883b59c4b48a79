import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.errors import EvidenceDamaged
from mailguard.mail.envelope import Envelope, Path
from mailguard.mail.text import Attachment, Where
from mailguard.policy.disposition import Action, Disposition
from mailguard.policy.judge import Judgement
from mailguard.policy.relationship import Group, Relationship
from mailguard.policy.verdict import Verdict
from mailguard.quarantine.evidence import compose_evidence, held_from_evidence
from mailguard.quarantine.held import HeldMessage, HeldRecipient, State
from mailguard.scan.finding import (
    Category,
    Finding,
    Level,
    ScanReport,
    Span,
    Symbol,
    Unscanned,
)
from mailguard.testing import CANARY, NOON, mail, transaction
from mailguard.testing.quarantine import held_message

RELATIONSHIP = Relationship(author=Group.PUPIL, recipient=Group.STAFF)
SYMBOL = Symbol(
    name="THREAT_TEST",
    category=Category.THREAT,
    level=Level.HOLD,
    says="The writer says they will hurt someone.",
    clauses=("symphony:3.1.5",),
)
FINDING = Finding(
    symbol=SYMBOL,
    level=Level.SERIOUS,
    part="1",
    where=Where.BODY,
    count=2,
    spans=(Span(part="1", where=Where.BODY, start=3, end=9),),
)
JUDGEMENT = Judgement(
    report=ScanReport(
        findings=(FINDING,),
        unscanned=(Unscanned(part="2", reason="encrypted"),),
        ruleset="0123456789abcdef",
    ),
    dispositions=(
        Disposition(
            address="r0@elmpark.example",
            relationship=RELATIONSHIP,
            verdict=Verdict(
                relationship=RELATIONSHIP,
                levels=((Category.THREAT, Level.SERIOUS),),
                sealed=False,
                reasons=(SYMBOL.says,),
                delivered=frozenset({Category.THREAT}),
            ),
            action=Action.FLAG,
            alert=True,
        ),
    ),
)
HELD = held_message(states=[State.PENDING, State.HELD])
ATTACHMENT = Attachment(
    part="2",
    filename="plan.zip",
    declared="application/zip",
    sniffed="application/zip",
    size=7,
    sha256="f" * 64,
)

READ_AGAIN = {
    *("format", "id", "school", "queue_id", "received", "sha256", "size", "ruleset", "held"),
    *("listener", "sender", "recipients", "level", "sealed", "alert", "dup_risk"),
    *("address", "argument", "relationship", "state"),
}
"""The fields from which a row is rebuilt, where none may be empty."""

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
RECIPIENTS = st.builds(
    lambda state, **fields: HeldRecipient(
        state=state, bounced=state is State.UNDELIVERABLE, **fields
    ),
    address=TEXT,
    argument=st.binary(max_size=40),
    relationship=TEXT,
    state=st.sampled_from(State),
    reply=TEXT,
)
MESSAGES = st.builds(
    lambda **fields: replace(HELD, **fields),
    school=TEXT,
    sender=TEXT,
    sender_argument=st.binary(max_size=40),
    recipients=st.lists(RECIPIENTS, min_size=1, max_size=3).map(tuple),
    categories=st.dictionaries(TEXT, st.integers(0, 4), max_size=3),
    symbols=st.lists(TEXT, max_size=3).map(tuple),
    sealed=st.booleans(),
    alert=st.booleans(),
    dup_risk=st.booleans(),
    size=st.integers(0, 2**40),
)


def composed(held: HeldMessage = HELD) -> dict[str, Any]:
    return json.loads(compose_evidence(transaction(), JUDGEMENT, held, attachments=[ATTACHMENT]))


@given(held=MESSAGES)
def test_the_row_can_be_rebuilt_from_the_evidence(held: HeldMessage) -> None:
    assert held == held_from_evidence(compose_evidence(transaction(), JUDGEMENT, held))


def test_equal_facts_give_equal_bytes() -> None:
    forwards = replace(HELD, categories={"threat": 3, "abuse": 2})
    backwards = replace(HELD, categories={"abuse": 2, "threat": 3})

    documents = {compose_evidence(transaction(), JUDGEMENT, each) for each in (forwards, backwards)}

    assert len(documents) == 1


def test_evidence_can_be_read_in_any_terminal() -> None:
    evidence = compose_evidence(transaction(), JUDGEMENT, replace(HELD, sender="žofie@x.example"))

    assert evidence.isascii()
    assert evidence.endswith(b"\n}\n")


def test_evidence_holds_no_word_of_the_message() -> None:
    sent = transaction(mail("I will hurt you at break", subject="You"))

    evidence = compose_evidence(sent, JUDGEMENT, HELD)

    assert CANARY.encode() not in evidence
    assert b"at break" not in evidence


def test_evidence_has_the_exact_bytes_of_the_envelope() -> None:
    every_byte = bytes(range(256))
    envelope = Envelope(
        sender=Path(argument=every_byte, address=""),
        recipients=(Path(argument=b"<Ben@elmpark.example> NOTIFY=NEVER", address="Ben@x.example"),),
    )

    document = json.loads(
        compose_evidence(replace(transaction(), envelope=envelope), JUDGEMENT, HELD)
    )

    assert every_byte == document["envelope"]["sender"]["argument"].encode("latin-1")
    assert document["envelope"]["recipients"] == [
        {"address": "Ben@x.example", "argument": "<Ben@elmpark.example> NOTIFY=NEVER"}
    ]


def test_evidence_says_who_connected() -> None:
    assert composed()["session"] == {
        "listener": "mail",
        "origin": "inside",
        "peer": "192.0.2.10",
        "peer_port": 40000,
        "helo": "client.example",
        "esmtp": True,
        "protocol": "smtp",
    }


def test_evidence_says_what_else_is_known_of_the_client() -> None:
    told = {
        "name": "spike.example",
        "via": "127.0.0.1",
        "ident": "4DXYZ",
        "tls": "TLSv1.3 TLS_AES_256_GCM_SHA384",
        "auth": "ana",
        "protocol": "milter",
    }
    arrived = transaction()
    arrived = replace(arrived, session=replace(arrived.session, **told))

    document = json.loads(compose_evidence(arrived, JUDGEMENT, HELD))

    assert told.items() <= document["session"].items()


def test_evidence_says_what_was_found_and_where() -> None:
    assert composed()["findings"] == [
        {
            "symbol": "THREAT_TEST",
            "category": "threat",
            "level": 3,
            "status": "stable",
            "says": "The writer says they will hurt someone.",
            "clauses": ["symphony:3.1.5"],
            "part": "1",
            "where": "body",
            "count": 2,
            "spans": [{"part": "1", "where": "body", "start": 3, "end": 9}],
        }
    ]


def test_evidence_says_what_could_not_be_read() -> None:
    assert composed()["unscanned"] == [{"part": "2", "reason": "encrypted"}]


def test_evidence_says_what_policy_decided_for_each_recipient_and_why() -> None:
    assert composed()["dispositions"] == [
        {
            "address": "r0@elmpark.example",
            "relationship": "pupil→staff",
            "action": "flag",
            "alert": True,
            "unlisted": False,
            "verdict": {
                "relationship": "pupil→staff",
                "level": 3,
                "levels": {"threat": 3},
                "delivered": ["threat"],
                "sealed": False,
                "reasons": ["The writer says they will hurt someone."],
            },
        }
    ]


def test_evidence_lists_the_attachments_it_is_given() -> None:
    assert composed()["attachments"] == [
        {
            "part": "2",
            "filename": "plan.zip",
            "declared": "application/zip",
            "sniffed": "application/zip",
            "size": 7,
            "sha256": "f" * 64,
        }
    ]


def test_evidence_names_the_bytes_the_rules_and_the_time() -> None:
    document = composed()

    assert tuple(document[key] for key in ("sha256", "size", "ruleset", "received", "format")) == (
        "0" * 64,
        100,
        "0123456789abcdef",
        "2026-03-02T12:00:00.000000+00:00",
        1,
    )


@given(evidence=st.binary())
def test_any_other_bytes_are_damaged(evidence: bytes) -> None:
    with pytest.raises(EvidenceDamaged):
        held_from_evidence(evidence)


@given(data=st.data())
def test_a_document_with_a_value_missing_or_of_another_kind_is_damaged(
    data: st.DataObject,
) -> None:
    document = composed()
    nodes = [document, document["held"], document["held"]["recipients"][0]]
    node = data.draw(st.sampled_from(nodes))
    key = data.draw(st.sampled_from(sorted(set(node) & READ_AGAIN)))
    node[key] = data.draw(st.sampled_from([None, 1.5, [1], {"a": None}, {}]))

    with pytest.raises(EvidenceDamaged):
        held_from_evidence(json.dumps(document).encode())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", 2),
        ("id", "../../../../../../etc/xyz"),
        ("id", "01KJQ6PSG0MXJKYAK2PEP1DKCE/"),
        ("received", "2026-03-02T12:00:00"),
        ("received", "yesterday"),
        ("size", True),
    ],
    ids=["newer format", "path", "slash", "no time zone", "no time", "no number"],
)
def test_a_document_with_a_value_that_was_never_written_is_damaged(key: str, value: object) -> None:
    document = composed() | {key: value}

    with pytest.raises(EvidenceDamaged):
        held_from_evidence(json.dumps(document).encode())


def test_a_document_without_recipients_is_damaged() -> None:
    document = composed()
    document["held"]["recipients"] = []

    with pytest.raises(EvidenceDamaged):
        held_from_evidence(json.dumps(document).encode())


def test_a_document_nested_without_end_is_damaged() -> None:
    with pytest.raises(EvidenceDamaged):
        held_from_evidence(b"[" * 100_000)


def test_the_folder_is_rebuilt_from_id_and_day() -> None:
    evidence = compose_evidence(transaction(received=NOON), JUDGEMENT, HELD)

    assert f"2026/03/02/{HELD.id}" == held_from_evidence(evidence).folder
