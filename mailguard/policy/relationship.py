"""Who writes to whom, as far as that is known."""

import re
from dataclasses import dataclass
from datetime import timedelta

from mailguard.mail.envelope import Origin, Transaction
from mailguard.mail.message import Message
from mailguard.policy.directory import Directory, Person, fold_address
from mailguard.policy.taxonomy import Group

__all__ = ["Author", "Group", "Relationship", "identify_author", "relate"]

AGE_GAP = 3
"""Years between two pupils from which contact cues weigh more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relationship:
    """Author's group and recipient's group. ``str()`` gives ``pupil→staff``."""

    author: Group
    recipient: Group
    has_age_gap: bool = False
    """Two pupils who are known to be three years or more apart."""

    def __str__(self) -> str:
        return f"{self.author}→{self.recipient}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who wrote a message: by its envelope, and by its From header where that names another."""

    address: str
    """Folded; ``""`` when the message names nobody."""

    groups: frozenset[Group]
    """One group, or several when envelope and From header name people of different groups."""

    person: Person | None = None
    """What the directory file says about `address`."""

    @property
    def is_spoofed(self) -> bool:
        """The address is the school's, but the message came from outside."""
        return Group.SPOOFED in self.groups


def identify_author(transaction: Transaction, message: Message, directory: Directory) -> Author:
    """Tell who wrote a message: the envelope sender, and whoever of the school From names.

    From outside nobody can be one of the school: an address in its domains, in the envelope or in
    From, is spoofed, and a person of the directory with an address elsewhere is not proven, so only
    outside groups are left. From inside, and on a listener that does not know, people are believed;
    there the null sender stands for whoever From names (automatic replies).
    """
    sender = fold_address(transaction.envelope.sender.address)
    named = [fold_address(mailbox.address) for mailbox in message.from_]
    if transaction.session.origin is Origin.OUTSIDE:
        is_spoofed = any(directory.is_ours(address) for address in (sender, *named))
        group = Group.SPOOFED if is_spoofed else _group_outside(sender, directory)
        return Author(address=sender, groups=frozenset({group}))
    if not sender and named:
        sender = named[0]
    groups = {directory.member_group(sender) or directory.classify(sender)}
    groups.update(_OF_THE_SCHOOL.intersection(map(directory.member_group, named)))
    return Author(address=sender, groups=frozenset(groups), person=directory.person(sender))


def _group_outside(sender: str, directory: Directory) -> Group:
    group = directory.classify(sender)
    return Group.OUTSIDE if group in _OF_THE_SCHOOL else group


_OF_THE_SCHOOL = frozenset({Group.PUPIL, Group.STAFF, Group.GOVERNOR})

_BY_MACHINE = frozenset({"bulk", "junk", "list"})
"""Values of Precedence: RFC 3834 §2 asks that no machine answers such mail."""

_NOBODY = re.compile(
    r"(?:do)?[-_.]?not?[-_.]?reply.*|mailer-daemon|postmaster|owner-.*|.*-(?:request|owner|bounces?)"
)
"""Local parts of mailboxes that no author reads: RFC 3834 §2's, and what senders call theirs."""


def can_be_told(transaction: Transaction, message: Message, directory: Directory) -> bool:
    """Whether the author of a message may be written to about it: it came from inside, from a
    person of the school who wrote it. To answer a machine could go on for ever (RFC 3834 §2)."""
    sender = fold_address(transaction.envelope.sender.address)
    return (
        transaction.session.origin is Origin.INSIDE
        and directory.member_group(sender) in _OF_THE_SCHOOL
        and not _NOBODY.fullmatch(sender.rpartition("@")[0])
        and not is_automatic(message)
    )


SAYING_AUTOMATIC = ("auto-submitted", "precedence")
"""The fields, in lower case, that :func:`is_automatic` asks for."""


def is_automatic(message: Message) -> bool:
    """Whether a message says that a machine sent it (RFC 3834 §2, §5)."""
    submitted = message.header("Auto-Submitted").partition(";")[0].strip().lower()
    precedence = message.header("Precedence").strip().lower()
    return submitted not in ("", "no") or precedence in _BY_MACHINE


_ELSEWHERE = (Group.SPOOFED, Group.OUTSIDE, Group.HELPLINE, Group.CONFIDANT, Group.AGENCY)
_ADULTS = (Group.STAFF, Group.GOVERNOR, Group.PARENT)

STRICTEST_FIRST = (*_ELSEWHERE, *_ADULTS, Group.PUPIL)
"""Among the groups that a message's author may be of, the first is the strictest: an adult who
writes to a child is judged more strictly than another child, and a child's right to be delivered
to staff is for mail that nobody but a child can have written."""

STRICTEST_FIRST_TO_OUTSIDE = (Group.PUPIL, *_ADULTS, *_ELSEWHERE)
"""Towards strangers a pupil's mail is judged more strictly than an adult's."""


def relate(author: Author, address: str, directory: Directory) -> Relationship:
    """The relationship of `author` to one recipient: the strictest of those that are possible."""
    recipient = directory.classify(address)
    to_stranger = recipient is Group.OUTSIDE
    order = STRICTEST_FIRST_TO_OUTSIDE if to_stranger else STRICTEST_FIRST
    group = min(author.groups, key=order.index)
    is_among_pupils = group is recipient is Group.PUPIL
    return Relationship(
        author=group,
        recipient=recipient,
        has_age_gap=is_among_pupils and _are_far_apart(author.person, directory.person(address)),
    )


def _are_far_apart(one: Person | None, other: Person | None) -> bool:
    if one is None or other is None:
        return False
    if one.born and other.born:
        return abs(one.born - other.born) >= timedelta(days=AGE_GAP * 365)
    if one.year is None or other.year is None:
        return False
    return abs(one.year - other.year) >= AGE_GAP
