"""Compiled rules are kept: each set of patterns in a file of its own, made by one process."""

import fcntl
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from mailguard.service import load
from mailguard.service.load import KEPT, Loaded, load_ruleset
from mailguard.testing import SCHOOL

SHIPPED = sorted(file.stem for file in load.shipped_rules().glob("*/*.toml"))


def few(cache: Path, keeping: Sequence[str] = ("THREAT_HARM_INTENT",)) -> Loaded:
    disabled = [name for name in SHIPPED if name not in keeping]
    return load_ruleset(school=SCHOOL, disabled=disabled, cache=cache)


def files(cache: Path) -> set[str]:
    return {file.name for file in cache.glob("*.hs")}


def test_the_second_start_reads_what_the_first_compiled(tmp_path: Path) -> None:
    few(tmp_path)
    (file,) = tmp_path.glob("*.hs")
    inode = file.stat().st_ino

    few(tmp_path)

    assert file.stat().st_ino == inode


def test_another_set_of_rules_does_not_undo_it(tmp_path: Path) -> None:
    few(tmp_path)
    first = files(tmp_path)

    few(tmp_path, ["THREAT_BLACKMAIL"])

    assert first < files(tmp_path)


def test_a_damaged_file_is_made_anew(tmp_path: Path) -> None:
    sound = few(tmp_path).setup["compiled"]
    (file,) = tmp_path.glob("*.hs")
    damaged = bytearray(file.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    file.write_bytes(damaged)

    assert few(tmp_path).setup["compiled"] == sound
    assert file.read_bytes() == sound


def test_only_the_last_few_sets_are_kept(tmp_path: Path) -> None:
    for age in range(KEPT + 2):
        old = tmp_path / f"rules-{age:016}.hs"
        old.write_bytes(b"old")
        os.utime(old, (1000 + age, 1000 + age))

    few(tmp_path)

    assert len(files(tmp_path)) == KEPT
    assert "rules-0000000000000000.hs" not in files(tmp_path)


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    assert few(tmp_path / "file" / "cache").ruleset.rules


def test_who_comes_while_another_compiles_waits_for_it(tmp_path: Path) -> None:
    with (tmp_path / "rules.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        thread = threading.Thread(target=few, args=(tmp_path,))
        thread.start()
        thread.join(0.5)
        assert files(tmp_path) == set()
    thread.join(60)

    assert len(files(tmp_path)) == 1


def test_nobody_waits_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "LONGEST_WAIT_S", 0)
    with (tmp_path / "rules.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        assert few(tmp_path).ruleset.rules
