"""What `mailguard check` says of the place where attachments are opened."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from mailguard.cli.checks.cage import judge_sight, judge_trial
from mailguard.extract.cage import Trial

SOUND = Trial(seccomp=True, landlock=5, readers=("pdf", "zip"), failed=(), allowed=())


def test_a_sound_cage_is_told_with_its_walls_and_readers() -> None:
    cage, readers = judge_trial(SOUND)

    assert cage.ok and "(seccomp, landlock 5)" in cage.what and not cage.do
    assert readers.ok and "pdf, zip" in readers.what


@pytest.mark.parametrize(
    ("trial", "is_ok", "what"),
    [
        pytest.param(replace(SOUND, landlock=0), True, "no landlock", id="no landlock"),
        pytest.param(
            replace(SOUND, seccomp=False, allowed=("socket", "signal")),
            False,
            "could do this: socket, signal. (no seccomp",
            id="no seccomp",
        ),
    ],
)
def test_a_missing_wall_is_told(trial: Trial, is_ok: bool, what: str) -> None:
    cage, _ = judge_trial(trial)

    assert cage.ok is is_ok
    assert what in cage.what
    assert cage.do


def test_a_reader_that_does_not_load_is_wrong() -> None:
    _, readers = judge_trial(replace(SOUND, failed=("archive: libarchive.so.13: not found",)))

    assert not readers.ok
    assert "libarchive" in readers.what
    assert readers.do


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_the_cage_holds_for_who_is_not_root() -> None:
    code = (
        "from mailguard.extract.cage import Cage\n"
        "cage = Cage(); trial = cage.try_out(); cage.close()\n"
        "print(trial.seccomp, trial.allowed, trial.failed)"
    )

    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=False,
            user=65534,
            group=65534,
            extra_groups=[],
        )
    except PermissionError:
        pytest.skip("nobody may not run this Python")
    if "ModuleNotFoundError" in done.stderr or "Permission" in done.stderr:
        pytest.skip("nobody may not read this checkout")
    assert done.stdout == "True () ()\n"


def test_pictures_that_cannot_be_read_are_wrong() -> None:
    result = judge_sight(replace(SOUND, blindness="the model for English is not installed"))

    assert not result.ok and "the model for English" in result.what
    assert "make install" in result.do
    assert judge_sight(SOUND).ok
