"""Options that several commands share, and the configuration they lead to."""

import getpass
import os
from collections.abc import Callable
from typing import TypeVar

import click

from mailguard.config import DEFAULT_PATH, Config, RulesSection, find_config, load_config

_Command = TypeVar("_Command", bound=Callable[..., object])


def config_option(command: _Command) -> _Command:
    """Add ``--config FILE``; the command gets `config_file`, None when not given."""
    return click.option(
        "--config",
        "config_file",
        metavar="FILE",
        help="Configuration file. Default: MAILGUARD_CONFIG, else /etc/mailguard/mailguard.toml.",
    )(command)


def json_option(command: _Command) -> _Command:
    """Add ``--json``; the command gets `as_json`."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print JSON, one object a line, for programs."
    )(command)


def by_option(command: _Command) -> _Command:
    """Add ``--by NAME``; the command gets `by`, the person who is at the keyboard."""
    return click.option(
        "--by",
        default=login_name,
        metavar="NAME",
        help="Who does this. Default: SUDO_USER, else the login name.",
    )(command)


def as_option(command: _Command) -> _Command:
    """Add ``--as ADDRESS``; the command gets `viewer`, the address of the person who looks."""
    return click.option(
        "--as",
        "viewer",
        metavar="ADDRESS",
        help="Your e-mail address: you are not shown what you wrote or received.",
    )(command)


def load(config_file: str | None) -> Config:
    """Read the configuration that `config_file` or the environment names. Raises ConfigError."""
    return load_config(find_config(config_file))


def load_or_default(config_file: str | None) -> Config:
    """The same; where none is named and /etc/mailguard shows none, a school without rules of its
    own and defaults for all else."""
    path = find_config(config_file)
    # os.path, since Path.exists() raises where the folder is not for everybody.
    if path == DEFAULT_PATH and not os.path.exists(path):  # noqa: PTH110
        return Config(rules=RulesSection(local=""))
    return load_config(path)


def login_name() -> str:
    """The person behind sudo, else the login; the number of an account that has no name."""
    if sudo_user := os.environ.get("SUDO_USER"):
        return sudo_user
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
