"""Figures about MailGuard at work: one function for each thing that is counted.

Nothing here does anything, nor is the library imported, before :func:`configure`.

Privacy: labels have few values, all of them ours: never an address, a name, a subject, a peer.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from mailguard.errors import (
    MailGuardError,
    NextHopUnavailable,
    ScanFailed,
    SpoolUnavailable,
    StoreUnavailable,
)
from mailguard.metrics.catalogue import (
    ALERT_OVERDUE,
    ALERTS,
    ANSWERED_AGAIN,
    ANSWERS,
    BUILD_INFO,
    CAGED_READER_DEATHS,
    CANARY_LAST_RUN,
    CANARY_OK,
    CATEGORIES,
    CONNECTIONS,
    DATABASE_UP,
    DIGEST_OVERDUE,
    FAILED,
    FAILOVERS,
    HELD,
    JOB_FAILURES,
    LEDGER_LOST,
    MESSAGES,
    OUTCOMES,
    OWN_MAIL,
    OWN_MAIL_OLDEST,
    OWN_MAIL_WAITING,
    PROCESS_STARTS,
    PROCESS_UP,
    REFUSED_CONNECTIONS,
    RELEASES,
    REPLIES,
    SCAN_WORKER_DEATHS,
    STEP,
    SUPERVISOR_SEEN,
    UNDELIVERABLE,
    UNREAD,
)
from mailguard.metrics.keeping import (
    add,
    become,
    configure,
    forget_sums,
    is_on,
    process_name,
    put,
    registry,
    series_of,
    stop,
)

__all__ = ["become", "configure", "is_on", "not_of_mail", "registry", "stop"]


_is_of_mail: ContextVar[bool] = ContextVar("is_of_mail", default=True)


@contextmanager
def not_of_mail() -> Iterator[None]:
    """While inside, in this task, steps are not timed: what goes through them is no message."""
    before = _is_of_mail.set(False)
    try:
        yield
    finally:
        _is_of_mail.reset(before)


def judged(listener: str, disposition: str, level: int, relationship: str, outcome: str) -> None:
    """A message was judged and answered."""
    words = relationship.replace("→", "_to_")
    add(MESSAGES, listener, disposition, str(level), words)
    add(OUTCOMES, listener, outcome)


def found(categories: Iterable[tuple[str, int]], unread: Iterable[str], *, alert: bool) -> None:
    """What was in that message."""
    for category, level in categories:
        add(CATEGORIES, category, str(level))
    for reason in unread:
        add(UNREAD, reason)
    if alert:
        add(ALERTS)


def took(step: str, seconds: float) -> None:
    """A step, one of :data:`~mailguard.metrics.catalogue.STEPS`, took so long for one message."""
    if _is_of_mail.get() and (series := series_of(STEP, step)) is not None:
        series.observe(seconds)


def failed(error: BaseException) -> None:
    """A transaction ended in 451."""
    add(FAILED, _kind_of(error))


def next_hop_replied(command: str, code: int) -> None:
    """The next hop answered `command`: ``mail``, ``rcpt``, ``data``, or ``dot`` for the message."""
    add(REPLIES, command, str(code))


def next_hop_failed_over() -> None:
    """A host of a next hop was passed over, since it could not be reached."""
    add(FAILOVERS)


def connection_opened(listener: str) -> None:
    """A client was let in."""
    if (series := series_of(CONNECTIONS, listener)) is not None:
        series.inc()


def connection_closed(listener: str) -> None:
    """It went."""
    if (series := series_of(CONNECTIONS, listener)) is not None:
        series.dec()


def connection_refused(listener: str, code: int) -> None:
    """A client was turned away."""
    add(REFUSED_CONNECTIONS, listener, str(code))


def answered_again() -> None:
    """A message was given the reply that its client had not read."""
    add(ANSWERED_AGAIN)


def scan_worker_died(reason: str) -> None:
    """A judging process was killed or died."""
    add(SCAN_WORKER_DEATHS, reason)


def caged_reader_died(reason: str) -> None:
    """A process that read an attachment was killed or died."""
    add(CAGED_READER_DEATHS, reason)


def release_ended(outcome: str) -> None:
    """An attempt to send a released message ended: released, refused, delayed, failed."""
    add(RELEASES, outcome)


def answered_for(is_released: bool) -> None:
    """An author wanted a returned message to be sent."""
    add(ANSWERS, "released" if is_released else "refused")


def undeliverable(listener: str) -> None:
    """A message could not be delivered to everybody."""
    add(UNDELIVERABLE, listener)


def own_mail_ended(kind: str, standing: str) -> None:
    """A mail of ours stopped waiting."""
    add(OWN_MAIL, kind, standing)


def job_failed(job: str) -> None:
    """A scheduled job broke."""
    add(JOB_FAILURES, job)


def ledger_lost(rows: int) -> None:
    """Rows of the ledger were dropped."""
    add(LEDGER_LOST, by=rows)


def held(state: str, level: int, count: int) -> None:
    """So many messages of this level are in this state."""
    put(HELD, count, state, str(level))


def own_mail_waits(kind: str, count: int, oldest_s: float) -> None:
    """So many mails of ours wait, one of them for so long."""
    put(OWN_MAIL_WAITING, count, kind)
    put(OWN_MAIL_OLDEST, oldest_s, kind)


def overdue(*, digests: int, alerts: int) -> None:
    """So many digests and alerts should have been accepted by now."""
    put(DIGEST_OVERDUE, digests)
    put(ALERT_OVERDUE, alerts)


def canary_ran(listener: str, timestamp: float, *, ok: bool) -> None:
    """The last self-test of this listener."""
    put(CANARY_OK, ok, listener)
    put(CANARY_LAST_RUN, timestamp, listener)


def database_is_up(is_up: bool) -> None:
    """Whether the database could be read just now."""
    put(DATABASE_UP, is_up)


def process_started(name: str) -> None:
    """The supervisor started a process."""
    add(PROCESS_STARTS, name)
    put(PROCESS_UP, 1, name)


def process_ended(name: str) -> None:
    """A process ended, and what it alone could say is true no longer."""
    put(PROCESS_UP, 0, name)
    forget_sums(name)


def supervisor_seen() -> None:
    """The supervisor goes round."""
    put(SUPERVISOR_SEEN, time.time(), process_name())


def built(version: str, ruleset: str) -> None:
    """What runs."""
    put(BUILD_INFO, 1, version, ruleset)


def _kind_of(error: BaseException) -> str:
    match error:
        case NextHopUnavailable():
            return "next_hop"
        case SpoolUnavailable():
            return "spool"
        case StoreUnavailable():
            return "store"
        case ScanFailed():
            return "scan"
        case TimeoutError() if not isinstance(error, MailGuardError):
            return "time"
    return "other"
