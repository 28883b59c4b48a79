"""``mailguard quarantine release``, ``confirm`` and ``close``: a person's decisions."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypedDict, TypeVar, Unpack

import click

from mailguard.cli.options import as_option, by_option, config_option, load
from mailguard.cli.output import printable
from mailguard.cli.reference import find
from mailguard.cli.stores import is_serving, with_stores
from mailguard.cli.viewing import Viewer
from mailguard.config import Config
from mailguard.errors import UserError
from mailguard.flow import review
from mailguard.quarantine.held import HeldMessage, HeldRecipient, State
from mailguard.service.compose import Stores, review_ports

LOOK_EVERY_S = 0.1
"""Between two looks at a released message: a read of one row takes less than a millisecond."""

_Command = TypeVar("_Command", bound=Callable[..., object])

_Act = Callable[..., Awaitable[HeldMessage]]
"""One of the decisions of :mod:`mailguard.flow.review`."""

_Tell = Callable[[HeldMessage, Stores], Awaitable[bool]]
"""Print what became of a message that was decided about; False where that was not all."""


class _Options(TypedDict):
    """What every decision is told: about what, why, for whom, by whom."""

    held_ids: tuple[str, ...]
    reason: str
    recipients: tuple[str, ...]
    by: str
    viewer: str | None
    config_file: str | None


def _decision_options(command: _Command) -> _Command:
    """Add what every decision needs: the keys of :class:`_Options`."""
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
def release(wait_s: float | None, **options: Unpack[_Options]) -> int:
    """Deliver held or undeliverable messages after all.

    `mailguard serve` sends each with its original envelope and bytes, and keeps trying while the
    next hop is down. The evidence stays. With --wait the exit status is 0 when the next hop took
    the message, and 1 when it refused it or did not answer in time.

    \b
    mailguard quarantine release 01KJ… --reason "a line from the play"
    mailguard quarantine release 01KJ… --reason "fine" --recipient sam@elmpark.example
    mailguard quarantine release 01KJ… --reason "fine" --wait 10
    """

    async def tell(held: HeldMessage, stores: Stores) -> bool:
        addresses = {r.address for r in held.recipients if r.state is State.RELEASING}
        if wait_s is not None:
            held = await _wait(held, addresses, wait_s, stores)
        copies = [r for r in held.recipients if r.address in addresses]
        for copy in copies:
            click.echo(f"{held.id}: {_standing(copy, has_waited=wait_s is not None)}")
        return wait_s is None or all(copy.state is State.RELEASED for copy in copies)

    config = load(options["config_file"])
    status = _decide_all(review.release, tell, config, options)
    if not is_serving(config):
        click.echo(
            "mailguard: nothing is sent while `mailguard serve` is not running; start it", err=True
        )
    return status


@click.command()
@_decision_options
def confirm(**options: Unpack[_Options]) -> int:
    """Confirm that messages are an offence: they stay in quarantine and are never delivered.

    \b
    mailguard quarantine confirm 01KJ… --reason "bullying; parents invited for Thursday"
    """
    config = load(options["config_file"])
    return _decide_all(review.confirm, _telling("confirmed"), config, options)


@click.command()
@_decision_options
def close(**options: Unpack[_Options]) -> int:
    """Note that you have seen to messages that were delivered with a flag, sealed or undeliverable.

    They stay where they are, and nobody is asked about them again. A message that is held cannot be
    closed: release or confirm it.

    \b
    mailguard quarantine close MG-7K3QFM --reason "spoke to both; a quarrel about a game"
    mailguard quarantine close MG-7K3QFM --reason "has left; the sender knows"
    """
    config = load(options["config_file"])
    return _decide_all(review.close, _telling("closed"), config, options)


def _telling(word: str) -> _Tell:
    """Say that a message is what `word` says."""

    async def tell(held: HeldMessage, _: Stores) -> bool:
        click.echo(f"{held.id}: {word}")
        return True

    return tell


def _decide_all(act: _Act, tell: _Tell, config: Config, options: _Options) -> int:
    """Do `act` to each message and `tell` of it; one that cannot be decided keeps no other from
    it."""
    person = Viewer.of(options["viewer"], config)

    async def decide(typed: str, stores: Stores) -> bool:
        held = await find(typed, stores)
        await person.check(held, stores)
        decided = await act(
            held.id,
            by=options["by"],
            reason=options["reason"],
            recipients=options["recipients"],
            ports=review_ports(stores),
        )
        return await tell(decided, stores)

    async def decide_all(stores: Stores) -> int:
        status = 0
        for typed in options["held_ids"]:
            try:
                is_done = await decide(typed, stores)
            except UserError as error:
                click.echo(f"mailguard: {error}", err=True)
                is_done = False
            status = status if is_done else 1
        return status

    return with_stores(config, decide_all)


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
        case State.UNDELIVERABLE:
            return f"refused again by the next hop for {address}, undeliverable: {reply}"
        case _:
            return f"refused by the next hop for {address}, held again: {reply}"
