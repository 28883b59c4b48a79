"""Which way mail goes, told by who wrote to whom."""

import pytest

from mailguard.policy.mail_kind import MailKind, kind_of, kinds_missing
from mailguard.policy.taxonomy import Group

IN, OUT, WITHIN = MailKind


@pytest.mark.parametrize(
    ("relationship", "kind"),
    [
        ("outside→pupil", IN),
        ("parent→staff", IN),
        ("helpline→pupil", IN),
        ("spoofed→staff", IN),
        ("staff→parent", OUT),
        ("pupil→helpline", OUT),
        ("staff→agency", OUT),
        ("pupil→staff", WITHIN),
        ("staff→staff", WITHIN),
        ("outside→outside", None),
        ("governor→staff", None),
        ("pupil→governor", None),
        ("staff→robot", None),
        ("staff", None),
        ("", None),
    ],
)
def test_the_way_follows_from_who_is_of_the_school(
    relationship: str, kind: MailKind | None
) -> None:
    assert kind_of(relationship) is kind


def test_all_groups_but_governors_tell_the_way_to_and_from_a_pupil() -> None:
    for group in set(Group) - {Group.GOVERNOR}:
        assert kind_of(f"{group}→pupil") is not None
        assert kind_of(f"pupil→{group}") is not None


@pytest.mark.parametrize(
    ("seen", "missing"),
    [
        (["outside→staff", "staff→outside", "pupil→staff"], ()),
        (["outside→staff", "spoofed→pupil"], (OUT, WITHIN)),
        (["staff→outside", "staff→pupil"], (IN,)),
        (["governor→staff"], ()),
        ([], ()),
    ],
    ids=["all", "inbound only", "no inbound", "nothing that tells", "nothing at all"],
)
def test_a_way_is_missed_only_where_another_was_seen(
    seen: list[str], missing: tuple[MailKind, ...]
) -> None:
    assert kinds_missing(seen) == missing
