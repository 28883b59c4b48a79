"""People, as a digest may name them: those of the school only, by their name in its directory."""

import re

from mailguard.policy.directory import Directory
from mailguard.policy.taxonomy import Group
from mailguard.quarantine.held import HeldMessage

NAMED = 5
"""Recipients named one by one."""

PLAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._'-]{0,62}[A-Za-z0-9])?@[a-z0-9.-]{1,80}")
"""An address that is shown as it is. Anything stranger may be a message in itself."""

OUTSIDER = "somebody outside the school"

WORDS = {
    Group.PARENT: "a parent or carer",
    Group.HELPLINE: "a helpline",
    Group.CONFIDANT: "an adviser",
    Group.AGENCY: "an agency",
}

PLURALS = {
    OUTSIDER: "{} people outside the school",
    WORDS[Group.PARENT]: "{} parents or carers",
    WORDS[Group.HELPLINE]: "{} helplines",
    WORDS[Group.CONFIDANT]: "{} advisers",
    WORDS[Group.AGENCY]: "{} agencies",
}


def describe_people(held: HeldMessage, directory: Directory) -> tuple[str, tuple[str, ...]]:
    """Say who wrote a message and who was to get it; outside addresses are never among them."""
    is_forged = any(r.relationship.startswith(f"{Group.SPOOFED}→") for r in held.recipients)
    sender = "somebody under a forged address of the school" if is_forged else ""
    return sender or describe_person(held.sender, directory), _recipients(held, directory)


def describe_person(address: str, directory: Directory) -> str:
    """One person in words. The null sender is an automatic message."""
    if not address:
        return "an automatic message"
    group = directory.classify(address)
    if group not in (Group.PUPIL, Group.STAFF, Group.GOVERNOR):
        return WORDS.get(group, OUTSIDER)
    person = directory.person(address)
    if person and person.name:
        return _plain(person.name)
    if not directory.is_ours(address):
        return f"a {group}"
    return address.lower() if PLAIN.fullmatch(address.lower()) else "an address of the school"


def _plain(name: str) -> str:
    """`name` on one line, without what would turn a line round or speak to a terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in name).split())


def _recipients(held: HeldMessage, directory: Directory) -> tuple[str, ...]:
    everyone = [describe_person(recipient.address, directory) for recipient in held.recipients]
    named = tuple(
        PLURALS[words].format(everyone.count(words))
        if words in PLURALS and everyone.count(words) > 1
        else words
        for words in dict.fromkeys(everyone)
    )
    if len(named) <= NAMED:
        return named
    return (*named[:NAMED], f"{len(named) - NAMED} more")
