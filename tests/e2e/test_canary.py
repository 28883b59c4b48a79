"""The self-test in the real service: what it sees, and that nothing of it is left anywhere."""

import asyncio
import os
import shutil
import socketserver
import sqlite3
import subprocess
import threading
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from mailguard.config import load_config
from mailguard.ports import CanaryRun
from mailguard.service.canary import CanaryRounds
from mailguard.service.compose import Stores, open_stores
from mailguard.service.load import shipped_rules
from mailguard.testing import mail
from mailguard.testing.certificate import make_certificate
from mailguard.testing.service import Service, free_port, wait_until
from mailguard.testing.sink import Sink

T = TypeVar("T")

PUPIL = "sam@pupils.elmpark.example"
OTHER = "max@pupils.elmpark.example"


class Recorder(socketserver.ThreadingTCPServer):
    """A next hop that writes down every line that it is sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Ear)
        self.lines: list[bytes] = []
        self.port: int = self.server_address[1]


class Ear(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(b"220 next.example\r\n")
        for line in self.rfile:
            self.server.lines.append(line)  # type: ignore[attr-defined]
            self.wfile.write(b"250 Ok\r\n")


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with Recorder() as recorder:
        threading.Thread(target=recorder.serve_forever, daemon=True).start()
        yield recorder
        recorder.shutdown()


def on_stores(service: Service, work: Callable[[Stores], Awaitable[T]]) -> T:
    """Work beside the service, on what it keeps."""

    async def open_and_work() -> T:
        stores = open_stores(load_config(service.config))
        try:
            return await work(stores)
        finally:
            await stores.close()

    return asyncio.run(open_and_work())


def latest(service: Service) -> dict[str, CanaryRun]:
    async def look(stores: Stores) -> dict[str, CanaryRun]:
        return dict(await stores.canary.latest())

    return on_stores(service, look)


def run_now(service: Service) -> dict[str, str]:
    """Test every listener at once, as the jobs process does; the failures by listener."""
    start = time.monotonic()
    # It is an hour later each time it is asked, so that the time is always come.
    late = iter(range(3600, 10**6, 3600))

    async def test(stores: Stores) -> None:
        config = load_config(service.config)
        canary = config.canary.model_copy(update={"minutes": 15})
        rounds = CanaryRounds(
            config.model_copy(update={"canary": canary}),
            stores,
            clock_s=lambda: start + next(late),
        )
        await rounds.look()

    on_stores(service, test)
    return {name: run.failure for name, run in latest(service).items()}


def count(service: Service, table: str) -> int:
    with sqlite3.connect(service.folder / "mailguard.db") as database:
        (number,) = database.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(number)


def files_of(service: Service) -> list[Path]:
    return [path for path in service.spool.glob("[0-9t]*/**/*") if path.is_file()]


FIGURES = """
[metrics]
address = "127.0.0.1:{port}"
folder = "{folder}"
"""

OF_MAIL = (
    "mailguard_messages_total",
    "mailguard_outcomes_total",
    "mailguard_categories_total",
    "mailguard_step_seconds_count",
    "mailguard_failures_total",
)


def test_the_service_tests_itself_soon_after_its_start_and_nothing_else_shows_it(
    make_service: Callable[..., Service], recorder: Recorder, tmp_path: Path
) -> None:
    port = free_port()
    figures_of = FIGURES.format(port=port, folder=tmp_path / "figures")
    service = make_service(recorder.port, canary=15, extra=figures_of)

    wait_until(lambda: "event=canary" in service.log)

    assert latest(service)["mail"].failure == ""
    assert {line.split()[0] for line in recorder.lines} <= {b"EHLO", b"QUIT"}
    assert (count(service, "ledger_rows"), count(service, "held_messages")) == (0, 0)
    assert (count(service, "audit_entries"), count(service, "canary_marks")) == (0, 0)
    assert count(service, "canary_runs") == 1
    assert "event=concluded" not in service.log
    assert "canary.mailguard.invalid" not in service.log
    assert files_of(service) == []
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        figures = answer.read().decode().splitlines()
    assert 'mailguard_canary_ok{listener="mail"} 1.0' in figures
    of_mail = [line for line in figures if line.startswith(OF_MAIL)]
    assert {line.rpartition(" ")[2] for line in of_mail} == {"0.0"}


EVERY_KIND = """
[policy.actions]
threat = "flag"
abuse = "flag"
phishing = "flag"
[[listeners]]
name = "world"
address = "127.0.0.1:{world}"
origin = "outside"
public = true
clients = []
next_hop = "smtp://127.0.0.1:{next_hop}"
[[listeners]]
name = "closed"
address = "127.0.0.1:{closed}"
origin = "inside"
clients = ["192.0.2.0/24"]
next_hop = "smtp://127.0.0.1:{next_hop}"
[[listeners]]
name = "submission"
address = "127.0.0.1:{submission}"
origin = "outside"
clients = []
auth = "pass"
tls = "require"
tls_certificate = "mg.pem"
next_hop = "smtp://127.0.0.1:{next_hop}"
[[listeners]]
name = "balanced"
address = "127.0.0.1:{balanced}"
origin = "outside"
proxy_from = ["127.0.0.0/8"]
tls = "implicit"
tls_certificate = "mg.pem"
next_hop = "smtp://127.0.0.1:{next_hop}"
[[listeners]]
name = "asked"
protocol = "milter"
address = "unix:{folder}/milter"
next_hop = "smtp://127.0.0.1:{next_hop}"
[[listeners]]
name = "barred"
protocol = "milter"
address = "127.0.0.1:{barred}"
milter_from = []
next_hop = "smtp://127.0.0.1:{next_hop}"
"""


@pytest.mark.parametrize("mode", ["enforce", "observe"])
def test_every_listener_is_tested_whatever_its_kind_and_the_schools_own_actions(
    make_service: Callable[..., Service], recorder: Recorder, mode: str, tmp_path: Path
) -> None:
    ports = {name: free_port() for name in ("world", "closed", "submission", "balanced", "barred")}
    make_certificate(tmp_path / "mg.pem")
    extra = EVERY_KIND.format(**ports, folder=tmp_path, next_hop=recorder.port)
    extra = extra.replace("mg.pem", f"{tmp_path}/mg.pem")
    service = make_service(recorder.port, mode=mode, extra=extra)

    failures = run_now(service)

    assert failures == {
        "mail": "",
        "world": "",
        "closed": "The listener refuses connections from this machine: "
        "add 127.0.0.1 to its clients.",
        "submission": "",
        "balanced": "",
        "asked": "",
        "barred": f"The milter at 127.0.0.1:{ports['barred']} closed the connection: "
        "may this machine ask it (milter_from), and is it MailGuard?",
    }
    assert (count(service, "ledger_rows"), count(service, "held_messages")) == (0, 0)
    assert (count(service, "audit_entries"), count(service, "canary_marks")) == (0, 0)
    assert files_of(service) == []
    assert {line.split()[0] for line in recorder.lines} <= {b"EHLO", b"QUIT"}


def test_a_bad_message_that_comes_out_is_found(recorder: Recorder, tmp_path: Path) -> None:
    # With compiled rules of its own: others are not to compile theirs again. None are quick.
    blind = Service(
        folder=tmp_path / "blind",
        next_hop=recorder.port,
        cache=tmp_path / "cache",
        disable=sorted(rule.stem for rule in shipped_rules().glob("*/*.toml")),
    )
    blind.start()

    failures = run_now(blind)

    assert blind.stop() == 0
    assert failures["mail"].startswith("A message that must be held came out: rules.disable")
    assert {line.split()[0] for line in recorder.lines} <= {b"EHLO", b"QUIT"}


def test_a_service_that_is_down_is_found(
    make_service: Callable[..., Service], recorder: Recorder
) -> None:
    service = make_service(recorder.port)
    service.stop()

    failures = run_now(service)

    assert failures["mail"] == f"Nothing accepts connections on 127.0.0.1:{service.port}."


def test_ordinary_mail_beside_it_is_as_ever(
    make_service: Callable[..., Service], sink: Sink
) -> None:
    service = make_service(sink.port)
    run_now(service)

    code, _ = service.send(mail(), sender=PUPIL, to=[OTHER])
    run_now(service)

    assert code == 250
    assert len(sink.messages()) == 1
    wait_until(lambda: count(service, "ledger_rows") == 1)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.skipif(os.geteuid() != 0, reason="attaching to another process needs root")
def test_kill_amid_a_self_test_leaves_nothing_that_a_start_takes_for_evidence(
    make_service: Callable[..., Service], recorder: Recorder
) -> None:
    service = make_service(recorder.port)
    seen_files = 0
    for call, number in [
        ("fsync", 1),
        ("fsync", 3),
        ("fsync", 4),
        ("fdatasync", 1),
        ("unlinkat", 1),
    ]:
        (pid,) = service.pids("relay-1")
        tracer = subprocess.Popen(
            f"strace -f -qq -o /dev/null -p {pid} -e trace={call}"
            f" -e inject={call}:signal=KILL:when={number}".split()
        )
        wait_until(lambda pid=pid: "TracerPid:\t0\n" not in Path(f"/proc/{pid}/status").read_text())
        run_now(service)
        seen_files += bool(files_of(service))
        tracer.kill()
        tracer.wait(10)
        wait_until(lambda pid=pid: service.pids("relay-1") not in ([pid], []))

    service.stop()
    service.start()

    assert seen_files >= 3
    assert service.log.count("event=process_died process=relay-1 status=-9") == 5
    assert files_of(service) == []
    assert (count(service, "held_messages"), count(service, "audit_entries")) == (0, 0)
    assert run_now(service)["mail"] == ""
    assert count(service, "canary_marks") == 0
