"""Starting: what cannot work is said at once, in a sentence, and nothing accepts mail."""

import socket
from pathlib import Path

import pytest

from mailguard.testing.service import Service, free_port


@pytest.fixture
def stopped(tmp_path: Path, rule_cache: Path) -> Service:
    """A service with its configuration written, and not started."""
    service = Service(folder=tmp_path, next_hop=free_port(), cache=rule_cache)
    service.write_config()
    return service


def test_an_address_in_use_is_a_configuration_mistake(stopped: Service) -> None:
    with socket.create_server(("127.0.0.1", stopped.port)):
        done = stopped.command("serve")

    assert done.returncode == 78
    assert "listeners.0.address: cannot listen on" in done.stderr
    assert "is something else running there?" in done.stderr


def test_a_rule_of_the_schools_own_that_does_not_load_is_named(stopped: Service) -> None:
    folder = stopped.folder / "rules" / "threat"
    folder.mkdir(parents=True)
    (folder / "THREAT_OURS.toml").write_text('symbol = "THREAT_OURS"\n')

    done = stopped.command("serve")

    assert done.returncode == 78
    assert "THREAT_OURS.toml" in done.stderr


def test_a_database_folder_that_cannot_be_made_is_said(stopped: Service) -> None:
    (stopped.folder / "mailguard.db").mkdir()

    done = stopped.command("serve")

    assert done.returncode == 1
    assert "database" in done.stderr
    assert "Traceback" not in done.stderr
