"""Who counts as outside, and whose mail it is."""

from collections.abc import Callable, Sequence

import pytest

from mailguard.mail.text import MessageView
from mailguard.scan.detectors.bulk_recipients import MANY, detect
from mailguard.scan.school import School
from mailguard.testing import SCHOOL, transaction

BuildView = Callable[..., MessageView]

ANYWHERE = School(name="", domains=frozenset())
OUTSIDE = tuple(f"family{n}@freemail.example" for n in range(MANY))


@pytest.mark.parametrize(
    ("sender", "to", "school", "count"),
    [
        pytest.param("ana@elmpark.example", OUTSIDE, SCHOOL, MANY, id="ours to many"),
        pytest.param("ana@elmpark.example", OUTSIDE[1:], SCHOOL, None, id="ours to fewer"),
        pytest.param("ana@other.example", OUTSIDE, SCHOOL, None, id="not ours"),
        pytest.param("", OUTSIDE, SCHOOL, None, id="a bounce"),
        pytest.param("ana@other.example", OUTSIDE, ANYWHERE, MANY, id="school not known"),
        pytest.param(
            "ana@elmpark.example",
            [f"p{n}@pupils.elmpark.example" for n in range(40)],
            SCHOOL,
            None,
            id="pupils",
        ),
        pytest.param(
            "ana@elmpark.example",
            [*OUTSIDE[1:], OUTSIDE[1].upper(), "ben@elmpark.example"],
            SCHOOL,
            None,
            id="one twice, one of ours",
        ),
    ],
)
def test_many_outside_addresses_of_our_mail_are_a_finding(
    view: BuildView, sender: str, to: Sequence[str], school: School, count: int | None
) -> None:
    findings = list(detect(view("Sports day.", to=to), transaction(sender=sender), school))

    assert [finding.count for finding in findings] == ([] if count is None else [count])
