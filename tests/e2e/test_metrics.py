"""Figures of the real service, as Prometheus would scrape them."""

import functools
import http.client
import os
import signal
import smtplib
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mailguard.metrics.catalogue import CATALOGUE
from mailguard.testing import CANARY, mail
from mailguard.testing.service import Service, free_port, wait_until
from mailguard.testing.sink import Sink

THREAT = mail(body="wait till break, I'm going to stab you")

CONFIG = """
[metrics]
address = "127.0.0.1:{port}"
folder = "{folder}"
"""

NAMES = ("relay-1", "relay-2", "jobs")


@dataclass(frozen=True)
class Figures:
    """Where they are served."""

    port: int

    def get(self, path: str, method: str = "GET") -> tuple[int, str]:
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=8)
        client.request(method, path)
        answer = client.getresponse()
        status, text = answer.status, answer.read().decode()
        client.close()
        return status, text

    def read(self) -> dict[str, dict[str, float]]:
        """The samples of each metric, by their labels' values in the order of their names."""
        found: dict[str, dict[str, float]] = {}
        for family in text_string_to_metric_families(self.get("/metrics")[1]):
            for sample in family.samples:
                labels = ",".join(value for _, value in sorted(sample.labels.items()))
                found.setdefault(sample.name, {})[labels] = sample.value
        return found

    def sum(self, name: str) -> float:
        return sum(self.read().get(name, {}).values())


@pytest.fixture
def figures() -> Figures:
    return Figures(free_port())


@pytest.fixture
def make_measured(
    make_service: Callable[..., Service], sink: Sink, figures: Figures, tmp_path: Path
) -> Callable[..., Service]:
    """Starts services that serve these figures."""
    extra = CONFIG.format(port=figures.port, folder=tmp_path / "figures")
    return functools.partial(make_service, sink.port, extra=extra)


@pytest.fixture(scope="module")
def shared(
    tmp_path_factory: pytest.TempPathFactory, rule_cache: Path
) -> Iterator[tuple[Service, Figures]]:
    """One service for all tests that leave it as it was; it has held a message."""
    folder = tmp_path_factory.mktemp("shared")
    sink, figures = Sink(folder / "maildir"), Figures(free_port())
    extra = CONFIG.format(port=figures.port, folder=folder / "figures")
    service = Service(
        folder=folder / "mailguard", next_hop=sink.port, cache=rule_cache, extra=extra
    )
    sink.start()
    service.start()
    try:
        service.send(THREAT)
        yield service, figures
    finally:
        service.stop()
        sink.stop()


def is_open(client: smtplib.SMTP) -> bool:
    assert client.sock is not None
    client.sock.setblocking(False)
    try:
        return client.sock.recv(1) != b""
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False


def test_counts_are_right_over_two_workers_and_after_one_was_killed(
    make_measured: Callable[..., Service], figures: Figures
) -> None:
    service = make_measured(workers=2)
    codes = [service.send(raw)[0] for raw in [mail(), THREAT] * 3]
    lingering = [smtplib.SMTP("127.0.0.1", service.port, timeout=10) for _ in range(8)]
    wait_until(lambda: figures.sum("mailguard_connections") == 8)

    (victim,) = service.pids("relay-1")
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: figures.read()["mailguard_process_starts_total"]["relay-1"] == 2)
    codes += [service.send(raw)[0] for raw in [mail(), THREAT] * 3]

    found = figures.read()
    assert [250] * 12 == codes
    assert 12 == sum(found["mailguard_messages_total"].values())
    assert {"mail,relayed": 6, "mail,held": 6} == found["mailguard_outcomes_total"]
    assert 6 == found["mailguard_next_hop_replies_total"]["250,dot"]
    assert 12 == found["mailguard_step_seconds_count"]["answer"]
    assert 6 == found["mailguard_step_seconds_count"]["keep"]
    assert dict.fromkeys(NAMES, 1) == found["mailguard_process_up"]
    # What the killed one had is gone, and what the other has is there.
    assert sum(map(is_open, lingering)) == sum(found["mailguard_connections"].values())


def test_no_figure_names_anybody_or_says_what_anybody_wrote(
    shared: tuple[Service, Figures],
) -> None:
    _, text = shared[1].get("/metrics")

    assert "mailguard_messages_total{" in text
    telling = (CANARY, "elmpark", "@", "127.0.0.1", "THREAT_", "stab")
    assert [] == [word for word in telling if word in text]


def test_every_figure_that_is_served_is_in_the_catalogue_with_its_help(
    shared: tuple[Service, Figures],
) -> None:
    families = text_string_to_metric_families(shared[1].get("/metrics")[1])

    served = {family.name: family.documentation for family in families}
    known = {metric.name.removesuffix("_total"): metric.says for metric in CATALOGUE}
    assert served.items() <= known.items()
    assert len(served) > 15


def test_healthz_follows_the_part_that_takes_mail(
    make_measured: Callable[..., Service], figures: Figures
) -> None:
    relay = make_measured(only="relay")
    make_measured(only="jobs", port=relay.port)
    wait_until(lambda: figures.get("/healthz") == (200, "all is well\n"))

    relay.stop()

    assert (503, "relay-1 is not running\n") == figures.get("/healthz")
    relay.start()
    wait_until(lambda: figures.get("/healthz")[0] == 200)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/metrics/", 404),
        ("GET", "/../../etc/passwd", 404),
        ("POST", "/metrics", 405),
        ("GET", "/metrics?name[]=mailguard_held", 200),
    ],
)
def test_nothing_else_is_served(
    shared: tuple[Service, Figures], method: str, path: str, status: int
) -> None:
    assert status == shared[1].get(path, method)[0]


def test_clients_that_say_nothing_keep_neither_prometheus_nor_mail_waiting(
    shared: tuple[Service, Figures],
) -> None:
    service, figures = shared
    silent = [socket.create_connection(("127.0.0.1", figures.port), 5) for _ in range(100)]
    for number, client in enumerate(silent):
        client.sendall(b"GET /metrics HTTP/1.0\r\nX: " + b"x" * number)
    started = time.monotonic()

    status, _ = figures.get("/metrics")
    code, _ = service.send(mail())

    assert (200, 250) == (status, code)
    assert time.monotonic() - started < 3
    (jobs,) = service.pids("jobs")
    assert len(list(Path(f"/proc/{jobs}/task").iterdir())) < 60
    for client in silent:
        client.close()


def test_a_second_service_that_cannot_start_takes_nobodys_figures_away(
    shared: tuple[Service, Figures],
) -> None:
    service, figures = shared
    before = figures.read()["mailguard_outcomes_total"]

    done = service.command("serve")

    assert done.returncode == 78
    assert before == figures.read()["mailguard_outcomes_total"]


def test_a_folder_that_cannot_be_used_is_said_and_mail_goes_on(
    make_service: Callable[..., Service], sink: Sink, figures: Figures, tmp_path: Path
) -> None:
    (tmp_path / "figures").touch()

    service = make_service(
        sink.port, extra=CONFIG.format(port=figures.port, folder=tmp_path / "figures")
    )

    assert "event=metrics_unavailable" in service.log
    assert 250 == service.send(mail())[0]
