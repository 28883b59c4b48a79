"""People in From, To and Cc."""

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.mail.mailbox import Mailbox, parse_mailboxes

ANA = "ana@elmpark.example"
BEN = "ben@elmpark.example"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("", [], id="nothing"),
        pytest.param(ANA, [("", ANA)], id="address alone"),
        pytest.param(f"<{ANA}>", [("", ANA)], id="in brackets"),
        pytest.param(f"Ana Finch <{ANA}>", [("Ana Finch", ANA)], id="name"),
        pytest.param(f'"Finch, Ana" <{ANA}>', [("Finch, Ana", ANA)], id="comma in quotes"),
        pytest.param(rf'"Ana \"AF\" F" <{ANA}>', [('Ana "AF" F', ANA)], id="escaped quotes"),
        pytest.param(f"{ANA} (Ana Finch)", [("Ana Finch", ANA)], id="name as a comment"),
        pytest.param(f"Ana (Head) <{ANA}>", [("Ana", ANA)], id="name and comment"),
        pytest.param(f"Ana {ANA}", [("Ana", ANA)], id="no brackets"),
        pytest.param('"a b"@c.example', [("", '"a b"@c.example')], id="quoted local part"),
        pytest.param(f"{ANA}, {BEN}", [("", ANA), ("", BEN)], id="comma"),
        pytest.param(f"{ANA}; {BEN}", [("", ANA), ("", BEN)], id="semicolon"),
        pytest.param(f"<{ANA}><{BEN}>", [("", ANA), ("", BEN)], id="no separator"),
        pytest.param(f"4B: {ANA}, Ben <{BEN}>;", [("", ANA), ("Ben", BEN)], id="group"),
        pytest.param("undisclosed-recipients:;", [], id="empty group"),
        pytest.param("The Head", [("The Head", "")], id="name alone"),
        pytest.param(f"=?utf-8?q?Zo=C3=AB?= <{ANA}>", [("Zoë", ANA)], id="encoded word"),
        pytest.param(f"=?utf-8?q?F,_A?= <{ANA}>", [("F, A", ANA)], id="comma in a word"),
        pytest.param(f"=?utf-8?q?<{BEN}>?= <{ANA}>", [(f"<{BEN}>", ANA)], id="address in a word"),
        pytest.param(f'"{BEN}" <{ANA}>', [(BEN, ANA)], id="address as a name"),
        pytest.param(f"Ana <{ANA}", [("Ana", ANA)], id="bracket left open"),
        pytest.param(f'"Ana <{ANA}>', [("", f'"Ana <{ANA}>')], id="quote left open"),
        pytest.param(", ,;,", [], id="separators only"),
    ],
)
def test_people_are_read(value: str, expected: list[tuple[str, str]]) -> None:
    actual = [(mailbox.name, mailbox.address) for mailbox in parse_mailboxes(value)]

    assert expected == actual


@given(st.text(alphabet='a@.,;:<>()"\\ =?utf-8q\0é', max_size=60))
def test_any_text_can_be_read(value: str) -> None:
    for mailbox in parse_mailboxes(value):
        assert mailbox.name or mailbox.address or "<" in value


@given(
    st.lists(
        st.builds(
            Mailbox,
            name=st.from_regex(r"[A-Z][a-z]{1,8}( [A-Z][a-z]{1,8})?", fullmatch=True),
            address=st.from_regex(r"[a-z]{1,8}@[a-z]{1,8}\.example", fullmatch=True),
        ),
        max_size=5,
    )
)
def test_what_was_written_properly_comes_back(mailboxes: list[Mailbox]) -> None:
    value = ", ".join(f'"{mailbox.name}" <{mailbox.address}>' for mailbox in mailboxes)

    actual = list(parse_mailboxes(value))

    assert mailboxes == actual


@pytest.mark.parametrize("unit", ['"', "(", "<", ":", ",", "=?", "\\", "a ", "=?x?q?"])
def test_a_header_of_one_thing_is_read_in_linear_time(unit: str) -> None:
    """The standard library takes 6 s for 20 KB of quotes; three times as much would be a minute."""
    value = unit * (60_000 // len(unit))

    start = process_time()
    for _ in parse_mailboxes(value):
        pass

    assert process_time() - start < 2
