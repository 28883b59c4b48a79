"""Are database, audit log, spool and evidence sound? A row and an item are written and read back.

They are marked as a self-test's, so that whatever a kill leaves of them is nobody's evidence.
"""

import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from mailguard.cli.checks.owner import nearest
from mailguard.cli.checks.result import Result, Scene
from mailguard.cli.stores import database_file
from mailguard.config import Config
from mailguard.errors import SpoolUnavailable, StoreUnavailable
from mailguard.mail.canary import SINK
from mailguard.mail.envelope import Envelope, Origin, QueueId, Session, Transaction
from mailguard.mail.envelope import Path as SmtpPath
from mailguard.mail.raw import Raw
from mailguard.policy.judge import Judgement
from mailguard.ports import AuditEntry
from mailguard.quarantine.evidence import compose_evidence
from mailguard.quarantine.held import (
    RANDOM_BYTES,
    TEST_SCHOOL,
    HeldMessage,
    HeldRecipient,
    State,
    new_held_id,
)
from mailguard.scan.finding import ScanReport
from mailguard.service.compose import Stores
from mailguard.store.schema import read_schema
from mailguard.store.spool import ASIDE
from mailguard.store.trial import comes_back

TRIAL_DAY = "0000/00/00"
"""The folder of an item that is tried out: no message is of that day, so the folder can go again.
One of a real day must stay, since another process may have just made it."""

TRIAL_BYTES = 65536
TOKEN = "check"  # noqa: S105 # a word

GIB = 1 << 30
LOW_BYTES = GIB
"""Some ten days of evidence of a school with much trouble: time to order a disk."""

LEAST_BYTES = 64 << 20
LEAST_INODES = 1000
"""Below these something will fail within hours."""


def has_database(scene: Scene) -> bool:
    """Whether there is one to look into; where not, :func:`check_database` says so."""
    file = database_file(scene.config)
    with suppress(StoreUnavailable):
        return file.exists() and read_schema(file).is_newest
    return False


async def check_database(scene: Scene) -> AsyncIterator[Result]:
    """Is it there, of this version, and does a row come back as it was written?"""
    file = database_file(scene.config)
    if not file.exists():
        yield _not_there_yet("database", file)
        return
    schema = read_schema(file)
    if not schema.is_newest:
        yield Result(
            name="database",
            ok=False,
            what=f"{file} has the schema {schema.current or 'of nothing'}, not {schema.newest}.",
            do="Run `mailguard db migrate`, or restart the service, which does it too.",
        )
        return
    if await _try_rows(scene.stores):
        what, do = f"{file} gives back what is written into it, schema {schema.current}.", ""
        yield Result(name="database", ok=True, what=what, do=do)
    else:
        yield Result(
            name="database",
            ok=False,
            what=f"{file} gives back something else than was written into it.",
            do="Trust neither it nor the disk: stop the service, and bring back the last backup.",
        )


async def check_audit_log(scene: Scene) -> AsyncIterator[Result]:
    """Is the chain whole?"""
    if not has_database(scene):
        return
    chain = await scene.stores.audit.verify()
    yield Result(
        name="audit log",
        ok=not chain.problem,
        what=chain.problem or f"{chain.count} entries, unbroken; head {chain.head[:16]}….",
        do="Somebody changed the database. Keep it as it is, and compare it with the backup."
        if chain.problem
        else "",
    )


async def check_spool(scene: Scene) -> AsyncIterator[Result]:
    """Can evidence be stored by the service's own way, and does it come back as it was?"""
    root = Path(scene.config.storage.spool)
    if not root.exists():  # noqa: ASYNC240 # nothing else runs in this loop
        yield _not_there_yet("spool", root)
        return
    await _try_item(root, scene.stores)
    yield Result(name="spool", ok=True, what=f"{root} can be written, and gives it back unchanged.")


async def check_room(scene: Scene) -> AsyncIterator[Result]:
    """Is there room where something is written?"""
    has_room = await scene.stores.spool.has_room()
    root = Path(scene.config.storage.spool)
    if root.exists():  # noqa: ASYNC240 # nothing else runs in this loop
        free = f"{_free_bytes(root) >> 20:,} MiB are free where evidence is kept"
        yield Result(
            name="room",
            ok=has_room,
            what=f"{free}." if has_room else f"{free}: too little. Senders are asked to wait.",
            do="" if has_room else "Make room, or lower limits.message_mb.",
        )
    for result in _tight_disks(scene.config):
        yield result


