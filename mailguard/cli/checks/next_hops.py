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
from mailguard.service.compose import own_sender_of
from mailguard.service.next_hops import NextHops
from mailguard.service.own_mail import own_next_hop_of
from mailguard.smtp.timeouts import Timeouts
from mailguard.smtp.turn import Route

PATIENCE = Timeouts(connect=4, greeting=4, command=4, final=4)
"""A person is waiting, and a mail server that takes longer makes every sender wait."""


async def check_next_hops(scene: Scene) -> AsyncIterator[Result]:
    """Does each host of each list answer, and know the headteacher and the safeguarding lead?"""
    config = scene.config
    hops = NextHops(config, PATIENCE)
    lists = (*(listener.next_hop for listener in config.listeners), own_next_hop_of(config))
    urls = dict.fromkeys(url for each in lists for url in each)
    try:
        found = await asyncio.gather(*(_ask_all(hops.route(url), url, config) for url in urls))
    finally:
        await hops.close()
    for results in found:
        for result in results:
            yield result


async def _ask_all(route: Route, url: str, config: Config) -> list[Result]:
    """Every host that one entry of a list leads to."""
    behind = [each.next_hop for each in config.listeners if url in each.next_hop]
    kind = "next hop" if behind else "way out of own mail"
    lists = behind or [own_next_hop_of(config)]
    try:
        hosts = await route.hosts()
    except NextHopUnavailable as error:
        do = _remedy(is_alone=(url,) in lists, is_behind=bool(behind), is_known=False)
        problem = f"Nobody knows where it is: {error}."
        return [Result(name=f"{kind} {route}", ok=False, what=problem, do=do)]
    is_alone = (url,) in lists and len(hosts) == 1
    people = tuple(dict.fromkeys((*config.people.headteacher, *config.people.dsl)))
    remedy = _remedy(is_alone=is_alone, is_behind=bool(behind))
    asked = (
        _ask(host, f"{kind} {host}", people, own_sender_of(config), remedy=remedy) for host in hosts
    )
    return [result for results in await asyncio.gather(*asked) for result in results]


def _remedy(*, is_alone: bool, is_behind: bool, is_known: bool = True) -> str:
    """What to do about one that does not answer, or of which nobody says where it is."""
    key = "next_hop" if is_behind else "mail.next_hop"
    first = "Start the mail server behind MailGuard" if is_alone and is_behind else "Start it"
    if not is_known:
        first = "See to the record and to this machine's name servers"
    if not is_alone:
        return (
            f"{first}, or take it out of {key}. Until then all goes to the others there, as long "
            "as one of them answers."
        )
    if is_behind:
        return f"{first}, or correct next_hop. Until then senders are asked to wait."
    return f"{first}, or correct mail.next_hop. Until then no alert and no digest leaves."


async def _ask(
    hop: NextHop, name: str, people: Sequence[str], sender: str, *, remedy: str
) -> list[Result]:
    try:
        problems = await _refusals(hop, people, sender)
    except NextHopUnavailable as error:
        return [Result(name=name, ok=False, what=f"It does not answer: {error}.", do=remedy)]
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
