"""A reviewer's decisions. Each has a name and a reason, and of two at a time one wins."""

from collections.abc import Sequence

from mailguard import events
from mailguard.errors import IllegalTransition, UserError
from mailguard.flow.hold import entry_for
from mailguard.flow.setting import ReviewPorts
from mailguard.quarantine.held import CLOSABLE, Act, HeldMessage, State


async def release(
    held_id: str, *, by: str, reason: str, recipients: Sequence[str] = (), ports: ReviewPorts
) -> HeldMessage:
    """Ask for delivery to `recipients` (when empty all that are held, returned or undeliverable).

    The relay's service sends it; see :mod:`mailguard.flow.release`. Raises UserError and its kinds.
    """
    return await _decide(held_id, Act.RELEASE, by, reason, recipients, ports)


async def confirm(
    held_id: str, *, by: str, reason: str, recipients: Sequence[str] = (), ports: ReviewPorts
) -> HeldMessage:
    """Confirm the offence: the message stays here. Raises UserError and its kinds."""
    return await _decide(held_id, Act.CONFIRM, by, reason, recipients, ports)


async def close(
    held_id: str, *, by: str, reason: str, recipients: Sequence[str] = (), ports: ReviewPorts
) -> HeldMessage:
    """Note that somebody has looked at what was delivered, sealed or undeliverable, and is done
    with it: it stays where it is. Raises UserError and its kinds, also for what still waits for a
    decision."""
    return await _decide(held_id, Act.CLOSE, by, reason, recipients, ports)


async def _decide(
    held_id: str, act: Act, by: str, reason: str, wanted: Sequence[str], ports: ReviewPorts
) -> HeldMessage:
    if not reason.strip():
        raise UserError("a reason is needed: say in a few words why")
    held = await ports.held.by_id(held_id)
    if (held.sealed or held.state is State.SEALED) and act is not Act.CLOSE:
        raise IllegalTransition(
            f"{held_id} is sealed: nobody may open, release or confirm it here. "
            "Call the safeguarding lead; the police decide what becomes of it."
        )
    addresses = _addresses(held, act, wanted)
    entry = entry_for(
        str(act), held, ports.clock, actor=by, reason=reason.strip(), recipients=addresses
    )
    decided = await ports.held.act(held.id, act, addresses, entry)
    events.decided(held.queue_id, held.id, str(act), by, len(addresses))
    return decided


_OPEN = {
    Act.RELEASE: {State.HELD, State.RETURNED, State.UNDELIVERABLE},
    Act.CONFIRM: {State.HELD, State.RETURNED, State.DELIVERED},
    # Held ones too: they are then what it is refused for, and nobody believes all is done.
    Act.CLOSE: {State.HELD, State.RETURNED, *CLOSABLE},
}
"""The copies that are meant when none is named."""


def _addresses(held: HeldMessage, act: Act, wanted: Sequence[str]) -> list[str]:
    """The envelope recipients meant; never one that was not in the envelope."""
    if not wanted:
        open_now = [
            r.address
            for r in held.recipients
            if r.state in _OPEN[act] and not (r.closed and act is Act.CLOSE)
        ]
        return open_now or [r.address for r in held.recipients]
    exact = {r.address for r in held.recipients}
    alike: dict[str, list[str]] = {}
    for address in exact:
        alike.setdefault(address.casefold(), []).append(address)
    strangers = [address for address in wanted if address.casefold() not in alike]
    if strangers:
        raise UserError(
            f"{held.id} was not addressed to {', '.join(strangers)}; "
            f"its recipients are {', '.join(sorted(exact))}"
        )
    meant = ([a] if a in exact else alike[a.casefold()] for a in wanted)
    return list(dict.fromkeys(address for addresses in meant for address in addresses))
