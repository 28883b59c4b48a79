"""Does each listener know where its mail comes from, and does its next hop answer?"""

from collections.abc import AsyncIterator, Iterator

from mailguard.cli.checks.result import Result
from mailguard.cli.stores import is_serving
from mailguard.config import Config, ListenerSection
from mailguard.errors import NextHopUnavailable
from mailguard.mail.envelope import Origin
from mailguard.service.compose import NextHops, Stores


async def check_listeners(config: Config, stores: Stores) -> AsyncIterator[Result]:
    """Do the listeners' settings fit together?"""
    addresses = {listener.address for listener in config.listeners}
    for listener in config.listeners:
        problems = list(_problems(listener, addresses))
        for problem in problems:
            yield problem
        if not problems:
            yield Result(
                name=f"listener {listener.name}",
                ok=True,
                what=f"{listener.address}, mail from {listener.origin}.",
            )


async def check_next_hops(config: Config, stores: Stores) -> AsyncIterator[Result]:
    """Does each answer EHLO?"""
    hops = NextHops(config)
    for url in dict.fromkeys(listener.next_hop for listener in config.listeners):
        name = f"next hop {url.removeprefix('smtp://')}"
        try:
            delivery = await hops.at(url).open()
            await delivery.close()
            yield Result(name=name, ok=True, what="It answers.")
        except NextHopUnavailable as error:
            yield Result(
                name=name,
                ok=False,
                what=f"It does not answer: {error}.",
                do="Start the mail server behind MailGuard, or correct next_hop. Until then "
                "senders are asked to wait.",
            )
    await hops.close()


async def check_service(config: Config, stores: Stores) -> AsyncIterator[Result]:
    """Is anything listening where we would?"""
    is_running = is_serving(config)
    address = config.listeners[0].address
    yield Result(
        name="service",
        ok=True,
        what=f"{'Something' if is_running else 'Nothing'} accepts mail on {address}.",
        do="" if is_running else "Start it with `mailguard serve`.",
    )


def _problems(listener: ListenerSection, addresses: set[str]) -> Iterator[Result]:
    name = f"listener {listener.name}"
    if listener.next_hop.removeprefix("smtp://") in addresses:
        yield Result(
            name=name,
            ok=False,
            what="Its next hop is a listener of MailGuard: mail would go round for ever.",
            do="Set next_hop to the address of the mail server behind MailGuard.",
        )
    if listener.public and listener.origin is not Origin.OUTSIDE:
        yield Result(
            name=name,
            ok=False,
            what="Anyone may connect, and is believed to be who they say they are.",
            do='Set origin = "outside" where public = true.',
        )
    elif listener.origin is Origin.ANY:
        yield Result(
            name=name,
            ok=True,
            what="It does not know where its mail comes from, so a forged pupil's address cannot "
            "be told from a real one.",
            do='Use two listeners, one with origin = "inside" and one with "outside".',
        )
