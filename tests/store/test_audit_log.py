import hashlib
import json
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from mailguard.errors import EvidenceDamaged
from mailguard.ports import AuditEntry
from mailguard.store.audit_log import GENESIS, Chain, SqlAuditLog, append_in, verify_in
from mailguard.store.engine import Database
from mailguard.testing import NOON, SCHOOL
from mailguard.testing.quarantine import audit_entry

Tamper = Callable[..., None]
InMemory = Callable[[], AbstractContextManager[Connection]]


@pytest.fixture
async def five(log: SqlAuditLog) -> Chain:
    """A log of five entries, and its check."""
    for number in range(1, 6):
        await log.append(audit_entry(subject=f"subject-{number}", reason=f"reason-{number}"))
    return await log.verify()


@pytest.fixture
def tamper(url: str) -> Tamper:
    """Change the file as somebody with write access could, triggers dropped."""

    def run(*statements: str) -> None:
        with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
            connection.execute("DROP TRIGGER audit_entries_no_update")
            connection.execute("DROP TRIGGER audit_entries_no_delete")
            for statement in statements:
                connection.execute(statement)

    return run


async def test_an_empty_log_is_sound(log: SqlAuditLog) -> None:
    assert await log.verify() == Chain(count=0, head=GENESIS)


async def test_a_sound_log_gives_its_count_and_head(five: Chain, url: str) -> None:
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        (head,) = connection.execute("SELECT hash FROM audit_entries WHERE seq = 5").fetchone()

    assert five == Chain(count=5, head=head)


async def test_a_third_party_can_follow_the_chain_by_its_description(five: Chain, url: str) -> None:
    """As quarantine/README.md has it, with no code of ours."""
    hashed = "0" * 64
    connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    connection.row_factory = sqlite3.Row
    for row in connection.execute("SELECT * FROM audit_entries ORDER BY seq"):
        entry = {key: row[key] for key in row.keys() if key not in ("prev", "hash")}  # noqa: SIM118
        text = json.dumps(entry, sort_keys=True, separators=(",", ":"))
        hashed = hashlib.sha256((hashed + text).encode("ascii")).hexdigest()
    connection.close()

    assert hashed == five.head


@pytest.mark.parametrize(
    ("statement", "broken_at", "problem"),
    [
        ("UPDATE audit_entries SET actor = 'Nobody' WHERE seq = 3", 3, "was changed"),
        ("UPDATE audit_entries SET detail = '{}' WHERE seq = 1", 1, "was changed"),
        (
            "UPDATE audit_entries SET at = replace(at, '2026', '2025') WHERE seq = 5",
            5,
            "was changed",
        ),
        ("UPDATE audit_entries SET detail = x'ff00' WHERE seq = 2", 2, "was changed"),
        ("UPDATE audit_entries SET hash = prev WHERE seq = 2", 2, "was changed"),
        ("UPDATE audit_entries SET prev = hash WHERE seq = 2", 2, "does not follow"),
        ("UPDATE audit_entries SET prev = x'ff' WHERE seq = 2", 2, "does not follow"),
        ("DELETE FROM audit_entries WHERE seq = 1", 1, "is missing"),
        ("DELETE FROM audit_entries WHERE seq = 3", 3, "is missing"),
        ("DELETE FROM audit_entries WHERE seq = 5", 5, "missing at the end"),
        ("DELETE FROM audit_entries", 1, "missing at the end"),
        ("DELETE FROM audit_heads", 6, "missing at the end"),
        ("UPDATE audit_heads SET hash = x'ff'", 6, "missing at the end"),
        ("UPDATE audit_entries SET school = 'Oak Lane' WHERE seq = 4", 4, "is missing"),
    ],
    ids=[
        *("actor", "detail", "time", "not text", "hash", "prev", "prev not text", "first gone"),
        *("middle gone", "last gone", "all gone", "head gone", "head changed", "given away"),
    ],
)
async def test_the_first_broken_link_is_found(
    five: Chain, log: SqlAuditLog, tamper: Tamper, statement: str, broken_at: int, problem: str
) -> None:
    tamper(statement)

    chain = await log.verify()

    assert (chain.broken_at, chain.count) == (broken_at, broken_at - 1)
    assert problem in chain.problem


