"""What ``scan --explain`` shows: the value after each step of a message's path (docs/flow.md)."""

from collections.abc import Iterator, Sequence

from mailguard.cli.output import printable
from mailguard.cli.scanned import Scanned
from mailguard.extract.sniff import Sniffer
from mailguard.mail.message import Message, parse
from mailguard.mail.text import Extract, MessageView, look
from mailguard.policy.disposition import Disposition
from mailguard.scan.finding import Finding, ScanReport, Span

SHOWN = 4000
"""Characters of one segment: some two pages."""

INDENT = "     "


async def explain(scanned: Scanned) -> tuple[str, ...]:
    """Return the explanation as lines. They hold the message's own text."""
    message = parse(bytes(scanned.transaction.raw.buffer))
    extracts = await Sniffer().extract(message)
    view = look(message, extracts)
    steps = (
        ("accept", _accepted(scanned)),
        ("parse", _parsed(message)),
        ("unpack", _unpacked(extracts)),
        ("look", _looked_at(view)),
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
    for part in message.parts:
        kind = "attachment" if part.is_attachment else "shown"
        charset = f" in {part.charset}" if part.charset else ""
        name = f", {part.filename!r}" if part.filename else ""
        yield (
            f"part {part.number}  {part.content_type}{charset}, {kind}, "
            f"{len(part.data):,} bytes{name}"
        )
    for defect in message.defects:
        yield f"defect in {defect.part or 'the message'}: {defect.name}"


def _unpacked(extracts: Sequence[Extract]) -> Iterator[str]:
    for extract in extracts:
        yield f"part {extract.part}  is {extract.sniffed or 'unknown'} by its content"


def _looked_at(view: MessageView) -> Iterator[str]:
    for segment in view.segments:
        text = segment.folded.text
        yield f"{segment.where} {segment.part}".rstrip()
        yield from (f"  | {line}" for line in text[:SHOWN].splitlines())
        if len(text) > SHOWN:
            yield f"  | … and {len(text) - SHOWN:,} characters more"
    for unread in view.unread:
        yield f"not read: part {unread.part or 'all'}, {unread.reason}"


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
