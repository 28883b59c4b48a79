"""Read what the core may not read itself: rule files, word lists, the directory, compiled rules."""

import contextlib
import fcntl
import hashlib
import os
import secrets
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mailguard.config import Config
from mailguard.errors import ConfigError, RuleError
from mailguard.extract.found import Limits
from mailguard.extract.worker import UNPACKING
from mailguard.policy.directory import Directory, Person, build_directory, read_directory
from mailguard.policy.disposition import Policy
from mailguard.scan.registry import Ruleset, build_ruleset
from mailguard.scan.rule import Rule, parse_list, parse_rule
from mailguard.scan.school import School
from mailguard.store.durable import give_to_owner

KEPT = 4
"""Sets of compiled rules that are kept: some 10 MB each."""

LONGEST_WAIT_S = 60
"""For another process that compiles; it takes some ten seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A ruleset, and the arguments with which another process builds the same one."""

    ruleset: Ruleset
    setup: dict[str, Any]


def shipped_rules() -> Path:
    """Where MailGuard's own rules lie: inside an installed package, or at the top of a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "_rules"
    return installed if installed.is_dir() else package.parent / "rules"


def school_of(config: Config) -> School:
    """The facts that detectors may know."""
    return School(name=config.school.name, domains=frozenset(config.school.domains))


def load_ruleset(
    *,
    school: School,
    local: Path | None = None,
    disabled: Collection[str] = (),
    cache: Path | None = None,
) -> Loaded:
    """Read all rules and compile them, or take them compiled from `cache`.

    `local` need not exist. Raises ConfigError with every rule that does not load.
    """
    rules = _read_all([shipped_rules(), *([local] if local and local.is_dir() else [])])
    setup: dict[str, Any] = {"rules": rules, "disabled": tuple(disabled), "school": school}
    try:
        ruleset = _build_cached(setup, cache) if cache else build_ruleset(**setup)
    except RuleError as error:
        raise ConfigError([str(error)]) from None
    return Loaded(ruleset=ruleset, setup={**setup, "compiled": ruleset.matcher.dump()})


def directory_file(config: Config) -> Path:
    """Where the people are listed: beside the database, unless the configuration says."""
    if config.directory.file:
        return Path(config.directory.file)
    return _database_folder(config) / "directory.csv"


def load_people(config: Config) -> tuple[Person, ...]:
    """Everyone in the directory file; nobody where none is configured and none was imported.
    Raises ConfigError with every mistake."""
    file = directory_file(config)
    try:
        return read_directory(file.read_text("utf-8-sig"))
    except OSError as error:
        if not config.directory.file and _is_missing(error, file):
            return ()
        raise ConfigError([f"directory.file: {file}: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise ConfigError([f"directory.file: {file}: is not UTF-8; save it as CSV UTF-8"]) from None
    except ConfigError as error:
        raise ConfigError(
            [f"directory.file: {file}: {problem}" for problem in error.problems]
        ) from None


def load_directory(config: Config) -> Directory:
    """The people file and the address patterns; its school has the roll of the pupils. Raises
    ConfigError with every mistake."""
    wanted = config.directory
    people = load_people(config)
    return build_directory(
        school_of(config),
        people=people,
        key=_roll_key(_database_folder(config)) if people else b"",
        pupils=wanted.pupils,
        governors=wanted.governors,
        parents=wanted.parents,
        staff=wanted.staff,
        helplines=wanted.helplines,
        confidants=wanted.confidants,
        agencies=wanted.agencies,
    )


def _is_missing(error: OSError, file: Path) -> bool:
    """Whether nothing was imported, as far as somebody can tell who may not look there: a person
    who tries out `mailguard scan`. The service may look into the folder of its database."""
    return isinstance(error, FileNotFoundError) or not os.access(file.parent, os.X_OK)


def _database_folder(config: Config) -> Path:
    return Path(config.storage.database.removeprefix("sqlite:///")).parent


KEY_BYTES = 32


def _roll_key(folder: Path) -> bytes:
    """The key that pupils are hashed with, the same for all processes and after a restart. Where
    none can be kept, one that only this process and those it starts have."""
    file = folder / "roll.key"
    with contextlib.suppress(OSError):
        kept = file.read_bytes()
        if len(kept) == KEY_BYTES:
            return kept
    made = secrets.token_bytes(KEY_BYTES)
    with contextlib.suppress(OSError):
        # Must: two processes that begin at once end up with one key.
        kept = _make_once(file, made)
        return kept if len(kept) == KEY_BYTES else made
    return made


def _make_once(file: Path, content: bytes) -> bytes:
    """Make `file`, unless it is there; return what it holds. Raises OSError."""
    descriptor, name = tempfile.mkstemp(dir=file.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            give_to_owner(descriptor, file.parent)
            stream.write(content)
        with contextlib.suppress(FileExistsError):
            os.link(name, file)
        return file.read_bytes()
    finally:
        Path(name).unlink()


def load_policy(config: Config) -> Policy:
    """What findings mean at this school. Raises ConfigError."""
    return Policy(
        directory=load_directory(config),
        actions=dict(config.policy.actions),
        unscanned=dict(config.policy.unscanned),
        data=config.policy.data,
    )


PICTURES = 0.5
"""The share of the time for all attachments of a message after which no more pictures are read: the
other half is for what is text."""


def unpacking_of(config: Config) -> Limits:
    """What reading one attachment may use up."""
    seconds = min(config.limits.unpack_s, config.relay.scan_s * UNPACKING)
    return Limits(
        seconds=config.limits.unpack_s,
        pictures=seconds * PICTURES if config.pictures.read else 0.0,
        bytes_out=config.limits.unpack_mb << 20,
        members=config.limits.unpack_files,
    )


def _read_all(folders: Iterable[Path]) -> tuple[Rule, ...]:
    """Every rule of every folder, with the word lists of all folders, or every mistake at once."""
    problems: list[str] = []
    folders = tuple(folders)
    lists: dict[str, tuple[str, ...]] = {}
    rules: list[Rule] = []
    for file in (file for folder in folders for file in sorted(folder.glob("_lists/*.txt"))):
        try:
            lists[file.stem] = parse_list(str(file), _read(file))
        except RuleError as error:
            problems.append(str(error))
    for file in (file for folder in folders for file in sorted(folder.glob("*/*.toml"))):
        try:
            rules.append(parse_rule(str(file), _read(file), lists))
        except RuleError as error:
            problems.append(str(error))
    if problems:
        raise ConfigError(problems)
    return tuple(rules)


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except OSError as error:
        raise RuleError(str(file), f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise RuleError(str(file), "is not UTF-8 text") from None


def _build_cached(setup: dict[str, Any], cache: Path) -> Ruleset:
    """Build the ruleset with patterns compiled before; compiling takes some ten seconds.

    The file is only ever a copy: one that is missing, old or damaged is made anew, and a folder
    that cannot be written is no error. Each set of patterns has its own: the versions before and
    after an upgrade, and commands with another configuration, do not undo each other's.
    """
    file = cache / f"rules-{_key(setup)}.hs"
    with _one_at_a_time(cache / "rules.lock"):
        compiled = None
        with contextlib.suppress(OSError):
            compiled = file.read_bytes()
        ruleset = build_ruleset(**setup, compiled=compiled)
        dumped = ruleset.matcher.dump()
        with contextlib.suppress(OSError):
            if dumped == compiled:
                file.touch()
            else:
                _replace(file, dumped)
                _forget_old(cache)
    return ruleset


def _key(setup: dict[str, Any]) -> str:
    """Names what is compiled: the patterns of the rules that run."""
    running = [rule for rule in setup["rules"] if rule.symbol.name not in setup["disabled"]]
    needed = {pattern for rule in running for pattern in (*rule.all, *rule.any)}
    excluding = {pattern for rule in running for pattern in rule.unless}
    text = "\0".join((*sorted(needed), "", *sorted(excluding)))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@contextlib.contextmanager
def _one_at_a_time(file: Path) -> Iterator[None]:
    """Wait while another process compiles, which it does for us too; not for ever, and not where
    nothing can be written."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = file.open("a")
    except OSError:
        yield
        return
    with lock:
        with contextlib.suppress(OSError):
            give_to_owner(lock.fileno(), file.parent)
        for _ in range(LONGEST_WAIT_S * 10):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                time.sleep(0.1)
        yield


def _forget_old(cache: Path) -> None:
    """Delete the compiled rules that were not used for longest, but for the last few."""
    files = sorted(cache.glob("rules*.hs"), key=lambda file: file.stat().st_mtime)
    for file in files[:-KEPT]:
        file.unlink(missing_ok=True)


def _replace(file: Path, content: bytes) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=file.parent)
    with os.fdopen(descriptor, "wb") as stream:
        give_to_owner(descriptor, file.parent)
        stream.write(content)
    Path(name).replace(file)
