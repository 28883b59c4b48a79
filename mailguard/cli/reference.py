"""From what a person types for a held message to that message: its id, or a short reference."""

import re

from mailguard.errors import UnknownItem, UserError
from mailguard.quarantine.held import CROCKFORD, HeldMessage
from mailguard.report.reference import LENGTH, PREFIX
from mailguard.service.compose import Stores

ID_LENGTH = 26
"""Characters of a whole id."""

_MISREAD = str.maketrans("ILO", "110")
"""Letters that no id has, and the digits that people took for them."""

_TYPED = re.compile(rf"[{CROCKFORD}]{{1,{ID_LENGTH}}}")


async def find(typed: str, stores: Stores) -> HeldMessage:
    """The message with this id, or the one whose id ends so: ``MG-7K3QFM``, ``7K3QFM`` or more of
    it, in capitals or not.

    Raises UnknownItem; UserError, naming the ids, when several end so.
    """
    end = typed.strip().upper().removeprefix(PREFIX).translate(_MISREAD)
    if len(end) >= ID_LENGTH or not _TYPED.fullmatch(end):
        return await stores.held.by_id(end)
    if len(end) < LENGTH:
        raise UnknownItem(
            f"{typed} is too short for a reference: give the last {LENGTH} characters of the id, "
            "as `mailguard quarantine list` shows them"
        )
    found = await stores.held.ending(end)
    if not found:
        raise UnknownItem(f"There is no message {typed} in quarantine.")
    if len(found) > 1:
        ids = ", ".join(held.id for held in found)
        raise UserError(f"{typed} is the end of several ids; name one of them: {ids}")
    return found[0]
