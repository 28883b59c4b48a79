"""Are database, audit log, clock, spool and evidence sound?"""

import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

from mailguard.cli.checks.result import Result
from mailguard.cli.output import local_time
from mailguard.cli.stores import database_file
from mailguard.config import Config
from mailguard.errors import SpoolUnavailable
from mailguard.quarantine.held import State
from mailguard.service.compose import Stores
from mailguard.store.schema import read_schema

CLOCK_SLACK = timedelta(minutes=1)
"""A clock that a time service corrects moves by seconds."""

TRIAL_BYTES = 65536


async def check_database(config: Config, stores: Stores) -> AsyncIterator[Result]:
    """Is it there, of this version, and can it be written?"""
    file = database_file(config)
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
    await stores.database.write(lambda connection: None)
    yield Result(name="database", ok=True, what=f"{file} can be written, schema {schema.current}.")


async def check_audit_log(config: Config, stores: Stores) -> AsyncIterator[Result]:
    """Is the chain whole, and is the clock not behind its newest entry?"""
    if not read_schema(database_file(config)).is_newest:
        return
    chain = await stores.audit.verify()
    yield Result(
        name="audit log",
        ok=not chain.problem,
        what=chain.problem or f"{chain.count} entries, unbroken; head {chain.head[:16]}….",
        do="Somebody changed the database. Keep it as it is, and compare it with the backup."
        if chain.problem
        else "",
    )
    now = stores.clock.now()
    is_behind = any(entry.at > now + CLOCK_SLACK for entry in await stores.audit.entries(limit=1))
    what = f"It is {local_time(now, config.school.timezone)} in {config.school.timezone}"
    yield Result(
        name="clock",
        ok=not is_behind,
        what=f"{what}, before the newest entry of the audit log." if is_behind else f"{what}.",
        do="Set the machine's clock, and let a time service keep it." if is_behind else "",
    )


async def check_spool(config: Config, stores: Stores) -> AsyncIterator[Result]:
    """Can evidence be written, does it come back as it was, and is there room for more?"""
    root = Path(config.storage.spool)
    if not root.exists():  # noqa: ASYNC240 # nothing else runs in this loop
        yield _not_there_yet("spool", root)
        return
    _try_out(root)
    yield Result(name="spool", ok=True, what=f"{root} can be written, and gives it back unchanged.")
    has_room = await stores.spool.has_room()
    free = f"{shutil.disk_usage(root).free >> 20:,} MiB are free where evidence is kept"
    yield Result(
        name="room",
        ok=has_room,
        what=f"{free}." if has_room else f"{free}: too little. Senders are asked to wait.",
        do="" if has_room else "Make room, or lower limits.message_mb.",
    )


async def check_evidence(config: Config, stores: Stores) -> AsyncIterator[Result]:
    """Has every row its files?"""
    if not read_schema(database_file(config)).is_newest:
        return
    folders = set(await stores.spool.folders())
    rows = [held for held in await stores.held.select() if held.state is not State.PURGED]
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


def _try_out(root: Path) -> None:
    """Write a file without a name, and read it back. Raises SpoolUnavailable."""
    trial = secrets.token_bytes(TRIAL_BYTES)
    try:
        with tempfile.TemporaryFile(dir=root) as file:
            file.write(trial)
            file.flush()
            os.fsync(file.fileno())
            file.seek(0)
            is_same = file.read() == trial
    except OSError as error:
        raise SpoolUnavailable(f"{root} cannot be written: {error.strerror}") from error
    if not is_same:
        raise SpoolUnavailable(f"{root} gives other bytes back than were written")


def _not_there_yet(name: str, path: Path) -> Result:
    """For what the service makes at its first start: can it?"""
    parent = next(folder for folder in path.parents if folder.exists())
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
