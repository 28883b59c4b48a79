"""Where Postfix runs on this machine: does it hand us its mail, and take it back without a loop?

It is only asked; nothing of it is changed. A Postfix that has nothing to do with MailGuard is no
mistake.
"""

from collections.abc import AsyncIterator, Iterator

from mailguard.cli.checks.postfix_settings import (
    judge_asking,
    judge_giving,
    judge_newlines,
    judge_taking,
    note,
)
from mailguard.cli.checks.result import Result, Scene
from mailguard.cli.postfix import (
    HANDOVERS,
    ROUTES,
    Postfix,
    SmtpService,
    filters,
    hosts_behind,
    is_at,
    leads_to,
    mailboxes,
    milters,
    read_postfix,
    seconds_of,
)
from mailguard.cli.postfix_milter import is_asked
from mailguard.cli.postfix_text import compose_lines
from mailguard.config import Config
from mailguard.errors import UserError


async def check_postfix(scene: Scene) -> AsyncIterator[Result]:
    """Which of its services use MailGuard, and how?"""
    try:
        postfix = read_postfix()
    except UserError as error:
        yield note(f"Its configuration cannot be read: {error}.", "`postconf -n` may say why.")
        return
    if postfix is None:
        return
    for result in judge_postfix(postfix, scene.config):
        yield result


def judge_postfix(postfix: Postfix, config: Config) -> Iterator[Result]:
    """What to say of this Postfix beside this configuration."""
    behind = hosts_behind(config.listeners)
    taking = [service for service in postfix.services if is_at(service, behind)]
    others = [service for service in postfix.services if service not in taking]
    giving = [each for each in others if _gives(each, "smtpd_proxy_filter", postfix, config)]
    # What is released may go to a service that asks about it, and about all other mail.
    keyed = [each for each in taking if _is_keyed(each, config)]
    asking = [each for each in (*others, *keyed) if _asks(each, postfix, config)]
    routed = _routes(postfix, config)
    expects_some = bool(filters(config) or milters(config) or mailboxes(config))
    if not giving and not asking and not routed and expects_some:
        yield note(
            "None of its services hands its mail to MailGuard.",
            f"If one should, this is how:\n\n{compose_lines(config, postfix).strip()}",
        )
    found = [result for each in giving for result in judge_giving(each, taking, postfix, config)]
    found += [result for each in asking for result in judge_asking(each, postfix, config)]
    using = [each for each in postfix.services if each in (*giving, *asking)]
    found += judge_newlines(using, postfix)
    found += _judge_routes(routed, postfix, config)
    for service in taking:
        found += _going_round(service, postfix, config)
        if giving:
            found += judge_taking(service, postfix)
    yield from found
    if (using or routed) and all(result.ok for result in found):
        named = ", ".join([*(service.name for service in using), *routed])
        yield Result(name="postfix", ok=True, what=f"MailGuard gets the mail of {named}.")
    if asking and not _is_named(postfix.settings.get("non_smtpd_milters", ""), postfix, config):
        yield note(
            "Mail that programs on this machine hand in is not checked.",
            "Set non_smtpd_milters as smtpd_milters in main.cf, if it should be.",
        )


def _gives(service: SmtpService, name: str, postfix: Postfix, config: Config) -> bool:
    """Whether this parameter of it leads to us."""
    target = postfix.setting(service, name)
    return any(
        leads_to(target, listener, postfix.queue)
        for listener in config.listeners
        if listener.protocol == "smtp"
    )


def _asks(service: SmtpService, postfix: Postfix, config: Config) -> bool:
    """Whether it asks us what to do with a message."""
    return _is_named(postfix.setting(service, "smtpd_milters"), postfix, config)


def _is_keyed(service: SmtpService, config: Config) -> bool:
    """Whether what is released goes to it with a key by which we know it again."""
    return is_at(service, hosts_behind([each for each in milters(config) if each.next_hop_asks]))


def _is_named(value: str, postfix: Postfix, config: Config) -> bool:
    return any(is_asked(value, listener, postfix.queue) for listener in milters(config))


def _routes(postfix: Postfix, config: Config) -> list[str]:
    """The parameters by which it delivers through us."""
    passing = [each for each in config.listeners if each.protocol != "milter"]
    return [
        name
        for name in ROUTES
        if any(leads_to(postfix.settings.get(name, ""), each, postfix.queue) for each in passing)
    ]


def _judge_routes(routed: list[str], postfix: Postfix, config: Config) -> list[Result]:
    """Whether it waits for us when it delivers by LMTP; by SMTP it waits at least as long."""
    patience = seconds_of(postfix.settings.get("lmtp_data_done_timeout", ""))
    if not routed or not mailboxes(config) or patience > config.relay.answer_s:
        return []
    return [
        Result(
            name="postfix",
            ok=False,
            what=f"It waits {patience} s for MailGuard's answer by LMTP, which may take "
            f"{config.relay.answer_s} s: a message might come twice.",
            do="postconf -e lmtp_data_done_timeout=600s",
        )
    ]


def _going_round(service: SmtpService, postfix: Postfix, config: Config) -> Iterator[Result]:
    """What makes a service behind us hand mail to us again."""
    own_port = "Give next_hop a port of its own: `mailguard config postfix` has the lines."
    for name in HANDOVERS:
        if _gives(service, name, postfix, config):
            yield Result(
                name="postfix",
                ok=False,
                what=f"{service.name} takes what MailGuard passes on, and hands it to "
                f"MailGuard again ({name}): mail would go round.",
                do=own_port
                if service.is_entrance
                else f"Add -o {name}= to {service.name} in master.cf.",
            )
    asks = _asks(service, postfix, config)
    others = [each for each in milters(config) if not each.next_hop_asks]
    is_keyed = _is_keyed(service, config)
    if asks and (not is_keyed or is_at(service, hosts_behind(others))):
        yield Result(
            name="postfix",
            ok=False,
            what=f"{service.name} takes what is released, and asks MailGuard about it "
            "again (smtpd_milters): it would be held again.",
            do=f"{own_port[:-1]}, or set next_hop_asks = true."
            if service.is_entrance
            else f"Add -o smtpd_milters= to {service.name} in master.cf.",
        )
    if is_keyed and not asks:
        yield Result(
            name="postfix",
            ok=False,
            what=f"{service.name} takes what is released, and does not ask MailGuard about it as "
            "next_hop_asks says: its readers see the header X-MailGuard-Release.",
            do="Leave listeners.next_hop_asks out, or let that service ask (smtpd_milters).",
        )
