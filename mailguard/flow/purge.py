"""Delete what retention says is due: the tombstone is committed first, then the files go."""

from mailguard import events
from mailguard.flow.hold import entry_for
from mailguard.flow.setting import Ports
from mailguard.quarantine.retention import Retention


async def purge(ports: Ports, retention: Retention) -> int:
    """Delete the content of every message that is due; return how many there were.

    The row stays as a tombstone that says what was there. Stopped between row and files, the next
    start deletes the files.
    """
    count = 0
    for held in await ports.held.due(retention):
        if not await ports.held.expire(held.id, retention, entry_for("purge", held, ports.clock)):
            continue
        count += 1
        events.purged(held.queue_id, held.id)
        await ports.spool.remove(held.folder)
    return count
