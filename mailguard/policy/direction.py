"""What a finding weighs in each direction: the direction matrix, as one table.

Rows are author and recipient, columns what a finding is about. A cell says what becomes of the
finding's level there; `EFFECTS` explains each sign.

* A row that is missing is ``=`` throughout: two people whom the school does not know.
* Governors are staff (who reviews their items is told in `mailguard.policy.visibility`).
* Helplines, confidants and agencies are outside where they have no row of their own.
* Spoofed authors are outside ones, raised once more and never delivered for kindness; an attack in
  such mail is at least held.
* Personal data and passwords have a table of their own: :mod:`mailguard.policy.leak`.
* Cues that need a memory (repetition, a first contact) do not raise anything yet.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from mailguard.policy.relationship import Relationship
from mailguard.policy.taxonomy import Group
from mailguard.scan.finding import Category, Level, Symbol


class Column(StrEnum):
    """What a finding is about, as coarsely as direction matters; the names are the headings."""

    ABUSE = "abuse"
    THREAT = "threat"
    SEXUAL = "sexual"
    """Sexual content and imagery; a seal cue seals in every direction."""

    GROOMING = "groom"
    CONDUCT = "conduct"
    """The boundary between a grown-up and a child; between others it is no matter."""

    AT_RISK = "at_risk"
    """The author, or somebody they write about, is hurt or in danger: never an offence."""

    INCITEMENT = "incite"
    """Self-harm urged upon somebody else, or explained to them."""

    COMMERCIAL = "trade"
    OTHER = "other"
    """Every other behaviour: hate, extremism, drugs, weapons, crime, disrepute."""

    HOSTILE = "hostile"
    """Malware and phishing. Not in the table: no direction excuses them."""

    PLAIN = "plain"
    """The rest. Not in the table: no direction matters, or for data another table says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What becomes of a finding in one direction."""

    ladder: str
    """The new level for each of L0 to L4: ``02344`` raises by one. L0 stays L0: a statistic is no
    opinion, and does not become one by being sent to a child."""

    delivers: Level | None = None
    """Up to this level the finding does not stop the message; None where it may."""

    alerts: bool = False
    """Somebody must be told at once from L2 on, not only at L4."""

    also: Category | None = None
    """A second category that the finding counts for."""

    def level(self, level: Level) -> Level:
        """Return what `level` becomes."""
        return Level(int(self.ladder[level]))


EFFECTS: Mapping[str, Effect] = {
    "=": Effect(ladder="01234"),
    # No matter in this direction, but counted: contact between grown-ups, a referral that quotes
    # what it is about.
    "–": Effect(ladder="00000"),
    "▲": Effect(ladder="02344"),
    "▲▲": Effect(ladder="03444"),
    "▲4": Effect(ladder="02444"),
    "▲3": Effect(ladder="01334"),
    "≤1": Effect(ladder="01111"),
    "≤2": Effect(ladder="01222"),
    # Lowered; abuse of staff itself is L2.
    "▼≤2": Effect(ladder="00122"),
    # Lowered and delivered: a complaint must arrive, however angry it is.
    "▼✉": Effect(ladder="00123", delivers=Level.CRITICAL),
    # The same from a known address, of which a note is enough.
    "▼≤1✉": Effect(ladder="00111", delivers=Level.CRITICAL),
    "✉": Effect(ladder="01234", delivers=Level.CRITICAL),
    # Delivered, and the safeguarding lead is told beside it.
    "✉!": Effect(ladder="01234", delivers=Level.CRITICAL, alerts=True),
    # May be held, but then the safeguarding lead is told at once.
    "!": Effect(ladder="01234", alerts=True),
    # Raised, and a matter of the author's professional conduct.
    "▲con": Effect(ladder="02344", also=Category.CONDUCT),
    # A low-level concern goes to the head beside delivery; only L4 stops the message.
    "✉<4": Effect(ladder="01234", delivers=Level.SERIOUS),
}

_TABLE = """
                abuse threat sexual groom conduct at_risk incite trade other
