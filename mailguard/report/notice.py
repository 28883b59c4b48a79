"""The notice to the technician: that a message could not be delivered to everybody, and what to do.

It goes through the mail server that has just refused something, to people who have no business with
what the message says. So it has a reference, a number and a code; no address, no subject, and not
the mail server's words, which may quote either.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from mailguard.quarantine.held import HeldMessage, State
from mailguard.report.digest import code_of
from mailguard.report.page import Page, Section
from mailguard.report.reference import reference_of
from mailguard.report.words import count, describe_day, describe_moment, join_words

LISTED = 50
"""References named one by one in a mail about many messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What there is to say about one message."""

    reference: str
    received: datetime
    recipients: int
    """How many did not get it."""

    codes: tuple[str, ...]
    """Of the mail server's replies, each once: ``550 5.1.1``."""


def notice_about(held: HeldMessage) -> Notice:
    """The notice about a message in quarantine of which a copy is undeliverable."""
    refused = [r for r in held.recipients if r.state is State.UNDELIVERABLE]
    codes = (code_of(recipient.reply) for recipient in refused)
    return Notice(
        reference=reference_of(held.id),
        received=held.received,
        recipients=len(refused),
        codes=tuple(dict.fromkeys(code for code in codes if code)),
    )


def compose_subject(notices: Sequence[Notice]) -> str:
    """No name: it may stand on a locked screen. One notice at least."""
    what = notices[0].reference if len(notices) == 1 else count(len(notices), "message")
    return f"MailGuard – {what} could not be delivered to everybody"


def compose_page(notices: Sequence[Notice], school_name: str, zone: tzinfo, now: datetime) -> Page:
    """One mail about one message, or about all of many that came within minutes."""
    at = now.astimezone(zone)
    one = len(notices) == 1
    subject = "A message" if one else f"{count(len(notices), 'more message')}"
    return Page(
        title="MailGuard notice",
        subtitle=(school_name, f"{describe_day(at.date(), at.date())} {at.year}, {at:%H:%M}"),
        summary=f"{subject} could not be delivered to everybody.",
        warnings=(),
        sections=(
            _about_one(notices[0], zone, now) if one else _about_many(notices),
            _what_happened(),
            _what_to_do(notices[0].reference),
            _why(),
        ),
    )


def _about_one(notice: Notice, zone: tzinfo, now: datetime) -> Section:
    return Section(
        heading="The message",
        facts=(
            ("Reference", notice.reference),
            ("Received", describe_moment(notice.received, now, zone)),
            ("Not delivered to", count(notice.recipients, "recipient")),
            ("Code of the reply", join_words(notice.codes or ("none",))),
        ),
    )


def _about_many(notices: Sequence[Notice]) -> Section:
    left_out = len(notices) - LISTED
    return Section(
        heading="The messages",
        lead="So many came within an hour that these are told in one mail.",
        points=(
            *(
                f"{notice.reference}: {count(notice.recipients, 'recipient')}, "
                f"{join_words(notice.codes or ('no code',))}"
                for notice in notices[:LISTED]
            ),
            *([f"and {left_out} more"] if left_out > 0 else []),
        ),
    )


def _what_happened() -> Section:
    return Section(
        heading="What happened",
        lead=(
            "The mail server behind MailGuard took it for some of its recipients and refused it "
            "for others, for good. The sender can only be told one thing and was told that it was "
            "accepted, so nobody else knows. MailGuard keeps the copies that were refused."
        ),
    )


def _what_to_do(reference: str) -> Section:
    return Section(
        heading="What to do",
        points=(
            "See for whom it was, and what the mail server said.",
            "Put right what is wrong there: a full or missing mailbox, a size limit.",
            "Then release it, and it is sent again to those who did not get it; or, if it cannot "
            "be put right, tell the sender and close it.",
        ),
        commands=(
            f"mailguard quarantine show {reference}",
            f'mailguard quarantine release {reference} --reason "…" --wait 20',
            f'mailguard quarantine close {reference} --reason "…"',
        ),
        note="mailguard quarantine list --state undeliverable has all of them.",
    )


def _why() -> Section:
    return Section(
        heading="Why you get this",
        lead=(
            "The school's settings name you under people.technician. MailGuard repeats this mail "
            "until your mail server has taken it. Nobody reads answers to it."
        ),
    )
