"""Every log event of MailGuard, one function each, so that no wording exists twice.

Privacy: an event takes ids, counts, codes and names of rules; no subject, body, file name, span or
reply text can get in. Addresses appear in :func:`concluded` only, and never for unlisted mail.
"""

import traceback
from collections.abc import Sequence

import structlog

from mailguard.errors import MailGuardError, UserError
from mailguard.mail.reply import Reply

_log = structlog.get_logger("mailguard")


def started(version: str, listener: str, address: str, next_hop: str) -> None:
    """A listener accepts connections."""
    _log.info("started", version=version, listener=listener, address=address, next_hop=next_hop)


def stopped(process: str) -> None:
    """A process ended as asked."""
    _log.info("stopped", process=process)


def process_died(process: str, status: int, restart_in_s: float) -> None:
    """A process of the service ended by itself and will be started again."""
    _log.error("process_died", process=process, status=status, restart_in_s=restart_in_s)


def connected(peer: str, listener: str) -> None:
    """A client connected."""
    _log.debug("connected", peer=peer, listener=listener)


def refused_connection(peer: str, listener: str, reply: Reply) -> None:
    """A client was turned away at the greeting, or cut off for its behaviour."""
    _log.warning("refused_connection", peer=peer, listener=listener, reply=_code(reply))


def refused_command(queue_id: str, peer: str, reply: Reply) -> None:
    """A command was answered with 4xx or 5xx, by us or by the next hop."""
    _log.info("refused_command", queue_id=queue_id, peer=peer, reply=_code(reply))


def lost_client(queue_id: str, stage: str) -> None:
    """The client went away in the middle of a transaction; `stage` says where."""
    _log.info("lost_client", queue_id=queue_id, stage=stage)


def next_hop_down(next_hop: str, error: Exception) -> None:
    """The next hop could not be reached or broke off."""
    _log.warning("next_hop_down", next_hop=next_hop, error=_describe(error))


def concluded(
    *,
    queue_id: str,
    listener: str,
    peer: str,
    sender: str,
    recipients: Sequence[str],
    relationship: str,
    level: int,
    symbols: Sequence[str],
    unscanned: Sequence[str],
    disposition: str,
    alert: bool,
    outcome: str,
    held_id: str,
    reply: Reply,
    size: int,
    ms: int,
) -> None:
    """A transaction was answered. `sender` and `recipients` are empty for unlisted mail."""
    _log.info(
        "concluded",
        queue_id=queue_id,
        listener=listener,
        peer=peer,
        sender=sender,
        recipients=list(recipients),
        relationship=relationship,
        level=level,
        symbols=list(symbols),
        unscanned=list(unscanned),
        disposition=disposition,
        alert=alert,
        outcome=outcome,
        held_id=held_id,
        reply=_code(reply),
        size=size,
        ms=ms,
    )


def failed(queue_id: str, error: BaseException) -> None:
    """A transaction ended in 451 through a fault of ours or of the world's."""
    _log.error("failed", queue_id=queue_id, error=_describe(error))


def checks_failed(queue_id: str, checks: Sequence[str]) -> None:
    """Checks broke on a message, which is now `unscanned`: their names and the types of error."""
    _log.error("checks_failed", queue_id=queue_id, checks=list(checks))


def dup_risk(queue_id: str, held_id: str, why: str) -> None:
    """This message may arrive twice; `why` names the window."""
    _log.warning("dup_risk", queue_id=queue_id, held_id=held_id, why=why)


def evidence_missed(queue_id: str, error: Exception) -> None:
    """A message that may not be delayed was delivered although its evidence could not be kept."""
    _log.error("evidence_missed", queue_id=queue_id, error=_describe(error))


def unsettled(queue_id: str, held_id: str, error: Exception) -> None:
    """A `pending` row could not be brought to its end yet; it is tried again."""
    _log.error("unsettled", queue_id=queue_id, held_id=held_id, error=_describe(error))


def decided(held_id: str, decision: str, by: str, recipients: int) -> None:
    """A reviewer released or confirmed."""
    _log.info("decided", held_id=held_id, decision=decision, by=by, recipients=recipients)


def released(held_id: str, recipients: int, reply: Reply) -> None:
    """The next hop took a released message."""
    _log.info("released", held_id=held_id, recipients=recipients, reply=_code(reply))


def release_refused(held_id: str, recipients: int, reply: Reply) -> None:
    """The next hop refused a released message for good; it is held again."""
    _log.warning("release_refused", held_id=held_id, recipients=recipients, reply=_code(reply))


def release_delayed(held_id: str, retry_in_s: float, reply: Reply) -> None:
    """A released message could not be sent now and is tried again."""
    _log.warning("release_delayed", held_id=held_id, retry_in_s=retry_in_s, reply=_code(reply))


def release_failed(held_id: str, retry_in_s: float, error: Exception) -> None:
    """A released message could not be read or recorded; it is tried again."""
    _log.error("release_failed", held_id=held_id, retry_in_s=retry_in_s, error=_describe(error))


def purged(held_id: str) -> None:
    """Retention deleted a message's content; its tombstone stays."""
    _log.info("purged", held_id=held_id)


def reconciled(*, adopted: int, settled: int, missing: int, leftovers: int) -> None:
    """At start, spool and rows were compared both ways."""
    _log.info("reconciled", adopted=adopted, settled=settled, missing=missing, leftovers=leftovers)


def evidence_missing(held_id: str) -> None:
    """A row has no evidence in the spool."""
    _log.error("evidence_missing", held_id=held_id)


def evidence_unreadable(folder: str, error: Exception) -> None:
    """A folder in the spool could not be understood; it was left where it is."""
    _log.error("evidence_unreadable", folder=folder, error=_describe(error))


def scan_worker_died(reason: str) -> None:
    """A judging process was killed or died; its message got an `unscanned` finding."""
    _log.error("scan_worker_died", reason=reason)


def ledger_lost(rows: int) -> None:
    """Ledger rows were dropped because the database did not take them."""
    _log.error("ledger_lost", rows=rows)


def job_failed(job: str, error: BaseException) -> None:
    """A scheduled job broke; it runs again at its next time."""
    _log.error("job_failed", job=job, error=_describe(error))


def _code(reply: Reply) -> str:
    """Code and enhanced code only: the text of a next hop may quote the message."""
    first = reply.lines[0].split(" ", 1)[0] if reply.lines else ""
    enhanced = first if first[:2] in ("2.", "4.", "5.") and first.isascii() else ""
    return f"{reply.code} {enhanced}".rstrip()


def _describe(error: BaseException) -> str:
    """Our own errors in their words; any other by type and place, since its text may quote mail.

    What a person is told about a request may name people, and is no business of the log's.
    """
    if isinstance(error, MailGuardError) and not isinstance(error, UserError):
        return f"{type(error).__name__}: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"
