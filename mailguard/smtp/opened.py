"""A transaction from MAIL to its final dot, and its way from there to the replies."""

import asyncio
from dataclasses import dataclass, field

from mailguard import events
from mailguard.mail.envelope import Envelope, Path, QueueId, Session, Transaction
from mailguard.mail.raw import Raw
from mailguard.mail.reply import LOCAL_ERROR, Replies, Reply
from mailguard.ports import Delivery
from mailguard.smtp.listener import Listener
from mailguard.smtp.unread import Unread


@dataclass(slots=True, kw_only=True)
class Opened:
    """What one client has said of one message so far."""

    delivery: Delivery
    session: Session
    sender: Path
    recipients: list[Path] = field(default_factory=list)
    announced: int = 0
    """Bytes, as SIZE says (RFC 1870)."""

    asked: int = 0
    """RCPTs so far, accepted or not."""

    in_data: bool = False
    ends_here: bool = False
    """A self-test: its delivery takes nothing that could get any further."""

    is_answer: bool = False
    """It goes to an address that only answers to us go to, and to nobody else."""

    def same(self, reply: Reply) -> Replies:
        """`reply` as often as this client waits for one: over LMTP once for each recipient,
        whatever became of the message (RFC 2033 §4.2)."""
        return (reply,) * (len(self.recipients) if self.session.protocol == "lmtp" else 1)

    async def finish(
        self,
        listener: Listener,
        queue_id: QueueId,
        raw: Raw,
        replies: "asyncio.Future[Replies]",
        unread: Unread,
    ) -> None:
        """Have the message received, whether or not the client is still there for the replies; if
        it is not, `unread` is told them."""
        try:
            transaction = Transaction(
                queue_id=queue_id,
                session=self.session,
                envelope=Envelope(sender=self.sender, recipients=tuple(self.recipients)),
                raw=raw,
                received=listener.clock.now(),
            )
            if not self.ends_here:
                unread.begin(transaction)
            answers = await listener.receive(transaction, self.delivery)
            if len(answers) != len(self.same(LOCAL_ERROR)):
                # Must: one too few, and the client waits for ever or takes the next one's.
                raise ValueError(f"{len(answers)} replies to a message")
        except (Exception, asyncio.CancelledError) as error:
            events.failed(queue_id, error)
            answers = self.same(LOCAL_ERROR.naming(queue_id))
        unread.answer(answers)
        if not replies.cancelled():
            replies.set_result(answers)
        # After the answer: closing may take a round trip that the client need not wait for.
        await self.delivery.close()
