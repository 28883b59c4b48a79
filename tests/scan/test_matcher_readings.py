"""Segments with several readings: what any of them shows is found, and none hides anything."""

from collections.abc import Callable, Sequence

import pytest

from mailguard.mail.fold import fold
from mailguard.mail.hidden import fold_shown
from mailguard.mail.text import Segment, Where
from mailguard.scan.finding import Finding
from mailguard.scan.matcher import Matcher
from mailguard.scan.rule import Rule

BuildRule = Callable[..., Rule]
BuildSegment = Callable[..., Segment]

WILL, HURT = r"\bi will\b", r"\bhurt\b"


def find(rules: Sequence[Rule], *segments: Segment) -> list[Finding]:
    """Compile `rules` and look for them."""
    return list(Matcher.compile(rules).find(segments))


def hiding(text: str, hidden: str) -> Segment:
    """A segment whose reader does not see `hidden`."""
    at = text.index(hidden)
    ranges = ((at, at + len(hidden)),)
    return Segment(
        part="1",
        where=Where.BODY,
        text=text,
        folded=fold(text),
        hidden=ranges,
        shown=fold_shown(text, ranges),
    )


@pytest.mark.parametrize("within", ["sentence", "paragraph", "message"])
@pytest.mark.parametrize(
    "text", ["I will hu2t h u r t you", "I w1ll hurt you", "I will huuuurt you"]
)
def test_a_disguised_word_is_found_and_shown_as_written(
    rule: BuildRule, segment: BuildSegment, within: str, text: str
) -> None:
    (finding,) = find([rule(within=within, needs=[WILL, HURT])], segment(text))

    assert 1 == finding.count
    assert all(0 <= span.start < span.end <= len(text) for span in finding.spans)
    assert {text[span.start : span.end] for span in finding.spans} <= {
        "I will",
        "I w1ll",
        "h u r t",
        "hurt",
        "huuuurt",
    }


@pytest.mark.parametrize(("within", "between"), [("sentence", " "), ("paragraph", "\n\n")])
def test_what_is_disguised_counts_as_often_as_it_stands(
    rule: BuildRule, segment: BuildSegment, within: str, between: str
) -> None:
    text = between.join(["I will go.", "I will huuuurt you."] * 2)

    (finding,) = find([rule(within=within, needs=[WILL, HURT])], segment(f"hurt.{between}{text}"))

    assert 2 == finding.count


@pytest.mark.parametrize("within", ["sentence", "paragraph", "message"])
def test_hidden_text_splits_no_word(rule: BuildRule, within: str) -> None:
    (finding,) = find([rule(within=within, needs=[WILL, HURT])], hiding("i will huxxrt", "xx"))

    assert ["i will", "huxxrt"] == ["i will huxxrt"[s.start : s.end] for s in finding.spans]


@pytest.mark.parametrize("within", ["sentence", "paragraph", "message"])
def test_hidden_text_is_matched_with_the_rest(rule: BuildRule, within: str) -> None:
    findings = find([rule(within=within, needs=[WILL, HURT])], hiding("i will hurt", "hurt"))

    assert 1 == len(findings)


@pytest.mark.parametrize("within", ["sentence", "paragraph"])
def test_hidden_text_excuses_nothing(rule: BuildRule, within: str) -> None:
    findings = find(
        [rule(within=within, needs=[WILL, HURT], unless=[r"\bgame\b"])],
        hiding("i will hurt you in the game", "in the game"),
    )

    assert 1 == len(findings)


@pytest.mark.parametrize("within", ["sentence", "paragraph", "message"])
def test_what_stands_there_plainly_is_found_once(
    rule: BuildRule, segment: BuildSegment, within: str
) -> None:
    (finding,) = find(
        [rule(within=within, needs=[WILL, HURT])], segment("I will hurt you, I will h u r t you")
    )

    assert 1 == finding.count


@pytest.mark.parametrize("within", ["sentence", "paragraph", "message"])
def test_a_disguised_exclusion_takes_no_finding_away(
    rule: BuildRule, segment: BuildSegment, within: str
) -> None:
    findings = find(
        [rule(within=within, needs=[WILL, HURT], unless=[r"\bgame\b"])],
        segment("I will hurt you g4me"),
    )

    assert 1 == len(findings)


def test_a_disguised_word_with_its_plain_exclusion_is_excused(
    rule: BuildRule, segment: BuildSegment
) -> None:
    findings = find(
        [rule(needs=[WILL, HURT], unless=[r"\bgame\b"])], segment("I will hurrrrt you in the game")
    )

    assert [] == findings


def test_words_of_the_rules_alone_are_looked_for(rule: BuildRule, segment: BuildSegment) -> None:
    matcher = Matcher.compile([rule(needs=[WILL, HURT])])

    assert ["i will hurt"] == [r.text for r in matcher.readings(segment("I will h u r t"))]
    assert [] == list(matcher.readings(segment("I will p u n c h")))


def test_a_matcher_for_one_rule_reads_like_the_whole(
    rule: BuildRule, segment: BuildSegment
) -> None:
    one = rule(needs=[WILL, HURT])
    matcher = Matcher.compile([one, rule("THREAT_OTHER", needs=["banana"])])

    findings = list(matcher.only(one).find([segment("I w1ll h u r t b4nana")]))

    assert [one.symbol] == [finding.symbol for finding in findings]


def test_a_compiled_matcher_reads_like_a_new_one(rule: BuildRule, segment: BuildSegment) -> None:
    rules = [rule(needs=[WILL, HURT])]
    dumped = Matcher.compile(rules).dump()

    findings = list(Matcher.compile(rules, dumped).find([segment("I w1ll h u r t you")]))

    assert 1 == len(findings)