async def test_reordered_entries_are_found(five: Chain, log: SqlAuditLog, tamper: Tamper) -> None:
    tamper(
        "UPDATE audit_entries SET seq = 99 WHERE seq = 2",
        "UPDATE audit_entries SET seq = 2 WHERE seq = 3",
        "UPDATE audit_entries SET seq = 3 WHERE seq = 99",
    )

    assert (await log.verify()).broken_at == 2


async def test_an_inserted_entry_is_found(five: Chain, log: SqlAuditLog, tamper: Tamper) -> None:
    tamper(
        "UPDATE audit_entries SET seq = -seq",
        "UPDATE audit_entries SET seq = 1 - seq WHERE seq <= -3",
        "UPDATE audit_entries SET seq = -seq WHERE seq < 0",
        "INSERT INTO audit_entries SELECT school, 3, at, actor, action, subject, detail, prev, hash"
        " FROM audit_entries WHERE seq = 2",
    )

    assert (await log.verify()).broken_at == 3


async def test_a_flipped_bit_in_the_file_is_found(
    url: str, database: Database, log: SqlAuditLog, five: Chain
) -> None:
    file = Path(url.removeprefix("sqlite:///"))
    await database.close()
    content = file.read_bytes()
    assert content.count(b"reason-4") == 1
    file.write_bytes(content.replace(b"reason-4", b"reason-\xb4"))

    assert (await log.verify()).broken_at == 4


@pytest.mark.parametrize(
    "verb", ["UPDATE audit_entries SET actor = ''", "DELETE FROM audit_entries"]
)
def test_the_database_refuses_to_change_or_delete_an_entry(
    five: Chain, url: str, verb: str
) -> None:
    with (
        sqlite3.connect(url.removeprefix("sqlite:///")) as connection,
        pytest.raises(sqlite3.IntegrityError, match="never changed or deleted"),
    ):
        connection.execute(verb)


async def test_each_school_has_a_chain_of_its_own(five: Chain, database: Database) -> None:
    oak = SqlAuditLog(database, "Oak Lane")
    await oak.append(audit_entry())

    assert (await oak.verify()).count == 1
    assert await SqlAuditLog(database, SCHOOL.name).verify() == five


async def test_entries_are_listed_oldest_first(five: Chain, log: SqlAuditLog) -> None:
    assert [entry.subject for entry in await log.entries()] == [
        f"subject-{number}" for number in range(1, 6)
    ]


async def test_the_newest_entries_can_be_had_alone(five: Chain, log: SqlAuditLog) -> None:
    listed = [entry.subject for entry in await log.entries(limit=2)]

    assert listed == ["subject-4", "subject-5"]


async def test_the_entries_about_one_subject_can_be_had_alone(
    five: Chain, log: SqlAuditLog
) -> None:
    again = audit_entry("release", subject="subject-2", actor="Kim Lee", reason="a joke")
    await log.append(again)

    first = audit_entry(subject="subject-2", reason="reason-2")
    assert await log.entries(subject="subject-2") == [first, again]


async def test_entries_of_other_schools_are_not_listed(five: Chain, database: Database) -> None:
    assert await SqlAuditLog(database, "Oak Lane").entries() == []


@pytest.mark.parametrize("column", ["at", "detail"])
async def test_an_entry_that_cannot_be_read_is_damaged(
    five: Chain, log: SqlAuditLog, tamper: Tamper, column: str
) -> None:
    tamper(f"UPDATE audit_entries SET {column} = '[' WHERE seq = 3")

    with pytest.raises(EvidenceDamaged, match="entry 3 of the audit log was changed"):
        await log.entries()


ANY_TEXT = st.text(st.characters(), max_size=30)  # lone surrogates and NUL included
ENTRIES = st.builds(
    AuditEntry,
    at=st.just(NOON),
    actor=ANY_TEXT,
    action=ANY_TEXT,
    subject=ANY_TEXT,
    detail=st.dictionaries(ANY_TEXT, st.one_of(ANY_TEXT, st.integers(), st.lists(ANY_TEXT))),
)


@given(entries=st.lists(ENTRIES, max_size=4), school=ANY_TEXT)
def test_whatever_is_appended_verifies(
    in_memory: InMemory, entries: list[AuditEntry], school: str
) -> None:
    with in_memory() as connection:
        for entry in entries:
            append_in(connection, school, entry)

        chain = verify_in(connection, school)

    assert (chain.count, chain.broken_at) == (len(entries), None)
