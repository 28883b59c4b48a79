r"""A check as data: one TOML text becomes one :class:`Rule`, or a `RuleError` says why it does not.

The format is shown in docs/design.md §6. All keys are needed but ``seals``, ``leak``, ``unless``,
and one of ``all`` and ``any``; a key that is not named here is refused.

Top level
    ``symbol`` (the file's name), ``category`` (its folder), ``level`` 0-4, ``status`` draft, stable
    or retired, ``says`` (one plain sentence with a full stop), ``clauses`` (``policy:clause``; may
    be empty), ``why``, ``seals = true`` for suspected illegal imagery, and ``leak`` for what kind
    of data it shows, in the categories personal_data and credentials only.
``[match]``
    ``in``: one or more of subject, body, quoted, attachment, filename; quoted text is searched only
    when it is named. ``within``: sentence, paragraph or message (all text of the places in ``in``
    together). Then patterns: every one of ``all`` and at least one of ``any`` must occur in the
    same unit, and none of ``unless``.
``[[examples.match]]``, ``[[examples.no_match]]``
    At least two of each. Keys, at least one of the first five: ``text`` (the body), ``subject``,
    ``quoted`` (a reply's quotation below the text), ``attachment`` (the text of an attached file),
    ``filename`` (of that file); and ``why``.

Patterns are written between ``'''`` in plain lower-case ASCII letters. The text they see is folded
already; a line end inside a unit is a space, so a plain space between words is enough; ``.`` is any
one character. The engine is linear in time (Vectorscan), so there are no lookarounds,
back-references or inline flags, and no ``^`` or ``$``: a sentence has no fixed ends. A gap such as
``.{0,40}`` is bounded: above 100 characters it compiles slowly or not at all, and two lines of
``all`` say it better. A pattern that begins with a rare word costs next to nothing; one that begins
with a word of every mail (he, to, you) and goes on with a gap is looked at all the time.

``{{NAME}}`` in a pattern stands for any one phrase of the word list ``rules/_lists/NAME.txt``, as a
group: ``\b{{harm_verbs}}\b``. A list has one phrase a line in lower-case ASCII; ``#`` starts a
comment, empty lines are skipped. A phrase is plain text, not a pattern, with two kindnesses: the
writer may leave out its apostrophes (``don't`` is also ``dont``), and a space is also a hyphen. A
list adds no ``\b``: write them around it. With its lists filled in, a pattern may have 16,000
characters; a list of more than 300 phrases is better cut in two, for it compiles slowly.
"""

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from mailguard.errors import RuleError
from mailguard.mail.text import Where
from mailguard.scan.example import EXAMPLES_NEEDED, Example, compose
from mailguard.scan.finding import Category, Leak, Level, Status, Symbol
from mailguard.scan.pattern import expand, parse_phrases
from mailguard.scan.table import Table


class Within(StrEnum):
    """The unit in which all patterns of a rule must occur together."""

    SENTENCE = "sentence"
    PARAGRAPH = "paragraph"
    MESSAGE = "message"
    """All text of the places that the rule names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule, checked; its patterns are ready for the engine, word lists filled in."""

    file: str
    symbol: Symbol
    why: str
    places: frozenset[Where]
    within: Within
    all: tuple[str, ...]
    any: tuple[str, ...]
    unless: tuple[str, ...]
    examples: tuple[Example, ...]
    digest: str
    """SHA-256 in hex of the file and of the word lists in it: changes whenever the rule does."""


def parse_list(file: str, text: str) -> tuple[str, ...]:
    """Return the phrases of a word list; raises :class:`RuleError` naming `file` and the line."""
    try:
        return parse_phrases(text)
    except ValueError as error:
        raise RuleError(file, str(error)) from error


