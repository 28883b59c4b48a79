"""Whether the service is there, and can be, whatever kind of address it listens on."""

from pathlib import Path

import pytest

from mailguard.cli.stores import is_serving
from mailguard.config import parse_config
from mailguard.errors import ConfigError
from mailguard.milter.server import listen_unix
from mailguard.service.serve import bind_all

MILTER = '[[listeners]]\nname = "asked"\nprotocol = "milter"\naddress = "unix:{}"\n'


def test_a_milter_on_a_unix_socket_is_seen_to_serve(tmp_path: Path) -> None:
    socket = tmp_path / "milter"
    config = parse_config(MILTER.format(socket), folder=tmp_path)

    before = is_serving(config)
    with listen_unix(socket):
        during = is_serving(config)

    assert (before, during) == (False, True)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("taken", "is something else running there?"), ("none/milter", "see to the folder it is in")],
    ids=["taken", "no folder"],
)
def test_a_unix_socket_that_cannot_be_is_a_configuration_mistake(
    tmp_path: Path, name: str, hint: str
) -> None:
    (tmp_path / "taken").write_text("mine")
    config = parse_config(MILTER.format(tmp_path / name), folder=tmp_path)

    with pytest.raises(ConfigError) as error:
        bind_all(config)

    (problem,) = error.value.problems
    assert problem.startswith("listeners.0.address: cannot listen on unix:")
    assert problem.endswith(hint)
