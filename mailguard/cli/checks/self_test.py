"""How did the last self-test of each listener go?"""

from collections.abc import AsyncIterator
from datetime import timedelta

from mailguard.cli.checks.result import Result, Scene
from mailguard.cli.checks.storage import has_database
from mailguard.cli.output import local_time
from mailguard.cli.stores import is_serving
from mailguard.ports import CanaryRun

OLD = 3
"""Periods without a test after which something is wrong with the testing itself."""


async def check_self_test(scene: Scene) -> AsyncIterator[Result]:
    """Did the bad message stay and the good one come out, and is that still being tried?"""
    minutes = scene.config.canary.minutes
    if not minutes:
        yield Result(
            name="self-test",
            ok=True,
            what="It is switched off.",
            do="Set canary.minutes, or nobody notices when nothing is held any more.",
        )
        return
    if not has_database(scene):
        return
    runs = await scene.stores.canary.latest()
    is_running = is_serving(scene.config)
    for listener in scene.config.listeners:
        yield _result(listener.name, runs.get(listener.name), scene, is_running=is_running)


def _result(listener: str, run: CanaryRun | None, scene: Scene, *, is_running: bool) -> Result:
    name = f"self-test {listener}"
    if run is None:
        what = "It has not been tested yet."
        return Result(
            name=name, ok=True, what=what, do="Look again in a minute." if is_running else ""
        )
    when = local_time(run.at, scene.config.school.timezone)
    if run.failure:
        return Result(
            name=name,
            ok=not is_running,
            what=f"It failed, {when}: {run.failure}",
            do="Put that right; it is tested again within a minute."
            if is_running
            else "It is tested again when the service runs.",
        )
    period = timedelta(minutes=scene.config.canary.minutes)
    if is_running and scene.stores.clock.now() - run.at > OLD * period:
        return Result(
            name=name,
            ok=False,
            what=f"It was last tested {when}, and is to be every {scene.config.canary.minutes} "
            "minutes.",
            do="Is the jobs process running? Restart the service: `systemctl restart "
            "mailguard.target`.",
        )
    return Result(
        name=name,
        ok=True,
        what=f"The bad message was held and the good one came out, {when}.",
    )
