"""Who may look at a held message, and what a look at its content leaves behind."""

from contextlib import suppress
from dataclasses import dataclass

from mailguard.cli.envelope import parse_head
from mailguard.config import Config
from mailguard.errors import EvidenceDamaged, UserError
from mailguard.mail.mailbox import Mailbox
from mailguard.mail.raw import Raw
from mailguard.policy.directory import Directory
from mailguard.policy.visibility import Chain, Parties, may_see, reviewers_for
from mailguard.quarantine.held import HeldMessage, State
from mailguard.service.compose import Stores
from mailguard.service.load import load_directory


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """The person at the keyboard. Without an address nothing can be kept from them."""

    address: str
    chain: Chain
    directory: Directory

    @classmethod
    def of(cls, address: str | None, config: Config) -> "Viewer":
        """Whoever has `address`, in this school. Raises ConfigError."""
        people = config.people
        return cls(
            address=address or "",
            chain=Chain(
                headteacher=people.headteacher,
                dsl=people.dsl,
                deputy=people.deputy,
                chair=people.chair,
            ),
            directory=load_directory(config),
        )

    async def may_see(self, held: HeldMessage, stores: Stores) -> bool:
        """Whether this person may be shown `held` at all."""
        if not self.address:
            return True
        return self._may_see(await _parties(held, stores))

    async def check(self, held: HeldMessage, stores: Stores) -> None:
        """Raise UserError, naming the next in line, if this person may not see `held`."""
        parties = await _parties(held, stores)
        if not self.address or self._may_see(parties):
            return
        others = reviewers_for(parties, self.chain, self.directory)
        goes_to = (
            f"it goes to {' or '.join(others)}"
            if others
            else "name one more person under [people], for nobody else is left"
        )
        raise UserError(
            f"{held.id} is not shown to {self.address}, who has a part in it or may not know of "
            f"it; {goes_to}"
        )

    def _may_see(self, parties: Parties) -> bool:
        return may_see(self.address, parties, self.chain, self.directory)


async def open_content(held: HeldMessage, stores: Stores) -> Raw:
    """The exact bytes. Must: the caller records the look in the audit log before it shows any.

    Raises UserError for what is sealed or was purged, EvidenceDamaged.
    """
    if held.sealed or held.state is State.SEALED:
        raise UserError(
            f"{held.id} is sealed: nobody may open or copy it here. Call the safeguarding lead; "
            "the police decide what becomes of it."
        )
    if held.state is State.PURGED:
        raise UserError(f"{held.id}: its content was deleted because its time was up")
    return await stores.spool.read(held)


async def _parties(held: HeldMessage, stores: Stores) -> Parties:
    """Everybody in the envelope and in From; of a message that is gone, the envelope."""
    named: tuple[Mailbox, ...] = ()
    with suppress(EvidenceDamaged):
        named = parse_head((await stores.spool.read(held)).buffer).from_
    return Parties(
        addresses=(
            held.sender,
            *(recipient.address for recipient in held.recipients),
            *(mailbox.address for mailbox in named),
        ),
        relationships=tuple(recipient.relationship for recipient in held.recipients),
    )
