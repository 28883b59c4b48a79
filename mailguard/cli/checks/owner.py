"""Do the checks as the user who owns what MailGuard keeps: so no file of root's can appear, and
permissions are tried instead of read."""

import importlib
import os
import pwd
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mailguard.cli.stores import database_file
from mailguard.config import Config
from mailguard.errors import UserError
from mailguard.scan.registry import build_ruleset
from mailguard.scan.school import School


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A user of this machine."""

    uid: int
    gid: int

    @property
    def name(self) -> str:
        """The account's name, or its number if it has none."""
        return name_of(self.uid)


def name_of(uid: int) -> str:
    """The name of an account, or its number if it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def other_owner(config: Config) -> Owner | None:
    """Who owns database or spool, or the folder where they will be, if we are root and they are
    not."""
    if os.geteuid() != 0:
        return None
    for path in (database_file(config), Path(config.storage.spool)):
        found = nearest(path).stat()
        if found.st_uid != 0:
            return Owner(uid=found.st_uid, gid=found.st_gid)
    return None


def nearest(path: Path) -> Path:
    """`path`, or the lowest folder above it that is there."""
    return next(each for each in (path, *path.parents) if each.exists())


def lines_as(owner: Owner, work: Callable[[Callable[[str], None]], None]) -> Iterator[str]:
    """Do `work` in a process of `owner`, and yield each line that it tells, as it comes.

    Raises UserError when the process ended otherwise than by having done it.
    """
    reading, writing = os.pipe()
    _load_what_is_loaded_late()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _work_and_exit(owner, work, writing)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as lines:
        yield from (line.rstrip("\n") for line in lines)
    _, status = os.waitpid(pid, 0)
    if status:
        raise UserError(f"the checks broke off in the process of {owner.name}; see above")


def _work_and_exit(owner: Owner, work: Callable[[Callable[[str], None]], None], out: int) -> None:
    status = 1
    try:
        _become(owner)
        # A reader who has seen enough is no mistake: `mailguard check | head`.
        with (
            suppress(BrokenPipeError),
            os.fdopen(out, "w", encoding="utf-8", buffering=1) as lines,
        ):
            work(lambda line: print(line, file=lines))
        status = 0
    finally:
        error = sys.exc_info()
        if error[0] is not None:
            sys.excepthook(*error)
        sys.stderr.flush()
        # Must: the child never returns into the parent's code.
        os._exit(status)


def _load_what_is_loaded_late() -> None:
    """Modules that are imported when first used: Python may lie where only root can read."""
    importlib.import_module("encodings.idna")
    build_ruleset(rules=(), disabled=(), school=School(name="", domains=frozenset()))


def _become(owner: Owner) -> None:
    """For good: nothing of root is left to go back to."""
    groups = [owner.gid]
    with suppress(KeyError):
        groups = os.getgrouplist(pwd.getpwuid(owner.uid).pw_name, owner.gid)
    os.setgroups(groups)
    os.setgid(owner.gid)
    os.setuid(owner.uid)
    os.umask(0o077)