pupil   pupil   =     =      =      =     –       ✉!      ▲      =     =
pupil   staff   ▼≤2   =      ▲      =     –       ✉!      ▲      –     =
pupil   parent  =     =      =      =     –       ✉!      ▲      –     =
pupil   agency  =     =      =      =     –       ✉!      ▲      –     =
pupil   outside ▲     ▲      ▲      =     –       !       ▲      =     =
staff   pupil   ▲con  ▲4     ▲4     ▲▲    ✉<4     ≤1      ▲4     ≤1    =
staff   staff   ≤1    =      ▲3     –     –       –       =      ≤1    =
staff   parent  ≤1    =      =      –     –       –       =      –     =
staff   agency  –     –      –      –     –       –       –      –     –
staff   outside =     =      ▲      –     –       –       =      =     =
parent  pupil   =     =      =      =     –       ✉       ▲      ≤1    =
parent  staff   ▼≤1✉  =      =      –     –       ✉       =      –     =
outside pupil   ▲     ▲4     ▲      ▲▲    ▲▲      ▲       ▲      ≤2    =
outside staff   ▼✉    =      =      –     –       ✉       =      ≤1    =
agency  staff   ≤1    ≤1     ≤1     –     –       ≤1      ≤1     –     ≤1
"""

_BASE = EFFECTS["="]
_UP = EFFECTS["▲"]
_AGE_GAP = _UP
"""Contact cues between two pupils who are years apart."""

_ATTACK_FROM_SPOOFED = Effect(ladder="02234")

_TABLE_COLUMNS = frozenset(Column) - {Column.HOSTILE, Column.PLAIN}
_NOT_BEHAVIOUR = frozenset({Column.COMMERCIAL})

Row = Mapping[Column, Effect]


def _read_table(table: str) -> Mapping[tuple[Group, Group], Row]:
    heading, *lines = (line.split() for line in table.strip().splitlines())
    columns = [Column(name) for name in heading]
    return {
        (Group(author), Group(recipient)): dict(
            zip(columns, (EFFECTS[sign] for sign in signs), strict=True)
        )
        for author, recipient, *signs in lines
    }


_ROWS = _read_table(_TABLE)


def _derive_row(author: Group, recipient: Group) -> Row:
    """Find the row for any two groups; empty where there is none."""
    match author:
        case Group.SPOOFED:
            return _spoof(_derive_row(Group.OUTSIDE, recipient))
        case Group.GOVERNOR:
            return _derive_row(Group.STAFF, recipient)
        case Group.HELPLINE | Group.CONFIDANT | Group.AGENCY:
            stranger = _derive_row(Group.OUTSIDE, recipient)
        case _:
            stranger = {}
    adult = Group.STAFF if recipient is Group.GOVERNOR else recipient
    return _ROWS.get((author, adult), stranger)


def _spoof(row: Row) -> Row:
    raised = {column: _raise(row.get(column, _BASE)) for column in _TABLE_COLUMNS - _NOT_BEHAVIOUR}
    return {**row, **raised, Column.HOSTILE: _ATTACK_FROM_SPOOFED}


def _raise(effect: Effect) -> Effect:
    return Effect(ladder="".join(_UP.ladder[int(level)] for level in effect.ladder))


MATRIX: Mapping[tuple[Group, Group], Row] = {
    (author, recipient): _derive_row(author, recipient) for author in Group for recipient in Group
}
"""Every author and recipient; a column that is missing is ``=``."""

_COLUMNS: Mapping[Category, Column] = {
    Category.ABUSE: Column.ABUSE,
    Category.OFFENSIVE: Column.ABUSE,
    Category.THREAT: Column.THREAT,
    Category.SEXUAL: Column.SEXUAL,
    Category.IMAGERY: Column.SEXUAL,
    Category.GROOMING: Column.GROOMING,
    Category.CONDUCT: Column.CONDUCT,
    Category.SELF_HARM: Column.AT_RISK,
    Category.DISCLOSURE: Column.AT_RISK,
    Category.COMMERCIAL: Column.COMMERCIAL,
    Category.MALWARE: Column.HOSTILE,
    Category.PHISHING: Column.HOSTILE,
    **dict.fromkeys(
        (
            Category.HATE,
            Category.EXTREMISM,
            Category.DRUGS,
            Category.WEAPONS,
            Category.CRIME,
            Category.DISREPUTE,
        ),
        Column.OTHER,
    ),
    **dict.fromkeys(
        (
            Category.GAMBLING,
            Category.COPYRIGHT,
            Category.VOLUME,
            Category.UNSCANNED,
            Category.PERSONAL_DATA,
            Category.CREDENTIALS,
        ),
        Column.PLAIN,
    ),
}

_INCITEMENT = ("ENCOURAG", "INCIT", "KYS", "METHOD", "PACT")
"""A self-harm symbol with one of these in its name is about harm to somebody else, or about how to
do it; every other one is about a person at risk, who is never held back for it."""


def column_of(symbol: Symbol) -> Column:
    """The column of the matrix that `symbol` falls in."""
    if symbol.category is Category.SELF_HARM and any(word in symbol.name for word in _INCITEMENT):
        return Column.INCITEMENT
    return _COLUMNS[symbol.category]


def effect_of(symbol: Symbol, relationship: Relationship) -> Effect:
    """What becomes of a finding of `symbol` within `relationship`."""
    column = column_of(symbol)
    if relationship.has_age_gap and column is Column.GROOMING:
        return _AGE_GAP
    return MATRIX[relationship.author, relationship.recipient].get(column, _BASE)
