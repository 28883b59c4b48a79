"""Checks are proved: examples that do not hold and lines that nothing needs are found."""

from collections.abc import Callable, Sequence

import pytest

from mailguard.scan.detector import Detector, match, no_match
from mailguard.scan.finding import Category, Level, Symbol
from mailguard.scan.lint import Case, cases, holds, prove
from mailguard.scan.registry import Ruleset, build_ruleset
from mailguard.scan.rule import Rule
from mailguard.testing import SCHOOL

BuildRule = Callable[..., Rule]

SHIPPED = build_ruleset([], school=SCHOOL)


def ruleset_of(*rules: Rule, detectors: Sequence[Detector] = ()) -> Ruleset:
    return build_ruleset(rules, school=SCHOOL, detectors=detectors)


def examples(match: Sequence[str], no_match: Sequence[str]) -> str:
    """Write examples in TOML; each is a body."""
    tables = [f"[[examples.match]]\ntext = '{text}'" for text in match]
    return "\n".join(tables + [f"[[examples.no_match]]\ntext = '{text}'" for text in no_match])


def test_rule_of_which_every_line_is_needed_has_no_failure(rule: BuildRule) -> None:
    good = rule(
        needs=[r"\bi will\b", r"\bhurt\b"],
        any_of=["you", "him"],
        unless=["game"],
        examples=examples(
            ["I will hurt you", "I will hurt him"],
            ["I will hurt", "I will see you", "Did it hurt you?", "I will hurt you in the game"],
        ),
    )

    assert prove(ruleset_of(good)) == []


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        pytest.param({"needs": ["hurt"]}, "no_match/2", id="finds what it must not"),
        pytest.param({"needs": ["hurt", "game"]}, "match/1", id="does not find what it must"),
        pytest.param({"needs": ["hurt", "u"], "unless": ["game"]}, "all/2", id="idle pattern"),
        pytest.param({"needs": ["hurt"], "unless": ["game", "x"]}, "unless/2", id="idle exclusion"),
        pytest.param(
            {"any_of": ["hurt", "stab"], "unless": ["game"]}, "any/2", id="idle alternative"
        ),
    ],
)
def test_failure_is_named(rule: BuildRule, changes: dict[str, Sequence[str]], name: str) -> None:
    texts = examples(["I hurt you", "it must hurt"], ["nothing", "hurt in the game"])
    bad = rule(**changes, examples=texts)

    failures = prove(ruleset_of(bad))

    assert f"THREAT_HARM/{name}" in {failure.name for failure in failures}


def test_list_words_need_not_be_needed_one_by_one(rule: BuildRule) -> None:
    good = rule(
        needs=[r"\b{{verbs}}\b"],
        lists={"verbs": ("hurt", "stab", "harm", "maim")},
        examples=examples(["it may hurt", "hurt"], ["nothing", "harmless"]),
    )

    assert prove(ruleset_of(good)) == []


@pytest.mark.parametrize(
    ("place", "key"),
    [
        ("subject", "subject"),
        ("body", "text"),
        ("quoted", "quoted"),
        ("attachment", "attachment"),
        ("filename", "filename"),
    ],
)
def test_example_key_fills_the_place_of_its_name_and_no_other(
    rule: BuildRule, place: str, key: str
) -> None:
    keys = {"subject", "text", "quoted", "attachment", "filename"} - {key}
    others = "\n".join(f"[[examples.no_match]]\n{other} = 'hurt'" for other in keys)
    same = f"[[examples.match]]\n{key} = 'it may hurt'\n[[examples.match]]\n{key} = 'hurt'"

    good = rule(places=[place], needs=[r"\bhurt\b"], examples=f"{same}\n{others}")

    assert prove(ruleset_of(good)) == []


def test_retired_rule_is_not_tried(rule: BuildRule) -> None:
    retired = rule(needs=["never found"], status='"retired"')

    assert prove(ruleset_of(retired)) == []


def test_symbol_that_no_example_shows_is_a_failure() -> None:
    symbol = Symbol(name="X_Y", category=Category.CRIME, level=Level.FLAG, says="So.", clauses=())
    idle = Detector(
        name="idle",
        symbols=(symbol,),
        examples=(match("a"), no_match("b")),
        detect=lambda view, transaction, school: iter(()),
        digest="",
    )

    failures = prove(ruleset_of(detectors=[idle]))

    assert [failure.name for failure in failures] == ["idle/match/1", "idle/X_Y"]


@pytest.mark.parametrize("case", cases(SHIPPED), ids=lambda case: case.name)
def test_example_of_a_shipped_detector_holds(case: Case) -> None:
    assert holds(case, SHIPPED)


def test_every_symbol_of_a_shipped_detector_is_shown() -> None:
    assert prove(SHIPPED) == []
