"""Every log event of MailGuard, one function each, so that no wording exists twice.

Privacy: an event takes ids, counts, codes and names of rules; no subject, body, file name, span or
reply text can get in. Addresses appear in :func:`concluded` only, and never for unlisted mail.
"""

from collections.abc import Sequence

import structlog

from mailguard import metrics
from mailguard.errors import describe_error
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


def process_stuck(process: str, silent_s: float) -> None:
    """A process of the service gave no sign of life for so long; it is killed and started again."""
    _log.error("process_stuck", process=process, silent_s=round(silent_s, 1))


def metrics_unavailable(error: Exception) -> None:
    """Figures cannot be kept in `metrics.folder`, or not be served; all else goes on."""
    why = error.strerror if isinstance(error, OSError) else None
    _log.error("metrics_unavailable", error=why or describe_error(error))


def connected(peer: str, listener: str) -> None:
    """A client connected."""
    _log.debug("connected", peer=peer, listener=listener)


def refused_connection(peer: str, listener: str, reply: Reply) -> None:
    """A client was turned away at the greeting, or cut off for its behaviour."""
    metrics.connection_refused(listener, reply.code)
    _log.warning("refused_connection", peer=peer, listener=listener, reply=_code(reply))


def refused_command(queue_id: str, peer: str, reply: Reply) -> None:
    """A command was answered with 4xx or 5xx, by us or by the next hop."""
    _log.info("refused_command", queue_id=queue_id, peer=peer, reply=_code(reply))


def tls_failed(peer: str, listener: str, reason: str) -> None:
    """A client's TLS handshake came to nothing; `reason` is OpenSSL's."""
    _log.info("tls_failed", peer=peer, listener=listener, reason=reason)


def certificate_unusable(file: str, error: Exception) -> None:
    """A listener's new certificate or key cannot be used; the old one is shown on."""
    _log.error("certificate_unusable", file=file, error=describe_error(error))


def lost_client(queue_id: str, stage: str) -> None:
    """The client went away in the middle of a transaction; `stage` says where."""
    _log.info("lost_client", queue_id=queue_id, stage=stage)


def next_hop_down(next_hop: str, error: Exception) -> None:
    """The next hop could not be reached or broke off."""
    _log.warning("next_hop_down", next_hop=next_hop, error=describe_error(error))


def next_hop_took_over(next_hop: str, instead_of: str, error: Exception) -> None:
    """A host of a list could not be reached, and mail goes to another one."""
    _log.warning(
        "next_hop_took_over", next_hop=next_hop, instead_of=instead_of, error=describe_error(error)
    )


def next_hop_back(next_hop: str) -> None:
    """A host for which another had taken over takes mail again."""
    _log.info("next_hop_back", next_hop=next_hop)


def records_unavailable(name: str, error: Exception) -> None:
    """No name server says which hosts take the mail; those that it said last are used."""
    _log.warning("records_unavailable", name=name, error=describe_error(error))


def next_hop_in_the_clear(next_hop: str, error: Exception) -> None:
    """TLS with the next hop failed where it is not required; mail goes to it in the clear."""
    _log.warning("next_hop_in_the_clear", next_hop=next_hop, error=describe_error(error))


def xforward_refused(next_hop: str, reply: Reply) -> None:
    """The next hop offered XFORWARD and refused it; that connection tells it no more."""
    _log.warning("xforward_refused", next_hop=next_hop, reply=_code(reply))


