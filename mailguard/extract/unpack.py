"""Have the attachments of a message read: which of them, by what, and for how long."""

import time

from mailguard.extract.cage import Cage
from mailguard.extract.declared import in_utf8
from mailguard.extract.found import Missed, Opened, Reading
from mailguard.extract.item import About
from mailguard.extract.patience import CLOCK_TIMES
from mailguard.extract.sniff import sniff
from mailguard.mail.attachment import Extract, is_file, needs_reader
from mailguard.mail.message import Message
from mailguard.mail.password import find_passwords

TEXT = 16 << 20
"""Characters of all attachments of one message. Each may have two million, and a message of one
megabyte a thousand such."""


def unpack(message: Message, cage: Cage, seconds: float) -> tuple[Extract, ...]:
    """One Extract for each attachment; all are read within `seconds` of processor time, or say that
    they were not, by the reason ``timeout``; by ``engine`` where the machine was too busy."""
    return tuple(extract for extract, _ in unpack_each(message, cage, seconds))


def unpack_each(
    message: Message, cage: Cage, seconds: float
) -> tuple[tuple[Extract, Reading | None], ...]:
    """Each attachment's Extract, and the Reading behind it where there is one."""
    end = cage.spent + seconds
    deadline = time.monotonic() + seconds * CLOCK_TIMES
    passwords = find_passwords(message)
    answers: list[tuple[Extract, Reading | None]] = []
    room = TEXT
    for part in message.parts:
        if not is_file(part):
            continue
        sniffed = sniff(part.data)
        if not needs_reader(part, sniffed):
            answers.append((Extract(part=part.number, sniffed=sniffed), None))
            continue
        about = About(
            name=part.filename,
            declared=part.content_type,
            sniffed=sniffed,
            passwords=passwords,
        )
        if room > 0:
            data = in_utf8(part.data, part.charset, sniffed)
            reading = cage.read(data, about, end - cage.spent, deadline)
        else:
            reading = Reading(found=(Missed(path=part.filename, reason="too_long"),))
        room -= reading.size
        answers.append((_extract(part.number, sniffed, reading), reading))
    return tuple(answers)


def _extract(number: str, sniffed: str, reading: Reading) -> Extract:
    first = next((each for each in reading.found if isinstance(each, Opened)), None)
    if first is not None and not first.reader:
        # Nobody reads such files; perhaps it is text all the same.
        return Extract(part=number, sniffed=sniffed)
    return Extract(
        part=number,
        sniffed=sniffed,
        is_read=True,
        text=reading.text,
        names=reading.names,
        misses=reading.misses,
        features=reading.features,
    )
