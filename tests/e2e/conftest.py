"""The real service between a real client and a real next hop."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mailguard.testing.service import Service
from mailguard.testing.sink import Sink


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Sink]:
    """A next hop that takes everything."""
    sink = Sink(tmp_path / "maildir")
    sink.start()
    yield sink
    sink.stop()


@pytest.fixture
def make_service(tmp_path: Path, rule_cache: Path) -> Iterator[Callable[..., Service]]:
    """Starts services; each is stopped at the end, and its log searched for content."""
    services: list[Service] = []

    def make(next_hop: int, *, name: str = "mailguard", **options: Any) -> Service:
        service = Service(folder=tmp_path / name, next_hop=next_hop, cache=rule_cache, **options)
        services.append(service)
        service.start()
        return service

    yield make
    for service in services:
        service.stop()


@pytest.fixture
def service(make_service: Callable[..., Service], sink: Sink) -> Service:
    """One service in front of the sink."""
    return make_service(sink.port)