def concluded(
    *,
    queue_id: str,
    ident: str,
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
    """A transaction was answered; `ident` is what the mail server in front calls it. `sender` and
    `recipients` are empty for unlisted mail."""
    _log.info(
        "concluded",
        queue_id=queue_id,
        ident=ident,
        listener=listener,
        peer=peer,
        sender=sender,
        recipients=list(recipients),
        relationship=relationship,
        # Not `level`: that is the line's own.
        verdict=f"L{level}",
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
    metrics.failed(error)
    _log.error("failed", queue_id=queue_id, error=describe_error(error))


def checks_failed(queue_id: str, checks: Sequence[str]) -> None:
    """Checks broke on a message, which is now `unscanned`: their names and the types of error."""
    _log.error("checks_failed", queue_id=queue_id, checks=list(checks))


def dup_risk(queue_id: str, held_id: str, why: str) -> None:
    """This message may arrive twice; `why` names the window."""
    _log.warning("dup_risk", queue_id=queue_id, held_id=held_id, why=why)


def reply_unread(queue_id: str) -> None:
    """The client of a message that was taken has gone, and no command followed our reply: it may
    send the message again."""
    _log.info("reply_unread", queue_id=queue_id)


def answered_again(queue_id: str, first_id: str, held_id: str) -> None:
    """A message was given the reply that its client had not read at the first time, when it was
    `first_id`; it was neither judged nor sent on. `held_id` is that of the first, if it waits."""
    metrics.answered_again()
    _log.info("answered_again", queue_id=queue_id, first_id=first_id, held_id=held_id)


def evidence_missed(queue_id: str, error: Exception) -> None:
    """A message that may not be delayed was delivered although its evidence could not be kept."""
    _log.error("evidence_missed", queue_id=queue_id, error=describe_error(error))


def undeliverable(queue_id: str, held_id: str, listener: str, replies: Sequence[Reply]) -> None:
    """The next hop refused a message for some recipients, with these replies, after it had taken it
    for others; their copies are kept for the technician."""
    metrics.undeliverable(listener)
    _log.warning(
        "undeliverable",
        queue_id=queue_id,
        held_id=held_id,
        listener=listener,
        recipients=len(replies),
        replies=sorted({_code(reply) for reply in replies}),
    )


def unsettled(queue_id: str, held_id: str, error: Exception) -> None:
    """A `pending` row could not be brought to its end yet; it is tried again."""
    _log.error("unsettled", queue_id=queue_id, held_id=held_id, error=describe_error(error))


def decided(queue_id: str, held_id: str, decision: str, by: str, recipients: int) -> None:
    """A reviewer released, confirmed or closed."""
    _log.info(
        "decided",
        queue_id=queue_id,
        held_id=held_id,
        decision=decision,
        by=by,
        recipients=recipients,
    )


def released(queue_id: str, held_id: str, recipients: int, reply: Reply) -> None:
    """The next hop took a released message."""
    metrics.release_ended("released")
    _log.info(
        "released", queue_id=queue_id, held_id=held_id, recipients=recipients, reply=_code(reply)
    )


def release_refused(queue_id: str, held_id: str, recipients: int, reply: Reply) -> None:
    """The next hop refused a released message for good; it is again held, or undeliverable."""
    metrics.release_ended("refused")
    _log.warning(
        "release_refused",
        queue_id=queue_id,
        held_id=held_id,
        recipients=recipients,
        reply=_code(reply),
    )


def release_delayed(queue_id: str, held_id: str, retry_in_s: float, reply: Reply) -> None:
    """A released message could not be sent now and is tried again."""
    metrics.release_ended("delayed")
    _log.warning(
        "release_delayed",
        queue_id=queue_id,
        held_id=held_id,
        retry_in_s=retry_in_s,
        reply=_code(reply),
    )


def release_failed(queue_id: str, held_id: str, retry_in_s: float, error: Exception) -> None:
    """A released message could not be read or recorded; it is tried again."""
    metrics.release_ended("failed")
    _log.error(
        "release_failed",
        queue_id=queue_id,
        held_id=held_id,
        retry_in_s=retry_in_s,
        error=describe_error(error),
    )


def purged(queue_id: str, held_id: str) -> None:
    """Retention deleted a message's content; its tombstone stays."""
    _log.info("purged", queue_id=queue_id, held_id=held_id)


def reconciled(*, adopted: int, settled: int, missing: int, leftovers: int) -> None:
    """At start, spool and rows were compared both ways."""
    _log.info("reconciled", adopted=adopted, settled=settled, missing=missing, leftovers=leftovers)


def evidence_missing(queue_id: str, held_id: str) -> None:
    """A row has no evidence in the spool."""
    _log.error("evidence_missing", queue_id=queue_id, held_id=held_id)


def evidence_set_aside(folder: str, error: Exception) -> None:
    """A folder in the spool makes no sense; it was moved to ``aside``, where people may look."""
    _log.error("evidence_set_aside", folder=folder, error=describe_error(error))


def evidence_unreadable(folder: str, error: Exception) -> None:
    """A folder in the spool could not be understood; it was left where it is."""
    _log.error("evidence_unreadable", folder=folder, error=describe_error(error))


def scan_worker_died(queue_id: str, reason: str) -> None:
    """A judging process was killed or died; its message got an `unscanned` finding."""
    metrics.scan_worker_died(reason)
    _log.error("scan_worker_died", queue_id=queue_id, reason=reason)


def judging_started(seccomp: bool, landlock: int) -> None:
    """A judging process is ready, and these walls hold what reads attachments for it; `landlock` is
    the version of the kernel's, 0 for none."""
    tell = _log.info if seccomp else _log.warning
    tell("judging_started", seccomp=seccomp, landlock=landlock)


def judging_unavailable(process: str) -> None:
    """A judging process, or the cage below it, does not start: what needs it is deferred."""
    _log.error("judging_unavailable", process=process)


def caged_reader_died(queue_id: str, reason: str) -> None:
    """A process that read an attachment was killed or died; the part got an `unscanned` finding."""
    metrics.caged_reader_died(reason)
    _log.warning("caged_reader_died", queue_id=queue_id, reason=reason)


def ledger_lost(rows: int) -> None:
    """Ledger rows were dropped because the database did not take them."""
    metrics.ledger_lost(rows)
    _log.error("ledger_lost", rows=rows)


def ballast_given_up() -> None:
    """The disk is full; what was kept free of it lets people go on deciding. Nothing else can help
    them a second time: make room."""
    _log.error("ballast_given_up")


def ballast_taken() -> None:
    """There is room again, and some of it is kept free for the next time that there is none."""
    _log.info("ballast_taken")


def digests_owed(about: str, people: int) -> None:
    """The digests of a day are made, for so many people; they are sent from now on."""
    _log.info("digests_owed", about=about, people=people)


def own_mail_accepted(kind: str, about: str, message_id: str, reply: Reply) -> None:
    """The next hop took a mail of ours."""
    _log.info(
        "own_mail_accepted", kind=kind, about=about, message_id=message_id, reply=_code(reply)
    )


def own_mail_delayed(
    kind: str, about: str, message_id: str, retry_in_s: float, reply: Reply
) -> None:
    """The next hop did not take a mail of ours; it is tried again."""
    _log.warning(
        "own_mail_delayed",
        kind=kind,
        about=about,
        message_id=message_id,
        retry_in_s=retry_in_s,
        reply=_code(reply),
    )


def own_mail_refused(kind: str, about: str, message_id: str, reply: Reply) -> None:
    """The next hop refused a digest for good; it is not tried again."""
    _log.error(
        "own_mail_refused", kind=kind, about=about, message_id=message_id, reply=_code(reply)
    )


def own_mail_unanswered(kind: str, about: str, message_id: str) -> None:
    """The next hop gave no last word about a mail of ours: a digest is not sent again, any other
    is, and may arrive twice."""
    _log.error("own_mail_unanswered", kind=kind, about=about, message_id=message_id)


def release_passed(queue_id: str, held_id: str) -> None:
    """A released message came back through a milter with a good key, and may be delivered."""
    _log.info("release_passed", queue_id=queue_id, held_id=held_id)


def release_stopped(queue_id: str, held_id: str) -> None:
    """A released message came back through a milter with a good key, and is held once more for
    malware or imagery; `held_id` is the one that was released."""
    _log.warning("release_stopped", queue_id=queue_id, held_id=held_id)


def own_mail_passed(queue_id: str) -> None:
    """A mail of ours came back through a listener with a good key, and was passed on unjudged."""
    _log.info("own_mail_passed", queue_id=queue_id)


def alert_owed(queue_id: str, held_id: str, people: int) -> None:
    """A message carries an alert, and the mails to those who are told of it are made. `held_id` is
    empty for one of which no copy could be kept."""
    _log.warning("alert_owed", queue_id=queue_id, held_id=held_id, people=people)


def alert_to_nobody(queue_id: str, held_id: str) -> None:
    """A message carries an alert, and nobody is left who may be told."""
    _log.error("alert_to_nobody", queue_id=queue_id, held_id=held_id)


def alert_answers_us(queue_id: str, held_id: str) -> None:
    """A message with an alert is an automatic answer to a mail of ours: nobody is mailed."""
    _log.warning("alert_answers_us", queue_id=queue_id, held_id=held_id)


def alert_unwritten(queue_id: str) -> None:
    """The service stops, and nobody could be told of a message without a copy."""
    _log.error("alert_unwritten", queue_id=queue_id)


def notice_owed(queue_id: str, held_id: str, people: int) -> None:
    """A message is undeliverable, and the mails to the technicians about it are made."""
    _log.info("notice_owed", queue_id=queue_id, held_id=held_id, people=people)


def data_lists_owed(day: str, people: int) -> None:
    """The data lead's list of `day` was made for so many people."""
    _log.info("data_lists_owed", day=day, people=people)


def return_owed(queue_id: str, held_id: str) -> None:
    """A message went back, and the mail to its author about it is made."""
    _log.info("return_owed", queue_id=queue_id, held_id=held_id)


def answered_for(queue_id: str, held_id: str, reply: Reply) -> None:
    """An author has answered to the release address of a message, and was told `reply`."""
    metrics.answered_for(reply.is_positive)
    _log.info("answered_for", queue_id=queue_id, held_id=held_id, reply=str(reply))


def job_failed(job: str, error: BaseException) -> None:
    """A scheduled job broke; it runs again at its next time."""
    metrics.job_failed(job)
    _log.error("job_failed", job=job, error=describe_error(error))


def canary(listener: str, failure: str) -> None:
    """A listener was tested; `failure` says in words what is wrong, empty when nothing is."""
    if failure:
        _log.warning("canary", listener=listener, ok=False, failure=failure)
    else:
        _log.info("canary", listener=listener, ok=True)


def _code(reply: Reply) -> str:
    """Code and enhanced code only: the text of a next hop may quote the message."""
    first = reply.lines[0].split(" ", 1)[0] if reply.lines else ""
    enhanced = first if first[:2] in ("2.", "4.", "5.") and first.isascii() else ""
    return f"{reply.code} {enhanced}".rstrip()
