"""Are attachments opened where they can do no harm, and by readers for every format?"""

import asyncio
from collections.abc import AsyncIterator

from mailguard.cli.checks.result import Result, Scene
from mailguard.extract.cage import Cage, Dead, Trial
from mailguard.service.load import unpacking_of

_KERNEL = (
    "Allow seccomp to this machine or container: MailGuard runs without it, but then a hostile "
    "file that takes over its reader can do more than it should."
)
_OLDER = "A kernel from 5.13 on with landlock among its security modules adds a second wall."
_LIBRARY = "Install what is missing, then restart MailGuard; `make install` names what it needs."


_PICTURES = (
    "Run `make install` once more: it brings what is missing (docs/pictures.md). Or write "
    "read = false under [pictures]."
)


async def check_cage(scene: Scene) -> AsyncIterator[Result]:
    """Try what an intruder would, in a process like those that read attachments."""
    cage = Cage(unpacking_of(scene.config))
    try:
        trial = await asyncio.to_thread(cage.try_out)
    except Dead:
        yield Result(
            name="cage",
            ok=False,
            what="The process that reads attachments does not start, so none is read.",
            do="Install MailGuard again; if that does not help, report it.",
        )
        return
    finally:
        await asyncio.to_thread(cage.close)
    for result in judge_trial(trial):
        yield result
    if scene.config.pictures.read:
        yield judge_sight(trial)


def judge_trial(trial: Trial) -> tuple[Result, ...]:
    """What to say of a cage that was tried out."""
    walls = "seccomp" if trial.seccomp else "no seccomp"
    walls += f", landlock {trial.landlock}" if trial.landlock else ", no landlock"
    if trial.allowed:
        what = f"A process that reads attachments could do this: {', '.join(trial.allowed)}."
        cage = Result(name="cage", ok=False, what=f"{what} ({walls})", do=_KERNEL)
    else:
        what = (
            "Processes that read attachments can open no file, reach no network and start no "
            f"program ({walls})."
        )
        do = "" if trial.landlock and trial.seccomp else _OLDER
        cage = Result(name="cage", ok=True, what=what, do=do)
    if trial.failed:
        what = f"These kinds of files are not read: {'; '.join(trial.failed)}."
        return cage, Result(name="readers", ok=False, what=what, do=_LIBRARY)
    return cage, Result(name="readers", ok=True, what=f"Read are: {', '.join(trial.readers)}.")


def judge_sight(trial: Trial) -> Result:
    """What to say of a cage that was to read pictures."""
    if trial.blindness:
        what = f"pictures.read is true, but no picture is read: {trial.blindness}."
        return Result(name="pictures", ok=False, what=what, do=_PICTURES)
    return Result(name="pictures", ok=True, what="Words and codes in pictures are read.")
