"""From one disposition per recipient to one plan for the transaction: SMTP has only one reply."""

from dataclasses import dataclass

from mailguard.flow.setting import Mode
from mailguard.mail.reply import REFUSED, Reply
from mailguard.policy.disposition import Action
from mailguard.policy.judge import Judgement

TRY_LATER = Reply.of(451, "4.7.1 Message deferred by school policy, please try again later")
"""Where the school's policy says `defer`."""

_STOPS = frozenset({Action.HOLD, Action.REJECT})
"""Actions after which a recipient's copy does not go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do with one transaction. Numbers are positions in the envelope."""

    passed: tuple[int, ...] = ()
    """Recipients whose copy goes to the next hop now."""

    held: tuple[int, ...] = ()
    keep: bool = False
    """Whether evidence is stored (also for what is only flagged)."""

    sealed: bool = False
    refusal: Reply | None = None
    """Given instead of doing anything."""


def plan_for(judgement: Judgement, mode: Mode) -> Plan:
    """Reconcile the recipients' dispositions.

    One `defer` defers all, since the others would get the message twice. `reject` for all refuses;
    beside other recipients it holds, since one reply cannot say both.
    """
    actions = [disposition.action for disposition in judgement.dispositions]
    everyone = tuple(range(len(actions)))
    if mode is Mode.OBSERVE:
        return Plan(passed=everyone)
    if Action.DEFER in actions:
        return Plan(refusal=TRY_LATER)
    if all(action is Action.REJECT for action in actions):
        return Plan(refusal=REFUSED)
    if Action.SEAL in actions:
        # Suspected illegal imagery is one file: whoever else it was sent to may not get it either.
        return Plan(held=everyone, keep=True, sealed=True)
    held = tuple(i for i in everyone if actions[i] in _STOPS)
    passed = tuple(i for i in everyone if i not in held)
    return Plan(passed=passed, held=held, keep=bool(held) or Action.FLAG in actions)
