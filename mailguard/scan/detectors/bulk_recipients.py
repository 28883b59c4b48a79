"""Many outside addresses in To and Cc, where everyone sees them: the commonest school data breach.

Catches: a letter to a class's parents sent with To or Cc instead of Bcc.
Misses: a list of addresses in the text; fewer than :data:`MANY` families.
False positives: a working group of many organisations.
"""

from collections.abc import Iterator

from mailguard.mail.envelope import Transaction
from mailguard.mail.text import MessageView
from mailguard.scan.detector import match, no_match
from mailguard.scan.example import compose
from mailguard.scan.finding import Category, Finding, Leak, Level, Symbol
from mailguard.scan.school import School

BULK_RECIPIENTS = Symbol(
    name="BULK_RECIPIENTS",
    category=Category.PERSONAL_DATA,
    level=Level.HOLD,
    says="Many people outside the school would see each other's addresses.",
    clauses=("symphony:3.1.5e", "allesley:confidential-information"),
    leak=Leak.RECIPIENTS,
)
SYMBOLS = (BULK_RECIPIENTS,)

MANY = 15
"""Distinct outside addresses: more than a meeting has, fewer than a class has families."""


def _families(count: int, host: str = "freemail.example") -> str:
    return ", ".join(f"family{n}@{host}" for n in range(count))


EXAMPLES = (
    match(compose(text="Sports day is on Friday.", to=_families(MANY))),
    match(compose(text="Sports day is on Friday.", cc=_families(30)), why="Cc shows them too"),
    no_match(compose(text="Sports day is on Friday.", to=_families(MANY - 1)), why="a small group"),
    no_match(compose(text="Briefing.", to=_families(40, "school.example")), why="our own people"),
    no_match(
        compose(text="Hello.", to=", ".join(["family1@freemail.example"] * 40)),
        why="one address many times",
    ),
)


def detect(view: MessageView, transaction: Transaction, school: School) -> Iterator[Finding]:
    """Yield a finding when one of ours shows many outside addresses to each other."""
    if len(view.message.to) < MANY:
        return
    sender = transaction.envelope.sender.domain
    if school.domains and not school.owns(sender):
        return
    addresses = {mailbox.address.lower() for mailbox in view.message.to}
    outside = [a for a in addresses if not _is_ours(a.rpartition("@")[2], sender, school)]
    if len(outside) >= MANY:
        yield Finding(
            symbol=BULK_RECIPIENTS,
            level=BULK_RECIPIENTS.level,
            part="",
            where=None,
            count=len(outside),
        )


def _is_ours(domain: str, sender: str, school: School) -> bool:
    return domain == sender or school.owns(domain)
