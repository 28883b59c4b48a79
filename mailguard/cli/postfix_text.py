"""The lines that a machine's Postfix needs to hand its mail to MailGuard; nothing is applied."""

import ipaddress
from collections.abc import Iterator

from mailguard.cli.postfix import (
    ASKING,
    INSIDE,
    OUTSIDE,
    QUEUE,
    Postfix,
    SmtpService,
    filters,
    fronts,
    is_same,
    leads_to,
    mailboxes,
    milters,
    written,
)
from mailguard.cli.postfix_milter import compose_milter, is_asked, others
from mailguard.cli.postfix_shapes import compose_front, compose_mailboxes, describe_login
from mailguard.config import Config, ListenerSection, read_next_hop
from mailguard.mail.envelope import Origin
from mailguard.smtp.host import Host

SPARE_S = 20
"""Seconds by which Postfix waits longer than we may take to answer."""

BACK = """\
    -o syslog_name=postfix/mailguard
    -o smtpd_proxy_filter=
    -o smtpd_authorized_xforward_hosts=127.0.0.0/8
    -o smtpd_tls_security_level=none
    -o smtpd_sasl_auth_enable=no
    -o smtpd_client_restrictions=
    -o smtpd_helo_restrictions=
    -o smtpd_sender_restrictions=
    -o smtpd_relay_restrictions=
    -o smtpd_recipient_restrictions=permit_mynetworks,reject
    -o smtpd_data_restrictions=
    -o smtpd_end_of_data_restrictions=
    -o mynetworks=127.0.0.0/8,[::1]/128
    -o smtpd_error_sleep_time=0
    -o smtpd_soft_error_limit=1001
    -o smtpd_hard_error_limit=1000"""
"""What the service that takes mail back must not do again, and must not ask of us.

Not ``no_unknown_recipient_checks``: our own mail comes in here only, and a headteacher's mistyped
address would be taken and bounce to nobody.
"""


def find_handovers(config: Config, postfix: Postfix) -> list[str]:
    """Where Postfix hands mail to one of our listeners, in the words of its files."""
    passing = [each for each in config.listeners if each.protocol != "milter"]
    return [
        each.words
        for each in postfix.handovers
        if (
            any(is_asked(each.value, listener, postfix.queue) for listener in milters(config))
            if each.name in ASKING
            else any(leads_to(each.value, listener, postfix.queue) for listener in passing)
        )
    ]


def compose_lines(config: Config, postfix: Postfix | None) -> str:
    """Say in plain words, and in Postfix's, what is to be written where."""
    folder = postfix.folder if postfix else "/etc/postfix"
    settings = postfix.settings if postfix else {}
    services = postfix.services if postfix else _usual()
    queue = postfix.queue if postfix else QUEUE
    back = list(_way_back(config, postfix))
    blocks = [*back, *(describe_login(each) for each in config.listeners if each.auth == "pass")]
    in_front = [each for each in fronts(config) if each.auth == "none"]
    blocks += [compose_front(each, services, folder, "".join(back)) for each in in_front]
    blocks += [compose_mailboxes(each, settings, folder) for each in mailboxes(config)]
    blocks += [compose_milter(each, settings, folder) for each in milters(config)]
    inbound = _listener_for(config, Origin.OUTSIDE)
    own = _listener_for(config, Origin.INSIDE)
    for service in services if filters(config) else ():
        if service.is_way_back:
            continue
        if service.port in OUTSIDE and inbound:
            blocks.append(_hand_over(config, service, inbound, "mail from the world", queue))
        elif service.port in INSIDE and own:
            blocks.append(
                _hand_over(config, service, own, "mail from the school's own people", queue)
            )
    has_own = any(service.port in INSIDE for service in services)
    if own and own.origin is Origin.INSIDE and not has_own:
        blocks.append(
            f"Nothing is handed to the listener {own.name}: no service for the school's own\n"
            "people is switched on. Mail that they send through the services above counts as\n"
            "from the world. Switch on `submission` or `submissions` (they stand there with a #\n"
            "in front), have people send through it, and ask for these lines again.\n"
        )
    for listener, wanted in ((inbound, "outside"), (own, "inside")):
        if listener is None and not _covers(config, wanted):
            blocks.append(
                f'No listener has origin = "{wanted}" (or "any"): that mail is not checked.\n'
            )
    asked = postfix.settings.get("smtpd_milters", "") if postfix else ""
    if postfix and filters(config) and others(asked, milters(config), postfix.queue):
        blocks.append(
            "smtpd_milters is set. With a proxy filter, milters at the services above see no\n"
            "content; at the service that takes mail back they do. See MILTER_README.\n"
        )
    head = f"For {folder}/master.cf. Nothing is changed for you.\n"
    if postfix is None:
        head += "There is no Postfix on this machine; its usual services are assumed.\n"
    ways = [*(["smtpd_proxy_filter"] if filters(config) else [])]
    ways += [*(ASKING if milters(config) else [])]
    tail = "Then: postfix check && postfix reload"
    if ways:
        tail += (
            "\nTo take MailGuard out of the path again: remove it from the "
            f"{' and '.join(ways)} lines and reload."
        )
    if mailboxes(config):
        tail += (
            "\nTo have mail go to mailboxes without MailGuard again, put back what "
            "virtual_transport or\nmailbox_transport was (write it down now), and reload."
        )
    numbered = [f"{number}. {block}" for number, block in enumerate(blocks, 1)]
    return "\n".join([head, *numbered, tail])


