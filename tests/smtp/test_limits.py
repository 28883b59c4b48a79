"""How many connections the process can afford."""

import resource
from collections.abc import Callable, Iterator

import pytest

from mailguard.smtp.limits import connections_within_descriptors


@pytest.fixture
def allow_descriptors() -> Iterator[Callable[[int], None]]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield lambda soft: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, before[1]))
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize(
    ("descriptors", "connections"),
    [(1024, 200), (592, 100), (196, 1), (100, 1)],
    ids=["the usual limit is enough", "fewer", "the last", "never none"],
)
def test_connections_stay_within_the_descriptors_of_the_process(
    allow_descriptors: Callable[[int], None], descriptors: int, connections: int
) -> None:
    allow_descriptors(descriptors)

    assert connections == connections_within_descriptors(200)
