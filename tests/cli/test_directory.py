"""`mailguard directory`: what people type, and what becomes of the file."""

import asyncio
import stat
from pathlib import Path

import pytest

from mailguard.config import Config
from mailguard.ports import AuditEntry
from mailguard.service.compose import open_stores
from mailguard.service.load import directory_file, load_directory
from tests.cli.conftest import Mailguard

HEADING = "UPN,Surname,Forename,DOB,Year,Email,Contact 1 Name,Contact 1 Email\n"
BEN = "B801200005001,Reed,Ben,02/05/2015,5,,J Reed,j@post.example\n"


@pytest.fixture
def export(tmp_path: Path) -> Path:
    file = tmp_path / "pupils.csv"
    file.write_text(HEADING + BEN)
    return file


def entries(config: Config) -> list[AuditEntry]:
    async def read() -> list[AuditEntry]:
        stores = open_stores(config)
        found = list(await stores.audit.entries())
        await stores.close()
        return found

    return asyncio.run(read())


def test_an_import_is_written_for_its_owner_alone_and_recorded(
    mailguard: Mailguard, config: Config, export: Path
) -> None:
    done = mailguard("directory", "import", "--by", "Sam", str(export))

    file = directory_file(config)
    assert (done.status, done.err) == (0, "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.parent == Path(config.storage.database.removeprefix("sqlite:///")).parent
    (entry,) = entries(config)
    assert (entry.actor, entry.action, entry.detail["added"]) == ("Sam", "configuration", 2)
    assert "Reed" not in done.out + str(entry)


def test_what_was_imported_is_what_the_service_loads(
    mailguard: Mailguard, config: Config, export: Path
) -> None:
    mailguard("directory", "import", str(export))

    directory = load_directory(config)
    assert directory.school.roll is not None
    (naming,) = directory.school.roll.find("ben reed")
    assert directory.children_of("j@post.example") == {naming.subject}
    assert load_directory(config).children_of("j@post.example") == {naming.subject}


def test_a_dry_run_writes_nothing_and_says_who_if_asked(
    mailguard: Mailguard, config: Config, export: Path
) -> None:
    done = mailguard("directory", "import", "--dry-run", "--verbose", str(export))

    assert "Ben Reed <B801200005001> pupil" in done.out
    assert not directory_file(config).exists()
    assert entries(config) == []


def test_the_file_before_is_kept_with_what_it_held(
    mailguard: Mailguard, config: Config, export: Path
) -> None:
    file = directory_file(config)
    file.write_text("address,group\ngwen@law.example,governor\n")
    file.chmod(0o640)

    done = mailguard("directory", "import", "--json", str(export))

    assert done.json[0]["people"] == {"governor": 1, "parent": 1, "pupil": 1}
    assert file.with_name("directory.csv.before").read_text().endswith("governor\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_an_import_that_would_remove_most_pupils_is_refused_unless_forced(
    mailguard: Mailguard, config: Config, export: Path
) -> None:
    many = "".join(f"p{n}@pupils.elmpark.example,pupil\n" for n in range(20))
    directory_file(config).write_text(f"address,group\n{many}")

    refused = mailguard("directory", "import", str(export))
    added = mailguard("directory", "import", "--add-only", "--dry-run", "--json", str(export))
    forced = mailguard("directory", "import", "--force", "--json", str(export))

    assert refused.status == 1
    assert "20 of 20 in the group pupil would be removed" in refused.err
    assert (added.json[0]["gone"], forced.json[0]["gone"]) == (0, 20)


@pytest.mark.parametrize(
    ("text", "status", "says"),
    [("a,b\nc,d\n", 78, "no line names columns"), (None, 1, "No such file")],
    ids=["no headings", "no file"],
)
def test_a_file_that_cannot_be_used_is_a_sentence(
    mailguard: Mailguard, config: Config, export: Path, text: str | None, status: int, says: str
) -> None:
    export.unlink()
    if text is not None:
        export.write_text(text)

    done = mailguard("directory", "import", str(export))

    assert done.status == status
    assert says in done.err


def test_check_counts_and_tells_what_is_odd(
    mailguard: Mailguard, config: Config, export: Path
) -> None:
    export.write_text(HEADING + BEN.replace("2015", "1915"))
    mailguard("directory", "import", str(export))

    plain, told = mailguard("directory", "check"), mailguard("directory", "check", "--verbose")

    assert "2 people (1 parent, 1 pupil)" in plain.out
    assert "odd: 1 born in the future" in plain.out
    assert "Ben Reed" not in plain.out
    assert "Ben Reed" in told.out
    (shown,) = mailguard("directory", "check", "--json").json
    assert {odd["kind"] for odd in shown["odd"]} == {"age", "no_address"}


def test_show_says_who_why_and_whose(mailguard: Mailguard, config: Config, export: Path) -> None:
    mailguard("directory", "import", str(export))

    done = mailguard("directory", "show", "J@post.example")
    (stranger,) = mailguard("directory", "show", "--json", "who@else.example").json

    assert "parent" in done.out
    assert "Ben Reed <B801200005001> pupil" in done.out
    assert stranger == {
        "address": "who@else.example",
        "group": "outside",
        "why": "The school does not know this address.",
    }


def test_list_shows_a_group(mailguard: Mailguard, config: Config, export: Path) -> None:
    mailguard("directory", "import", str(export))

    parents = mailguard("directory", "list", "--group", "parent", "--json").json

    assert [(p["address"], p["of"]) for p in parents] == [("j@post.example", ["B801200005001"])]
    assert len(mailguard("directory", "list").out.splitlines()) == 3


def test_a_roll_key_that_is_damaged_keeps_nothing_from_starting(
    mailguard: Mailguard, config: Config, export: Path
) -> None:
    mailguard("directory", "import", str(export))
    directory_file(config).with_name("roll.key").write_bytes(b"x" * 100)

    assert load_directory(config).school.roll is not None
