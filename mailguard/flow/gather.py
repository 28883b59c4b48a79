"""One mail for each thing that somebody is told of, and beyond some an hour one for many."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from mailguard.report.own_mail import OwnMail

ONE_BY_ONE = 20
"""Mails to one person within :data:`WINDOW` that are about one thing each; a person who is sent
more reads none of them."""

WINDOW = timedelta(hours=1)
GATHERED = timedelta(minutes=15)
"""What comes beyond that is gathered for so long, into one mail."""

RECENT = 500
"""Mails of a kind looked back at: more than are sent one by one in an hour to everybody in an
office."""

_Item = TypeVar("_Item")


def gather(
    items: Iterable[_Item],
    people_of: Callable[[_Item], tuple[str, ...]],
    recent: Iterable[OwnMail],
    now: datetime,
    *,
    waits: bool = True,
) -> Sequence[Sequence[_Item]]:
    """Part `items` into mails, each to the people of the items in it; `recent` is what they were
    sent before, oldest first.

    What is to be gathered and whose time has not come is left out, unless nothing `waits`.
    """
    written = _by_person(recent, now)
    single: list[list[_Item]] = []
    batches: defaultdict[tuple[str, ...], list[_Item]] = defaultdict(list)
    for item in items:
        people = people_of(item)
        if any(len(written[person]) >= ONE_BY_ONE for person in people):
            batches[people].append(item)
            continue
        single.append([item])
        for person in people:
            written[person].append(now)
    ripe = [
        batch
        for people, batch in batches.items()
        if not (waits and any(_is_fresh(written[person], now) for person in people))
    ]
    return single + ripe


def _is_fresh(written: Sequence[datetime], now: datetime) -> bool:
    return bool(written) and now - written[-1] < GATHERED


def _by_person(mails: Iterable[OwnMail], now: datetime) -> defaultdict[str, list[datetime]]:
    """When each person was last written to, within the window; oldest first."""
    found: defaultdict[str, list[datetime]] = defaultdict(list)
    for mail in mails:
        # What seems to come from the future was made before the clock went back: it delays nothing.
        if timedelta(0) <= now - mail.created < WINDOW:
            found[mail.recipient].append(mail.created)
    return found
