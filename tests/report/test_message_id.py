import pytest

from mailguard.report.message_id import make_message_id
from mailguard.report.own_mail import Kind

SECRET = b"k" * 32
SAME = ("main", Kind.DIGEST, "2026-03-02", "head@elmpark.example", "elmpark.example")


def test_a_copy_has_the_same_message_id() -> None:
    first = make_message_id(SECRET, *SAME)

    assert first == make_message_id(SECRET, *SAME)
    assert first.startswith("<")
    assert first.endswith("@elmpark.example>")
    assert len(first) == len("<@elmpark.example>") + 32


@pytest.mark.parametrize(
    "other",
    [
        ("oak", *SAME[1:]),
        (SAME[0], Kind.ALERT, *SAME[2:]),
        (*SAME[:2], "2026-03-03", *SAME[3:]),
        (*SAME[:3], "dsl@elmpark.example", SAME[4]),
        (*SAME[:2], "2026-03-02h", "ead@elmpark.example", SAME[4]),
    ],
    ids=["school", "kind", "day", "person", "border between two"],
)
def test_any_other_mail_has_another(other: tuple[str, Kind, str, str, str]) -> None:
    assert make_message_id(SECRET, *other) != make_message_id(SECRET, *SAME)


def test_without_the_secret_it_cannot_be_foreseen() -> None:
    assert make_message_id(b"j" * 32, *SAME) != make_message_id(SECRET, *SAME)


@pytest.mark.parametrize(
    ("domain", "expected"),
    [("schüle.example", "xn--schle-mva.example"), ("ü" * 70 + ".example", "mailguard.invalid")],
)
def test_it_is_ascii_whatever_the_domain(domain: str, expected: str) -> None:
    assert make_message_id(SECRET, *SAME[:4], domain).endswith(f"@{expected}>")
