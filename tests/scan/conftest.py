"""Builders for the scan tests: rules as texts and parsed, segments, views."""

from collections.abc import Callable, Mapping, Sequence

import pytest

from mailguard.mail.fold import fold
from mailguard.mail.message import Mailbox, Message, Unread
from mailguard.mail.text import Attachment, MessageView, Segment, Where
from mailguard.scan.rule import Rule, parse_rule

TOP = {
    "symbol": '"THREAT_HARM"',
    "category": '"threat"',
    "level": "3",
    "status": '"stable"',
    "says": '"The writer says they will hurt someone."',
    "clauses": '["symphony:3.1.5k"]',
    "why": '"Intent and harm in one sentence."',
}
MATCH = {"in": '["body"]', "within": '"sentence"', "all": r"['''\bharm\b''']"}
EXAMPLES = """
[[examples.match]]
text = "this is harm"
[[examples.match]]
text = "harm again"
[[examples.no_match]]
text = "harmless"
[[examples.no_match]]
text = "nothing"
"""


def _rule_text(examples: str = EXAMPLES, **changes: str) -> str:
    top = TOP | {key: value for key, value in changes.items() if key not in _MATCH_KEYS}
    match = MATCH | {key: value for key, value in changes.items() if key in _MATCH_KEYS}
    return f"{_lines(top)}\n[match]\n{_lines(match)}\n{examples}"


def _lines(table: Mapping[str, str]) -> str:
    return "\n".join(f"{key} = {value}" for key, value in table.items() if value)


_MATCH_KEYS = ("in", "within", "all", "any", "unless")


@pytest.fixture(scope="session")
def rule_text() -> Callable[..., str]:
    """Write a rule in which some keys have another value, in TOML; "" leaves the key out."""
    return _rule_text


@pytest.fixture(scope="session")
def rule() -> Callable[..., Rule]:
    """Parse such a rule; patterns are lists of texts, and `places` stands for `in`."""

    def build(
        symbol: str = "THREAT_HARM",
        *,
        lists: Mapping[str, tuple[str, ...]] | None = None,
        places: Sequence[str] = ("body",),
        within: str = "sentence",
        needs: Sequence[str] = (),
        any_of: Sequence[str] = (),
        unless: Sequence[str] = (),
        **changes: str,
    ) -> Rule:
        changes |= {
            "symbol": f'"{symbol}"',
            "in": _texts(places),
            "within": f'"{within}"',
            "all": _texts(needs),
            "any": _texts(any_of),
            "unless": _texts(unless),
        }
        return parse_rule(f"rules/threat/{symbol}.toml", _rule_text(**changes), lists or {})

    return build


def _texts(values: Sequence[str]) -> str:
    return "[" + ", ".join(f"'''{value}'''" for value in values) + "]"


@pytest.fixture(scope="session")
def segment() -> Callable[..., Segment]:
    """A segment of this text, folded."""
    return _segment


def _segment(text: str, where: Where = Where.BODY, part: str = "1") -> Segment:
    return Segment(part=part, where=where, text=text, folded=fold(text))


@pytest.fixture(scope="session")
def view() -> Callable[..., MessageView]:
    """The view of a message with these texts as body, or these segments, and nothing else."""

    def build(
        *texts: str | Segment,
        to: Sequence[str] = (),
        attachments: Sequence[Attachment] = (),
        unread: Sequence[Unread] = (),
    ) -> MessageView:
        return MessageView(
            message=Message(
                headers=(),
                subject="",
                from_=(),
                to=tuple(Mailbox(name="", address=address) for address in to),
                message_id="",
                parts=(),
                defects=(),
                unread=(),
            ),
            segments=tuple(_segment(text) if isinstance(text, str) else text for text in texts),
            attachments=tuple(attachments),
            unread=tuple(unread),
        )

    return build
