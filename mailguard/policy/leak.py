"""Where data may go: what becomes of personal data and passwords on their way out, as one table.

Rows are the kind of data, columns the way it takes, cells what is done. Inbound mail has no column:
what others send to the school is theirs to answer for. A school changes single cells
(``[policy.data.strong] staff_outside = "hold"``); `check_cells` has what it may not choose.

* A referral is never stopped: to an agency data is at most flagged.
* `own_child` is the way from the school to a parent of *every* pupil whom the message names, and
  `staff_parent` the way to any other parent.
* Governors are staff. A pupil writing to a parent of the school is inside it.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum

from mailguard.policy.relationship import Relationship
from mailguard.policy.taxonomy import DATA, Action, Group
from mailguard.scan.finding import Category, Finding, Leak, Level, ScanReport, Status


class Matter(StrEnum):
    """What kind of data it is: the rows."""

    WEAK = "weak"
    STRONG = "strong"
    STRONG_NAMED = "strong_named"
    """The same in a message that names a pupil of the school."""

    SPECIAL = "special"
    MANY = "many"
    RECIPIENTS = "recipients"
    CREDENTIALS = "credentials"
    OWN = "own"


class Way(StrEnum):
    """From whom to whom: the columns."""

    PUPIL_OUTSIDE = "pupil_outside"
    STAFF_OUTSIDE = "staff_outside"
    STAFF_PARENT = "staff_parent"
    OWN_CHILD = "own_child"
    AGENCY = "agency"
    INSIDE = "inside"


class Treatment(StrEnum):
    """What a cell says, mildest first."""

    RELAY = "relay"
    """No matter in this direction: not even counted."""

    COUNT = "count"
    FLAG = "flag"
    RETURN = "return"
    HOLD = "hold"

    @property
    def action(self) -> Action:
        """What is done with the message."""
        return Action.RELAY if self is Treatment.COUNT else Action(self.value)


Cells = Mapping[Way, Treatment]
Table = Mapping[Matter, Cells]

_TABLE = """
              pupil_outside  staff_outside  staff_parent  own_child  agency  inside
weak          count          count          relay         relay      relay   relay
strong        return         flag           relay         relay      count   relay
strong_named  return         return         return        flag       count   relay
special       hold           return         hold          count      count   count
many          hold           hold           hold          hold       count   flag
recipients    hold           return         return        return     relay   relay
credentials   return         return         return        return     flag    flag
own           return         relay          relay         relay      relay   relay
"""


def _read_table(table: str) -> Table:
    heading, *lines = (line.split() for line in table.strip().splitlines())
    ways = [Way(name) for name in heading]
    return {
        Matter(matter): dict(zip(ways, map(Treatment, treatments), strict=True))
        for matter, *treatments in lines
    }


DEFAULT_TABLE: Table = _read_table(_TABLE)
"""What is done where the school has not chosen otherwise."""


def complete(changes: Table) -> Table:
    """The whole table with these cells instead of the default ones."""
    return {matter: {**cells, **changes.get(matter, {})} for matter, cells in DEFAULT_TABLE.items()}


def check_cells(table: Table) -> Iterator[str]:
    """What is wrong with a school's choices: one sentence each."""
    for matter, cells in table.items():
        treatment = cells.get(Way.AGENCY, Treatment.RELAY)
        if treatment in (Treatment.RETURN, Treatment.HOLD):
            yield (
                f"policy.data.{matter}.agency: {treatment} cannot be chosen, since a referral is "
                "never stopped; write relay, count or flag"
            )


_MEMBERS = frozenset({Group.PUPIL, Group.STAFF, Group.GOVERNOR})


def way_of(relationship: Relationship, *, is_own_child: bool) -> Way | None:
    """The column that a relationship falls in; None where no data leaves the school's hands."""
    author, recipient = relationship.author, relationship.recipient
    if author not in _MEMBERS:
        return None
    if recipient is Group.AGENCY:
        return Way.AGENCY
    if recipient in _MEMBERS:
        return Way.INSIDE
    if recipient is Group.PARENT:
        if author is Group.PUPIL:
            return Way.INSIDE
        return Way.OWN_CHILD if is_own_child else Way.STAFF_PARENT
    return Way.PUPIL_OUTSIDE if author is Group.PUPIL else Way.STAFF_OUTSIDE


def subjects_of(report: ScanReport) -> frozenset[str]:
    """The pupils whom the message is about, as far as the findings know."""
    return frozenset(subject for finding in _acting(report) for subject in finding.subjects)


def names_a_pupil(report: ScanReport) -> bool:
    """Whether anything found is about a pupil of the school, known by name or number."""
    return any(finding.symbol.leak is Leak.PUPIL or finding.subjects for finding in _acting(report))


def matter_of(finding: Finding, *, is_named: bool) -> Matter | None:
    """The row that a finding falls in; None where it is nothing by itself.

    A finding of one person's data that was raised to L3 is about many: its detector counted them.
    """
    leak = finding.symbol.leak or _leak_by_level(finding)
    if leak is Leak.PUPIL:
        return None
    if leak in (Leak.WEAK, Leak.STRONG) and finding.level >= Level.SERIOUS:
        return Matter.MANY
    if leak is Leak.STRONG and is_named:
        return Matter.STRONG_NAMED
    return Matter(leak.value)


def _leak_by_level(finding: Finding) -> Leak:
    """For symbols that say nothing of it."""
    if finding.level is Level.COUNT:
        return Leak.WEAK
    if finding.symbol.category is Category.CREDENTIALS:
        return Leak.CREDENTIALS
    return Leak.MANY if finding.level >= Level.SERIOUS else Leak.STRONG


def _acting(report: ScanReport) -> Iterator[Finding]:
    return (
        finding
        for finding in report.findings
        if finding.symbol.category in DATA and finding.symbol.status is Status.STABLE
    )
