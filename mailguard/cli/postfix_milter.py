"""What a Postfix is told that asks one of our milter listeners; nothing is applied."""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from mailguard.config import ListenerSection, socket_path, split_address

ASKING = ("smtpd_milters", "non_smtpd_milters")
"""Parameters that name milters."""

SETTINGS = (*ASKING, "milter_default_action", "milter_protocol", "queue_directory")
"""All parameters that are looked at here."""

QUEUE = "/var/spool/postfix"
"""Postfix's own default."""

_ENTRY = re.compile(r"\{\s*([^,\s}]+)[^}]*\}|([^,\s{}]+)")

_WANTED = """\
    milter_default_action = tempfail
    milter_protocol = 6
    milter_connect_timeout = 30s
    milter_command_timeout = 30s
    milter_content_timeout = 300s
"""
"""Postfix's own defaults today. MailGuard gives a sign of life every ten seconds."""


def is_asked(value: str, listener: ListenerSection, queue: str) -> bool:
    """Whether a list of milters, as Postfix has it, names `listener`."""
    return any(_is_it(entry, listener, queue) for entry in _entries(value))


def others(value: str, listeners: tuple[ListenerSection, ...], queue: str) -> list[str]:
    """The milters in a list that are none of `listeners`."""
    return [
        entry
        for entry in _entries(value)
        if not any(_is_it(entry, listener, queue) for listener in listeners)
    ]


def compose_milter(listener: ListenerSection, settings: Mapping[str, str], folder: str) -> str:
    """Say what makes Postfix ask `listener`."""
    queue = settings.get("queue_directory") or QUEUE
    entry = _entry(listener, queue)
    missing = [name for name in ASKING if not is_asked(settings.get(name, ""), listener, queue)]
    if not missing and settings.get("milter_default_action") == "tempfail":
        return f"{entry} is asked about all mail already.\n"
    lines = ""
    for name in missing:
        there = settings.get(name, "")
        lines += f"    {name} = {f'{there}, ' if there else ''}{entry}\n"
    text = f"In {folder}/main.cf, for the listener {listener.name}:\n\n{lines}{_WANTED}"
    if entry.startswith("unix:/"):
        text += (
            f"\n   A service with `y` in its column chroot does not see {entry[5:]}:\n"
            f"   give the listener a socket below {queue}, or an address with a port.\n"
        )
    return text


def _entry(listener: ListenerSection, queue: str) -> str:
    """The listener as Postfix writes it; a path in its queue is seen from a chroot too."""
    path = PurePosixPath(socket_path(listener.address))
    if not path.is_absolute():
        return f"inet:{listener.address}"
    return f"unix:{path.relative_to(queue) if path.is_relative_to(queue) else path}"


def _entries(value: str) -> Iterator[str]:
    """The milters in a list, without the settings that one may have of its own."""
    for match in _ENTRY.finditer(value):
        yield match[1] or match[2]


def _is_it(entry: str, listener: ListenerSection, queue: str) -> bool:
    kind, _, rest = entry.partition(":")
    path = socket_path(listener.address)
    if path:
        # An absolute path is one in the queue for a service in a chroot.
        places = (PurePosixPath(queue, rest), PurePosixPath(queue, rest.lstrip("/")))
        return kind == "unix" and PurePosixPath(path) in places
    return kind == "inet" and is_same(entry, *split_address(listener.address))


def is_same(target: str, host: str, port: int) -> bool:
    """Whether Postfix's `target` (``[smtp:][host]:port`` and the like) is this address."""
    words = target.replace("[", "").replace("]", "").split(":")
    if words[-1] != str(port):
        return False
    named = ":".join(words[:-1])
    if ":" in host:
        return named.endswith((host, "localhost"))
    there = words[-2] if len(words) > 1 else ""
    if host in {"0.0.0.0", "::"}:  # noqa: S104  comparing, not binding
        return True
    return there == host or {there, host} <= {"localhost", "127.0.0.1", "", "inet"}
