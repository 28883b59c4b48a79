"""The figures, as tables for a terminal; no text of any message is in them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from personal_data.labelled import Label
from personal_data.outcome import Outcome, precision, share, their_precision


@dataclass(kw_only=True)
class Theirs:
    """What the tables need to know of Presidio; nothing where it does not run."""

    known: Mapping[str, str] = field(default_factory=dict)
    strong: frozenset[str] = frozenset()
    thresholds: Sequence[float] = ()


@dataclass(kw_only=True)
class Folder:
    """Counts of one collection of ordinary mail."""

    messages: int = 0
    alarms: int = 0
    symbols: Counter[str] = field(default_factory=Counter)
    their_alarms: Counter[float] = field(default_factory=Counter)
    """By threshold."""

    mail_s: float = 0.0
    """CPU time of the standard library's parser."""

    parse_s: float = 0.0
    judge_s: float = 0.0
    their_s: float = 0.0


def by_kind(outcomes: Sequence[Outcome], theirs: Theirs) -> Iterator[str]:
    """Recall and precision of each identifier and leak."""
    head = f"{'':18}{'messages':>9}{'recall':>8}{'precision':>11}"
    yield head + (f"{'Presidio: recall':>19}{'precision':>11}" if theirs.known else "")
    positive = [outcome for outcome in outcomes if outcome.is_positive]
    for kind in dict.fromkeys(outcome.sample.kind for outcome in positive):
        of_kind = [outcome for outcome in positive if outcome.sample.kind == kind]
        symbol = of_kind[0].sample.symbol
        line = (
            f"{kind:18}{len(of_kind):9}{_show(share(o.is_found for o in of_kind)):>8}"
            f"{_show(precision(outcomes, symbol)):>11}"
        )
        if entity := theirs.known.get(kind):
            recall = share(o.is_found_by_them(theirs.known, 0.0) for o in of_kind)
            right = their_precision(outcomes, theirs.known, entity, 0.0)
            line += f"{_show(recall):>19}{_show(right):>11}"
        yield line
    yield (
        f"{'all':18}{len(positive):9}{_show(share(o.is_found for o in positive)):>8}"
        f"{_show(_precision_of_alarms(outcomes)):>11}"
    )
    if theirs.known:
        shared = [o for o in positive if o.sample.kind in theirs.known]
        recall = share(o.is_found_by_them(theirs.known, 0.0) for o in shared)
        yield (
            f"{'what both know':18}{len(shared):9}{_show(share(o.is_found for o in shared)):>8}"
            f"{'':11}{_show(recall):>19}"
        )


def _precision_of_alarms(outcomes: Iterable[Outcome]) -> float | None:
    return share(o.is_positive for o in outcomes if o.judged.is_alarm)


def by_carrier(outcomes: Sequence[Outcome], theirs: Theirs) -> Iterator[str]:
    """Recall in each carrier, and alarms over what has nothing in it."""
    head = f"{'':18}{'messages':>9}{'recall':>8}{'precision':>11}{'innocent':>10}{'alarms':>8}"
    yield head + (f"{'Presidio: recall':>19}{'alarms':>8}" if theirs.known else "")
    for carrier in dict.fromkeys(outcome.sample.carrier for outcome in outcomes):
        here = [outcome for outcome in outcomes if outcome.sample.carrier == carrier]
        found = [o for o in here if o.is_positive]
        innocent = [o for o in here if not o.is_positive]
        alarms = sum(o.judged.is_alarm for o in innocent)
        line = (
            f"{carrier:18}{len(found):9}{_show(share(o.is_found for o in found)):>8}"
            f"{_show(_precision_of_alarms(here)):>11}{len(innocent):10}{alarms:8}"
        )
        if theirs.known:
            known = (o for o in found if o.sample.kind in theirs.known)
            recall = share(o.is_found_by_them(theirs.known, 0.0) for o in known)
            their_alarms = sum(o.is_their_alarm(theirs.strong, 0.0) for o in innocent)
            line += f"{_show(recall):>19}{their_alarms:8}"
        yield line


