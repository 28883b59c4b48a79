"""The configuration: one TOML file, every key with a default, every mistake reported at once.

The models are the documentation: ``mailguard config example`` and docs/configuration.md are written
from them, and a test checks that both are current.
"""

from mailguard.config.keys import walk_keys
from mailguard.config.listener import ListenerSection
from mailguard.config.load import DEFAULT_PATH, find_config, load_config, parse_config
from mailguard.config.model import Config, RulesSection
from mailguard.config.values import read_next_hop, socket_path, split_address, split_period

__all__ = [
    "DEFAULT_PATH",
    "Config",
    "ListenerSection",
    "RulesSection",
    "find_config",
    "load_config",
    "parse_config",
    "read_next_hop",
    "socket_path",
    "split_address",
    "split_period",
    "walk_keys",
]
