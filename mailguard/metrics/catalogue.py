"""Every metric of MailGuard: its name by the conventions of Prometheus, its labels and its help."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

PREFIX = "mailguard_"

STEPS = ("parse", "judge", "keep", "relay", "answer")


class Kind(StrEnum):
    """How a metric behaves."""

    COUNTER = "counter"
    HISTOGRAM = "histogram"
    GAUGE = "mostrecent"
    """Set by one process."""

    SUM = "livesum"
    """A gauge that is the sum over all processes that live."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric and its labels."""

    name: str
    kind: Kind
    says: str
    labels: tuple[str, ...] = ()
    zeroes: tuple[str, ...] = ()
    """Values of the one label that are there from the start, at 0, so that the first is seen."""


def _counter(name: str, says: str, *labels: str, zeroes: Iterable[str] = ()) -> Metric:
    name = f"{PREFIX}{name}_total"
    return Metric(name=name, kind=Kind.COUNTER, says=says, labels=labels, zeroes=tuple(zeroes))


def _gauge(name: str, says: str, *labels: str, kind: Kind = Kind.GAUGE) -> Metric:
    return Metric(name=f"{PREFIX}{name}", kind=kind, says=says, labels=labels)


FAILURES = ("next_hop", "spool", "store", "scan", "time", "other")

MESSAGES = _counter(
    "messages",
    "Messages judged, by what policy said, the strictest over all recipients.",
    "listener",
    "disposition",
    "level",
    "relationship",
)
OUTCOMES = _counter("outcomes", "Messages judged, by what became of them.", "listener", "outcome")
CATEGORIES = _counter(
    "categories",
    "Categories found in messages, by level; not in mail with a helpline.",
    "category",
    "level",
)
UNREAD = _counter("unread", "Messages of which something could not be read, by reason.", "reason")
ALERTS = _counter("alerts", "Messages that somebody has to be told about at once.")
STEP = Metric(
    name=f"{PREFIX}step_seconds",
    kind=Kind.HISTOGRAM,
    says="Time that a step took for one message.",
    labels=("step",),
    zeroes=STEPS,
)
FAILED = _counter(
    "failures",
    "Transactions that ended in 451, by whose fault it was.",
    "kind",
    zeroes=FAILURES,
)
REPLIES = _counter(
    "next_hop_replies", "Replies of the next hop, by command and code.", "command", "code"
)
FAILOVERS = _counter(
    "next_hop_failovers",
    "Connections to the next hop for which one of its hosts was passed over, since it could not be"
    " reached.",
)
ANSWERED_AGAIN = _counter(
    "answered_again",
    "Messages that came once more since their client had not read the reply, and only got that.",
)
CONNECTIONS = _gauge("connections", "Clients connected now.", "listener", kind=Kind.SUM)
REFUSED_CONNECTIONS = _counter(
    "refused_connections",
    "Clients turned away at the greeting or cut off for their behaviour, by the code of our reply.",
    "listener",
    "code",
)
SCAN_WORKER_DEATHS = _counter(
    "scan_worker_deaths", "Judging processes that were killed or died, by reason.", "reason"
)
CAGED_READER_DEATHS = _counter(
    "caged_reader_deaths",
    "Processes reading an attachment that were killed or died, by reason.",
    "reason",
)
RELEASES = _counter(
    "releases",
    "Attempts to send what a reviewer released, by how they ended.",
    "outcome",
    zeroes=("released", "refused", "delayed", "failed"),
)
ANSWERS = _counter(
    "answers",
    "Answers of authors to have a returned message sent, by whether that was done.",
    "outcome",
    zeroes=("released", "refused"),
)
UNDELIVERABLE = _counter(
    "undeliverable",
    "Messages that the next hop took for some of their recipients and refused for others.",
    "listener",
)
HELD = _gauge("held", "Messages in quarantine now.", "state", "level")
OWN_MAIL = _counter("own_mail", "Mails of MailGuard's own, by how they ended.", "kind", "standing")
OWN_MAIL_WAITING = _gauge(
    "own_mail_waiting", "Mails of MailGuard's own that the next hop has not taken yet.", "kind"
)
OWN_MAIL_OLDEST = _gauge(
    "own_mail_oldest_seconds", "Age of the one that has waited longest; 0 when none waits.", "kind"
)
DIGEST_OVERDUE = _gauge(
    "digest_overdue", "Digests that the next hop had not accepted by noon of their day."
)
ALERT_OVERDUE = _gauge(
    "alert_overdue", "Alerts that nobody was sent, or the next hop has not taken, for a minute."
)
CANARY_OK = _gauge(
    "canary_ok", "1 when the last self-test of this listener went well, else 0.", "listener"
)
CANARY_LAST_RUN = _gauge(
    "canary_last_run_timestamp_seconds", "When this listener was last tested.", "listener"
)
JOB_FAILURES = _counter("job_failures", "Scheduled jobs that broke, by name.", "name")
LEDGER_LOST = _counter(
    "ledger_lost", "Rows of the ledger dropped because the database did not take them."
)
DATABASE_UP = _gauge("database_up", "1 when these figures could be read from the database, else 0.")
PROCESS_UP = _gauge("process_up", "1 while this process of the service lives, else 0.", "name")
PROCESS_STARTS = _counter("process_starts", "Starts of this process of the service.", "name")
SUPERVISOR_SEEN = _gauge(
    "supervisor_seen_timestamp_seconds",
    "When the parent of a part's processes last went round; MailGuard runs as one part or as two.",
    "part",
)
BUILD_INFO = _gauge(
    "build_info", "Always 1: which version runs, with which rules.", "version", "ruleset"
)

CATALOGUE: tuple[Metric, ...] = tuple(
    value for value in dict(globals()).values() if isinstance(value, Metric)
)
