import os
import signal
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from mailguard.store.lock import FileLock, locked

Children = Callable[[Callable[[], int]], int]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "release.lock"


async def test_one_holder_at_a_time(path: Path) -> None:
    async with FileLock(path).hold() as first, FileLock(path).hold() as second:
        assert (first, second) == (True, False)


async def test_a_lock_given_back_can_be_had_again(path: Path) -> None:
    async with FileLock(path).hold():
        pass

    async with FileLock(path).hold() as again:
        assert again


async def test_a_lock_is_given_back_when_its_block_breaks(path: Path) -> None:
    with pytest.raises(KeyError):
        async with FileLock(path).hold():
            raise KeyError

    async with FileLock(path).hold() as again:
        assert again


async def test_a_timeout_in_the_block_is_not_taken_for_one_of_the_lock(path: Path) -> None:
    with pytest.raises(TimeoutError, match="mine"):
        async with FileLock(path).hold():
            raise TimeoutError("mine")


async def test_the_lock_file_is_private(path: Path) -> None:
    async with FileLock(path).hold():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files for others")
async def test_made_by_root_the_lock_file_belongs_to_the_folders_owner(path: Path) -> None:
    os.chown(path.parent, 65534, 65534)

    async with FileLock(path).hold():
        assert (path.stat().st_uid, path.stat().st_gid) == (65534, 65534)


def test_waiting_for_a_lock_has_an_end(path: Path) -> None:
    with locked(path, patience=0), pytest.raises(TimeoutError), locked(path, patience=0.02):
        pytest.fail("two holders")


def test_a_lock_ends_with_the_process_that_holds_it(path: Path, children: Children) -> None:
    reader, writer = os.pipe()

    def hold_until_killed() -> int:
        with locked(path, patience=0):
            os.write(writer, b"held")
            signal.pause()
        return 0

    child = children(hold_until_killed)
    os.read(reader, 4)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)

    with locked(path, patience=0):
        assert path.exists()


def test_a_lock_given_back_does_not_stay_with_a_child_forked_meanwhile(
    path: Path, children: Children
) -> None:
    reader, writer = os.pipe()

    def live_on() -> int:
        os.close(writer)
        os.read(reader, 1)
        return 0

    with locked(path, patience=0):
        children(live_on)

    with locked(path, patience=0):
        assert path.exists()
    os.close(writer)


async def test_a_file_lock_makes_its_folder(tmp_path: Path) -> None:
    async with FileLock(tmp_path / "spool" / "x.lock").hold() as is_ours:
        assert is_ours

    assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700
