"""What a Postfix is told that asks one of our milter listeners; nothing is applied."""

import re
from collections.abc import Iterator, Mapping

from mailguard.cli.postfix import ASKING, QUEUE, leads_to, written
from mailguard.config import ListenerSection

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
    return any(leads_to(entry, listener, queue) for entry in _entries(value))


def others(value: str, listeners: tuple[ListenerSection, ...], queue: str) -> list[str]:
    """The milters in a list that are none of `listeners`."""
    return [
        entry
        for entry in _entries(value)
        if not any(leads_to(entry, listener, queue) for listener in listeners)
    ]


def compose_milter(listener: ListenerSection, settings: Mapping[str, str], folder: str) -> str:
    """Say what makes Postfix ask `listener`."""
    queue = settings.get("queue_directory") or QUEUE
    entry = written(listener, queue)
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


def _entries(value: str) -> Iterator[str]:
    """The milters in a list, without the settings that one may have of its own."""
    for match in _ENTRY.finditer(value):
        yield match[1] or match[2]
