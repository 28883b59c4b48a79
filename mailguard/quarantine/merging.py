"""Whether a message that is sent once more is the one in quarantine already, or a new one."""

from mailguard.quarantine.held import HeldMessage, HeldRecipient, State


def is_undecided(held: HeldMessage) -> bool:
    """Whether nobody has decided about any copy of it: then the same message need not be kept
    twice. One that comes after a decision is a new one, and somebody has to decide about it.

    A copy that was delivered with a flag waits for nothing, whether or not it was closed.
    """
    return all(
        recipient.state is State.DELIVERED or _waits(recipient) for recipient in held.recipients
    )


def waits(held: HeldMessage) -> bool:
    """Whether any copy waits for a decision."""
    return any(map(_waits, held.recipients))


def _waits(recipient: HeldRecipient) -> bool:
    if recipient.state is State.UNDELIVERABLE:
        return recipient.closed is None
    return recipient.state in (State.HELD, State.PENDING, State.RETURNED)
