"""One judged message: as the JSON that programs rely on, and in a few lines for a person."""

from collections.abc import Iterator
from dataclasses import dataclass

from mailguard.cli.output import printable
from mailguard.mail.envelope import Transaction
from mailguard.policy.disposition import strictest
from mailguard.policy.judge import Judgement
from mailguard.scan.finding import Finding, Status, Unscanned


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanned:
    """A message, by the name it was found under, and what the judging core says about it."""

    name: str
    transaction: Transaction
    judgement: Judgement
    ms: float
    """What judging took."""

    @property
    def level(self) -> int:
        """The highest for any recipient."""
        return max(d.verdict.level for d in self.judgement.dispositions)

    @property
    def categories(self) -> dict[str, int]:
        """Each category with its highest level for any recipient, strictest first."""
        levels: dict[str, int] = {}
        for disposition in self.judgement.dispositions:
            for category, level in disposition.verdict.levels:
                levels[category.value] = max(level, levels.get(category.value, 0))
        return dict(sorted(levels.items(), key=lambda item: -item[1]))


def to_json(scanned: Scanned) -> dict[str, object]:
    """The keys of docs/design.md §7: a contract. There is no message text in it."""
    judgement = scanned.judgement
    chief = strictest(judgement.dispositions)
    return {
        "path": scanned.name,
        "level": int(scanned.level),
        "sealed": any(d.verdict.sealed for d in judgement.dispositions),
        "disposition": chief.action.value,
        "relationship": str(chief.relationship),
        "recipients": [
            {
                "address": d.address,
                "relationship": str(d.relationship),
                "disposition": d.action.value,
            }
            for d in judgement.dispositions
        ],
        "categories": {category: int(level) for category, level in scanned.categories.items()},
        "findings": [_finding(finding) for finding in judgement.report.findings],
        "unscanned": [
            {"part": each.part, "reason": each.reason} for each in judgement.report.unscanned
        ],
        "sha256": scanned.transaction.raw.sha256,
        "ms": round(scanned.ms, 1),
    }


def summarise(scanned: Scanned) -> Iterator[str]:
    """What becomes of the message on one line, and below it why."""
    judgement = scanned.judgement
    chief = strictest(judgement.dispositions)
    alert = "  alert" if any(d.alert for d in judgement.dispositions) else ""
    yield f"{chief.action.value:6} L{scanned.level}  {printable(scanned.name)}{alert}"
    if len({d.action for d in judgement.dispositions}) > 1:
        for d in judgement.dispositions:
            yield f"           {d.action.value:6} for {printable(d.address)} ({d.relationship})"
    for finding in judgement.report.findings:
        yield f"           {finding.symbol.says} [{_where(finding)}]"
    for each in judgement.report.unscanned:
        yield f"           Not read: {_what(each)} ({each.reason})."


def _finding(finding: Finding) -> dict[str, object]:
    return {
        "symbol": finding.symbol.name,
        "category": finding.symbol.category.value,
        "level": int(finding.level),
        "part": finding.part,
        "says": finding.symbol.says,
        "count": finding.count,
    }


def _where(finding: Finding) -> str:
    times = f", {finding.count} times" if finding.count > 1 else ""
    draft = ", draft" if finding.symbol.status is Status.DRAFT else ""
    return f"{finding.symbol.name} L{finding.level}{times}{draft}"


def _what(unscanned: Unscanned) -> str:
    return f"part {unscanned.part}" if unscanned.part else "the message"
