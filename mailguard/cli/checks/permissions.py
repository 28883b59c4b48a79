"""Who may read and change what MailGuard keeps?"""

import grp
import os
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from mailguard.cli.checks.owner import name_of
from mailguard.cli.checks.result import Result, Scene
from mailguard.cli.stores import database_file
from mailguard.config import Config
from mailguard.service.load import directory_file

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


async def check_permissions(scene: Scene) -> AsyncIterator[Result]:
    """Does everything belong to one user, and is it for nobody else?"""
    problems = [*_settings(scene), *_kept(scene.config)]
    for problem in problems:
        yield problem
    if not problems:
        yield Result(
            name="permissions",
            ok=True,
            what=f"Evidence and database are for {_whom()} alone.",
        )


def _settings(scene: Scene) -> Iterator[Result]:
    """What people write: readable to the service, and nobody else may change it."""
    directory = directory_file(scene.config)
    files = [scene.file, directory]
    for file in (file for file in files if file.exists()):
        if not os.access(file, os.R_OK):
            yield Result(
                name="permissions",
                ok=False,
                what=f"{name_of(os.geteuid())} may not read {file}, so the service cannot start.",
                do=f"chgrp {_group()} {file} && chmod 640 {file}",
            )
        elif file.stat().st_mode & stat.S_IWOTH:
            yield Result(
                name="permissions",
                ok=False,
                what=f"Everybody on this machine may change {file}.",
                do=f"chmod o-w {file}",
            )
    if directory.exists() and _is_for_everybody(directory):
        yield Result(
            name="permissions",
            ok=False,
            what=f"Everybody on this machine may read {directory}, which names people.",
            do=f"chmod o-r {directory}",
        )


def _kept(config: Config) -> Iterator[Result]:
    """What the service writes: its own, and for nobody else's eyes."""
    database, spool = database_file(config), Path(config.storage.spool)
    beside = (database.with_name(database.name + end) for end in ("-wal", "-shm", ".lock"))
    kept = [path for path in (database, *beside, spool) if path.exists()]
    for path in kept:
        found = path.stat()
        if found.st_uid != os.geteuid():
            yield Result(
                name="permissions",
                ok=False,
                what=f"{path} belongs to {name_of(found.st_uid)}, not to "
                f"{name_of(os.geteuid())}, who owns the rest.",
                do=f"chown {name_of(os.geteuid())} {path}",
            )
        elif found.st_mode & _OTHERS:
            mode = "700" if path == spool else "600"
            yield Result(
                name="permissions",
                ok=False,
                what=f"Others than its owner may look into {path}.",
                do=f"chmod {mode} {path}",
            )


def _whom() -> str:
    name = name_of(os.geteuid())
    return name if name == "root" else f"{name} (and root)"


def _group() -> str:
    try:
        return grp.getgrgid(os.getegid()).gr_name
    except KeyError:
        return str(os.getegid())


def _is_for_everybody(file: Path) -> bool:
    """Whether everybody can get as far as `file` and read it."""
    path = file.resolve()
    return bool(path.stat().st_mode & stat.S_IROTH) and all(
        folder.stat().st_mode & stat.S_IXOTH for folder in path.parents
    )
