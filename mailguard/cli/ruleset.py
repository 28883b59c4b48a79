"""The rules as every command loads them: shipped and local, compiled once and kept."""

import os
from pathlib import Path

from mailguard.config import Config
from mailguard.scan.school import School
from mailguard.service.load import Loaded, load_ruleset, school_of


def load_rules(config: Config, school: School | None = None) -> Loaded:
    """All rules and detectors that this configuration names; without `school`, they know no pupil.
    Raises ConfigError."""
    return load_ruleset(
        school=school or school_of(config),
        local=Path(config.rules.local) if config.rules.local else None,
        disabled=config.rules.disable,
        cache=_cache(config),
    )


def _cache(config: Config) -> Path:
    """The service's folder of compiled rules if we may use it, else one of the user's own."""
    shared = Path(config.storage.cache)
    return shared if os.access(shared, os.R_OK | os.X_OK) else own_cache()


def own_cache() -> Path:
    """A folder of the user's for compiled rules: compiling takes seconds. It need not exist."""
    # os.path, since Path.expanduser() raises for an account without a home.
    own = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111
    return Path(own, "mailguard")
