"""Makes the database and the spool that a released version leaves: run with that version's code.

See README.md beside this file.
"""

import json
import shutil
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from mailguard.testing import mail
from mailguard.testing.service import Service, wait_until
from mailguard.testing.sink import Sink

SAM, MAX, KHAN = "sam@pupils.elmpark.example", "max@pupils.elmpark.example", "khan@elmpark.example"
THREAT = "wait till break tomorrow, I'm going to stab you"


def listed(service: Service) -> list[dict[str, object]]:
    """All held messages, oldest first."""
    done = service.command("quarantine", "list", "--json")
    return [json.loads(line) for line in done.stdout.splitlines()]


def work(service: Service) -> None:
    """Leave one message of each state that lasts, and ledger rows."""
    for word in ("first", "second", "third"):
        service.send(mail(f"{THREAT}, {word}", from_=SAM), sender=SAM, to=[MAX])
    service.send(mail("The trip is on Friday."), sender=KHAN, to=[SAM])
    service.send(
        mail("I want to kill myself, I have decided. Please help me.", from_=SAM),
        sender=SAM,
        to=[KHAN],
    )
    service.send(
        mail("Everyone hates you. kill yourself, nobody would miss you.", from_=SAM),
        sender=SAM,
        to=[MAX, KHAN],
    )
    first, second, *_ = (str(row["id"]) for row in listed(service))
    by = ("--by", "d.okafor", "--reason")
    service.command("quarantine", "confirm", first, *by, "a threat")
    service.command("quarantine", "release", second, *by, "a play", "--wait", "20")
    wait_until(lambda: listed(service)[1]["state"] == "released")


def main(target: Path) -> None:
    """Write ``mailguard.sql`` and ``spool`` to `target`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sink = Sink(folder / "maildir")
        sink.start()
        service = Service(folder=folder / "school", next_hop=sink.port, cache=folder / "cache")
        service.start()
        work(service)
        service.stop()
        sink.stop()
        target.mkdir()
        with closing(sqlite3.connect(service.folder / "mailguard.db")) as database:
            (target / "mailguard.sql").write_text("\n".join(database.iterdump()) + "\n", "utf-8")
        shutil.copytree(
            service.spool, target / "spool", ignore=shutil.ignore_patterns("tmp", "*.lock")
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
