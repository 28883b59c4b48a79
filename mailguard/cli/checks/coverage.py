"""Is there mail that never comes by MailGuard: into the school, out of it, or within it?"""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress

from mailguard.cli.checks.result import Result, Scene
from mailguard.cli.stores import database_file
from mailguard.errors import StoreUnavailable
from mailguard.flow.coverage import find_unseen
from mailguard.policy.mail_kind import DAYS, MailKind, kind_of
from mailguard.service.coverage import blind_to
from mailguard.service.digest import digest_ports, schedule_of
from mailguard.store.schema import read_schema

WORDS = {
    MailKind.INBOUND: "Mail from the world to the school (inbound)",
    MailKind.OUTBOUND: "Mail from the school to the world (outbound)",
    MailKind.INTERNAL: "Mail within the school (internal)",
}

_NO_LISTENER = {
    MailKind.INBOUND: 'no listener has origin = "outside" or "any".',
    MailKind.OUTBOUND: 'no listener has origin = "inside" or "any"; one for LMTP does not count, '
    "since it takes mail for the school only.",
    MailKind.INTERNAL: 'no listener has origin = "inside" or "any".',
}

_MAY_BE = {
    MailKind.INBOUND: "Perhaps the MX record, or the service for port 25, leads past MailGuard.",
    MailKind.OUTBOUND: "Perhaps people send through a service or a provider that does not hand "
    'its mail to MailGuard, or it comes by a listener with origin = "outside".',
    MailKind.INTERNAL: "Perhaps mail between two mailboxes of one provider never leaves it, or it "
    'comes by a listener with origin = "outside" and counts as forged.',
}

_READ = 'docs/deployment.md, "What is seen", says what to do in each set-up.'


async def check_coverage(scene: Scene) -> AsyncIterator[Result]:
    """What can the listeners see, and what did they see in the last week?"""
    blind = blind_to(scene.config)
    for kind in blind:
        yield Result(
            name="coverage",
            ok=False,
            what=f"{WORDS[kind]} is never seen: {_NO_LISTENER[kind]}",
            do=_READ,
        )
    if not _has_ledger(scene):
        return
    figures = digest_ports(scene.config, scene.stores).figures
    now = scene.stores.clock.now()
    unseen = await find_unseen(figures, schedule_of(scene.config), now)
    for kind in unseen:
        if kind not in blind:
            yield Result(
                name="coverage",
                ok=False,
                what=f"{WORDS[kind]} was not seen for {DAYS} days, and other mail was. "
                f"{_MAY_BE[kind]}",
                do=_READ,
            )
    if not blind and not unseen:
        seen = (await figures.traffic(DAYS)).relationships
        yield Result(name="coverage", ok=True, what=_sum_up(seen))


def _has_ledger(scene: Scene) -> bool:
    """Also before an upgrade's migration, which changes nothing that is read here: what an upgrade
    finds after it must have been found before, or it is taken for its fault."""
    with suppress(StoreUnavailable):
        return bool(read_schema(database_file(scene.config)).current)
    return False


def _sum_up(relationships: Mapping[str, int]) -> str:
    if not relationships:
        return f"No mail of any kind was seen in {DAYS} days yet."
    numbers: Counter[MailKind] = Counter()
    for relationship, number in relationships.items():
        if kind := kind_of(relationship):
            numbers[kind] += number
    said = ", ".join(f"{kind} {numbers[kind]:,}" for kind in MailKind)
    return f"In the last {DAYS} days: {said}."
