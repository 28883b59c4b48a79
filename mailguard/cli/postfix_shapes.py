"""What a Postfix is told where MailGuard is no filter of its services; nothing is applied."""

from collections.abc import Mapping, Sequence

from mailguard.cli.postfix import QUEUE, SmtpService, leads_to, written
from mailguard.config import ListenerSection, read_next_hop, split_address
from mailguard.smtp.host import Host

SMTP_PORT = 25

DELIVERS = ("virtual_transport", "mailbox_transport")
"""Parameters by which Postfix delivers to mailboxes: to those that it has a table of, and to those
of the machine's own users."""

KEPT_BY_XCLIENT = """\
    -o syslog_name=postfix/mailguard
    -o smtpd_authorized_xclient_hosts=127.0.0.0/8
"""
"""All that is needed where the next hop sees the world's clients as if they were its own."""


def compose_front(
    listener: ListenerSection, services: Sequence[SmtpService], folder: str, back: str
) -> str:
    """Say how Postfix makes room for `listener`, which the world connects to, and takes from it."""
    _, port = split_address(listener.address)
    text = (
        f"The world connects to the listener {listener.name} ({listener.address}), and no longer "
        "to Postfix.\n"
    )
    own = [each for each in services if each.kind == "inet" and each.port in {"smtp", "25"}]
    if port == SMTP_PORT and own:
        text += (
            f"   In {folder}/master.cf put a # before `{own[0].name} inet … smtpd` and its "
            "options: two\n   programs cannot have one port. Restart Postfix before MailGuard.\n"
        )
    if listener.next_hop_xclient:
        text += (
            "   What it lets through goes on with the client's own address (XCLIENT), so keep the\n"
            f"   service's restrictions, and add:\n\n{KEPT_BY_XCLIENT}"
        )
    elif back:
        text += (
            "   Restrictions on clients have no effect at the service that takes mail back: it\n"
            "   sees this machine. With next_hop_xclient = true it sees the clients.\n"
        )
    return text


def compose_mailboxes(listener: ListenerSection, settings: Mapping[str, str], folder: str) -> str:
    """Say how Postfix delivers to mailboxes through `listener`."""
    queue = settings.get("queue_directory") or QUEUE
    if any(leads_to(settings.get(name, ""), listener, queue) for name in DELIVERS):
        return f"Mail for mailboxes goes through the listener {listener.name} already.\n"
    entry = f"lmtp:{written(listener, queue)}"
    hops = [read_next_hop(url) for url in listener.next_hop]
    behind = ", ".join(map(str, hops))
    by = "LMTP" if any(isinstance(hop, Host) and hop.is_lmtp for hop in hops) else "SMTP"
    text = (
        f"In {folder}/main.cf, so that mail for mailboxes goes through the listener "
        f"{listener.name}:\n\n"
        f"    virtual_transport = {entry}\n\n"
        f"   or `mailbox_transport = {entry}`, where mailboxes belong to this\n"
        f"   machine's users. From MailGuard it goes on by {by} to {behind}.\n"
        "   Mail from the school to the world does not come this way.\n"
    )
    if entry.startswith("lmtp:unix:/"):
        text += (
            f"   With `y` in the column chroot of `lmtp unix … lmtp` Postfix does not see "
            f"{entry[10:]}:\n   give the listener a socket below {queue}, or an address with a "
            "port.\n"
        )
    return text


def describe_login(listener: ListenerSection) -> str:
    """Say what the services are at which people log in through `listener`."""
    places = ", ".join(str(read_next_hop(url)) for url in listener.next_hop)
    return (
        f"People's mail programs come to the listener {listener.name} "
        f"({listener.address}), and log in\nthrough it at {places}: a service with "
        "smtpd_sasl_auth_enable=yes that takes mail from\nthis machine without a login too "
        "(permit_mynetworks), for what is released later.\n"
    )