def parse_rule(file: str, text: str, lists: Mapping[str, tuple[str, ...]]) -> Rule:
    """Return the rule that `text` describes; raises :class:`RuleError` for the first mistake.

    `file` is the path it was read from, ``…/<category>/<SYMBOL>.toml``; `lists` maps the names of
    word lists to their phrases.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RuleError(file, f"is not TOML: {error}") from error
    top = Table(file, "", values, _KEYS)
    match = Table(file, "match", top.value("match"), _MATCH_KEYS)
    patterns = {key: _read_patterns(match, key, lists) for key in ("all", "any", "unless")}
    if not patterns["all"] and not patterns["any"]:
        match.refuse("all", "or `any` must have at least one pattern")
    return Rule(
        file=file,
        symbol=_read_symbol(top),
        why=top.text("why"),
        places=frozenset(match.choices("in", Where)),
        within=match.choice("within", Within),
        examples=_read_examples(top),
        digest=hashlib.sha256("\0".join((text, *map(str, patterns.values()))).encode()).hexdigest(),
        **patterns,
    )


_KEYS = (
    "symbol",
    "category",
    "level",
    "status",
    "says",
    "clauses",
    "why",
    "seals",
    "leak",
    "match",
    "examples",
)
_MATCH_KEYS = ("in", "within", "all", "any", "unless")
_EXAMPLE_KEYS = ("text", "subject", "quoted", "attachment", "filename", "why")

_SYMBOL = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*")
_CLAUSE = re.compile(r"[a-z][a-z0-9_-]*:[A-Za-z0-9][A-Za-z0-9._-]*")

_TECHNICAL = re.compile(
    r"\b(algorithm|boolean|checksum|detector|executable|hash|header|heuristic|html|metadata|mime"
    r"|parser|pattern|payload|regex|score|smtp|string|symbol|token|url)s?\b",
    re.IGNORECASE,
)
"""Words that a headteacher should not have to read."""

_LONGEST_SENTENCE = 140
"""What fits on two lines of the digest on a phone."""


def _read_symbol(top: Table) -> Symbol:
    symbol = Symbol(
        name=top.text("symbol"),
        category=top.choice("category", Category),
        level=Level(top.number("level", range(5))),
        says=_read_says(top),
        clauses=_read_clauses(top),
        status=top.choice("status", Status),
        seals=top.flag("seals"),
        leak=top.choice("leak", Leak) if top.has("leak") else None,
    )
    path = PurePosixPath(top.file)
    if not _SYMBOL.fullmatch(symbol.name):
        top.refuse("symbol", "must be in capital letters, digits and single underscores")
    if path.name != f"{symbol.name}.toml":
        top.refuse("symbol", f"is {symbol.name}, so the file must be called {symbol.name}.toml")
    if path.parent.name != symbol.category:
        top.refuse("category", f"is {symbol.category}, but the folder is {path.parent.name!r}")
    if symbol.category is Category.UNSCANNED:
        top.refuse("category", "is for what could not be read; no rule can find that")
    if symbol.seals and symbol.category is not Category.IMAGERY:
        top.refuse("seals", "is for the category imagery only")
    if symbol.leak and symbol.category not in (Category.PERSONAL_DATA, Category.CREDENTIALS):
        top.refuse("leak", "is for the categories personal_data and credentials only")
    return symbol


def _read_clauses(top: Table) -> tuple[str, ...]:
    top.value("clauses")  # none must be said, not forgotten
    clauses = top.texts("clauses")
    for clause in clauses:
        if not _CLAUSE.fullmatch(clause):
            top.refuse("clauses", f"{clause!r} must be written policy:clause")
    return clauses


def _read_says(top: Table) -> str:
    says = top.text("says")
    if not says.endswith("."):
        top.refuse("says", "must end with a full stop")
    if re.search(r"[.!?]\s|\n", says):
        top.refuse("says", "must be one sentence")
    if not says[0].isupper():
        top.refuse("says", "must begin with a capital letter")
    if len(says) > _LONGEST_SENTENCE:
        top.refuse("says", f"has {len(says)} characters; {_LONGEST_SENTENCE} are allowed")
    if technical := _TECHNICAL.search(says):
        top.refuse("says", f"has the technical word {technical[0]!r}; write for a headteacher")
    return says


def _read_patterns(match: Table, key: str, lists: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    expanded = []
    for pattern in match.texts(key):
        try:
            expanded.append(expand(pattern, lists))
        except ValueError as error:
            match.refuse(key, f"{pattern!r} {error}")
    return tuple(expanded)


def _read_examples(top: Table) -> tuple[Example, ...]:
    tables = Table(top.file, "examples", top.value("examples"), ("match", "no_match"))
    return tuple(example for key in ("match", "no_match") for example in _read_kind(tables, key))


def _read_kind(tables: Table, key: str) -> Iterator[Example]:
    entries = tables.value(key)
    if not isinstance(entries, list) or len(entries) < EXAMPLES_NEEDED:
        tables.refuse(key, f"needs at least {EXAMPLES_NEEDED} examples")
    for number, entry in enumerate(entries, 1):
        name = f"examples.{key}[{number}]"
        table = Table(tables.file, name, entry, _EXAMPLE_KEYS)
        given = {name: table.text(name) for name in _EXAMPLE_KEYS if table.has(name)}
        why = given.pop("why", "")
        if not given:
            table.refuse("text", "is missing")
        yield Example(matches=key == "match", raw=compose(**given), why=why)
