"""What a stranger finds who tries every way to misuse the service, with nmap and testssl."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from mailguard.testing.certificate import make_certificate
from mailguard.testing.service import Service, free_port
from mailguard.testing.sink import Sink

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("nmap") is None, reason="nmap is not installed"),
    pytest.mark.skipif(shutil.which("testssl") is None, reason="testssl.sh is not installed"),
]

LISTENERS = """
[[listeners]]
name = "world"
address = "127.0.0.1:{world}"
origin = "outside"
public = true
clients = ["127.0.0.2/32"]
tls = "may"
tls_certificate = "{certificate}"
next_hop = "smtp://127.0.0.1:{next_hop}"
[[listeners]]
name = "implicit"
address = "127.0.0.1:{implicit}"
origin = "outside"
tls = "implicit"
tls_certificate = "{certificate}"
next_hop = "smtp://127.0.0.1:{next_hop}"
"""
"""Who tries it comes from 127.0.0.1, which is no client of the first."""

VERSIONS = ("SSLv2", "SSLv3", "TLS1", "TLS1_1", "TLS1_2", "TLS1_3")

PORTS = ("world", "implicit")


@pytest.fixture(scope="module")
def ports() -> dict[str, int]:
    return {name: free_port() for name in PORTS}


@pytest.fixture(scope="module")
def sink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sink]:
    sink = Sink(tmp_path_factory.mktemp("strangers") / "maildir")
    sink.start()
    yield sink
    sink.stop()


@pytest.fixture(scope="module")
def service(
    sink: Sink, ports: dict[str, int], tmp_path_factory: pytest.TempPathFactory, rule_cache: Path
) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("strangers")
    service = Service(
        folder=folder / "mailguard",
        next_hop=sink.port,
        cache=rule_cache,
        extra=LISTENERS.format(
            next_hop=sink.port, certificate=make_certificate(folder / "mg.pem"), **ports
        ),
    )
    service.start()
    yield service
    service.stop()


@pytest.fixture(scope="module")
def reports(
    service: Service, ports: dict[str, int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Callable[[], dict[str, str]]]]:
    """What testssl found at each port, once it has: it takes its time, for all ports at once."""
    folder = tmp_path_factory.mktemp("testssl")
    running = {name: start_testssl(name, ports[name], folder / f"{name}.json") for name in PORTS}

    def read(name: str) -> dict[str, str]:
        running[name].wait(120)
        found = json.loads((folder / f"{name}.json").read_text())
        return {each["id"]: each["finding"] for each in found}

    yield {name: partial(read, name) for name in PORTS}
    for process in running.values():
        process.kill()
        process.wait(10)


def start_testssl(name: str, port: int, report: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [
            *("testssl", "--protocols", "--quiet", "--warnings", "off", "--nodns", "none"),
            *("--ip", "127.0.0.1", "--openssl-timeout", "20", "--jsonfile", str(report)),
            *(("-t", "smtp") if name == "world" else ()),
            f"localhost:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "USLEEP_SND": "0", "USLEEP_REC": "0", "NO_ENGINE": "true"},
    )


def relayed(port: int) -> str:
    """What nmap's sixteen attempts to relay came to."""
    done = subprocess.run(
        [
            *("nmap", "-n", "-Pn", "-p", str(port), "--script", "+smtp-open-relay"),
            *("--script-args", "smtp-open-relay.domain=stranger.example", "127.0.0.1"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    said = re.search(r"smtp-open-relay: (.*)", done.stdout)
    assert said is not None, done.stdout
    return said[1]


def test_a_stranger_who_tries_to_relay_is_hung_up_on(
    reports: object, service: Service, ports: dict[str, int], sink: Sink
) -> None:
    assert relayed(ports["world"]).startswith("SMTP RSET: failed to receive data")
    assert service.log.count("refused_command") == 10
    assert service.log.count('reply="550 5.7.1"') >= 8
    assert 'event=refused_connection peer=127.0.0.1 listener=world reply="421 4.7.0"' in service.log
    assert sink.delivered == []


def test_a_client_may_relay_and_nmap_sees_it(reports: object, service: Service) -> None:
    assert relayed(service.port) == "Server is an open relay (14/16 tests)"


@pytest.mark.parametrize("listener", PORTS)
def test_nothing_below_tls_1_2_is_offered(
    reports: dict[str, Callable[[], dict[str, str]]], listener: str
) -> None:
    found = reports[listener]()

    refused = {name for name in VERSIONS if found[name] == "not offered"}
    offered = {name for name in VERSIONS if found[name].startswith("offered")}
    assert refused == {"SSLv2", "SSLv3", "TLS1", "TLS1_1"}
    assert offered == {"TLS1_2", "TLS1_3"}
