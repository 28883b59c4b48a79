"""Which rules match: units, places, exclusions, counts and spans, and that no text costs much."""

import re
import time
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailguard.errors import RuleError
from mailguard.mail.fold import fold
from mailguard.mail.sentence import paragraphs, sentences
from mailguard.mail.text import Segment, Where
from mailguard.scan.finding import SPAN_LIMIT, Finding
from mailguard.scan.matcher import COUNT_LIMIT, Matcher
from mailguard.scan.rule import Rule

BuildRule = Callable[..., Rule]
BuildSegment = Callable[..., Segment]

WILL, HURT = r"\bi will\b", r"\bhurt\b"


def find(rules: Sequence[Rule], *segments: Segment) -> list[Finding]:
    """Compile `rules` and look for them."""
    return list(Matcher.compile(rules).find(segments))


@pytest.mark.parametrize(
    ("within", "text", "count"),
    [
        pytest.param("sentence", "I will hurt you. Bye.", 1, id="one sentence"),
        pytest.param("sentence", "I will come. Did it hurt?", 0, id="two sentences"),
        pytest.param("sentence", "I will\nhurt you", 1, id="wrapped line"),
        pytest.param("sentence", "I will hurt you. I will hurt him.", 2, id="twice"),
        pytest.param("paragraph", "I will come. Did it hurt?", 1, id="one paragraph"),
        pytest.param("paragraph", "I will come.\n\nDid it hurt?", 0, id="two paragraphs"),
        pytest.param("message", "I will come.\n\nDid it hurt?", 1, id="one message"),
        pytest.param("message", "I will come.", 0, id="half of it"),
    ],
)
def test_patterns_must_meet_within_the_unit(
    rule: BuildRule, segment: BuildSegment, within: str, text: str, count: int
) -> None:
    findings = find([rule(within=within, needs=[WILL, HURT])], segment(text))

    assert sum(finding.count for finding in findings) == count


@pytest.mark.parametrize(
    ("needs", "any_of", "text", "matches"),
    [
        pytest.param([WILL], ["hurt", "stab"], "i will stab", True, id="all and one of any"),
        pytest.param([WILL], ["hurt", "stab"], "i will", False, id="all and none of any"),
        pytest.param([WILL], ["hurt", "stab"], "stab", False, id="any without all"),
        pytest.param([], ["hurt", "stab"], "stab", True, id="only any"),
    ],
)
def test_all_of_all_and_one_of_any_are_needed(
    rule: BuildRule,
    segment: BuildSegment,
    needs: list[str],
    any_of: list[str],
    text: str,
    matches: bool,
) -> None:
    findings = find([rule(needs=needs, any_of=any_of)], segment(text))

    assert matches is bool(findings)


@pytest.mark.parametrize(
    ("within", "text", "count"),
    [
        pytest.param("sentence", "Hurt in a game.", 0, id="same sentence"),
        pytest.param("sentence", "Hurt. It is a game.", 1, id="other sentence"),
        pytest.param("sentence", "Hurt in a game. Hurt.", 1, id="one of two"),
        pytest.param("paragraph", "Hurt. It is a game.", 0, id="same paragraph"),
        pytest.param("message", "Hurt.\n\nIt is a game.", 0, id="same message"),
    ],
)
def test_exclusion_cancels_in_its_own_unit_only(
    rule: BuildRule, segment: BuildSegment, within: str, text: str, count: int
) -> None:
    findings = find([rule(within=within, needs=[HURT], unless=[r"\bgame\b"])], segment(text))

    assert sum(finding.count for finding in findings) == count


@pytest.mark.parametrize("within", ["sentence", "message"])
@pytest.mark.parametrize("where", list(Where))
def test_only_places_that_the_rule_names_are_searched(
    rule: BuildRule, segment: BuildSegment, within: str, where: Where
) -> None:
    checks = [rule(places=["subject", "quoted"], within=within, needs=[HURT])]

    findings = find(checks, segment("hurt", where))

    assert bool(findings) is (where in {Where.SUBJECT, Where.QUOTED})


