"""A ScanReport as JSON values and back: for evidence, and for reports out of a worker process.

What comes in is not trusted (a worker may be taken over by what it read): every key, type and range
is checked, and a finding can only name a symbol that is known here.
"""

from collections.abc import Mapping
from typing import Any

from mailguard.mail.text import Where
from mailguard.scan.finding import Finding, Level, ScanReport, Span, Symbol, Unscanned

_REPORT_KEYS = {"findings", "unscanned", "ruleset", "failed"}
_FINDING_KEYS = {"symbol", "level", "part", "where", "count", "spans", "subjects"}
_SPAN_KEYS = {"part", "where", "start", "end"}
_UNSCANNED_KEYS = {"part", "reason"}


def report_to_json(report: ScanReport) -> dict[str, Any]:
    """Return `report` as dicts, lists, strings and numbers; symbols by name only."""
    return {
        "ruleset": report.ruleset,
        "findings": [_finding_to_json(finding) for finding in report.findings],
        "unscanned": [{"part": u.part, "reason": u.reason} for u in report.unscanned],
        "failed": list(report.failed),
    }


def _finding_to_json(finding: Finding) -> dict[str, Any]:
    return {
        "symbol": finding.symbol.name,
        "level": int(finding.level),
        "part": finding.part,
        "where": finding.where and str(finding.where),
        "count": finding.count,
        "spans": [
            {"part": span.part, "where": str(span.where), "start": span.start, "end": span.end}
            for span in finding.spans
        ],
        "subjects": list(finding.subjects),
    }


def report_from_json(value: object, symbols: Mapping[str, Symbol]) -> ScanReport:
    """Return the report that :func:`report_to_json` turned into `value`.

    Raises :class:`ValueError` for anything that it cannot have written.
    """
    report = _table(value, _REPORT_KEYS)
    return ScanReport(
        findings=tuple(_read_finding(f, symbols) for f in _list(report["findings"])),
        unscanned=tuple(_read_unscanned(u) for u in _list(report["unscanned"])),
        ruleset=_text(report["ruleset"]),
        failed=tuple(_text(name) for name in _list(report["failed"])),
    )


def _read_finding(value: object, symbols: Mapping[str, Symbol]) -> Finding:
    finding = _table(value, _FINDING_KEYS)
    name = _text(finding["symbol"])
    if name not in symbols:
        raise ValueError("a finding has an unknown symbol")
    where = finding["where"]
    return Finding(
        symbol=symbols[name],
        level=Level(_number(finding["level"])),
        part=_text(finding["part"]),
        where=None if where is None else Where(_text(where)),
        count=_number(finding["count"]),
        spans=tuple(_read_span(span) for span in _list(finding["spans"])),
        subjects=tuple(_text(subject) for subject in _list(finding["subjects"])),
    )


def _read_span(value: object) -> Span:
    span = _table(value, _SPAN_KEYS)
    start, end = _number(span["start"]), _number(span["end"])
    if start > end:
        raise ValueError("a span ends before it begins")
    return Span(part=_text(span["part"]), where=Where(_text(span["where"])), start=start, end=end)


def _read_unscanned(value: object) -> Unscanned:
    unscanned = _table(value, _UNSCANNED_KEYS)
    return Unscanned(part=_text(unscanned["part"]), reason=_text(unscanned["reason"]))


def _table(value: object, keys: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict) or value.keys() != keys:
        raise ValueError(f"is not a table of {', '.join(sorted(keys))}")
    return value


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("is not a list")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("is not a text")
    return value


def _number(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("is not a whole number of at least 0")
    return value
