"""A small school with everybody in it, and builders for what a scan finds."""

from collections.abc import Callable

import pytest

from mailguard.mail.message import Mailbox, Message
from mailguard.policy.directory import Directory, build_directory, read_directory
from mailguard.policy.settings import Policy
from mailguard.scan.finding import (
    Category,
    Finding,
    Level,
    ScanReport,
    Status,
    Symbol,
    Unscanned,
)
from mailguard.testing import SCHOOL

PEOPLE = """address,name,group,year,born,upn,of
head@elmpark.example,Joan Smith,staff,,,,
j.smith@elmpark.example,Joan Smith,staff,,,,
ana@pupils.elmpark.example,Ana Reed,pupil,3,,A123456789012,
ben@pupils.elmpark.example,Ben Oak,pupil,5,,,
cai@pupils.elmpark.example,Cai Ash,pupil,6,,,
mum@home.example,May Reed,parent,,,,ana@pupils.elmpark.example
gwen@law.example,Gwen Lee,governor,,,,
"""


@pytest.fixture(scope="session")
def directory() -> Directory:
    """Elm Park: pupils by domain, staff by the rest, one family, one governor."""
    return build_directory(
        SCHOOL,
        people=read_directory(PEOPLE),
        pupils=["*@pupils.elmpark.example"],
        staff=["*@elmpark.example"],
        helplines=["counsellor@elmpark.example"],
        confidants=["solicitor.example"],
        agencies=["council.example"],
    )


@pytest.fixture(scope="session")
def policy(directory: Directory) -> Policy:
    """Elm Park's policy, all defaults."""
    return Policy(directory=directory)


@pytest.fixture(scope="session")
def found() -> Callable[..., Finding]:
    """Build a finding: ``found("threat", 2)``."""

    def build(
        category: str,
        level: int = 2,
        *,
        name: str = "",
        says: str = "",
        status: Status = Status.STABLE,
        seals: bool = False,
    ) -> Finding:
        symbol = Symbol(
            name=name or f"{category.upper()}_SAMPLE",
            category=Category(category),
            level=Level(level),
            says=says or f"The writer does {category}.",
            clauses=(),
            status=status,
            seals=seals,
        )
        return Finding(symbol=symbol, level=Level(level), part="1", where=None)

    return build


@pytest.fixture(scope="session")
def report() -> Callable[..., ScanReport]:
    """Build a report: ``report(found("threat"), unscanned=["encrypted"])``."""

    def build(*findings: Finding, unscanned: list[str] | tuple[str, ...] = ()) -> ScanReport:
        return ScanReport(
            findings=findings,
            unscanned=tuple(Unscanned(part="2", reason=reason) for reason in unscanned),
            ruleset="0123456789abcdef",
        )

    return build


@pytest.fixture(scope="session")
def message() -> Callable[..., Message]:
    """Build a parsed message whose From header has these addresses."""

    def build(*from_: str, headers: tuple[tuple[str, str], ...] = ()) -> Message:
        return Message(
            headers=headers,
            subject="A message",
            from_=tuple(Mailbox(name="", address=address) for address in from_),
            to=(),
            message_id="",
            parts=(),
            defects=(),
            unread=(),
        )

    return build