def test_message_unit_spans_the_places_of_the_rule(rule: BuildRule, segment: BuildSegment) -> None:
    checks = [rule(places=["subject", "body"], within="message", needs=[WILL, HURT])]
    subject, body = segment("I will", Where.SUBJECT, ""), segment("it may hurt")

    (finding,) = find(checks, subject, body)

    assert (finding.part, finding.where, finding.count) == ("", Where.SUBJECT, 1)
    assert [(s.part, s.where, s.start, s.end) for s in finding.spans] == [
        ("", Where.SUBJECT, 0, 6),
        ("1", Where.BODY, 7, 11),
    ]


def test_exclusion_in_a_place_that_the_rule_does_not_name_is_nothing_to_it(
    rule: BuildRule, segment: BuildSegment
) -> None:
    checks = [rule(within="message", needs=[HURT], unless=[r"\bgame\b"])]

    findings = find(checks, segment("game", Where.SUBJECT, ""), segment("hurt"))

    assert len(findings) == 1


def test_each_segment_has_its_own_finding(rule: BuildRule, segment: BuildSegment) -> None:
    findings = find([rule(needs=[HURT])], segment("hurt"), segment("it hurt", part="2"))

    assert [(f.part, f.spans[0].part) for f in findings] == [("1", "1"), ("2", "2")]


def test_rules_share_equal_patterns(rule: BuildRule, segment: BuildSegment) -> None:
    rules = [
        rule("THREAT_A", needs=[WILL, HURT]),
        rule("THREAT_B", needs=[HURT], unless=[WILL]),
        rule("THREAT_C", needs=[HURT, "you"]),
    ]

    findings = find(rules, segment("I will hurt you"))

    assert [f.symbol.name for f in findings] == ["THREAT_A", "THREAT_C"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("So I will hurt you", ["I will", "hurt"], id="plain"),
        pytest.param("I wi\u200bll h\u00fcrt you", ["I wi\u200bll", "h\u00fcrt"], id="folded away"),
        pytest.param(
            "\uff29 \uff57\uff49\uff4c\uff4c  HURT", ["\uff29 \uff57\uff49\uff4c\uff4c", "HURT"]
        ),
        pytest.param("hurt? I will, hurt and hurt", ["I will", "hurt", "hurt"], id="each match"),
    ],
)
def test_spans_show_what_matched_in_the_text_as_written(
    rule: BuildRule, segment: BuildSegment, text: str, shown: list[str]
) -> None:
    (finding,) = find([rule(needs=[WILL, HURT])], segment(text))

    assert [text[span.start : span.end] for span in finding.spans] == shown


def test_spans_of_one_unit_are_disjoint(rule: BuildRule, segment: BuildSegment) -> None:
    text = "I will hurt you"

    (finding,) = find([rule(needs=[r"will.{0,5}hurt", r"hurt.{0,5}you", WILL])], segment(text))

    assert [text[span.start : span.end] for span in finding.spans] == [text]


def test_count_and_spans_have_a_limit(rule: BuildRule, segment: BuildSegment) -> None:
    (finding,) = find([rule(needs=[HURT])], segment("Hurt. " * (COUNT_LIMIT + 50)))

    assert (finding.count, len(finding.spans)) == (COUNT_LIMIT, SPAN_LIMIT)


def test_long_unit_shows_the_first_match_of_each_pattern(
    rule: BuildRule, segment: BuildSegment
) -> None:
    text = "hurt " * 5000 + "i will "

    (finding,) = find([rule(within="message", needs=[WILL, HURT])], segment(text))

    assert [(span.start, span.end) for span in finding.spans] == [(0, 4), (25000, 25006)]


