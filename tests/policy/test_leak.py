"""Where data may go, every cell of it, against a table that was written by hand."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.errors import ConfigError
from mailguard.mail.envelope import Envelope, Origin, Path, QueueId, Session, Transaction
from mailguard.mail.message import Message
from mailguard.mail.raw import Raw
from mailguard.policy.directory import Directory, Person
from mailguard.policy.disposition import Action, dispose
from mailguard.policy.exemption import is_never_held
from mailguard.policy.judge import conclude
from mailguard.policy.leak import (
    DEFAULT_TABLE,
    Matter,
    Table,
    Treatment,
    Way,
    complete,
    matter_of,
    way_of,
)
from mailguard.policy.relationship import Relationship
from mailguard.policy.settings import Policy
from mailguard.policy.taxonomy import Group
from mailguard.policy.verdict import weigh
from mailguard.scan.finding import Finding, Leak, Level, ScanReport, Status

# Level and what is done: r relay, f flag, b back to the author, h hold; - nothing is even counted.
EXPECTED = """
                  weak  strong named special many recipients credentials own
pupil    outside  0r    2b     2b    2h      3h   2h         2b          2b
staff    outside  0r    1f     2b    2b      3h   2b         2b          -r
governor outside  0r    1f     2b    2b      3h   2b         2b          -r
staff    parent   -r    -r     2b    2h      3h   2b         2b          -r
staff    child    -r    -r     1f    0r      3h   2b         2b          -r
governor child    -r    -r     1f    0r      3h   2b         2b          -r
staff    agency   -r    0r     0r    0r      0r   -r         1f          -r
pupil    agency   -r    0r     0r    0r      0r   -r         1f          -r
pupil    parent   -r    -r     -r    0r      1f   -r         1f          -r
pupil    child    -r    -r     -r    0r      1f   -r         1f          -r
pupil    pupil    -r    -r     -r    0r      1f   -r         1f          -r
pupil    staff    -r    -r     -r    0r      1f   -r         1f          -r
staff    staff    -r    -r     -r    0r      1f   -r         1f          -r
staff    pupil    -r    -r     -r    0r      1f   -r         1f          -r
staff    governor -r    -r     -r    0r      1f   -r         1f          -r
outside  staff    0r    0r     0r    0r      0r   0r         0r          0r
outside  pupil    0r    0r     0r    0r      0r   0r         0r          0r
outside  outside  0r    0r     0r    0r      0r   0r         0r          0r
parent   staff    0r    0r     0r    0r      0r   0r         0r          0r
agency   staff    0r    0r     0r    0r      0r   0r         0r          0r
spoofed  outside  0r    0r     0r    0r      0r   0r         0r          0r
"""

LEAKS = {
    "weak": (Leak.WEAK, 0),
    "strong": (Leak.STRONG, 1),
    "named": (Leak.STRONG, 1),
    "special": (Leak.SPECIAL, 2),
    "many": (Leak.MANY, 3),
    "recipients": (Leak.RECIPIENTS, 1),
    "credentials": (Leak.CREDENTIALS, 2),
    "own": (Leak.OWN, 1),
}
LETTERS = {Action.RELAY: "r", Action.FLAG: "f", Action.RETURN: "b", Action.HOLD: "h"}

Found = Callable[..., Finding]
Report = Callable[..., ScanReport]

NO_HEADERS = Message(
    headers=(), subject="", from_=(), to=(), message_id="", parts=(), defects=(), unread=()
)

STAYING = (Action.RELAY, Action.FLAG)
"""Actions with which a copy goes on."""

CHILD = "00c0ffee00c0ffee"
OTHER = "0badc0de0badc0de"


def leaked(
    found: Found, leak: Leak | None, level: int = 1, *, subjects: tuple[str, ...] = ()
) -> Finding:
    """A finding of personal data, or of a password."""
    category = "credentials" if leak is Leak.CREDENTIALS else "personal_data"
    finding = found(category, level)
    return replace(finding, symbol=replace(finding.symbol, leak=leak), subjects=subjects)


def cells() -> Iterator[object]:
    heading, *lines = (line.split() for line in EXPECTED.strip().splitlines())
    for author, recipient, *expected in lines:
        for matter, outcome in zip(heading, expected, strict=True):
            yield pytest.param(
                author, recipient, matter, outcome, id=f"{author}→{recipient} {matter}"
            )


@pytest.mark.parametrize(("author", "recipient", "matter", "expected"), list(cells()))
def test_data_may_go_where_the_table_says(
    policy: Policy, found: Found, report: Report, author: str, recipient: str, matter: str,
    expected: str,
) -> None:  # fmt: skip
    to = Group("parent" if recipient == "child" else recipient)
    relationship = Relationship(author=Group(author), recipient=to)
    leak, level = LEAKS[matter]
    subjects = (
        (CHILD,) if matter == "named" or (recipient == "child" and matter != "strong") else ()
    )
    finding = leaked(found, leak, level, subjects=subjects)
    children = frozenset({CHILD} if recipient == "child" else ())

    verdict = weigh(report(finding), relationship, policy, children=children)
    disposition = dispose(verdict, "x@elsewhere.example", policy)

    counted = dict(verdict.levels).get(finding.symbol.category)
    number = "-" if counted is None else str(int(counted))
    if author == "spoofed":
        # The forgery itself is flagged.
        disposition = replace(disposition, action=Action.RELAY)
    assert expected == f"{number}{LETTERS[disposition.action]}"


TABLES = st.fixed_dictionaries(
    {
        matter: st.fixed_dictionaries(
            {
                way: st.sampled_from(
                    [t for t in Treatment if way is not Way.AGENCY or t.action in STAYING]
                )
                for way in Way
            }
        )
        for matter in Matter
    }
)
"""Everything that a school may write."""

KINDS = st.lists(st.sampled_from([*LEAKS.values(), (Leak.PUPIL, 0)]), min_size=1, max_size=4)
"""What may be found in one message."""

PEOPLE = st.sampled_from([group for group in Group if group is not Group.SPOOFED])


@given(table=TABLES, kinds=KINDS, author=PEOPLE, recipient=PEOPLE, is_own_child=st.booleans())
def test_whatever_a_school_chooses_the_strictest_cell_counts_and_nothing_else(
    directory: Directory, found: Found, report: Report, table: Table,
    kinds: list[tuple[Leak, int]], author: Group, recipient: Group, is_own_child: bool,
) -> None:  # fmt: skip
    policy = Policy(directory=directory, data=table)
    relationship = Relationship(author=author, recipient=recipient)
    findings = [leaked(found, leak, level, subjects=(CHILD,)) for leak, level in kinds]
    children = frozenset({CHILD} if is_own_child else ())

    verdict = weigh(report(*findings), relationship, policy, children=children)
    disposition = dispose(verdict, "x@elsewhere.example", policy)

    way = way_of(relationship, is_own_child=is_own_child)
    matters = {matter_of(finding, is_named=True) for finding in findings} - {None}
    cells = [table[matter][way].action for matter in matters if matter] if way else []
    cell = max(cells, key=lambda action: action.strictness, default=Action.RELAY)
    limit = Action.FLAG if is_never_held(author, recipient) else Action.HOLD
    expected = min(cell, limit, key=lambda action: action.strictness)
    # Of mail to helplines and advisers most is not even counted.
    is_asked = recipient not in (Group.HELPLINE, Group.CONFIDANT)
    assert disposition.action is (expected if is_asked else Action.RELAY)
    assert recipient is not Group.AGENCY or disposition.action in STAYING
    assert bool(verdict.leaks) is (disposition.action not in STAYING)


def test_every_cell_has_a_default() -> None:
    assert {matter: set(Way) for matter in Matter} == {
        matter: set(cells) for matter, cells in DEFAULT_TABLE.items()
    }


@pytest.mark.parametrize(
    ("category", "level", "expected"),
    [
        ("personal_data", 0, Action.RELAY),
        ("personal_data", 1, Action.FLAG),
        ("personal_data", 2, Action.FLAG),
        ("personal_data", 3, Action.HOLD),
        ("credentials", 0, Action.RELAY),
        ("credentials", 1, Action.RETURN),
        ("credentials", 3, Action.RETURN),
    ],
)
def test_a_symbol_without_a_leak_is_judged_by_its_level(
    policy: Policy, found: Found, report: Report, category: str, level: int, expected: Action
) -> None:
    relationship = Relationship(author=Group.STAFF, recipient=Group.OUTSIDE)

    verdict = weigh(report(found(category, level)), relationship, policy)

    assert expected == dispose(verdict, "x@elsewhere.example", policy).action


@pytest.mark.parametrize("leak", [Leak.WEAK, Leak.STRONG])
def test_one_kind_of_number_that_was_raised_is_about_many(
    policy: Policy, found: Found, report: Report, leak: Leak
) -> None:
    relationship = Relationship(author=Group.STAFF, recipient=Group.PARENT)
    finding = leaked(found, leak, Level.SERIOUS)

    verdict = weigh(report(finding), relationship, policy)

    assert Action.HOLD == dispose(verdict, "x@elsewhere.example", policy).action


def test_a_pupils_name_is_nothing_by_itself_and_makes_a_number_a_pupils(
    policy: Policy, found: Found, report: Report
) -> None:
    relationship = Relationship(author=Group.STAFF, recipient=Group.OUTSIDE)
    name, number = leaked(found, Leak.PUPIL, 0), leaked(found, Leak.STRONG)

    alone = weigh(report(name), relationship, policy)
    both = weigh(report(name, number), relationship, policy)

    assert (alone.levels, both.asked) == ((), {number.symbol.category: Action.RETURN})


@pytest.mark.parametrize(
    ("subjects", "children", "expected"),
    [
        pytest.param((CHILD,), {CHILD, OTHER}, Action.FLAG, id="one of two children"),
        pytest.param((CHILD, OTHER), {CHILD, OTHER}, Action.FLAG, id="both children"),
        pytest.param((CHILD, OTHER), {CHILD}, Action.RETURN, id="another child as well"),
        pytest.param((OTHER,), {CHILD}, Action.RETURN, id="another child"),
        pytest.param((CHILD,), set(), Action.RETURN, id="no child known"),
    ],
)
def test_a_parent_gets_what_is_about_their_own_children_only(
    policy: Policy, found: Found, report: Report, subjects: tuple[str, ...], children: set[str],
    expected: Action,
) -> None:  # fmt: skip
    relationship = Relationship(author=Group.STAFF, recipient=Group.PARENT)
    finding = leaked(found, Leak.STRONG, subjects=subjects)

    verdict = weigh(report(finding), relationship, policy, children=frozenset(children))

    assert expected == dispose(verdict, "mum@home.example", policy).action


def test_the_strictest_of_all_kinds_wins(policy: Policy, found: Found, report: Report) -> None:
    relationship = Relationship(author=Group.STAFF, recipient=Group.OUTSIDE)
    kinds = [leaked(found, leak, level) for leak, level in LEAKS.values()]

    returned = weigh(report(kinds[1], kinds[5]), relationship, policy)
    held = weigh(report(kinds[1], kinds[5], kinds[4]), relationship, policy)
    threat = weigh(report(kinds[5], found("threat", 2)), relationship, policy)

    assert [Action.RETURN, Action.HOLD, Action.HOLD] == [
        dispose(verdict, "x@elsewhere.example", policy).action
        for verdict in (returned, held, threat)
    ]


@pytest.mark.parametrize("recipient", ["staff", "governor", "parent"])
def test_a_childs_call_for_help_is_never_stopped_for_data(
    directory: Directory, found: Found, report: Report, recipient: str
) -> None:
    strict = Policy(
        directory=directory, data=complete({m: {Way.INSIDE: Treatment.HOLD} for m in Matter})
    )
    relationship = Relationship(author=Group.PUPIL, recipient=Group(recipient))
    kinds = [leaked(found, leak, level) for leak, level in LEAKS.values()]

    disposition = dispose(weigh(report(*kinds), relationship, strict), "x@elmpark.example", strict)

    assert (Action.FLAG, True) == (disposition.action, disposition.is_protected)


def test_nor_is_what_a_child_at_risk_tells_another_child(
    directory: Directory, found: Found, report: Report
) -> None:
    strict = Policy(
        directory=directory, data=complete({m: {Way.INSIDE: Treatment.RETURN} for m in Matter})
    )
    relationship = Relationship(author=Group.PUPIL, recipient=Group.PUPIL)
    findings = report(found("self_harm", 3), leaked(found, Leak.OWN))

    disposition = dispose(weigh(findings, relationship, strict), "x@elmpark.example", strict)

    assert (Action.FLAG, True) == (disposition.action, disposition.alert)


def test_what_is_drafted_or_released_says_nothing(
    policy: Policy, found: Found, report: Report
) -> None:
    relationship = Relationship(author=Group.STAFF, recipient=Group.OUTSIDE)
    finding = leaked(found, Leak.MANY, 3)
    draft = replace(finding, symbol=replace(finding.symbol, status=Status.DRAFT))

    drafted = weigh(report(draft), relationship, policy)
    released = weigh(report(finding), relationship, policy.for_released())

    assert ((), ()) == (drafted.levels, released.levels)


def test_a_school_may_choose_one_action_for_all_that_stops(
    directory: Directory, found: Found, report: Report
) -> None:
    finding = leaked(found, Leak.RECIPIENTS)
    policy = Policy(directory=directory, actions={finding.symbol.category: Action.FLAG})
    relationship = Relationship(author=Group.STAFF, recipient=Group.OUTSIDE)

    verdict = weigh(report(finding), relationship, policy)

    assert Action.FLAG == dispose(verdict, "x@elsewhere.example", policy).action


@pytest.mark.parametrize("treatment", [Treatment.RETURN, Treatment.HOLD])
def test_no_school_may_stop_a_referral(directory: Directory, treatment: Treatment) -> None:
    with pytest.raises(ConfigError, match="a referral is never stopped"):
        Policy(directory=directory, data=complete({Matter.MANY: {Way.AGENCY: treatment}}))


@pytest.mark.parametrize(
    ("origin", "sender", "headers", "expected"),
    [
        pytest.param("inside", "head@elmpark.example", {}, Action.RETURN, id="a person inside"),
        pytest.param("any", "head@elmpark.example", {}, Action.HOLD, id="an unknown origin"),
        pytest.param("inside", "", {}, Action.HOLD, id="the null sender"),
        pytest.param("inside", "list@list.example", {}, Action.HOLD, id="a list elsewhere"),
        pytest.param("inside", "noreply@elmpark.example", {}, Action.HOLD, id="no reply"),
        pytest.param("inside", "Do-Not-Reply-MIS@elmpark.example", {}, Action.HOLD, id="nor there"),
        pytest.param("inside", "staff-bounces@elmpark.example", {}, Action.HOLD, id="our list"),
        pytest.param("inside", "norah.reply@elmpark.example", {}, Action.RETURN, id="a surname"),
        pytest.param(
            "inside", "head@elmpark.example", {"Auto-Submitted": "auto-replied"}, Action.HOLD,
            id="a machine",
        ),
        pytest.param(
            "inside", "head@elmpark.example", {"auto-submitted": "No"}, Action.RETURN,
            id="not a machine",
        ),
        pytest.param(
            "inside", "head@elmpark.example", {"Precedence": "bulk"}, Action.HOLD, id="bulk",
        ),
    ],
)  # fmt: skip
def test_only_a_person_inside_gets_a_message_back(
    policy: Policy, found: Found, report: Report, message: Callable[..., Message], origin: str,
    sender: str, headers: dict[str, str], expected: Action,
) -> None:  # fmt: skip
    transaction = Transaction(
        queue_id=QueueId("Q1"),
        session=Session(
            listener="x", origin=Origin(origin), peer="192.0.2.1", peer_port=1, helo="x", esmtp=True
        ),
        envelope=Envelope(
            sender=Path(argument=b"", address=sender),
            recipients=(Path(argument=b"", address="who@elsewhere.example"),),
        ),
        raw=Raw.of(b""),
        received=datetime(2026, 11, 23, tzinfo=UTC),
    )
    parsed = message("head@elmpark.example", headers=tuple(headers.items()))

    judgement = conclude(report(leaked(found, Leak.CREDENTIALS, 2)), transaction, parsed, policy)

    assert expected == judgement.dispositions[0].action


def test_each_parent_gets_what_is_about_their_own_child(
    policy: Policy, directory: Directory, found: Found, report: Report
) -> None:
    child = directory.person("ana@pupils.elmpark.example")
    assert child is not None
    about = report(leaked(found, Leak.STRONG, subjects=(directory.subject_of(child),)))
    parents = ("mum@home.example", "dad@other.example")
    transaction = Transaction(
        queue_id=QueueId("Q1"),
        session=Session(
            listener="x",
            origin=Origin.INSIDE,
            peer="192.0.2.1",
            peer_port=1,
            helo="x",
            esmtp=True,
        ),
        envelope=Envelope(
            sender=Path(argument=b"", address="head@elmpark.example"),
            recipients=tuple(Path(argument=b"", address=parent) for parent in parents),
        ),
        raw=Raw.of(b""),
        received=datetime(2026, 11, 23, tzinfo=UTC),
    )
    everybody = replace(
        directory,
        people={
            **directory.people,
            parents[1]: Person(address=parents[1], name="Tom Oak", group=Group.PARENT),
        },
    )

    judgement = conclude(about, transaction, NO_HEADERS, replace(policy, directory=everybody))

    assert [Action.FLAG, Action.RETURN] == [each.action for each in judgement.dispositions]
