"""A digest in plain words: its subject line, and the page that both forms of it are made of."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import timedelta

from mailguard.policy.mail_kind import DAYS, MailKind
from mailguard.report import words
from mailguard.report.clauses import describe_clause
from mailguard.report.digest import AboutData, Digest, Item, Items, Missed, System, Undelivered
from mailguard.report.own_mail import Standing
from mailguard.report.page import Card, Fact, Page, Section

NAMED = 5
"""References named in a warning; the items below it have the rest."""

OBSERVES = (
    "MailGuard only observes. It holds nothing back and keeps no copies, so nothing new can be "
    'listed here. The technician changes this with mode = "enforce".'
)

UNSEEN = (
    "Only e-mail that passes through MailGuard is seen: no web sites, telephones, messengers or "
    "social media, and no mail that never leaves another system.",
    "Pictures, films and recordings are not looked at, and what is locked cannot be read.",
    "It knows words, not what people mean by them. What it finds is a reason to look, no proof.",
    "It is not an emergency service: it reads mail at all hours, but people look in school hours.",
)

NOT_SEEN = {
    MailKind.INBOUND: "No mail from outside to anybody at school",
    MailKind.OUTBOUND: "No mail from anybody at school to the outside",
    MailKind.INTERNAL: "No mail from one person at school to another",
}
"""Before "is seen" or "was seen"."""


def compose_subject(digest: Digest) -> str:
    """The subject line, which may be read on a locked telephone: no name, no kind of matter."""
    day = words.describe_day(digest.day, digest.until.astimezone(digest.schedule.zone).date())
    today = f" ({digest.today.total} today)" if digest.today.total else ""
    review = f"{digest.to_review} to review{today}" if digest.to_review else "nothing to review"
    return f"MailGuard daily summary – {day} – {review}"


def compose_page(digest: Digest) -> Page:
    """Say all of it."""
    zone, until = digest.schedule.zone, digest.until
    day = words.describe_day(digest.day, until.astimezone(zone).date())
    end = words.describe_moment(until, until, zone)
    since = words.describe_moment(digest.since, until, zone) if digest.since else ""
    covers = f"From {since} to {end}" if since else f"From the beginning to {end}"
    return Page(
        title="MailGuard daily summary",
        subtitle=(f"{digest.school_name} · {day}", covers),
        summary=_summarise(digest),
        warnings=tuple(_warn(digest)),
        sections=tuple(_sections(digest, since)),
    )


def _summarise(digest: Digest) -> str:
    if not digest.to_review:
        return "Nothing to review. Nothing needs you today."
    total, waiting = digest.today.total, digest.waiting.total
    today = f"{total} need{'s' if total == 1 else ''} you today" if total else ""
    rest = f"{waiting} {'is' if waiting == 1 else 'are'} waiting" if waiting else ""
    said = words.join_words([part for part in (today, rest) if part])
    return f"{said}." if total else f"{said}. Nothing needs you today."


def _warn(digest: Digest) -> Iterator[str]:
    system = digest.system
    if system.observes:
        yield OBSERVES
    for test in system.self_tests:
        if test.failure:
            yield f"The self-test of {test.listener} failed: {test.failure}"
    yield from _describe_missed_alerts(system.missed)
    begin = (digest.until - timedelta(days=DAYS)).astimezone(digest.schedule.zone)
    for kind in system.unseen:
        yield (
            f"{NOT_SEEN[kind]} was seen since {begin:%A} {begin.day} {begin:%B}: MailGuard may not "
            "be where such mail passes. Ask your technician."
        )


def _sections(digest: Digest, since: str) -> Iterator[Section]:
    yield _items_section("1. Needs you today", digest.today, digest)
    yield _items_section("2. Waiting for review", digest.waiting, digest)
    if digest.to_review:
        yield Section(
            heading="What to do with an item",
            lead="Look at it first. You decide, and MailGuard keeps your name and your reason.",
            points=(
                "release: it may be delivered after all",
                "confirm: it is an offence; it stays here as evidence",
                "close: you have looked at something that was delivered, or that is sealed",
            ),
            commands=(
                'mailguard quarantine release MG-… --reason "…"',
                'mailguard quarantine confirm MG-… --reason "…"',
                'mailguard quarantine close MG-… --reason "…"',
            ),
            note="On the telephone, give the reference: it says nothing about anybody.",
        )
    facts = tuple(_describe_changes(digest))
    yield Section(heading=f"3. Since {since}" if since else "3. Since the beginning", facts=facts)
    yield Section(heading="4. System", facts=tuple(_describe_system(digest.system, digest)))
    yield Section(heading="What is not seen", points=tuple(_describe_unseen(digest.system)))
    yield Section(
        heading="If a child may be in danger now",
        lead="Do not wait for MailGuard. Speak to your safeguarding lead, or call:",
        points=digest.helplines,
    )
    if digest.clauses:
        yield Section(
            heading="Policy clauses behind these items",
            points=tuple(describe_clause(clause) for clause in digest.clauses),
        )
    yield Section(heading="Why you get this", lead=_explain(digest))


def _items_section(heading: str, items: Items, digest: Digest) -> Section:
    is_first = items is digest.today
    if not items.total:
        lead = "Nothing needs you today." if is_first else "Nothing is waiting."
        return Section(heading=f"{heading} (0)", lead=lead)
    more = items.left_out
    return Section(
        heading=f"{heading} ({items.total})",
        cards=tuple(_card(item, digest) for item in items.shown),
        commands=(f"mailguard quarantine list --as {digest.recipient}",) if more else (),
        note=f"There are {more} more than are shown here; the command above lists all of them."
        if more
        else "",
        is_urgent=is_first,
    )


def _card(item: Item, digest: Digest) -> Card:
    zone, until = digest.schedule.zone, digest.until
    facts = [
        ("Level", words.describe_level(item)),
        ("State", words.describe_states(item)),
        ("From", item.sender),
        ("To", words.join_words(item.recipients) if item.recipients else ""),
        ("Age", words.describe_age(item, until, zone)),
    ]
    damaged = "Its evidence is missing or damaged: tell the technician today."
    return Card(
        reference=item.reference,
        title=f"{words.describe_categories(item)}, {words.describe_relationships(item)}",
        facts=tuple((name, value) for name, value in facts if value),
        reasons=item.reasons if item.is_readable else (*item.reasons, damaged),
        command=f"mailguard quarantine show {item.reference}",
    )


def _describe_changes(digest: Digest) -> Iterator[Fact]:
    changes = digest.changes
    minor = f" ({changes.minor} minor, without a line here)" if changes.minor else ""
    sealed = f", sealed {changes.sealed}" if changes.sealed else ""
    yield "New", f"held {changes.held}, delivered with a copy kept {changes.flagged}{minor}{sealed}"
    decided = f"released {changes.released}, confirmed {changes.confirmed}"
    yield "Decided", f"{decided}, closed {changes.closed}"
    if changes.oldest_waited is not None:
        waited = words.count(changes.oldest_waited, "school day")
        yield "Oldest open", waited if changes.oldest_waited else "came today"
    if changes.data.returned or changes.data.held:
        yield "Personal data", _describe_data(changes.data)
    if changes.elsewhere:
        yield "With somebody else, not shown here", str(changes.elsewhere)


def _describe_data(data: AboutData) -> str:
    went = f"{words.count(data.returned, 'message')} went back to their authors"
    if data.returned == 1:
        went = "1 message went back to its author"
    kept = f"{data.held} {'is' if data.held == 1 else 'are'} held"
    said = words.join_words([*([went] if data.returned else []), *([kept] if data.held else [])])
    who = (
        "the data protection lead gets a list on Mondays"
        if data.has_lead
        else "nobody is named as data protection lead: ask the technician to set people.data_lead"
    )
    return f"{said} because of personal data; {who}"


def _describe_system(system: System, digest: Digest) -> Iterator[Fact]:
    yield "Checked", words.count(system.checked, "message")
    unread = words.describe_unread(system.unread)
    yield "Not fully read", unread or "none"
    if system.rules.count:
        yield "Rules", f"{system.rules.count} in use, set {system.rules.fingerprint[:8]}"
    yield from _describe_self_tests(system, digest)
    mode = (
        "observe: nothing is held back"
        if system.observes
        else "enforce: what should not pass is held"
    )
    yield "Mode", mode
    if system.undelivered.count:
        yield "Not delivered to everybody", _describe_undelivered(system.undelivered)
    for missed in system.missed:
        if missed.what == "digest":
            yield "Own mail", _describe_missed_digest(missed)


def _describe_self_tests(system: System, digest: Digest) -> Iterator[Fact]:
    if not system.self_tests:
        yield "Self-test", "none has run"
        return
    for test in system.self_tests:
        at = words.describe_moment(test.at, digest.until, digest.schedule.zone)
        result = f"failed {at}, see above" if test.failure else f"passed {at}"
        yield f"Self-test of {test.listener}", result
    yield (
        "Self-tests failed",
        f"{system.failed_tests or 'none'} of {system.tests:,}",
    )


def _describe_missed_alerts(missed: Iterable[Missed]) -> Iterator[str]:
    """One sentence for all that the mail server said the same of."""
    alike: dict[Missed, list[str]] = {}
    for each in missed:
        if each.what == "alert":
            alike.setdefault(replace(each, about=""), []).append(each.about)
    for each, about in alike.items():
        reply = f"it said {each.reply}" if each.reply else "it gave no answer"
        more = [f"{len(about) - NAMED} more"] if len(about) > NAMED else []
        named = words.join_words([*about[:NAMED], *more])
        one = len(about) == 1
        yield (
            f"The {'alert' if one else 'alerts'} about {named} {'was' if one else 'were'} not "
            f"taken by the mail server: {reply}; {'it is' if one else 'they are'} tried again."
        )


def _describe_missed_digest(missed: Missed) -> str:
    if missed.standing is Standing.UNKNOWN:
        return (
            f"Nobody knows whether the summary of {missed.about} arrived: the mail server broke "
            "off without a word."
        )
    reply = f"it said {missed.reply}" if missed.reply else "it gave no answer"
    return f"The summary of {missed.about} was not taken by the mail server: {reply}."


_TOLD = {
    "told": "the technician has been told",
    "late": "the technician has not been told yet, since the mail server does not take that mail",
    "nobody": "nobody is named to be told: ask the technician to set people.technician",
}


def _describe_undelivered(undelivered: Undelivered) -> str:
    messages = words.count(undelivered.count, "message")
    return f"{messages} that the mail server refused for some; {_TOLD[undelivered.told]}"


def _describe_unseen(system: System) -> Iterator[str]:
    for listener in system.any_origin:
        yield (
            f"The listener {listener} is not told where its mail comes from, so a forged address "
            "of a pupil cannot be told from a real one. Ask your technician."
        )
    for kind in system.blind_to:
        yield (
            f"{NOT_SEEN[kind]} is seen: it does not come by MailGuard as it is set up. Ask your "
            "technician."
        )
    yield from UNSEEN


def _explain(digest: Digest) -> str:
    at = f"{digest.schedule.time:%H:%M}"
    if digest.is_principal:
        return (
            f"It comes every school day at {at} to {digest.recipient}, also when there is nothing "
            "to report. If it does not come, something is wrong: ask the technician to run "
            "“mailguard check”. Nobody gets a line about a message that they wrote or received. "
            "Nobody reads answers to this mail."
        )
    return (
        f"It goes to {digest.recipient} because these items cannot be shown to those who come "
        "before you in line: nobody gets a line about a message that they wrote or received. "
        "Nobody reads answers to this mail."
    )