def test_dump_loads_and_finds_the_same(rule: BuildRule, segment: BuildSegment) -> None:
    rules = [rule(needs=[HURT], unless=["game"])]
    dumped = Matcher.compile(rules).dump()

    counts = [
        len(list(Matcher.compile(rules, dumped).find([segment(text)])))
        for text in ("hurt", "hurt game")
    ]

    assert counts == [1, 0]


@pytest.mark.parametrize("dumped", [b"", b"x", b"\xff" * 100, bytes(8)])
def test_useless_dump_is_compiled_anew(
    rule: BuildRule, segment: BuildSegment, dumped: bytes
) -> None:
    matcher = Matcher.compile([rule(needs=[HURT])], dumped)

    assert len(list(matcher.find([segment("hurt")]))) == 1


def test_pattern_that_the_engine_refuses_is_an_error_of_its_rule(rule: BuildRule) -> None:
    rules = [rule("THREAT_A", needs=[HURT]), rule("THREAT_B", needs=["a{40000}"])]

    with pytest.raises(RuleError, match="too large") as refused:
        Matcher.compile(rules)

    assert (refused.value.file, refused.value.key) == ("rules/threat/THREAT_B.toml", "match")


def test_no_rules_find_nothing(segment: BuildSegment) -> None:
    assert find([], segment("hurt")) == []


@pytest.mark.parametrize("within", ["sentence", "paragraph", "message"])
@pytest.mark.parametrize(
    "text",
    [
        pytest.param("hurt ", id="one word"),
        pytest.param("hurt. i will. ", id="sentences of one word"),
        pytest.param("hurt i will\n\n", id="matching paragraphs"),
        pytest.param("i will hurt game. ", id="excluded sentences"),
        pytest.param("\u4f60\u597dhurt. I\u0301 w\u0456ll ", id="folded letters"),
    ],
)
def test_quarter_of_a_megabyte_of_the_same_is_soon_done(
    rule: BuildRule, segment: BuildSegment, within: str, text: str
) -> None:
    """Reporting each of these matches would take seconds; the limit is fifty times the usual."""
    rules = [
        rule(f"THREAT_{n}", within=within, needs=[WILL, HURT], unless=["game"]) for n in range(9)
    ]
    matcher = Matcher.compile(rules)
    long = segment((text * (262_144 // len(text) + 1))[:262_144])

    begin = time.perf_counter()
    list(matcher.find([long]))

    assert time.perf_counter() - begin < 5


WORDS = ["hurt", "i", "will", "you", "game", ".", "\n\n", "\u0456", "xhurt"]


@pytest.fixture(scope="module")
def matcher(rule: BuildRule) -> Matcher:
    """One rule for each kind of unit, named for it."""
    return Matcher.compile(
        [
            rule(f"IN_{within.upper()}", within=within, needs=[WILL, HURT], unless=["game"])
            for within in ("sentence", "paragraph", "message")
        ]
    )


@settings(max_examples=60)
@given(st.lists(st.sampled_from(WORDS), max_size=14))
def test_matcher_agrees_with_looking_at_each_unit(matcher: Matcher, words: list[str]) -> None:
    text = " ".join(words)
    segment = Segment(part="1", where=Where.BODY, text=text, folded=fold(text))

    counts = {f.symbol.name: f.count for f in matcher.find([segment])}

    assert _count_by_looking(segment.folded.text) == counts


def _count_by_looking(text: str) -> dict[str, int]:
    units = {
        "IN_SENTENCE": [text[start:end] for start, end in sentences(text)],
        "IN_PARAGRAPH": [text[start:end] for start, end in paragraphs(text)],
        "IN_MESSAGE": [text],
    }
    counts = {name: sum(map(_matches, pieces)) for name, pieces in units.items()}
    return {name: count for name, count in counts.items() if count}


def _matches(unit: str) -> bool:
    unit = unit.replace("\n", " ")
    return all(re.search(p, unit, re.A) for p in (WILL, HURT)) and "game" not in unit
