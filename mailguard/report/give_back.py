"""The notice to an author: a message was not sent because of the data in it, and what to do.

It goes to who wrote the message, over a mail server where others may read it. So it says when, to
whom it did not go, and in the rules' own sentences which kinds of data were found; no subject, no
value, no word of the message. A child gets kind words, and nothing to work out.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from mailguard.quarantine.held import HeldMessage, State
from mailguard.quarantine.retention import ANSWER_DAYS
from mailguard.report.page import Page, Section
from mailguard.report.people import PLAIN
from mailguard.report.reference import reference_of
from mailguard.report.words import count, describe_day, describe_moment

LISTED = 20
"""Recipients named one by one."""

LONGEST = 300
"""Characters of one sentence; the longest of our own rules has some ninety."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenBack:
    """What there is to say to the author of one message."""

    reference: str
    received: datetime
    recipients: tuple[str, ...]
    """To whom it did not go."""

    others: int
    """How many it did go to, or may still."""

    leaks: tuple[str, ...]
    """Which kinds of data, as sentences; empty where that is not known any more."""

    is_child: bool
    can_answer: bool
    """An answer with a reason has it sent after all."""

    has_lead: bool = True
    """Somebody is named as data protection lead, and reads the reasons."""


def give_back(
    held: HeldMessage,
    evidence: bytes | None,
    *,
    is_child: bool,
    can_answer: bool,
    has_lead: bool = True,
) -> GivenBack:
    """What its author is told of `held`; without its evidence, only that."""
    returned = [r.address for r in held.recipients if r.state is State.RETURNED]
    return GivenBack(
        reference=reference_of(held.id),
        received=held.received,
        recipients=tuple(dict.fromkeys(returned)),
        others=sum(r.state is State.DELIVERED for r in held.recipients),
        leaks=read_leaks(evidence),
        is_child=is_child,
        can_answer=can_answer,
        has_lead=has_lead,
    )


def read_leaks(evidence: bytes | None) -> tuple[str, ...]:
    """The sentences about the data for which copies went back, each once."""
    try:
        dispositions = json.loads(evidence or b"{}")["dispositions"]
        found = [
            " ".join(sentence.split())[:LONGEST]
            for disposition in dispositions
            if disposition["action"] == "return"
            for sentence in disposition["verdict"].get("leaks", ())
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ()
    return tuple(dict.fromkeys(found))


def compose_subject(given: GivenBack) -> str:
    """It may be read on a locked screen, and the subject of the message is the author's."""
    return f"Your message was not sent{' to everybody' if given.others else ''}"


def compose_page(
    given: GivenBack,
    school_name: str,
    zone: tzinfo,
    now: datetime,
    helplines: Sequence[str] = (),
) -> Page:
    """The whole notice."""
    at = now.astimezone(zone)
    sections = _for_child(helplines) if given.is_child else _for_adult(given)
    return Page(
        title=compose_subject(given),
        subtitle=(school_name, f"{describe_day(at.date(), at.date())} {at.year}, {at:%H:%M}"),
        summary=(
            "Your message has been kept back so you can look at it again. You are not in trouble."
            if given.is_child
            else "It was stopped on its way out, because of personal data or a password in it."
        ),
        warnings=(),
        sections=(
            Section(
                heading="Your message",
                facts=(
                    ("You sent it", describe_moment(given.received, now, zone)),
                    ("Not sent to", _recipients(given)),
                    *([("Sent to", count(given.others, "other"))] if given.others else []),
                    ("Reference", given.reference),
                ),
            ),
            *sections,
        ),
    )


def _recipients(given: GivenBack) -> str:
    shown = [a if PLAIN.fullmatch(a) else "somebody else" for a in given.recipients[:LISTED]]
    more = len(given.recipients) - LISTED
    return ", ".join([*shown, *([f"and {more} more"] if more > 0 else [])])


def _for_adult(given: GivenBack) -> tuple[Section, ...]:
    choices = [
        "Send it again without what was found, or only to those who may have it. Many people or "
        "families who should not see each other's addresses belong in Bcc.",
    ]
    if given.can_answer:
        reader = ", and the data protection lead reads it" if given.has_lead else ""
        choices.append(
            "If it has to go exactly as it is: reply to this mail from the same address within "
            f"{ANSWER_DAYS} days, and write the reason in the first line. Your message is then "
            f"sent to those who did not get it. The reason is recorded{reader}."
        )
    return (
        Section(
            heading="Why",
            lead="This was found in its text, its attachments or its recipients:",
            points=given.leaks or ("It has personal data or a password in it.",),
        ),
        Section(
            heading="What you can do",
            lead="Look at the recipients first: is one of them a mistake?",
            points=tuple(choices),
            note=(
                "Should it not have been stopped? Tell who looks after data protection at the "
                "school, and give the reference. Did you not write it? Somebody else may be using "
                "your account: tell the IT technician now. If a child may be in danger, do not "
                "wait for e-mail: telephone."
            ),
        ),
        Section(
            heading="Why you get this",
            lead=(
                "School e-mail is checked automatically for safety and data protection. No person "
                "had to read your message for this."
            ),
        ),
    )


def _for_child(helplines: Sequence[str]) -> tuple[Section, ...]:
    return (
        Section(
            heading="Why",
            lead=(
                "There is something private in it, about you or somebody else. That could be where "
                "you live, a phone number, a password or a photo. It is safer not to send such "
                "things to people outside school."
            ),
        ),
        Section(
            heading="What you can do",
            points=(
                "Take the private part out. Then send your message again.",
                "Not sure what it is? Ask a teacher, or another grown-up you trust.",
                "Did you not write this message? Tell a teacher.",
            ),
        ),
        Section(
            heading="Is something wrong?",
            lead="Talk to an adult you trust." + (" You can also call:" if helplines else ""),
            points=tuple(helplines),
        ),
    )
