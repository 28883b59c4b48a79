"""Builders for tests and for the examples of rules and detectors; nothing in MailGuard imports it.

Every message built here carries :data:`CANARY` in subject and body: no log line may ever hold it.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from mailguard.mail.envelope import Envelope, Origin, Path, QueueId, Session, Transaction
from mailguard.mail.raw import Raw
from mailguard.scan.school import School

CANARY = "zq7canary"
"""A word that no rule knows. It marks content; found in a log, metric or notice, it is a leak."""

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
"""A Monday in term, for tests that need a time."""

SCHOOL = School(
    name="Elm Park Primary", domains=frozenset({"elmpark.example", "pupils.elmpark.example"})
)


def mail(
    body: str = "Hello, see you on Monday.",
    *,
    subject: str = "A message",
    from_: str = "ana@elmpark.example",
    to: str = "ben@elmpark.example",
    headers: Sequence[tuple[str, str]] = (),
    content_type: str = "text/plain; charset=utf-8",
) -> bytes:
    """One whole message with CRLF line ends, 8-bit where the text needs it."""
    lines = [
        f"From: {from_}",
        f"To: {to}",
        f"Subject: {subject} {CANARY}",
        "Date: Mon, 02 Mar 2026 12:00:00 +0000",
        "Message-ID: <1@elmpark.example>",
        "MIME-Version: 1.0",
        f"Content-Type: {content_type}",
        "Content-Transfer-Encoding: 8bit",
        *(f"{name}: {value}" for name, value in headers),
        "",
        body,
        CANARY,
        "",
    ]
    text = "\n".join(lines).replace("\r\n", "\n").replace("\n", "\r\n")
    return text.encode("utf-8", "surrogateescape")


def path(address: str, parameters: str = "") -> Path:
    """A MAIL or RCPT path for `address`, with `parameters` as the client would write them."""
    argument = f"<{address}> {parameters}".rstrip()
    return Path(argument=argument.encode(), address=address)


def transaction(
    raw: bytes | None = None,
    *,
    sender: str = "ana@elmpark.example",
    to: Sequence[str] = ("ben@elmpark.example",),
    origin: Origin = Origin.INSIDE,
    queue_id: str = "TESTQUEUEID",
    received: datetime = NOON,
) -> Transaction:
    """A transaction as the relay would hand it on."""
    return Transaction(
        queue_id=QueueId(queue_id),
        session=Session(
            listener="mail",
            origin=origin,
            peer="192.0.2.10",
            peer_port=40000,
            helo="client.example",
            esmtp=True,
        ),
        envelope=Envelope(sender=path(sender), recipients=tuple(path(a) for a in to)),
        raw=Raw.of(mail() if raw is None else raw),
        received=received,
    )
