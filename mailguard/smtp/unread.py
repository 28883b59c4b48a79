"""The reply that its client may not have read: kept in mind until the client says anything more."""

import asyncio

from mailguard.mail.envelope import Transaction
from mailguard.mail.reply import Replies
from mailguard.smtp.listener import Listener
from mailguard.smtp.wire import Wire


class Unread:
    """The last message of one connection, until its client has gone on, or has gone.

    A command that was sent before our reply counts as well: many a client sends QUIT right behind
    its message and does read the reply.
    """

    def __init__(self, listener: Listener, wire: Wire) -> None:
        self._listener = listener
        self._wire = wire
        self._transaction: Transaction | None = None
        self._replies: asyncio.Future[Replies] | None = None
        self._is_over = False

    def begin(self, transaction: Transaction) -> None:
        """A message has arrived, and is to be answered."""
        self._transaction = transaction
        self._replies = asyncio.get_running_loop().create_future()
        if self._is_over or self._wire.is_spent:
            self.end()

    def answer(self, replies: Replies) -> None:
        """This is what its client is told, if it is still there."""
        if self._replies is not None:
            self._replies.set_result(replies)
        if not any(reply.is_positive for reply in replies):
            self._transaction = None

    def go_on(self) -> None:
        """The client has said something more: it has read what it was told."""
        self._transaction = self._replies = None

    def end(self) -> None:
        """No more commands will come; what none followed is remembered, by work that outlives the
        connection."""
        self._is_over = True
        if self._transaction is not None and self._replies is not None:
            self._listener.start(self._listener.lost(self._transaction, self._replies))
        self._transaction = None
