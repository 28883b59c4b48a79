"""Delete what retention says is due: the tombstone is committed first, then the files go."""

from mailguard import events
from mailguard.flow.hold import entry_for
from mailguard.flow.setting import Ports
from mailguard.quarantine.held import Act
from mailguard.quarantine.retention import Retention


async def purge(ports: Ports, retention: Retention) -> int:
    """Delete the content of every message that is due; return how many there were.

    The row stays as a tombstone that says what was there. Stopped between row and files, the next
    start deletes the files.
    """
    due = await ports.held.due(retention)
    for held in due:
        addresses = [recipient.address for recipient in held.recipients]
        await ports.held.act(held.id, Act.EXPIRE, addresses, entry_for("purge", held, ports.clock))
        await ports.spool.remove(held.folder)
        events.purged(held.id)
    return len(due)
