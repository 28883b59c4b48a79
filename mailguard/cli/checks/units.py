"""Does systemd run the service, and will it after the next start of the machine?"""

import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from mailguard.cli.checks.result import Result, Scene

UNITS = ("mailguard-relay.service", "mailguard-jobs.service", "mailguard.target")

RUNNING = Path("/run/systemd/system")
"""There where systemd runs the machine (sd_booted(3))."""

PATIENCE_S = 5
"""systemctl asks a daemon that may not answer."""


async def check_units(scene: Scene) -> AsyncIterator[Result]:
    """Are the units there, active and enabled?"""
    systemctl = shutil.which("systemctl")
    if systemctl is None or not RUNNING.is_dir():  # noqa: ASYNC240 # nothing else runs here
        yield Result(
            name="units",
            ok=True,
            what="systemd does not run this machine.",
            do="See to it that `mailguard serve` is started, and again after it ends.",
        )
        return
    for result in _look(systemctl):
        yield result


def _look(systemctl: str) -> Iterator[Result]:
    try:
        states = {unit: _properties(systemctl, unit) for unit in UNITS}
    except (OSError, subprocess.SubprocessError):
        yield Result(
            name="units",
            ok=True,
            what="systemd does not say how the units are.",
            do="`systemctl status mailguard.target` may say why.",
        )
        return
    if all(state.get("LoadState") != "loaded" for state in states.values()):
        yield Result(
            name="units",
            ok=True,
            what="They are not installed, so nothing starts MailGuard with the machine.",
            do="`make install` installs and enables them.",
        )
        return
    yield from judge_units(states)


def judge_units(states: dict[str, dict[str, str]]) -> Iterator[Result]:
    """What to say of the units with these properties, as ``systemctl show`` prints them."""
    problems = []
    for unit, state in states.items():
        if state.get("LoadState") != "loaded":
            problems.append((f"{unit} is not installed.", "Run `make install` again."))
        elif state.get("ActiveState") != "active":
            what = f"{unit} is {state.get('ActiveState') or 'unknown'}."
            problems.append((what, f"`systemctl start {unit}`, then `journalctl -u {unit} -e`."))
    target = states.get("mailguard.target", {})
    if target.get("LoadState") == "loaded" and target.get("UnitFileState") != "enabled":
        what = "mailguard.target is not enabled: it does not start with the machine."
        problems.append((what, "`systemctl enable mailguard.target`"))
    for what, do in problems:
        yield Result(name="units", ok=False, what=what, do=do)
    if not problems:
        yield Result(name="units", ok=True, what="All are active, and start with the machine.")


def _properties(systemctl: str, unit: str) -> dict[str, str]:
    done = subprocess.run(  # noqa: S603 # our own words
        [systemctl, "show", "--property=LoadState,ActiveState,UnitFileState", unit],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