def innocent(outcomes: Sequence[Outcome], theirs: Theirs) -> Iterator[str]:
    """Alarms over near misses, look-alikes and ordinary letters of our own making."""
    head = f"{'':18}{'messages':>9}{'alarms':>8}{'of 1,000':>10}"
    yield head + (f"{'Presidio: alarms':>19}{'of 1,000':>10}" if theirs.known else "")
    for label in (Label.NEAR_MISS, Label.LOOKALIKE, Label.ORDINARY):
        of_label = [outcome for outcome in outcomes if outcome.sample.label is label]
        alarms = sum(o.judged.is_alarm for o in of_label)
        line = f"{label:18}{len(of_label):9}{alarms:8}{_rate(alarms, len(of_label)):>10}"
        if theirs.known:
            alarms = sum(o.is_their_alarm(theirs.strong, 0.0) for o in of_label)
            line += f"{alarms:19}{_rate(alarms, len(of_label)):>10}"
        yield line


def by_folder(folders: Mapping[str, Folder], theirs: Theirs) -> Iterator[str]:
    """Alarms over collections of ordinary mail, and what raised them."""
    head = f"{'':40}{'messages':>9}{'alarms':>8}{'of 1,000':>10}"
    yield head + (f"{'Presidio: alarms':>19}{'of 1,000':>10}" if theirs.known else "")
    for name, folder in (*folders.items(), ("all", _sum(folders.values()))):
        line = (
            f"{name:40}{folder.messages:9}{folder.alarms:8}"
            f"{_rate(folder.alarms, folder.messages):>10}"
        )
        if theirs.known:
            alarms = folder.their_alarms[0.0]
            line += f"{alarms:19}{_rate(alarms, folder.messages):>10}"
        yield line
    total = _sum(folders.values())
    for symbol, count in total.symbols.most_common():
        yield f"  {symbol:38}{'':9}{count:8}{_rate(count, total.messages):>10}"


def by_threshold(
    outcomes: Sequence[Outcome], folders: Mapping[str, Folder], theirs: Theirs
) -> Iterator[str]:
    """Presidio at each of several thresholds, over the identifiers that it knows, beside ours."""
    known = [o for o in outcomes if o.is_positive and o.sample.kind in theirs.known]
    ordinary = [o for o in outcomes if o.sample.label is Label.ORDINARY]
    mail = _sum(folders.values())
    count = len(ordinary) + mail.messages
    yield f"{'':18}{'recall':>8}{'strong only':>13}{'alarms in 1,000 ordinary messages':>36}"
    for threshold in theirs.thresholds:
        recall = share(o.is_found_by_them(theirs.known, threshold) for o in known)
        strong = share(
            o.is_found_by_them(theirs.known, threshold)
            for o in known
            if theirs.known[o.sample.kind] in theirs.strong
        )
        alarms = mail.their_alarms[threshold]
        alarms += sum(o.is_their_alarm(theirs.strong, threshold) for o in ordinary)
        yield (
            f"Presidio at {threshold:<6}{_show(recall):>8}{_show(strong):>13}"
            f"{_rate(alarms, count):>36}"
        )
    alarms = mail.alarms + sum(o.judged.is_alarm for o in ordinary)
    strong = share(o.is_found for o in known if theirs.known[o.sample.kind] in theirs.strong)
    yield (
        f"{'MailGuard':18}{_show(share(o.is_found for o in known)):>8}{_show(strong):>13}"
        f"{_rate(alarms, count):>36}"
    )


def costs(outcomes: Sequence[Outcome], folders: Mapping[str, Folder]) -> Iterator[str]:
    """What one message takes."""
    mail = _sum(folders.values())
    opened = [o.judged.unpack_s for o in outcomes if o.judged.unpack_s]
    if opened:
        ms = sorted(opened)
        yield (
            f"opening an attachment in the cage: {ms[len(ms) // 2] * 1e3:.1f} ms in the middle, "
            f"{ms[len(ms) * 99 // 100] * 1e3:.1f} ms for one in a hundred"
        )
    for name, seconds in (
        ("email: parse", mail.mail_s),
        ("MailGuard: parse", mail.parse_s),
        ("MailGuard: all rules, detectors and policy", mail.judge_s),
        ("Presidio", mail.their_s),
    ):
        if seconds:
            yield (
                f"{name:46}{seconds / mail.messages * 1e6:9.0f} µs"
                f"{seconds / mail.mail_s:8.2f} x email"
            )


def _sum(folders: Iterable[Folder]) -> Folder:
    total = Folder()
    for folder in folders:
        total.messages += folder.messages
        total.alarms += folder.alarms
        total.symbols += folder.symbols
        total.their_alarms += folder.their_alarms
        total.mail_s += folder.mail_s
        total.parse_s += folder.parse_s
        total.judge_s += folder.judge_s
        total.their_s += folder.their_s
    return total


def _show(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _rate(alarms: int, messages: int) -> str:
    return f"{alarms / messages * 1000:.2f}" if messages else "-"
