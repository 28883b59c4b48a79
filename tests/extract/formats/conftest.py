"""One cage for all formats: its libraries are loaded once."""

from collections.abc import Iterator

import pytest

from mailguard.extract.cage import Cage
from mailguard.extract.found import Limits


@pytest.fixture(scope="package")
def cage() -> Iterator[Cage]:
    cage = Cage(Limits(seconds=5))
    yield cage
    cage.close()
