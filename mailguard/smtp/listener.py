"""What all connections of one listener share."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from mailguard.mail.envelope import Transaction
from mailguard.mail.reply import Replies
from mailguard.ports import Clock, Delivery, NextHop
from mailguard.smtp.auth import Logins
from mailguard.smtp.gate import Gate
from mailguard.smtp.limits import ListenerSettings

_Result = TypeVar("_Result")

Receive = Callable[[Transaction, Delivery], Awaitable[Replies]]
"""Judge a transaction and carry the judgement out; what it returns is for the client: one reply, or
one for each recipient where the client speaks LMTP."""

HasRoom = Callable[[], Awaitable[bool]]
"""Whether evidence of the largest message would still fit on disk."""


Admit = Callable[[str], Awaitable[Delivery | None]]
"""Where the message of a self-test ends, by its sender; None when it is ordinary mail after all."""


async def admit_nothing(sender: str) -> Delivery | None:
    """For listeners that nobody tests."""
    return None


Lost = Callable[[Transaction, "asyncio.Future[Replies]"], Coroutine[Any, Any, None]]
"""What is done about a message whose client has gone without reading the replies; perhaps before
they are known."""


async def forget(transaction: Transaction, replies: "asyncio.Future[Replies]") -> None:
    """For listeners that remember nothing."""


Takes = Callable[[str], bool]
"""Whether an address is one that only answers to us go to: no next hop is asked about it."""


def take_nothing(address: str) -> bool:
    """For listeners without such addresses."""
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Settings, ports and counts of one listener."""

    settings: ListenerSettings
    receive: Receive
    next_hop: NextHop
    clock: Clock
    has_room: HasRoom
    gate: Gate
    logins: Logins | None = None
    """Where clients log in, if the settings say that they may."""

    admit: Admit = admit_nothing
    lost: Lost = forget
    takes: Takes = take_nothing
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once: connections end with their transaction under way."""

    underway: set[asyncio.Task[Any]] = field(default_factory=set)
    """Work that outlives its connection. The loop itself keeps no strong reference to a task."""

    def start(self, work: Coroutine[Any, Any, _Result]) -> asyncio.Task[_Result]:
        """Run `work` to its end, whatever becomes of the connection that started it."""
        task = asyncio.get_running_loop().create_task(work)
        self.underway.add(task)
        task.add_done_callback(self.underway.discard)
        return task