async def check_evidence(scene: Scene) -> AsyncIterator[Result]:
    """Has every row its files?"""
    if not has_database(scene):
        return
    folders = set(await scene.stores.spool.folders())
    rows = [held for held in await scene.stores.held.select() if held.state is not State.PURGED]
    missing = [held.id for held in rows if held.folder not in folders]
    gone = f"The files of {len(missing)} are gone, first {missing[0]}." if missing else ""
    yield Result(
        name="evidence",
        ok=not missing,
        what=gone or f"Messages kept: {len(rows)}, each with its files.",
        do="Bring them back from the backup; `mailguard audit verify --evidence` names them all."
        if missing
        else "",
    )
    aside = Path(scene.config.storage.spool) / ASIDE
    count = len(list(aside.iterdir())) if aside.is_dir() else 0
    if count:
        yield Result(
            name="evidence",
            ok=False,
            what=f"Folders of the spool that nobody can make sense of: {count}, in {aside}.",
            do="Look at them; quarantine/README.md has the format. Mend one and move it back to "
            "its day, and the next start takes it into quarantine; or move it out of the spool.",
        )


async def _try_rows(stores: Stores) -> bool:
    """A commit for good, of something that is then deleted; and all of a held message's rows."""
    token = f"{TOKEN}-{secrets.token_hex(8)}"
    await stores.canary.mark(token, TOKEN)
    marks = await stores.canary.take_marks(token)
    held = _trial(Raw.of(b""), stores.clock.now())
    entry = AuditEntry(
        at=stores.clock.now(), actor="mailguard", action="check", subject=held.id, detail={}
    )
    return list(marks) == [TOKEN] and await comes_back(stores.database, held, entry)


async def _try_item(root: Path, stores: Stores) -> None:
    """Store an item, read it back and take it away. Raises SpoolUnavailable, EvidenceDamaged."""
    raw = Raw.of(secrets.token_bytes(TRIAL_BYTES))
    now = stores.clock.now()
    held = _trial(raw, now)
    evidence = _evidence(held, raw, now)
    try:
        await stores.spool.store(held.id, held.folder, raw, evidence)
        # What is read is checked against the row's SHA-256.
        await stores.spool.read(held)
        if await stores.spool.evidence(held) != evidence:
            raise SpoolUnavailable(f"{root} gives other bytes back than were written")
    finally:
        with suppress(SpoolUnavailable):
            await stores.spool.remove(held.folder)
        day = root / TRIAL_DAY
        for folder in (day, *day.parents[: TRIAL_DAY.count("/")]):
            with suppress(OSError):
                folder.rmdir()


def _trial(raw: Raw, now: datetime) -> HeldMessage:
    held_id = new_held_id(now, secrets.token_bytes(RANDOM_BYTES))
    argument = f"<{SINK}>".encode()
    recipient = HeldRecipient(address=SINK, argument=argument, relationship="", state=State.HELD)
    return HeldMessage(
        id=held_id,
        school=TEST_SCHOOL,
        queue_id=TOKEN,
        listener=TOKEN,
        received=now,
        sender="",
        sender_argument=b"<>",
        recipients=(recipient,),
        level=0,
        categories={},
        symbols=(),
        sealed=False,
        alert=False,
        sha256=raw.sha256,
        size=raw.size,
        ruleset="",
        folder=f"{TRIAL_DAY}/{held_id}",
    )


def _evidence(held: HeldMessage, raw: Raw, now: datetime) -> bytes:
    session = Session(
        listener=TOKEN, origin=Origin.INSIDE, peer="", peer_port=0, helo=TOKEN, esmtp=True
    )
    path = SmtpPath(argument=b"<>", address="")
    envelope = Envelope(sender=path, recipients=(path,))
    transaction = Transaction(
        queue_id=QueueId(TOKEN), session=session, envelope=envelope, raw=raw, received=now
    )
    report = ScanReport(findings=(), unscanned=(), ruleset="")
    return compose_evidence(transaction, Judgement(report=report, dispositions=()), held)


def _tight_disks(config: Config) -> Iterator[Result]:
    """The file systems that fill up, each once."""
    places = (config.storage.spool, str(database_file(config)), config.storage.cache)
    seen = set()
    for place in (nearest(Path(place)) for place in places):
        device = place.stat().st_dev
        if device in seen:
            continue
        seen.add(device)
        disk = os.statvfs(place)
        free = _free_bytes(place)
        # Some file systems have no fixed number of inodes, and say 0.
        inodes = disk.f_favail if disk.f_files else LEAST_INODES
        if free < LOW_BYTES or inodes < LEAST_INODES:
            yield Result(
                name="room",
                ok=free >= LEAST_BYTES and inodes >= LEAST_INODES,
                what=f"On the disk of {place} {free >> 20:,} MiB and {disk.f_favail:,} inodes are "
                "free.",
                do="Make room, or give it a larger disk.",
            )


def _free_bytes(place: Path) -> int:
    disk = os.statvfs(place)
    return disk.f_bavail * disk.f_frsize


def _not_there_yet(name: str, path: Path) -> Result:
    """For what the service makes at its first start: can it?"""
    parent = nearest(path)
    is_writable = os.access(parent, os.W_OK | os.X_OK)
    return Result(
        name=name,
        ok=is_writable,
        what=f"{path} is not there yet"
        + ("." if is_writable else f", and {parent} may not be written."),
        do="`mailguard serve` makes it when it starts."
        if is_writable
        else "Run this as the user that MailGuard runs as, or see to the folder's owner.",
    )
