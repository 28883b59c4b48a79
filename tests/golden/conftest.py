"""The shipped ruleset, compiled once and kept for the next run."""

import pytest

from mailguard.scan.registry import Ruleset
from mailguard.service.load import load_ruleset
from mailguard.testing import SCHOOL


@pytest.fixture(scope="session")
def ruleset(pytestconfig: pytest.Config) -> Ruleset:
    """Every shipped rule and detector."""
    assert pytestconfig.cache is not None
    compiled = pytestconfig.cache.mkdir("shipped-rules") / "mailguard"
    return load_ruleset(school=SCHOOL, cache=compiled).ruleset
