"""The words of a digest: what categories, relationships, levels, states and times are called.

They describe what was found, as a possibility; they judge nobody, and there is no score.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta, tzinfo

from mailguard.policy.taxonomy import Group
from mailguard.quarantine.held import State
from mailguard.report.digest import Item
from mailguard.scan.finding import Category, Level

CATEGORIES = {
    Category.ABUSE: "bullying",
    Category.THREAT: "threat",
    Category.OFFENSIVE: "offensive language",
    Category.HATE: "hate or discrimination",
    Category.EXTREMISM: "extremism",
    Category.SEXUAL: "sexual content",
    Category.IMAGERY: "indecent picture",
    Category.GROOMING: "unsafe contact with a child",
    Category.SELF_HARM: "self-harm",
    Category.DISCLOSURE: "call for help",
    Category.DRUGS: "drugs",
    Category.WEAPONS: "weapons",
    Category.CRIME: "crime",
    Category.COMMERCIAL: "advertising",
    Category.GAMBLING: "gambling",
    Category.PERSONAL_DATA: "personal data on its way out",
    Category.CREDENTIALS: "password given away",
    Category.MALWARE: "harmful file",
    Category.PHISHING: "phishing or fraud",
    Category.VOLUME: "mass mail",
    Category.COPYRIGHT: "copied material",
    Category.CONDUCT: "concern about an adult's conduct",
    Category.DISREPUTE: "harm to the school's name",
}
"""After "Possible". What could not be read is no possibility but a fact, and has its own words."""

UNREADABLE = "a part that could not be read"

AUTHORS = {
    Group.CONFIDANT: "adviser",
    Group.OUTSIDE: "somebody outside",
    Group.SPOOFED: "a forged school address",
}
"""Before "to"; every other group is its own word."""

RECIPIENTS = {Group.CONFIDANT: "adviser", Group.OUTSIDE: "somebody outside"}

LEVELS = {
    Level.COUNT: "counted only",
    Level.FLAG: "minor",
    Level.HOLD: "moderate",
    Level.SERIOUS: "serious",
    Level.CRITICAL: "critical",
}

STATES = {
    State.PENDING: "on its way",
    State.DELIVERED: "delivered",
    State.HELD: "held",
    State.UNDELIVERABLE: "refused by the mail server",
    State.RETURNED: "back with its author",
    State.RELEASING: "released, not yet delivered",
    State.RELEASED: "released",
    State.CONFIRMED: "confirmed",
    State.SEALED: "sealed: nobody can open it here",
    State.PURGED: "deleted",
}

UNREAD = {
    "format": "files of other kinds",
    "image": "pictures",
    "audio": "recordings",
    "video": "films",
    "encrypted": "locked parts",
    "broken": "damaged files",
    "bomb": "files that unpack to too much",
    "external": "parts kept elsewhere",
    "partial": "pieces of a larger whole",
    "timeout": "what took too long",
    "killed": "what took too long",
    "too_deep": "what is nested too deeply",
    "too_many_parts": "too many parts",
    "header_too_big": "headings too long",
    "too_long": "what is too long",
    "transfer_encoding": "parts wrongly encoded",
    "mime_ambiguous": "what mail programs differ about",
    "engine": "what a check failed on",
}
"""Before "in 12 messages"."""

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
"""Not strftime's, which change with the locale of the machine."""


def describe_categories(item: Item) -> str:
    """``Possible bullying and threat``."""
    possible = [CATEGORIES[each] for each in item.categories if each in CATEGORIES]
    more = [UNREADABLE] if Category.UNSCANNED in item.categories else []
    if not possible:
        return "A part that could not be read" if more else "Something that needs a look"
    return f"Possible {join_words([*possible, *more])}"


def describe_relationships(item: Item) -> str:
    """``pupil to pupil and staff``."""
    pairs = [text.partition("→") for text in item.relationships]
    authors = dict.fromkeys(_group(author, AUTHORS) for author, _, _ in pairs)
    recipients = dict.fromkeys(_group(recipient, RECIPIENTS) for _, _, recipient in pairs)
    return f"{join_words([*authors])} to {join_words([*recipients])}"


def describe_level(item: Item) -> str:
    """``serious (level 3), alert``."""
    alert = ", alert" if item.is_alert else ""
    return f"{LEVELS[item.level]} (level {int(item.level)}){alert}"


def describe_states(item: Item) -> str:
    """``held``; ``held for some, delivered to others`` when copies differ."""
    if item.is_sealed:
        words = STATES[State.SEALED]
    elif item.states == (State.RELEASING,) and item.refusal:
        words = f"released, but the mail server does not take it ({item.refusal})"
    else:
        words = " for some, ".join(STATES[state] for state in item.states)
        words += " for others" if len(item.states) > 1 else ""
    return f"{words}; it may also have been delivered" if item.may_be_twice else words


def describe_age(item: Item, until: datetime, zone: tzinfo) -> str:
    """``since yesterday 14:10, 1 school day``."""
    since = f"since {describe_moment(item.received, until, zone)}"
    return f"{since}, {count(item.waited, 'school day')}" if item.waited else since


def describe_moment(moment: datetime, now: datetime, zone: tzinfo) -> str:
    """``today 07:10``, ``yesterday 14:10``, ``Mon 16 Nov 14:10``; with another year, that too."""
    local, today = moment.astimezone(zone), now.astimezone(zone).date()
    at = f"{local:%H:%M}"
    if local.date() == today:
        return f"today {at}"
    if local.date() == today - timedelta(days=1):
        return f"yesterday {at}"
    return f"{describe_day(local.date(), today)} {at}"


def describe_day(day: date, today: date) -> str:
    """``Tue 18 Nov``, with the year if it is not this one."""
    year = "" if day.year == today.year else f" {day.year}"
    return f"{WEEKDAYS[day.weekday()]} {day.day} {MONTHS[day.month - 1]}{year}"


def describe_unread(unread: Sequence[tuple[str, int]]) -> str:
    """``pictures in 12 messages, locked parts in 2``."""
    numbers: dict[str, int] = {}
    for reason, number in unread:
        words = UNREAD.get(reason, "other things")
        numbers[words] = numbers.get(words, 0) + number
    said = [f"{words} in {number:,}" for words, number in numbers.items()]
    if said:
        said[0] += " message" if next(iter(numbers.values())) == 1 else " messages"
    return ", ".join(said)


def join_words(words: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    *most, last = words or ("nobody",)
    return f"{', '.join(most)} and {last}" if most else last


def count(number: int, noun: str) -> str:
    """``1 message``, ``1,284 messages``; the noun has a plural in s."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _group(name: str, words: dict[Group, str]) -> str:
    try:
        return words.get(Group(name), name)
    except ValueError:
        return name
