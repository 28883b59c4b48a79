"""From one disposition per recipient to one plan for the transaction: SMTP has only one reply."""

from collections.abc import Mapping
from dataclasses import dataclass

from mailguard.flow.setting import Mode
from mailguard.mail.reply import REFUSED, Reply
from mailguard.policy.disposition import Action
from mailguard.policy.judge import Judgement

TRY_LATER = Reply.of(451, "4.7.1 Message deferred by school policy, please try again later")
"""Where the school's policy says `defer`."""

_REFUSALS = {Action.REJECT: REFUSED, Action.DEFER: TRY_LATER}

_STOPS = frozenset({Action.RETURN, Action.HOLD, Action.REJECT})
"""Actions after which a recipient's copy does not go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do with one transaction. Numbers are positions in the envelope."""

    passed: tuple[int, ...] = ()
    """Recipients whose copy goes to the next hop now."""

    held: tuple[int, ...] = ()
    """Recipients whose copy stays here."""

    returned: tuple[int, ...] = ()
    """Those of `held` that go back to the author, who is told."""

    keep: bool = False
    """Whether evidence is stored (also for what is only flagged)."""

    sealed: bool = False
    refusal: Reply | None = None
    """Given instead of doing anything."""

    @property
    def taken(self) -> tuple[int, ...]:
        """Those of `held` that wait for a reviewer."""
        return tuple(i for i in self.held if i not in self.returned)


def refusals_for(judgement: Judgement, mode: Mode) -> Mapping[int, Reply]:
    """What to tell those recipients whose copy policy refuses, by position, where each is told by
    itself (RFC 2033 §4.2). There is a plan for the others."""
    if mode is Mode.OBSERVE:
        return {}
    return {
        i: _REFUSALS[disposition.action]
        for i, disposition in enumerate(judgement.dispositions)
        if disposition.action in _REFUSALS
    }


def leave_out(plan: Plan, had: tuple[int, ...], judgement: Judgement) -> Plan:
    """The plan without those who have the message already. What is sealed is sealed for them too,
    and a refusal is for all."""
    if not had or plan.sealed or plan.refusal is not None:
        return plan
    passed = tuple(i for i in plan.passed if i not in had)
    held = tuple(i for i in plan.held if i not in had)
    is_flagged = any(judgement.dispositions[i].action is Action.FLAG for i in passed)
    return Plan(
        passed=passed,
        held=held,
        returned=tuple(i for i in plan.returned if i not in had),
        keep=plan.keep and (bool(held) or is_flagged),
    )


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
    return Plan(
        passed=passed,
        held=held,
        returned=tuple(i for i in held if actions[i] is Action.RETURN),
        keep=bool(held) or Action.FLAG in actions,
    )
