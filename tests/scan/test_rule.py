"""Rules as texts: the format of docs/design.md §6, and every mistake that does not load."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailguard.errors import RuleError
from mailguard.mail.text import Where
from mailguard.scan.finding import Category, Level, Status
from mailguard.scan.rule import Within, parse_list, parse_rule

FILE = "rules/threat/THREAT_HARM.toml"
DESIGN = Path(__file__).parents[2] / "docs" / "design.md"


def test_rule_of_the_design_document_loads() -> None:
    found = re.search(r"```toml\n(# rules/(.*?\.toml) .*?)```", DESIGN.read_text("utf-8"), re.S)
    assert found

    rule = parse_rule(f"rules/{found[2]}", found[1], {})

    assert rule.symbol.name == "THREAT_HARM_INTENT"
    assert (
        rule.symbol.category,
        rule.symbol.level,
        rule.symbol.status,
    ) == (Category.THREAT, Level.SERIOUS, Status.STABLE)
    assert {Where.SUBJECT, Where.BODY, Where.ATTACHMENT} == rule.places
    assert (
        rule.within,
        len(rule.all),
        len(rule.any),
        len(rule.unless),
    ) == (Within.SENTENCE, 2, 0, 2)
    assert [example.matches for example in rule.examples] == [True, True, False, False]


TOP_LEVEL_MISTAKES = [
    pytest.param({"levle": "3"}, "levle", "did you mean 'level'", id="misspelt key"),
    pytest.param({"symbol": '"THREAT_OTHER"'}, "symbol", "THREAT_OTHER.toml", id="other file"),
    pytest.param({"symbol": '"threat_harm"'}, "symbol", "capital letters", id="small letters"),
    pytest.param({"symbol": ""}, "symbol", "missing", id="no symbol"),
    pytest.param({"category": '"abuse"'}, "category", "folder is 'threat'", id="other folder"),
    pytest.param({"category": '"threats"'}, "category", "'threat'", id="unknown category"),
    pytest.param({"level": "5"}, "level", "from 0 to 4", id="level too high"),
    pytest.param({"level": "-1"}, "level", "from 0 to 4", id="level too low"),
    pytest.param({"level": "true"}, "level", "whole number", id="level true"),
    pytest.param({"level": '"3"'}, "level", "whole number", id="level as text"),
    pytest.param({"status": '"live"'}, "status", "draft, stable, retired", id="unknown status"),
    pytest.param({"says": '"They will hurt someone"'}, "says", "full stop", id="no full stop"),
    pytest.param({"says": '"One. Two."'}, "says", "one sentence", id="two sentences"),
    pytest.param({"says": '"they hurt."'}, "says", "capital", id="small first letter"),
    pytest.param({"says": '"A header is bad."'}, "says", "'header'", id="technical word"),
    pytest.param({"says": f'"{"A" * 140}."'}, "says", "140", id="too long a sentence"),
    pytest.param({"says": '""'}, "says", "not empty", id="says nothing"),
    pytest.param({"clauses": '["3.1.5"]'}, "clauses", "policy:clause", id="clause of no policy"),
    pytest.param({"clauses": '"symphony:3.1.5"'}, "clauses", "list", id="clause not in a list"),
    pytest.param({"clauses": ""}, "clauses", "missing", id="no clauses"),
    pytest.param({"why": ""}, "why", "missing", id="no why"),
    pytest.param({"seals": "true"}, "seals", "imagery", id="seals what is no image"),
    pytest.param({"seals": "1"}, "seals", "true or false", id="seals a number"),
    pytest.param({"leak": '"own"'}, "leak", "personal_data", id="leak of what is no data"),
    pytest.param({"leak": '"mine"'}, "leak", "mine", id="leak of no kind"),
]
MATCH_MISTAKES = [
    pytest.param({"in": "[]"}, "match.in", "at least one", id="nowhere"),
    pytest.param({"in": '["bodi"]'}, "match.in", "did you mean 'body'", id="misspelt place"),
    pytest.param({"in": '["body", "body"]'}, "match.in", "twice", id="place twice"),
    pytest.param({"within": '"line"'}, "match.within", "sentence, paragraph", id="unknown unit"),
    pytest.param({"within": ""}, "match.within", "missing", id="no unit"),
    pytest.param({"all": "[]"}, "match.all", "at least one pattern", id="no pattern"),
    pytest.param({"all": "'''a'''"}, "match.all", "list of texts", id="pattern not in a list"),
    pytest.param({"all": "['''']"}, "", "TOML", id="not TOML"),
    pytest.param({"unless": "['''(?!x)y''']"}, "match.unless", "looks ahead", id="lookaround"),
]


@pytest.mark.parametrize(("changes", "key", "reason"), TOP_LEVEL_MISTAKES + MATCH_MISTAKES)
def test_mistake_is_refused_with_file_and_key(
    rule_text: Callable[..., str], changes: dict[str, str], key: str, reason: str
) -> None:
    text = rule_text(**changes)

    with pytest.raises(RuleError, match=re.escape(reason)) as refused:
        parse_rule(FILE, text, {})

    assert (FILE, key) == (refused.value.file, refused.value.key)


GOOD = '[[examples.match]]\ntext = "a"\n[[examples.match]]\ntext = "b"\n'
BAD = '[[examples.no_match]]\ntext = "c"\n[[examples.no_match]]\ntext = "d"\n'


@pytest.mark.parametrize(
    ("examples", "key", "reason"),
    [
        pytest.param("", "examples", "missing", id="none"),
        pytest.param(GOOD, "examples.no_match", "missing", id="no near misses"),
        pytest.param(BAD + GOOD[:29], "examples.match", "at least 2", id="only one"),
        pytest.param(BAD + GOOD + GOOD[:18], "examples.match[3].text", "missing", id="no text"),
        pytest.param(
            BAD + GOOD + 'body = "x"', "examples.match[2].body", "not a key", id="unknown key"
        ),
        pytest.param(
            BAD + GOOD + 'subject = ""', "examples.match[2].subject", "not empty", id="empty text"
        ),
        pytest.param("[examples]\nmatch = [1, 2]\nno_match = []", "examples.match[1]", "table"),
        pytest.param("[examples]\nmaybe = []", "examples.maybe", "not a key", id="unknown kind"),
    ],
)
def test_examples_are_mandatory_and_checked(
    rule_text: Callable[..., str], examples: str, key: str, reason: str
) -> None:
    text = rule_text(examples)

    with pytest.raises(RuleError, match=reason) as refused:
        parse_rule(FILE, text, {})

    assert key == refused.value.key


def test_pattern_mistake_names_the_pattern(rule_text: Callable[..., str]) -> None:
    text = rule_text(all="['''good''', '''Bad''']")

    with pytest.raises(RuleError, match=r"match\.all: 'Bad' has a capital letter"):
        parse_rule(FILE, text, {})


def test_imagery_rule_may_seal(rule_text: Callable[..., str]) -> None:
    text = rule_text(category='"imagery"', seals="true")

    rule = parse_rule("rules/imagery/THREAT_HARM.toml", text, {})

    assert rule.symbol.seals


def test_example_keys_make_a_whole_message(rule_text: Callable[..., str]) -> None:
    keys = ("text", "subject", "quoted", "attachment", "filename")
    example = "\n".join(f'{key} = "my {key}"' for key in keys)
    text = rule_text(BAD + GOOD + f"[[examples.match]]\n{example}\n")

    raw = parse_rule(FILE, text, {}).examples[2].raw

    assert [True] * len(keys) == [f"my {key}".encode() in raw for key in keys]


def test_digest_changes_with_the_text_and_with_a_word_list(rule_text: Callable[..., str]) -> None:
    text = rule_text(all="['''{{verbs}}''']")
    lists, others = {"verbs": ("hurt",)}, {"verbs": ("hurt", "stab")}

    digests = [
        parse_rule(FILE, text, lists).digest,
        parse_rule(FILE, text, lists).digest,
        parse_rule(FILE, text + "# more", lists).digest,
        parse_rule(FILE, text, others).digest,
    ]

    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_list_mistake_names_the_file() -> None:
    with pytest.raises(RuleError, match=r"^rules/_lists/verbs\.txt: line 1"):
        parse_list("rules/_lists/verbs.txt", "Hurt")


@given(st.text(max_size=200))
def test_any_text_is_a_rule_or_a_rule_error(text: str) -> None:
    with pytest.raises(RuleError):
        parse_rule(FILE, text, {})
