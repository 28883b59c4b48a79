"""What ``scan --explain`` shows: the value after each step of a message's path (docs/flow.md)."""

import re
from collections.abc import Iterator, Sequence
from itertools import chain, islice

from mailguard.cli.message_tree import draw_message
from mailguard.cli.output import printable
from mailguard.cli.scanned import Scanned
from mailguard.extract.cage import Cage
from mailguard.extract.unpack import unpack_each
from mailguard.mail.fold import Folded
from mailguard.mail.html import Page
from mailguard.mail.message import Message, parse
from mailguard.mail.text import MessageView, Segment, Where, look
from mailguard.policy.disposition import Disposition
from mailguard.scan.finding import Finding, ScanReport, Span
from mailguard.scan.matcher import Matcher
from mailguard.scan.registry import Ruleset

SHOWN = 4000
"""Characters of one segment: some two pages."""

INDENT = "     "

MANY = 20
"""Words shown of those that folding changed in one segment."""

_WORD = re.compile(r"[^\s\"'(),.;:!?]+")


def explain(scanned: Scanned, ruleset: Ruleset, cage: Cage, seconds: float) -> tuple[str, ...]:
    """Return the explanation as lines. They hold the message's own text."""
    message = parse(bytes(scanned.transaction.raw.buffer))
    unpacked = unpack_each(message, cage, seconds)
    cage.renew()
    extracts = tuple(extract for extract, _ in unpacked)
    readings = {extract.part: reading for extract, reading in unpacked if reading}
    view = look(message, extracts)
    steps = (
        ("accept", _accepted(scanned)),
        ("parse", _parsed(message)),
        ("unpack", draw_message(message, view, extracts, readings)),
        ("look", _looked_at(view, ruleset.matcher)),
        ("scan", _found(scanned.judgement.report, view)),
        ("weigh", _weighed(scanned.judgement.dispositions)),
        ("dispose", _disposed(scanned.judgement.dispositions)),
    )
    lines = [printable(scanned.name)]
    for number, (step, shown) in enumerate(steps, 1):
        lines.append(f"{number}  {step}")
        lines += [INDENT + printable(line) for line in shown]
    return (*lines, "")


def _accepted(scanned: Scanned) -> Iterator[str]:
    transaction = scanned.transaction
    yield f"from    <{transaction.envelope.sender.address}>, {transaction.session.origin}"
    for path in transaction.envelope.recipients:
        yield f"to      <{path.address}>"
    yield f"bytes   {transaction.raw.size:,}, SHA-256 {transaction.raw.sha256}"


def _parsed(message: Message) -> Iterator[str]:
    yield f"{len(message.headers)} fields of header, {len(message.parts)} parts"
    for defect in message.defects:
        yield f"defect in {defect.part or 'the message'}: {defect.name}"


def _looked_at(view: MessageView, matcher: Matcher) -> Iterator[str]:
    for segment in view.segments:
        text = segment.folded.text
        yield f"{segment.where} {segment.part}".rstrip()
        yield from (f"  | {line}" for line in text[:SHOWN].splitlines())
        if len(text) > SHOWN:
            yield f"  | … and {len(text) - SHOWN:,} characters more"
        readings = (segment.folded, *matcher.readings(segment))
        changes = dict.fromkeys(chain.from_iterable(_changes(segment, each) for each in readings))
        yield from (f"  {written!r} is read as {read!r}" for written, read in islice(changes, MANY))
        if len(changes) > MANY:
            yield f"  … and {len(changes) - MANY:,} others"
        yield from _apart(segment)
    for page in view.pages:
        yield from _led_to(page)
    for unread in view.unread:
        yield f"not read: part {unread.part or 'all'}, {unread.reason}"


def _apart(segment: Segment) -> Iterator[str]:
    """What is no part of what the author shows."""
    for start, end in segment.hidden[:MANY]:
        if hidden := segment.text[start:end].strip():
            yield f"  hidden from the reader: {hidden[:SHOWN]!r}"
    closing = segment.text[segment.closing :].strip() if segment.where is Where.BODY else ""
    if closing:
        yield f"  signature or disclaimer: {closing[:SHOWN]!r}"


def _led_to(page: Page) -> Iterator[str]:
    """Where the links of a page lead, and its pictures."""
    for link in page.links[:MANY]:
        yield f"link {link.text!r} leads to {link.target!r}"
    if page.remote_images or page.inline_images:
        yield f"pictures: {page.remote_images} from elsewhere, {page.inline_images} in the message"


def _changes(segment: Segment, folded: Folded) -> Iterator[tuple[str, str]]:
    """Words that folding made others, as written and as read; capitals apart."""
    for word in _WORD.finditer(folded.text):
        start, end = folded.span(*word.span())
        written = segment.text[start:end]
        if written.lower() != word[0]:
            yield written, word[0]


def _found(report: ScanReport, view: MessageView) -> Iterator[str]:
    yield f"ruleset {report.ruleset}"
    for finding in report.findings:
        yield _title(finding)
        yield f"  {finding.symbol.says}"
        yield from (f"  | {words}" for words in _words(finding.spans, view))
    for unscanned in report.unscanned:
        yield f"not read: part {unscanned.part or 'all'}, {unscanned.reason}"
    yield from (f"failed: {check}" for check in report.failed)


def _title(finding: Finding) -> str:
    place = f" in {finding.where} {finding.part}".rstrip() if finding.where else ""
    clauses = f" ({', '.join(finding.symbol.clauses)})" if finding.symbol.clauses else ""
    return (
        f"{finding.symbol.name} {finding.symbol.category} L{finding.level}"
        f"{place}, {finding.count}×{clauses}"
    )


def _words(spans: Sequence[Span], view: MessageView) -> Iterator[str]:
    """The words of the message, as written, that each span is about."""
    texts = {(segment.part, segment.where): segment.text for segment in view.segments}
    for span in spans:
        yield " ".join(texts.get((span.part, span.where), "")[span.start : span.end].split())


def _weighed(dispositions: Sequence[Disposition]) -> Iterator[str]:
    for verdict in {d.relationship: d.verdict for d in dispositions}.values():
        levels = ", ".join(f"{category} L{level}" for category, level in verdict.levels)
        yield f"{verdict.relationship}: {levels or 'nothing'}"
        yield from (f"  {reason}" for reason in verdict.reasons)


def _disposed(dispositions: Sequence[Disposition]) -> Iterator[str]:
    for disposition in dispositions:
        alert = ", alert" if disposition.alert else ""
        unlisted = ", unlisted" if disposition.unlisted else ""
        yield f"{disposition.action}{alert}{unlisted} for <{disposition.address}>"
