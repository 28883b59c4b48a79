"""Read from ``evidence.json`` what a digest may say of a message: the rules' own words."""

import json
from typing import Any

from mailguard.quarantine.held import HeldMessage
from mailguard.report.digest import Case
from mailguard.scan.finding import Status

REASONS = 3
"""Sentences shown: the weightiest ones say enough to open it or not."""

LONGEST = 300
"""Characters of one; the longest of our own rules has some ninety."""


def read_case(held: HeldMessage, evidence: bytes | None) -> Case:
    """Put `held` together with its evidence; None, or what is no evidence, is said to be damaged.

    Only the rules' own sentences are taken, and only those of findings that weighed.
    """
    if evidence is None:
        return Case(held=held, is_readable=False)
    try:
        document = json.loads(evidence)
        reasons = _reasons(document)
        return Case(held=held, reasons=reasons[:REASONS], clauses=_clauses(document, reasons))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Case(held=held, is_readable=False)


def _reasons(document: dict[str, Any]) -> tuple[str, ...]:
    verdicts = [disposition["verdict"] for disposition in document["dispositions"]]
    verdicts.sort(key=lambda verdict: -verdict["level"])
    return tuple(
        dict.fromkeys(_sentence(reason) for verdict in verdicts for reason in verdict["reasons"])
    )


def _clauses(document: dict[str, Any], reasons: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(
            _sentence(clause)
            for finding in document["findings"]
            if finding["status"] == Status.STABLE and _sentence(finding["says"]) in reasons
            for clause in finding["clauses"]
        )
    )


def _sentence(text: str) -> str:
    return " ".join(text.split())[:LONGEST]
