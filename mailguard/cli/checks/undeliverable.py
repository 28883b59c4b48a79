"""Is there mail that could not be delivered to everybody, and does somebody know?"""

from collections.abc import AsyncIterator

from mailguard.cli.checks.result import Result, Scene, counted
from mailguard.cli.checks.storage import has_database
from mailguard.quarantine.held import State
from mailguard.report.reference import reference_of

NAMED = 5
"""References named; the command has the rest."""


async def check_undeliverable(scene: Scene) -> AsyncIterator[Result]:
    """Did a next hop take a message for some and refuse it for others?"""
    if not has_database(scene):
        return
    stored = await scene.stores.held.select(states=[State.UNDELIVERABLE])
    waiting = [held for held in stored if held.is_undelivered]
    technicians = scene.config.people.technician
    if not waiting:
        yield Result(name="undeliverable", ok=True, what="Nothing waits that could not be sent.")
        return
    named = ", ".join(reference_of(held.id) for held in waiting[:NAMED])
    more = f" and {len(waiting) - NAMED:,} more" if len(waiting) > NAMED else ""
    told = "" if technicians else " Nobody is named to be told of it."
    yield Result(
        name="undeliverable",
        ok=bool(technicians),
        what=f"{counted(len(waiting), 'message')} could not be delivered to everybody: "
        f"{named}{more}.{told}",
        do=("" if technicians else "Set people.technician. ")
        + "`mailguard quarantine show` says for whom and why; put that right and `release` it, or "
        "tell the sender and `close` it.",
    )
