"""Put together what a digest says to one person, who is told of nothing that they may not see."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Literal

from mailguard.errors import EvidenceDamaged, SpoolUnavailable, UnknownItem
from mailguard.flow.coverage import find_unseen
from mailguard.flow.parties import parties_of, read_head
from mailguard.policy.directory import Directory, fold_address
from mailguard.policy.mail_kind import MailKind
from mailguard.policy.visibility import Chain, Parties, may_see, reviewers_for
from mailguard.ports import CanaryStore, Counts, Figures, HeldStore, OwnMailStore, Spool
from mailguard.quarantine.held import HeldMessage, State
from mailguard.report.case import read_case
from mailguard.report.digest import (
    AboutData,
    Case,
    Detail,
    Digest,
    Missed,
    Rules,
    SelfTest,
    Since,
    System,
    Undelivered,
    arrange,
    clauses_of,
    code_of,
    compose_item,
    is_open,
)
from mailguard.report.own_mail import Coverage, Kind, Mark, OwnMail, Standing
from mailguard.report.reference import reference_of
from mailguard.report.schedule import Schedule
from mailguard.report.words import describe_day
from mailguard.scan.finding import Level

KEPT = tuple(state for state in State if state is not State.PURGED)

LOOKED_BACK = 200
"""Digests looked through for those that a person got: months, whoever stood in."""

CHANGES = ("hold", "flag", "seal", "release", "confirm", "close")
"""Actions of the audit log that a digest gives totals of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestSetting:
    """The school's choices for its digest."""

    school: str
    school_name: str
    sender: str
    chain: Chain
    directory: Directory
    schedule: Schedule
    detail: Detail = "people"
    helplines: tuple[str, ...] = ()
    observes: bool = False
    any_origin: tuple[str, ...] = ()
    """Names of the listeners that do not know where their mail comes from."""

    blind_to: tuple[MailKind, ...] = ()
    """Ways of mail that no listener can see."""

    technicians: tuple[str, ...] = ()
    data_leads: tuple[str, ...] = ()
    """Who decides about what is here for nothing but data; the headteacher where there is none."""

    listeners: tuple[str, ...] = ()
    """Names of all listeners: the last self-test of one that is gone says nothing any more."""

    @property
    def principals(self) -> tuple[str, ...]:
        """Those who get a digest every day: the headteacher, or else the next office there is."""
        chain = self.chain
        return chain.headteacher or chain.dsl or chain.deputy or chain.chair

    @property
    def people(self) -> tuple[str, ...]:
        """Everybody who may get one, each once, in line."""
        chain = self.chain
        line = (*chain.headteacher, *chain.dsl, *chain.deputy, *chain.chair)
        return tuple({fold_address(person): person for person in reversed(line)}.values())[::-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestPorts:
    """All that composing a digest needs of the world."""

    held: HeldStore
    spool: Spool
    mails: OwnMailStore
    figures: Figures
    canary: CanaryStore
    rules: Callable[[], Rules] = Rules
    """What is looked for; asked once for each day's digests."""


@dataclass(slots=True)
class Files:
    """What was read of the held messages, so that each is read once for all people."""

    ports: DigestPorts
    setting: DigestSetting
    rules: Rules | None = None
    rows: dict[str, HeldMessage] = field(default_factory=dict)
    parties: dict[str, Parties] = field(default_factory=dict)
    reviewers: dict[str, frozenset[str]] = field(default_factory=dict)
    cases: dict[str, Case] = field(default_factory=dict)
    damaged: set[str] = field(default_factory=set)

    async def known_rules(self) -> Rules:
        """The rules that are used. Not on the event loop: compiling them may take half a minute,
        and a process whose loop is blocked for a minute is killed."""
        if self.rules is None:
            self.rules = await asyncio.to_thread(self.ports.rules)
        return self.rules

    async def kept(self) -> Iterable[HeldMessage]:
        """Every message whose content is still there, oldest first."""
        if not self.rows:
            held = await self.ports.held.select(states=KEPT)
            self.rows = {each.id: each for each in held}
        return self.rows.values()

    async def by_id(self, held_id: str) -> HeldMessage:
        """One message, or the tombstone of one. Raises UnknownItem."""
        await self.kept()
        return self.rows.get(held_id) or await self.ports.held.by_id(held_id)

    async def parties_of(self, held: HeldMessage) -> Parties:
        """Everybody who has a part in it."""
        if held.id not in self.parties:
            head = await read_head(held, self.ports.spool)
            self.parties[held.id] = parties_of(held, head)
            if head is None:
                self.damaged.add(held.id)
        return self.parties[held.id]

    async def case_of(self, held: HeldMessage) -> Case:
        """Why it is there. Evidence that is gone or damaged stops no digest, and is said in it."""
        if held.id not in self.cases:
            evidence = None
            with suppress(EvidenceDamaged, SpoolUnavailable):
                evidence = await self.ports.spool.evidence(held)
            self.cases[held.id] = read_case(held, evidence)
        case = self.cases[held.id]
        return replace(case, is_readable=False) if held.id in self.damaged else case

    def is_with_data_lead(self, held: HeldMessage) -> bool:
        """Whether it is in the data lead's list, and so not in a digest."""
        return held.is_about_data and bool(self.setting.data_leads)

    async def is_for(self, person: str, held: HeldMessage) -> bool:
        """Whether `person` is of the first office in line that may see it."""
        return fold_address(person) in await self.reviewers_of(held)

    async def reviewers_of(self, held: HeldMessage) -> frozenset[str]:
        """The people of the first office in line that may see it, folded."""
        if held.id not in self.reviewers:
            parties, setting = await self.parties_of(held), self.setting
            people = reviewers_for(parties, setting.chain, setting.directory)
            self.reviewers[held.id] = frozenset(map(fold_address, people))
        return self.reviewers[held.id]

    async def may_know(self, person: str, held: HeldMessage) -> bool:
        """Whether `person` may be told that it exists, though it goes to somebody else."""
        parties, setting = await self.parties_of(held), self.setting
        is_free = not parties.is_confidential
        return is_free and may_see(person, parties, setting.chain, setting.directory)


async def collect(person: str, day: date, now: datetime, files: Files) -> tuple[Digest, Coverage]:
    """The digest of `day` for `person` as it would be now, and the time it covers.

    Nothing is changed by looking. Raises StoreUnavailable.
    """
    ports, setting = files.ports, files.setting
    sent = await _sent_to(person, day, ports)
    last = await _last_accepted(person, day, sent, ports)
    counts = await ports.figures.count(last.upto if last else Mark())
    mine, elsewhere = await _open_for(person, files)
    items = [
        compose_item(
            await files.case_of(held),
            until=now,
            schedule=setting.schedule,
            detail=setting.detail,
            directory=setting.directory,
        )
        for held in mine
    ]
    today, waiting = arrange(items)
    changes = await _changes_for(person, counts, files)
    digest = Digest(
        school_name=setting.school_name,
        recipient=person,
        is_principal=person in setting.principals,
        day=day,
        since=last.until if last else None,
        until=now,
        schedule=setting.schedule,
        today=today,
        waiting=waiting,
        changes=replace(
            _sum_up(changes, max((item.waited for item in items), default=None), elsewhere),
            data=await _data_for(person, counts, files),
        ),
        system=await _system(counts, await _missed_by(person, sent, now, files), now, files),
        clauses=clauses_of(today, waiting),
        helplines=setting.helplines,
    )
    return digest, Coverage(since=digest.since, until=now, upto=counts.upto)


async def open_for_nobody(files: Files) -> Sequence[HeldMessage]:
    """The open messages in which everybody in line has a part: they are in no digest."""
    return [
        held
        for held in await files.kept()
        if is_open(held)
        and not files.is_with_data_lead(held)
        and not await files.reviewers_of(held)
    ]


async def _open_for(person: str, files: Files) -> tuple[Sequence[HeldMessage], int]:
    """The open messages that are this person's, and how many more they may know of."""
    mine, elsewhere = [], 0
    for held in await files.kept():
        if not is_open(held) or files.is_with_data_lead(held):
            continue
        if await files.is_for(person, held):
            mine.append(held)
        elif await files.may_know(person, held):
            elsewhere += 1
    return mine, elsewhere


async def _changes_for(
    person: str, counts: Counts, files: Files
) -> Mapping[str, Sequence[HeldMessage]]:
    """The person's own messages by what was done. Must: totals over all messages would tell a
    reader of one that they may not know of."""
    changes: dict[str, list[HeldMessage]] = {action: [] for action in CHANGES}
    for action, found in changes.items():
        for held_id in dict.fromkeys(counts.about.get(action, ())):
            with suppress(UnknownItem):
                held = await files.by_id(held_id)
                # What a technician did about mail that did not arrive is no review.
                is_theirs = not held.is_bounced and not files.is_with_data_lead(held)
                if is_theirs and await files.is_for(person, held):
                    found.append(held)
    return changes


async def _data_for(person: str, counts: Counts, files: Files) -> AboutData:
    """What happened to data on its way out, among the messages that the person may know of."""
    numbers = []
    for actions in (("return", "returned"), ("hold",)):
        ids = dict.fromkeys(held_id for a in actions for held_id in counts.about.get(a, ()))
        number = 0
        for held_id in ids:
            with suppress(UnknownItem):
                held = await files.by_id(held_id)
                counts_here = actions != ("hold",) or files.is_with_data_lead(held)
                number += counts_here and await files.may_know(person, held)
        numbers.append(number)
    returned, kept = numbers
    return AboutData(returned=returned, held=kept, has_lead=bool(files.setting.data_leads))


def _sum_up(
    changes: Mapping[str, Sequence[HeldMessage]], oldest: int | None, elsewhere: int
) -> Since:
    numbers = {action: len(found) for action, found in changes.items()}
    return Since(
        held=numbers["hold"],
        flagged=numbers["flag"],
        minor=sum(held.level <= Level.FLAG and not held.alert for held in changes["flag"]),
        sealed=numbers["seal"],
        released=numbers["release"],
        confirmed=numbers["confirm"],
        closed=numbers["close"],
        oldest_waited=oldest,
        elsewhere=elsewhere,
    )


async def _system(counts: Counts, missed: Iterable[Missed], now: datetime, files: Files) -> System:
    setting = files.setting
    unseen = await find_unseen(files.ports.figures, setting.schedule, now)
    runs = await files.ports.canary.latest()
    return System(
        checked=counts.checked,
        unread=tuple(sorted(counts.unread.items(), key=lambda pair: (-pair[1], pair[0]))),
        rules=await files.known_rules(),
        self_tests=tuple(
            SelfTest(at=run.at, listener=name, failure=run.failure)
            for name, run in sorted(runs.items())
            if name in setting.listeners
        ),
        tests=counts.tests,
        failed_tests=counts.failed_tests,
        observes=setting.observes,
        any_origin=setting.any_origin,
        blind_to=setting.blind_to,
        unseen=tuple(kind for kind in unseen if kind not in setting.blind_to),
        missed=tuple(missed),
        undelivered=await _undelivered(files),
    )


async def _undelivered(files: Files) -> Undelivered:
    """A number and no more: whose messages they are is nothing to a reader who may not know."""
    count = sum(held.is_undelivered for held in await files.kept())
    told: Literal["told", "late", "nobody"] = "told"
    if not files.setting.technicians:
        told = "nobody"
    elif any(m.kind is Kind.NOTICE and m.reply for m in await files.ports.mails.waiting()):
        told = "late"
    return Undelivered(count=count, told=told)


async def _sent_to(person: str, day: date, ports: DigestPorts) -> Sequence[OwnMail]:
    """The person's digests of other days, the last first."""
    recent = await ports.mails.recent(Kind.DIGEST, LOOKED_BACK)
    folded = fold_address(person)
    return [
        mail
        for mail in reversed(recent)
        if fold_address(mail.recipient) == folded and not _is_of(mail, day)
    ]


async def _last_accepted(
    person: str, day: date, sent: Sequence[OwnMail], ports: DigestPorts
) -> Coverage | None:
    """What the last digest that arrived covers. One of `day` itself does not count, so that another
    copy covers the same time."""
    for mail in sent:
        if mail.standing is Standing.ACCEPTED:
            return mail.covers
    last = await ports.mails.latest(Kind.DIGEST, person, Standing.ACCEPTED)
    return None if last is None or _is_of(last, day) else last.covers


def _is_of(mail: OwnMail, day: date) -> bool:
    return mail.about.partition("/")[0] == day.isoformat()


async def _missed_by(
    person: str, sent: Sequence[OwnMail], now: datetime, files: Files
) -> Sequence[Missed]:
    """The person's digests since the last accepted one, and alerts about their own messages, that
    the next hop did not take."""
    today = now.astimezone(files.setting.schedule.zone).date()
    missed = []
    for mail in sent:
        if mail.standing is Standing.ACCEPTED:
            break
        day = describe_day(date.fromisoformat(mail.about.partition("/")[0]), today)
        missed.append(_missed("digest", day, mail))
    for mail in await files.ports.mails.waiting():
        if mail.kind is not Kind.ALERT or not mail.reply:
            continue
        with suppress(UnknownItem):
            held = await files.by_id(mail.about)
            if await files.is_for(person, held):
                missed.append(_missed("alert", reference_of(held.id), mail))
    return missed


def _missed(what: Literal["digest", "alert"], about: str, mail: OwnMail) -> Missed:
    # A digest that still waits is given up for the new one, which covers its time too.
    is_given_up = what == "digest" and mail.standing is Standing.WAITING
    standing = Standing.SUPERSEDED if is_given_up else mail.standing
    return Missed(what=what, about=about, reply=code_of(mail.reply), standing=standing)
