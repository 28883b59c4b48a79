"""Find the file, read it, and report every mistake in it at once."""

import os
import tomllib
from pathlib import Path

from pydantic import ValidationError

from mailguard.config.mistake import describe_mistake
from mailguard.config.model import Config
from mailguard.errors import ConfigError

DEFAULT_PATH = Path("/etc/mailguard/mailguard.toml")
"""Where the configuration is looked for when neither --config nor MAILGUARD_CONFIG says."""


def find_config(given: str | None) -> Path:
    """The file to read: `given`, else MAILGUARD_CONFIG, else :data:`DEFAULT_PATH`."""
    return Path(given or os.environ.get("MAILGUARD_CONFIG") or DEFAULT_PATH)


def load_config(path: Path) -> Config:
    """Read and check a file. Raises ConfigError with every problem found."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError([f"{path}: is not UTF-8 text; save it as UTF-8"]) from None
    except OSError as error:
        remedy = "name another file with --config or MAILGUARD_CONFIG"
        if isinstance(error, PermissionError):
            remedy = f"use sudo, or {remedy}"
        raise ConfigError([f"{path}: {error.strerror}; {remedy}"]) from None
    return parse_config(text, folder=path.parent, name=str(path))


def parse_config(text: str, *, folder: Path, name: str = "configuration") -> Config:
    """Check TOML `text`; relative paths in it are taken from `folder`. Raises ConfigError."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{name}: not valid TOML: {error}"]) from None
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        raise ConfigError(sorted(describe_mistake(detail) for detail in error.errors())) from None
    return _with_absolute_paths(config, folder.absolute())


def _with_absolute_paths(config: Config, folder: Path) -> Config:
    directory, storage, rules = config.directory, config.storage, config.rules
    metrics = config.metrics
    listeners = tuple(
        listener.model_copy(
            update={
                key: str(folder / file)
                for key in ("tls_certificate", "tls_key")
                if (file := getattr(listener, key))
            }
        )
        for listener in config.listeners
    )
    file = str(folder / directory.file) if directory.file else ""
    return config.model_copy(
        update={
            "listeners": listeners,
            "directory": directory.model_copy(update={"file": file}),
            "storage": storage.model_copy(
                update={
                    "spool": str(folder / storage.spool),
                    "cache": str(folder / storage.cache),
                }
            ),
            "rules": rules.model_copy(update={"local": str(folder / rules.local)}),
            "metrics": metrics.model_copy(update={"folder": str(folder / metrics.folder)}),
        }
    )
