"""Backup and restore, with the evidence, while mail goes on."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mailguard.testing import mail
from mailguard.testing.service import Service
from mailguard.testing.sink import Sink

pytestmark = pytest.mark.slow

PUPIL, OTHER = "sam@pupils.elmpark.example", "max@pupils.elmpark.example"


def hold(service: Service, text: str) -> None:
    raw = mail(f"I'm going to stab you, {text}", from_=PUPIL)
    assert service.send(raw, sender=PUPIL, to=[OTHER])[0] == 250


def states(service: Service) -> list[str]:
    done = service.command("quarantine", "list", "--json")
    return [json.loads(line)["state"] for line in done.stdout.splitlines()]


def test_database_first_and_spool_after_it_lose_nothing_on_an_empty_machine(
    make_service: Callable[..., Service], sink: Sink, tmp_path: Path
) -> None:
    old = make_service(sink.port, name="old")
    hold(old, "before the backup")
    backup = old.command("db", "backup", str(tmp_path / "copy.db"))
    hold(old, "between database and spool")
    new = tmp_path / "new"
    shutil.copytree(old.spool, new / "spool")
    old.stop()
    (new / "mailguard.toml").write_text(
        old.config.read_text().replace(str(old.folder), str(new)), "utf-8"
    )
    service = make_service(sink.port, name="new", starts=False)

    restored = service.command("db", "restore", str(tmp_path / "copy.db"))
    service.start()

    assert (backup.returncode, restored.returncode) == (0, 0), backup.stderr + restored.stderr
    assert "every message has its files" in restored.stdout
    assert "1 folders" in restored.stdout
    assert states(service) == ["held", "held"]
    verified = service.command("audit", "verify", "--evidence")
    assert verified.returncode == 0, verified.stdout
    assert '"restore"' in service.command("audit", "list", "--json").stdout


def test_a_restore_is_refused_while_the_service_runs(
    make_service: Callable[..., Service], sink: Sink, tmp_path: Path
) -> None:
    service = make_service(sink.port)
    hold(service, "once")
    service.command("db", "backup", str(tmp_path / "copy.db"))
    hold(service, "twice")

    refused = service.command("db", "restore", str(tmp_path / "copy.db"))

    assert refused.returncode == 1
    assert "stop MailGuard first" in refused.stderr
    assert states(service) == ["held", "held"]


def test_missing_evidence_is_counted_after_a_restore(
    make_service: Callable[..., Service], sink: Sink, tmp_path: Path
) -> None:
    service = make_service(sink.port)
    hold(service, "once")
    service.command("db", "backup", str(tmp_path / "copy.db"))
    service.stop()
    shutil.rmtree(service.spool)
    service.spool.mkdir()

    restored = service.command("db", "restore", str(tmp_path / "copy.db"))

    assert restored.returncode == 0, restored.stderr
    assert "1 messages have no files" in restored.stdout
