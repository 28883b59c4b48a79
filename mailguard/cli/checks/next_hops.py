"""Would the mail servers behind MailGuard take a message to the people who are told of things?

The conversation goes as far as RCPT and ends with RSET: nothing is sent.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence

from mailguard.cli.checks.result import Result, Scene
from mailguard.config import Config
from mailguard.errors import NextHopUnavailable
from mailguard.mail.reply import Reply
from mailguard.ports import NextHop
from mailguard.service.compose import NextHops, own_sender_of
from mailguard.smtp.nexthop import Timeouts

PATIENCE = Timeouts(connect=4, greeting=4, command=4, final=4)
"""A person is waiting, and a mail server that takes longer makes every sender wait."""


async def check_next_hops(scene: Scene) -> AsyncIterator[Result]:
    """Does each answer, and does it know the headteacher and the safeguarding lead?"""
    config = scene.config
    hops = NextHops(config, PATIENCE)
    urls = dict.fromkeys(listener.next_hop for listener in config.listeners)
    ways = dict.fromkeys((*urls, *([config.mail.next_hop] if config.mail.next_hop else [])))
    people = tuple(dict.fromkeys((*config.people.headteacher, *config.people.dsl)))
    found = await asyncio.gather(*(_ask(hops.at(url), url, people, config) for url in ways))
    await hops.close()
    for results in found:
        for result in results:
            yield result


async def _ask(hop: NextHop, url: str, people: Sequence[str], config: Config) -> list[Result]:
    is_behind = any(listener.next_hop == url for listener in config.listeners)
    address = url.removeprefix("smtp://")
    name = f"next hop {address}" if is_behind else f"way out of own mail {address}"
    try:
        problems = await _refusals(hop, people, own_sender_of(config))
    except NextHopUnavailable as error:
        problem = Result(
            name=name,
            ok=False,
            what=f"It does not answer: {error}.",
            do="Start the mail server behind MailGuard, or correct next_hop. Until then senders "
            "are asked to wait."
            if is_behind
            else "Start it, or correct mail.next_hop. Until then no alert and no digest leaves.",
        )
        return [problem]
    who = f" It takes mail to {' and '.join(people)}." if people else ""
    return [
        Result(
            name=name,
            ok=False,
            what=problem,
            do="See to the mail server, or correct the address under [people]; digests and alerts "
            "go nowhere until then.",
        )
        for problem in problems
    ] or [Result(name=name, ok=True, what=f"It answers.{who}")]


async def _refusals(hop: NextHop, people: Sequence[str], sender: str) -> list[str]:
    """One sentence for each address that is not taken."""
    delivery = await hop.open()
    try:
        reply = await delivery.mail(f"<{sender}>".encode())
        if not reply.is_positive:
            return [f"It does not take mail from {sender}: {reply}."]
        asked = [(person, await delivery.rcpt(f"<{person}>".encode())) for person in people]
        await delivery.reset()
        return [_sentence(person, reply) for person, reply in asked if not reply.is_positive]
    finally:
        await delivery.close()


def _sentence(person: str, reply: Reply) -> str:
    enhanced = reply.lines[0].split(" ", 1)[0] if reply.lines else ""
    if enhanced.startswith("5.1.") or (reply.code == 550 and not enhanced.startswith("5.")):
        return f"It does not know {person}: {reply}."
    if reply.is_temporary:
        return f"It does not take mail to {person} now: {reply}."
    return f"It refuses mail to {person}: {reply}."
