"""An author's answer to the release address: it has one returned message sent, once, for a reason.

The answer itself goes nowhere: no next hop, ledger row or quarantine sees it. What it says in its
first line is the reason, kept with the decision. Whoever answers is told at once by the reply, in
words, since mail programs show these to their users.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from mailguard import events
from mailguard.errors import MailGuardError, UnknownItem, UserError
from mailguard.flow.advise import Advice, Advise, Give
from mailguard.flow.review import release
from mailguard.flow.setting import ReviewPorts
from mailguard.mail.charset import read_text
from mailguard.mail.closing import find_closing
from mailguard.mail.envelope import Origin, Transaction
from mailguard.mail.hidden import show_hidden
from mailguard.mail.html import read_page
from mailguard.mail.message import Message, parse
from mailguard.mail.quote import split_quotation
from mailguard.mail.reply import LOCAL_ERROR, Replies, Reply
from mailguard.policy.directory import Directory, fold_address
from mailguard.policy.relationship import is_automatic
from mailguard.ports import Clock, Delivery, HeldStore, Tickets
from mailguard.quarantine.held import HeldMessage, State
from mailguard.quarantine.ticket import Ticket, read_token
from mailguard.report.reference import reference_of

UNKNOWN = Reply.of(550, "5.1.1 There is no message to be sent by an answer to this address")
OTHER_AUTHOR = Reply.of(550, "5.7.1 Only who wrote a message can have it sent by such an answer")
BY_MACHINE = Reply.of(550, "5.7.1 An automatic answer has nothing sent: a person must say why")
TOO_LATE = Reply.of(550, "5.7.1 The seven days are over: please send your message again")
DECIDED = Reply.of(550, "5.7.1 That message was answered for or decided about already")
NO_REASON = Reply.of(550, "5.6.0 Not sent: write in the first line why it has to go, and answer")
ALONE = Reply.of(550, "5.5.3 Answer to this address alone, without any other recipient")
NOT_INSIDE = Reply.of(550, "5.7.1 This address is only for mail from inside the school")

READ = 1 << 20
"""Bytes of an answer that are read; a reason stands in the first of them."""

LETTERS = 3
"""In a reason, at least: ``ok`` is none."""

LONGEST = 200
"""Characters of a reason that are kept: a line, not a letter."""

_TEXT_LIMIT = 1 << 16

Receive = Callable[[Transaction, Delivery], Awaitable[Replies]]
"""What becomes of all other mail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketPorts:
    """All that an answer needs."""

    tickets: Tickets
    held: HeldStore
    clock: Clock
    directory: Directory
    domain: str
    """Of the addresses; ``""`` where the school has none."""

    def takes(self, address: str) -> bool:
        """Whether `address` is one that only answers go to."""
        return bool(read_token(address, self.domain))


async def receive_answer(
    transaction: Transaction, delivery: Delivery, *, otherwise: Receive, ports: TicketPorts
) -> Replies:
    """Obey an answer to a release address; hand any other message to `otherwise`.

    Nothing is said to the next hop about an answer, and a database that is down is 451.
    """
    if not _is_answer(transaction, ports):
        return await otherwise(transaction, delivery)
    reply = await _obey(transaction, ports)
    each = transaction.session.protocol == "lmtp"
    return (reply,) * (len(transaction.envelope.recipients) if each else 1)


async def advise_answer(
    transaction: Transaction, give: Give, *, otherwise: Advise, ports: TicketPorts
) -> None:
    """The same where a mail server keeps the message and asks: it forgets an answer, or refuses
    it with our words."""
    if not _is_answer(transaction, ports):
        await otherwise(transaction, give)
        return
    reply = await _obey(transaction, ports)
    give(Advice(discard=True) if reply.is_positive else Advice(refusal=reply))


def _is_answer(transaction: Transaction, ports: TicketPorts) -> bool:
    return any(ports.takes(path.address) for path in transaction.envelope.recipients)


async def _obey(transaction: Transaction, ports: TicketPorts) -> Reply:
    queue_id = transaction.queue_id
    held_id, reply = "", LOCAL_ERROR
    try:
        held_id, reply = await _decide(transaction, ports)
    except MailGuardError as error:
        events.failed(queue_id, error)
    events.answered_for(queue_id, held_id, reply)
    return reply.naming(queue_id)


async def _decide(transaction: Transaction, ports: TicketPorts) -> tuple[str, Reply]:
    """The message that is meant, if any, and what the answer comes to. Raises StoreUnavailable."""
    first, *others = transaction.envelope.recipients
    if transaction.session.origin is not Origin.INSIDE:
        return "", NOT_INSIDE
    if others:
        return "", ALONE
    ticket = await ports.tickets.find(read_token(first.address, ports.domain))
    if ticket is None:
        return "", UNKNOWN
    message = parse(transaction.raw.head(READ))
    # In this order: who may not use it learns nothing of how it stands.
    if not _is_author(transaction, ticket, ports.directory):
        return ticket.held_id, OTHER_AUTHOR
    if is_automatic(message):
        return ticket.held_id, BY_MACHINE
    if ticket.is_over:
        return ticket.held_id, TOO_LATE
    try:
        held = await ports.held.by_id(ticket.held_id)
    except UnknownItem:
        return ticket.held_id, TOO_LATE
    return held.id, await _release(held, read_reason(message), ticket, ports)


async def _release(held: HeldMessage, reason: str, ticket: Ticket, ports: TicketPorts) -> Reply:
    returned = [r.address for r in held.recipients if r.state is State.RETURNED]
    if not returned:
        return TOO_LATE if held.state is State.PURGED else DECIDED
    if not reason:
        return NO_REASON
    try:
        await release(
            held.id,
            by=ticket.author,
            reason=reason,
            recipients=returned,
            ports=ReviewPorts(held=ports.held, clock=ports.clock),
        )
    except UserError:
        # Of two answers at a time one wins.
        return DECIDED
    return Reply.of(250, f"2.0.0 Ok: your message {reference_of(held.id)} is sent as it is")


def _is_author(transaction: Transaction, ticket: Ticket, directory: Directory) -> bool:
    """Whether the answer comes from who wrote the message, by its envelope; and by the login, where
    that is an address of the school. Other login names are for the mail server to compare."""
    login = transaction.session.auth
    if "@" in login and directory.is_ours(login):
        own = directory.same_person(ticket.author)
        if fold_address(login) not in own:
            return False
    return fold_address(transaction.envelope.sender.address) == ticket.author


def read_reason(message: Message) -> str:
    """The first line of the author's own text: not quoted, no signature; ``""`` if it gives no
    reason. White space is made one, and the rest of a long line left out."""
    for part in message.parts:
        if part.is_attachment or not part.content_type.startswith("text/"):
            continue
        text = read_text(part.data[:_TEXT_LIMIT], part.charset)
        if part.content_type == "text/html":
            text = read_page(text).marked
        own, _ = show_hidden(split_quotation(text)[0])
        lines = (" ".join(line.split()) for line in own[: find_closing(own)].splitlines())
        first = next(filter(None, lines), "")
        if first:
            is_reason = sum(letter.isalpha() for letter in first) >= LETTERS
            return first[:LONGEST] if is_reason else ""
    return ""