def _way_back(config: Config, postfix: Postfix | None) -> Iterator[str]:
    """The services behind us: each next hop on this machine, once."""
    asking = {url for each in milters(config) if not each.next_hop_asks for url in each.next_hop}
    elsewhere = {
        url
        for each in config.listeners
        if each.auth == "pass" or (each.public and each.next_hop_xclient)
        for url in each.next_hop
    }
    for url in dict.fromkeys(url for listener in config.listeners for url in listener.next_hop):
        hop = read_next_hop(url)
        if url in elsewhere:
            continue
        if not isinstance(hop, Host):
            yield f"What passes goes to the {hop}: see that they take mail from this machine.\n"
        elif hop.path:
            yield (
                f"What passes goes to the socket {hop.path}, which MailGuard's user must be "
                "allowed to use.\n"
            )
        elif hop.is_lmtp:
            yield f"What passes goes by LMTP to {hop}: see that it takes mail.\n"
        elif not _is_local(hop.name):
            yield f"What passes goes to another machine, {hop}: see that it takes mail.\n"
        else:
            yield _compose_back(hop, config, postfix, asks_us=url in asking)


def _compose_back(hop: Host, config: Config, postfix: Postfix | None, *, asks_us: bool) -> str:
    known = postfix.services if postfix else ()
    there = next((each for each in known if is_same(each.name, hop.name, hop.port)), None)
    asks_nobody = not asks_us or (there and there.options.get("smtpd_milters") == "")
    if there is not None and asks_nobody and (there.is_way_back or not filters(config)):
        return f"{there.name} takes mail back already.\n"
    if there is not None and there.is_entrance:
        return (
            f"The next hop {hop} is `{there.name} {there.kind} … smtpd`, whose mail MailGuard\n"
            "is to check: what it lets through would come to it again. Give next_hop a port of\n"
            "its own, as 127.0.0.1:10026, and ask for these lines again.\n"
        )
    return (
        "Add this service, which takes back what MailGuard lets through:\n\n"
        f"{hop} inet n - n - - smtpd\n{BACK}\n" + ("    -o smtpd_milters=\n" if asks_us else "")
    )


def _covers(config: Config, wanted: str) -> bool:
    """Whether a listener that Postfix hands nothing to sees this mail."""
    return any(
        listener not in filters(config)
        and (
            listener.origin in {wanted, Origin.ANY}
            or (listener.auth == "pass" and wanted == Origin.INSIDE)
        )
        for listener in config.listeners
    )


def _hand_over(
    config: Config, service: SmtpService, listener: ListenerSection, which: str, queue: str
) -> str:
    address = written(listener, queue).removeprefix("inet:")
    timeout = config.relay.answer_s + SPARE_S
    wanted = {"smtpd_proxy_filter": address, "smtpd_proxy_timeout": f"{timeout}s"}
    line = f"{service.name} {service.kind} … smtpd"
    if all(service.options.get(key) == value for key, value in wanted.items()):
        return f"`{line}` ({which}) hands its mail to {address} already.\n"
    lines = "".join(f"    -o {key}={value}\n" for key, value in wanted.items())
    text = f"Below the line `{line}` ({which}), add:\n\n{lines}"
    limit = config.limits.connections_per_address
    if not service.processes.isdigit() or not 0 < int(service.processes) <= limit:
        text += (
            f"\n   and write {min(20, limit)} in its column maxproc (the seventh), which has "
            f"`{service.processes}`:\n   each of these processes keeps a connection to MailGuard.\n"
        )
    return text


def _listener_for(config: Config, origin: Origin) -> ListenerSection | None:
    """The listener for this mail: one that says so, else one for any."""
    for wanted in (origin, Origin.ANY):
        for listener in filters(config):
            if listener.origin is wanted:
                return listener
    return None


def _usual() -> tuple[SmtpService, ...]:
    return tuple(
        SmtpService(name=name, kind="inet", processes="-", options={})
        for name in ("smtp", "submission")
    )


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
