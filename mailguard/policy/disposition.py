"""From a verdict to what is done with the message for one recipient."""

from collections.abc import Iterable
from dataclasses import dataclass

from mailguard.policy.exemption import is_confidential, is_never_held, is_proven_confidential
from mailguard.policy.relationship import Relationship
from mailguard.policy.settings import Policy
from mailguard.policy.taxonomy import DEFAULT_ACTIONS, Action, Group
from mailguard.policy.verdict import Verdict
from mailguard.scan.finding import Category, Level

__all__ = ["Action", "Disposition", "Policy", "dispose", "strictest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Disposition:
    """What to do for one recipient, and whether somebody must be told now."""

    address: str
    """The recipient, as in the envelope."""

    relationship: Relationship
    verdict: Verdict
    action: Action
    alert: bool
    """L4, SEAL or a child at risk: tell the safeguarding lead at once (the alert itself runs
    beside delivery)."""

    unlisted: bool = False
    """Mail with a helpline or confidant: no address of it in log or ledger, only a count."""

    @property
    def is_protected(self) -> bool:
        """A child's call for help that goes on (hard rule 1): nothing of ours may delay it."""
        author, recipient = self.relationship.author, self.relationship.recipient
        is_call = is_never_held(author, recipient) or bool(self.verdict.delivered)
        goes_on = self.action in (Action.RELAY, Action.FLAG)
        return author is Group.PUPIL and is_call and goes_on


def dispose(
    verdict: Verdict, address: str, policy: Policy, *, may_return: bool = True
) -> Disposition:
    """Decide for one recipient. The strictest of what the categories ask for is done; where the
    author cannot be told (`may_return`), a message is held that would go back."""
    asked = (_act_on(category, level, verdict, policy) for category, level in verdict.levels)
    action = max(asked, key=lambda action: action.strictness, default=Action.RELAY)
    if action is Action.RETURN and not may_return:
        action = Action.HOLD
    if verdict.sealed:
        action = Action.SEAL
    pair = verdict.relationship.author, verdict.relationship.recipient
    if action is Action.FLAG and is_confidential(*pair):
        action = Action.RELAY  # a copy would tell who wrote to whom
    return Disposition(
        address=address,
        relationship=verdict.relationship,
        verdict=verdict,
        action=action,
        alert=verdict.alert,
        unlisted=is_proven_confidential(*pair)
        or (is_confidential(*pair) and action is Action.RELAY),
    )


def strictest(dispositions: Iterable[Disposition]) -> Disposition:
    """Return the one that speaks for the whole message; the first of equals.

    Raises ValueError when there is none.
    """
    return max(dispositions, key=lambda d: (d.action.strictness, d.verdict.level, d.alert))


def _act_on(category: Category, level: Level, verdict: Verdict, policy: Policy) -> Action:
    if category in verdict.asked:
        asked = verdict.asked[category]
        is_stopping = asked.strictness > Action.FLAG.strictness
        return policy.actions.get(category, asked) if is_stopping else asked
    if level < Level.HOLD:
        return DEFAULT_ACTIONS[level]
    action = policy.actions.get(category, DEFAULT_ACTIONS[level])
    if category not in verdict.delivered:
        return action
    return min(action, Action.FLAG, key=lambda action: action.strictness)
