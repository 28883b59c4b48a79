"""One message through MailGuard: what was found, what would become of it, and what it took."""

from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter, process_time

from mailguard.extract.cage import Cage
from mailguard.extract.unpack import unpack
from mailguard.mail.message import parse
from mailguard.mail.text import MessageView, Where, look
from mailguard.policy.judge import conclude
from mailguard.policy.leak import Way, matter_of, names_a_pupil
from mailguard.policy.settings import Policy
from mailguard.policy.taxonomy import DATA, Action
from mailguard.scan.finding import ScanReport, Status
from mailguard.scan.scanner import scan
from personal_data.school import Place, send

_BUDGET_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What MailGuard says of one message."""

    symbols: frozenset[str]
    """Of personal data and credentials, the weak ones too."""

    alarming: frozenset[str]
    """Those that lead to a flag or more on the way from staff to somebody outside."""

    is_alarm: bool
    """Whether the message is flagged, returned or held for any of them."""

    text: str
    """What Presidio is given: all that our readers found to read."""

    parse_s: float
    judge_s: float
    """CPU time of folding, scanning and policy."""

    unpack_s: float
    """By the clock, as it is spent in another process; 0 where nothing had to be opened."""


def judge_sample(raw: bytes, to: tuple[str, ...], place: Place, cage: Cage) -> Judged:
    """Send one message through parser, cage, view, scan and policy."""
    transaction = send(raw, to)
    begin = process_time()
    message = parse(raw)
    parsed, opening = process_time(), perf_counter()
    extracts = unpack(message, cage, _BUDGET_S)
    opened, judging = perf_counter(), process_time()
    view = look(message, extracts)
    report = scan(view, transaction, place.ruleset)
    judgement = conclude(report, transaction, message, place.policy)
    end = process_time()
    asked = [
        action
        for disposition in judgement.dispositions
        for category, action in disposition.verdict.asked.items()
        if category in DATA
    ]
    return Judged(
        symbols=frozenset(f.symbol.name for f in report.findings if f.symbol.category in DATA),
        alarming=frozenset(_alarming(report, place.policy)),
        is_alarm=any(action.strictness >= Action.FLAG.strictness for action in asked),
        text=read_text(view),
        parse_s=parsed - begin,
        judge_s=end - judging,
        unpack_s=opened - opening if any(each.is_read for each in extracts) else 0.0,
    )


def _alarming(report: ScanReport, policy: Policy) -> Iterator[str]:
    is_named = names_a_pupil(report)
    for finding in report.findings:
        if finding.symbol.category not in DATA or finding.symbol.status is not Status.STABLE:
            continue
        matter = matter_of(finding, is_named=is_named)
        if matter is None:
            continue
        action = policy.data[matter][Way.STAFF_OUTSIDE].action
        if action.strictness >= Action.FLAG.strictness:
            yield finding.symbol.name


def read_text(view: MessageView) -> str:
    """All that a message says, names of files left out."""
    return "\n\n".join(s.text for s in view.segments if s.where is not Where.FILENAME)
