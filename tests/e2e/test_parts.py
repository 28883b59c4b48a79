"""The service as two units: listeners and jobs, each alone, beside the other, and without it."""

import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from mailguard.testing import mail
from mailguard.testing.service import Service
from mailguard.testing.sink import Sink

MakeService = Callable[..., Service]

THREAT = mail(body="wait till break, I'm going to stab you")


@pytest.fixture
def relay(make_service: MakeService, sink: Sink) -> Service:
    return make_service(sink.port, only="relay")


@pytest.fixture
def make_jobs(make_service: MakeService, sink: Sink) -> Callable[[Service], Service]:
    """Starts the jobs of a service whose listeners run already."""

    def make(relay: Service) -> Service:
        return make_service(
            sink.port, name=relay.folder.name, port=relay.port, only="jobs", origin=relay.origin
        )

    return make


def test_the_relay_alone_takes_and_holds_mail(relay: Service, sink: Sink) -> None:
    passed, _ = relay.send(mail())
    held, _ = relay.send(THREAT)

    assert (250, 250) == (passed, held)
    assert len(sink.delivered) == 1
    assert relay.pids("jobs") == []
    assert relay.stop() == 0


def test_the_jobs_alone_make_the_database_and_listen_nowhere(
    make_service: MakeService, sink: Sink
) -> None:
    jobs = make_service(sink.port, only="jobs")

    assert (jobs.folder / "mailguard.db").exists()
    with pytest.raises(ConnectionRefusedError):
        jobs.send(mail())
    assert jobs.stop() == 0


def test_what_one_unit_holds_the_other_sends_when_it_is_released(
    relay: Service, make_jobs: Callable[[Service], Service], sink: Sink
) -> None:
    jobs = make_jobs(relay)
    relay.send(THREAT)

    (item,) = relay.spool.glob("*/*/*/*")
    done = relay.command(
        "quarantine", "release", item.name, "--reason", "a play", "--wait", "10", "--by", "head"
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert len(sink.delivered) == 1
    assert (0, 0) == (jobs.stop(), relay.stop())


def test_the_relay_starts_again_while_the_jobs_run(
    relay: Service, make_jobs: Callable[[Service], Service]
) -> None:
    jobs = make_jobs(relay)

    relay.kill()
    relay.start()

    assert relay.send(mail())[0] == 250
    assert jobs.process is not None
    assert jobs.process.poll() is None


def test_a_closed_terminal_ends_the_service_in_good_order(relay: Service) -> None:
    assert relay.process is not None

    relay.process.send_signal(signal.SIGHUP)

    assert relay.process.wait(30) == 0
    assert "event=stopped process=service" in relay.log


def test_two_relays_on_one_address_do_not_both_start(relay: Service, tmp_path: Path) -> None:
    done = relay.command("serve", "--only", "relay")

    assert done.returncode == 78
    assert "listeners.0.address: cannot listen on" in done.stderr


def test_a_metrics_address_in_use_is_said_and_all_else_goes_on(
    make_service: MakeService, sink: Sink
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        service = make_service(sink.port, extra=f'[metrics]\naddress = "127.0.0.1:{port}"\n')

        assert 'event=metrics_unavailable error="Address already in use"' in service.log
        assert service.send(mail())[0] == 250
        assert service.pids("jobs")
