"""How long what is in quarantine is kept, and when its content is due to be deleted.

The periods are the defaults of the retention schedule; a school's own schedule overrides them.
Two lines of that schedule are deliberately not here:

* Commercial mail on hold is not deleted after a fortnight. :data:`~mailguard.quarantine.held.
  TRANSITIONS` has no way from `held` to `purged`, and that is the stronger promise: mail that
  nobody has reviewed never disappears by itself.
* Legal hold has no mark of its own yet. A message that must stay is left unreviewed, or sealed.
"""

from dataclasses import dataclass
from datetime import timedelta

from mailguard.quarantine.held import HeldMessage, State
from mailguard.scan.finding import Level

REVIEWED = frozenset({State.RELEASED, State.CONFIRMED})
FINISHED = REVIEWED | {State.DELIVERED, State.UNDELIVERABLE, State.RETURNED}
"""States in which nothing has to be decided; an undeliverable copy only once it was closed."""

ANSWER_DAYS = 7
"""How long the author of a returned message may ask for it to be sent after all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Days to keep each kind. A change applies to what is already stored, too."""

    flagged: int = 30
    """Delivered with a flag at L1, and never reviewed."""

    dismissed: int = 30
    """Released, or delivered or undeliverable and closed, at L2 or above: a reviewer saw no
    offence."""

    dismissed_flag: int = 7
    """The same, at L1 or below."""

    confirmed: int = 90
    """Confirmed, counted from its export to where the school keeps its child protection records.
    What was never exported is kept: this may be the only copy of the evidence."""

    returned: int = 7
    """Gone back to its author, counted from when the author's :data:`ANSWER_DAYS` are over."""

    ledger: int = 30
    """Rows of the ledger: addresses and times of all mail."""

    @property
    def shortest(self) -> int:
        """Days before which no message is due, whatever its kind."""
        returned = ANSWER_DAYS + self.returned
        return min(self.flagged, self.dismissed, self.dismissed_flag, self.confirmed, returned)


def due_for_purge(held: HeldMessage, age: timedelta, retention: Retention) -> bool:
    """Whether the content of `held` is to be deleted now.

    `age` is the time that has really passed since the message was stored or, if later, since
    anything last happened to it (a decision, its result, an export). It is not the difference of
    two readings of the clock: a clock that jumps must delete nothing early.

    Never due: what is sealed; what is held, pending or being released for any recipient; what is
    undeliverable for one and was not closed; a delivered copy at L2 or above that nobody has
    reviewed; what was confirmed and never exported.
    """
    states = {recipient.state for recipient in held.recipients}
    if not states or not states <= FINISHED or held.is_undelivered or held.sealed:
        return False
    if State.RETURNED in states:
        if age < timedelta(days=ANSWER_DAYS + retention.returned):
            return False
        if State.CONFIRMED not in states and (states == {State.RETURNED} or held.is_about_data):
            return True
    is_closed = any(recipient.closed for recipient in held.recipients)
    if not (states & REVIEWED or is_closed):
        return held.level <= Level.FLAG and age >= timedelta(days=retention.flagged)
    if State.CONFIRMED in states:
        return held.exported and age >= timedelta(days=retention.confirmed)
    days = retention.dismissed_flag if held.level <= Level.FLAG else retention.dismissed
    return age >= timedelta(days=days)
