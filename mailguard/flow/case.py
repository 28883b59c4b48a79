"""One message in hand: what is decided about it, and by what it goes on."""

import asyncio
from dataclasses import dataclass, replace

from mailguard.flow.plan import Plan
from mailguard.flow.setting import Ports, Setting
from mailguard.mail.envelope import Path, Transaction
from mailguard.policy.judge import Judgement
from mailguard.ports import Delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A transaction, or the part of one that is still to be done, with its plan.

    Positions are those in `transaction`, whose judgement has as many dispositions.
    """

    transaction: Transaction
    judgement: Judgement
    plan: Plan
    delivery: Delivery
    """It has had MAIL and the RCPTs of `introduced` accepted, and no DATA yet."""

    introduced: int
    """How many those are: all of the client's, of whom `transaction` may have fewer."""

    had: tuple[int, ...] = ()
    """Recipients who got their copy when the client last sent this message: nothing is done for
    them, but a row names them, since nobody is shown a case about a message that they received."""

    ports: Ports
    setting: Setting
    budget: asyncio.Timeout
    """Ends once the next hop has spoken."""

    @property
    def passed(self) -> tuple[Path, ...]:
        """Whose copy goes to the next hop now."""
        return tuple(self.transaction.envelope.recipients[i] for i in self.plan.passed)

    @property
    def to_keep(self) -> Plan:
        """The plan by which a copy is kept: what is not yet settled of it is `pending`."""
        if not self.had or self.plan.sealed:
            return self.plan
        return replace(self.plan, passed=tuple(sorted((*self.plan.passed, *self.had))))

    @property
    def answers_each(self) -> bool:
        """Whether the client waits for a reply for each recipient: it speaks LMTP."""
        return self.transaction.session.protocol == "lmtp"
