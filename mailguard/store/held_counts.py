"""How many messages are in quarantine, for metrics."""

from collections.abc import Mapping

from sqlalchemy import Connection, case, func, select

from mailguard.quarantine.held import ATTENTION, State
from mailguard.store.engine import Database
from mailguard.store.tables import HeldMessages, HeldRecipients


async def count_held(database: Database, school: str) -> Mapping[tuple[State, int], int]:
    """The messages by state (see HeldMessage.state) and level, without tombstones.

    Raises StoreUnavailable.
    """
    # The same order as HeldMessage.state: what most needs attention among the recipients.
    rank = case(
        {str(state): rank for rank, state in enumerate(ATTENTION)}, value=HeldRecipients.state
    )
    messages = (
        select(HeldMessages.level, func.min(rank).label("rank"))
        .join(HeldRecipients, HeldRecipients.held_id == HeldMessages.id)
        .where(HeldRecipients.school == school, HeldRecipients.state != str(State.PURGED))
        .group_by(HeldMessages.id)
        .subquery()
    )
    counts = select(messages.c.rank, messages.c.level, func.count()).group_by(
        messages.c.rank, messages.c.level
    )

    def work(connection: Connection) -> dict[tuple[State, int], int]:
        return {
            (ATTENTION[rank], level): count for rank, level, count in connection.execute(counts)
        }

    return await database.read(work)
