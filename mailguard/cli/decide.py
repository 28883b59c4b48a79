"""``mailguard quarantine release``, ``confirm`` and ``close``: a reviewer's decisions."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import click

from mailguard.cli.options import as_option, by_option, config_option, load
from mailguard.cli.output import printable
from mailguard.cli.reference import find
from mailguard.cli.stores import is_serving, with_stores
from mailguard.cli.viewing import Viewer
from mailguard.errors import UserError
from mailguard.flow import review
from mailguard.quarantine.held import HeldMessage, HeldRecipient, State
from mailguard.service.compose import Stores, review_ports

LOOK_EVERY_S = 0.1
"""Between two looks at a released message: a read of one row takes less than a millisecond."""

_Command = TypeVar("_Command", bound=Callable[..., object])


def _decision_options(command: _Command) -> _Command:
    """Add what every decision needs: whom, why, by whom."""
    for option in (
        click.argument("held_ids", metavar="ID...", nargs=-1, required=True),
        click.option("--reason", required=True, metavar="TEXT", help="Why, in a few words."),
        click.option(
            "--recipient",
            "recipients",
            multiple=True,
            metavar="ADDRESS",
            help="For this recipient only; may be given several times. Default: for all.",
        ),
        by_option,
        as_option,
        config_option,
    ):
        command = option(command)
    return command


@click.command()
@_decision_options
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(min=0, max=3600),
    metavar="S",
    help="Wait up to S seconds for the next hop's answer; the exit status tells it.",
)
def release(
    held_ids: tuple[str, ...],
    reason: str,
    recipients: tuple[str, ...],
    by: str,
    viewer: str | None,
    wait_s: float | None,
    config_file: str | None,
) -> int:
    """Deliver held messages after all.

    `mailguard serve` sends each with its original envelope and bytes, and keeps trying while the
    next hop is down. The evidence stays. With --wait the exit status is 0 when the next hop took
    the message, and 1 when it refused it or did not answer in time.

    \b
    mailguard quarantine release 01KJ… --reason "a line from the play"
    mailguard quarantine release 01KJ… --reason "fine" --recipient sam@elmpark.example
    mailguard quarantine release 01KJ… --reason "fine" --wait 10
    """
    config = load(config_file)
    person = Viewer.of(viewer, config)

    async def decide(held: HeldMessage, stores: Stores) -> bool:
        await person.check(held, stores)
        held = await review.release(
            held.id, by=by, reason=reason, recipients=recipients, ports=review_ports(stores)
        )
        addresses = {r.address for r in held.recipients if r.state is State.RELEASING}
        if wait_s is not None:
            held = await _wait(held, addresses, wait_s, stores)
        copies = [r for r in held.recipients if r.address in addresses]
        for copy in copies:
            click.echo(f"{held.id}: {_standing(copy, has_waited=wait_s is not None)}")
        return wait_s is None or all(copy.state is State.RELEASED for copy in copies)

    status = with_stores(config, lambda stores: _decide_all(held_ids, decide, stores))
    if not is_serving(config):
        click.echo(
            "mailguard: nothing is sent while `mailguard serve` is not running; start it", err=True
        )
    return status


@click.command()
@_decision_options
def confirm(
    held_ids: tuple[str, ...],
    reason: str,
    recipients: tuple[str, ...],
    by: str,
    viewer: str | None,
    config_file: str | None,
) -> int:
    """Confirm that messages are an offence: they stay in quarantine and are never delivered.

    \b
    mailguard quarantine confirm 01KJ… --reason "bullying; parents invited for Thursday"
    """
    config = load(config_file)
    person = Viewer.of(viewer, config)

    async def decide(held: HeldMessage, stores: Stores) -> bool:
        await person.check(held, stores)
        await review.confirm(
            held.id, by=by, reason=reason, recipients=recipients, ports=review_ports(stores)
        )
        click.echo(f"{held.id}: confirmed")
        return True

    return with_stores(config, lambda stores: _decide_all(held_ids, decide, stores))


@click.command()
@_decision_options
def close(
    held_ids: tuple[str, ...],
    reason: str,
    recipients: tuple[str, ...],
    by: str,
    viewer: str | None,
    config_file: str | None,
) -> int:
    """Note that you have looked at messages that were delivered with a flag, or sealed.

    They stay where they are, and no digest asks about them again. A message that is held cannot be
    closed: release or confirm it.

    \b
    mailguard quarantine close MG-7K3QFM --reason "spoke to both; a quarrel about a game"
    """
    config = load(config_file)
    person = Viewer.of(viewer, config)

    async def decide(held: HeldMessage, stores: Stores) -> bool:
        await person.check(held, stores)
        await review.close(
            held.id, by=by, reason=reason, recipients=recipients, ports=review_ports(stores)
        )
        click.echo(f"{held.id}: closed")
        return True

    return with_stores(config, lambda stores: _decide_all(held_ids, decide, stores))


async def _decide_all(
    held_ids: tuple[str, ...],
    decide: Callable[[HeldMessage, Stores], Awaitable[bool]],
    stores: Stores,
) -> int:
    """Decide about each message; one that cannot be decided keeps no other from it."""
    status = 0
    for held_id in held_ids:
        try:
            if not await decide(await find(held_id, stores), stores):
                status = 1
        except UserError as error:
            click.echo(f"mailguard: {error}", err=True)
            status = 1
    return status


async def _wait(
    held: HeldMessage, addresses: set[str], wait_s: float, stores: Stores
) -> HeldMessage:
    """Look until no copy for `addresses` is waiting to be sent, or time is up."""
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        held = await stores.held.by_id(held.id)
        if all(r.state is not State.RELEASING for r in held.recipients if r.address in addresses):
            return held
        await asyncio.sleep(LOOK_EVERY_S)
    return held


def _standing(copy: HeldRecipient, *, has_waited: bool) -> str:
    address, reply = printable(copy.address), printable(copy.reply)
    match copy.state:
        case State.RELEASED:
            return f"released to {address}: {reply}"
        case State.RELEASING if not has_waited:
            return f"will be sent to {address}"
        case State.RELEASING if reply:
            return f"not yet sent to {address}, is tried again; the next hop said: {reply}"
        case State.RELEASING:
            return f"not yet sent to {address}: no answer in time, is tried again"
        case _:
            return f"refused by the next hop for {address}, held again: {reply}"
