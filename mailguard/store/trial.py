"""Try the database out: everything that holding a message writes, for once not to stay."""

from contextlib import suppress

from sqlalchemy import Connection, insert

from mailguard.ports import AuditEntry
from mailguard.quarantine.held import HeldMessage
from mailguard.store.audit_log import append_in
from mailguard.store.engine import Database
from mailguard.store.rows import load, message_values, recipient_values
from mailguard.store.tables import HeldMessages, HeldRecipients


class _TakenBack(Exception):
    """Ends the transaction without a commit."""


async def comes_back(database: Database, held: HeldMessage, entry: AuditEntry) -> bool:
    """Write a row and its audit entry, read the row back, and undo it all in one transaction.

    True when what was read is what was written. Raises StoreUnavailable.
    """
    is_same = False

    def work(connection: Connection) -> None:
        nonlocal is_same
        connection.execute(insert(HeldMessages), message_values(held) | {"touched": 0})
        connection.execute(insert(HeldRecipients), recipient_values(held))
        append_in(connection, held.school, entry)
        ids = HeldMessages.__table__.select().with_only_columns(HeldMessages.id)
        is_same = list(load(connection, ids.where(HeldMessages.id == held.id))) == [held]
        raise _TakenBack

    with suppress(_TakenBack):
        await database.write(work)
    return is_same
