import asyncio
import errno
import fcntl
import hashlib
import mmap
import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mailguard.errors import EvidenceDamaged, SpoolUnavailable
from mailguard.mail.raw import Raw
from mailguard.quarantine.held import HeldMessage, folder_for
from mailguard.store.spool import MAPPED, DiskSpool
from mailguard.testing import CANARY, NOON, mail
from mailguard.testing.quarantine import held_message

RAW = Raw.of(mail())
LARGE = Raw.of(b"a line of forty characters and its end\r\n" * (MAPPED // 40 + 1))
HELD = held_message(sha256=RAW.sha256)
EVIDENCE = b'{"format": 1}\n'
SMALLEST = 1 << 20
"""A largest message that fits on every disk."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "quarantine"


@pytest.fixture
def spool(root: Path) -> DiskSpool:
    return DiskSpool(root, SMALLEST)


async def store(spool: DiskSpool, held: HeldMessage = HELD, raw: Raw = RAW) -> None:
    await spool.store(held.id, held.folder, raw, EVIDENCE)


def files_in(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


async def test_evidence_is_kept_as_two_plain_files(spool: DiskSpool, root: Path) -> None:
    await store(spool)

    folder = root / HELD.folder
    assert (folder / "message.eml").read_bytes() == mail()
    assert (folder / "evidence.json").read_bytes() == EVIDENCE
    assert len(files_in(root)) == 2


async def test_evidence_is_private(spool: DiskSpool, root: Path) -> None:
    await store(spool)

    modes = {
        (path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in [root, *root.rglob("*")]
    }

    assert modes == {(True, 0o700), (False, 0o600)}


async def test_what_is_stored_is_read_back(spool: DiskSpool) -> None:
    await store(spool)

    assert await spool.read(HELD) == RAW
    assert await spool.evidence(HELD) == EVIDENCE
    assert await spool.evidence_at(HELD.folder) == EVIDENCE


async def test_a_large_message_is_mapped_not_loaded(spool: DiskSpool) -> None:
    held = replace(HELD, sha256=LARGE.sha256)
    await store(spool, held, LARGE)

    raw = await spool.read(held)

    assert isinstance(raw.buffer, mmap.mmap)
    assert hashlib.sha256(b"".join(raw.chunks())).hexdigest() == LARGE.sha256


async def test_a_message_that_lies_in_a_mapped_file_is_stored(
    spool: DiskSpool, tmp_path: Path
) -> None:
    (tmp_path / "large").write_bytes(LARGE.buffer)
    with (tmp_path / "large").open("rb") as file:
        mapped = Raw.of(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ))
    held = replace(HELD, sha256=LARGE.sha256)

    await store(spool, held, mapped)

    assert (await spool.read(held)).sha256 == LARGE.sha256


async def test_an_empty_message_is_evidence_too(spool: DiskSpool) -> None:
    empty = Raw.of(b"")
    held = replace(HELD, sha256=empty.sha256)

    await store(spool, held, empty)

    assert await spool.read(held) == empty


async def test_many_are_stored_at_once(spool: DiskSpool) -> None:
    messages = [held_message(number, sha256=RAW.sha256) for number in range(40)]

    await asyncio.gather(*(store(spool, held) for held in messages))

    assert await spool.folders() == sorted(held.folder for held in messages)


async def test_short_writes_are_continued(
    spool: DiskSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:7]))

    await store(spool)

    assert await spool.read(HELD) == RAW


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked of the operating system: fsync, rename and close, with the name concerned."""
    calls: list[str] = []
    fsync, rename = os.fsync, os.rename

    def name_of(descriptor: int) -> str:
        return Path(f"/proc/self/fd/{descriptor}").readlink().name

    def traced_fsync(descriptor: int) -> None:
        calls.append(f"fsync {name_of(descriptor)}")
        fsync(descriptor)

    def traced_rename(source: Path, target: Path) -> None:
        calls.append(f"rename {Path(source).name}")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", traced_fsync)
    monkeypatch.setattr(os, "rename", traced_rename)
    return calls


async def test_every_step_is_durable_before_the_next(
    spool: DiskSpool, root: Path, calls: list[str]
) -> None:
    root.mkdir()

    await store(spool)

    assert calls == [
        "fsync message.eml",
        "fsync evidence.json",
        f"fsync {HELD.id}",
        f"rename {HELD.id}",
        "fsync 02",
        "fsync tmp",
        "fsync 03",
        "fsync 2026",
        "fsync quarantine",
    ]


async def test_later_messages_of_a_day_need_only_its_folder(
    spool: DiskSpool, calls: list[str]
) -> None:
    await store(spool)
    calls.clear()

    await store(spool, held_message(2))

    assert calls[-2:] == ["fsync 02", "fsync tmp"]


async def test_another_process_does_not_rely_on_parents_it_did_not_sync(
    spool: DiskSpool, root: Path, calls: list[str]
) -> None:
    await store(spool)
    calls.clear()

    await store(DiskSpool(root, SMALLEST), held_message(2))

    assert calls[-3:] == ["fsync 03", "fsync 2026", "fsync quarantine"]


FSYNCS = 8


@pytest.mark.parametrize("failing", range(1, FSYNCS + 1))
async def test_a_failed_fsync_leaves_nothing_and_is_not_tried_again(
    spool: DiskSpool, root: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    root.mkdir()
    tried: list[int] = []
    fsync = os.fsync

    def fail_once(descriptor: int) -> None:
        tried.append(descriptor)
        if len(tried) == failing:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fail_once)

    with pytest.raises(SpoolUnavailable, match="Input/output error"):
        await store(spool)

    assert (len(tried), files_in(root), await spool.folders()) == (failing, [], [])


async def test_storing_takes_as_many_fsyncs_as_are_made_to_fail(
    spool: DiskSpool, root: Path, calls: list[str]
) -> None:
    root.mkdir()

    await store(spool)

    assert len([call for call in calls if call.startswith("fsync")]) == FSYNCS


async def test_a_failed_close_counts(
    spool: DiskSpool, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = os.close

    def fail_for_message(descriptor: int) -> None:
        is_message = Path(f"/proc/self/fd/{descriptor}").readlink().name == "message.eml"
        close(descriptor)
        if is_message:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "close", fail_for_message)

    with pytest.raises(SpoolUnavailable):
        await store(spool)

    assert files_in(root) == []


async def test_a_failed_store_leaves_what_was_there(spool: DiskSpool) -> None:
    await store(spool)

    with pytest.raises(SpoolUnavailable):
        await store(spool, HELD, LARGE)

    assert await spool.read(HELD) == RAW


async def test_a_root_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(SpoolUnavailable):
        await store(DiskSpool(tmp_path / "file" / "spool", SMALLEST))


@pytest.mark.parametrize(
    "folder",
    [
        "../../../etc",
        "2026/03/02",
        f"2026/03/02/{HELD.id}/..",
        f"2026/03/02/{HELD.id}\n",
        f"/2026/03/02/{HELD.id}",
        f"2026/03/02/{HELD.id[:-1]}/",
    ],
)
async def test_only_folders_of_the_spool_become_a_path(spool: DiskSpool, folder: str) -> None:
    with pytest.raises(EvidenceDamaged, match="not a folder of the spool"):
        await spool.remove(folder)


def flip(root: Path) -> None:
    path = root / HELD.folder / "message.eml"
    content = bytearray(path.read_bytes())
    content[10] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        flip,
        lambda root: (root / HELD.folder / "message.eml").write_bytes(b""),
        lambda root: (root / HELD.folder / "message.eml").unlink(),
        lambda root: shutil.rmtree(root / HELD.folder),
    ],
    ids=["one bit", "empty", "gone", "folder gone"],
)
async def test_bytes_that_are_not_what_was_stored_are_damaged(
    spool: DiskSpool, root: Path, damage: Callable[[Path], None]
) -> None:
    await store(spool)

    damage(root)

    with pytest.raises(EvidenceDamaged, match=HELD.id) as error:
        await spool.read(HELD)
    assert CANARY not in str(error.value)


async def test_evidence_that_is_gone_is_damaged(spool: DiskSpool) -> None:
    with pytest.raises(EvidenceDamaged, match=r"evidence\.json is missing"):
        await spool.evidence(HELD)


async def test_a_symbolic_link_is_not_followed(spool: DiskSpool, root: Path) -> None:
    await store(spool)
    message = root / HELD.folder / "message.eml"
    message.rename(root / "elsewhere")
    message.symlink_to(root / "elsewhere")

    with pytest.raises(EvidenceDamaged, match="is a link"):
        await spool.read(HELD)


async def test_what_is_removed_is_gone_and_the_rest_stays(spool: DiskSpool, root: Path) -> None:
    other = held_message(2)
    await store(spool)
    await store(spool, other)

    await spool.remove(HELD.folder)

    assert await spool.folders() == [other.folder]
    assert len(files_in(root)) == 2


async def test_removing_what_is_not_there_is_no_error(spool: DiskSpool) -> None:
    await spool.remove(HELD.folder)

    assert await spool.folders() == []


async def test_removing_goes_out_of_sight_in_one_step(
    spool: DiskSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped half way, it must not look like evidence with a file missing."""
    await store(spool)

    def die(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "stopped")

    monkeypatch.setattr(shutil, "rmtree", die)
    with pytest.raises(SpoolUnavailable):
        await spool.remove(HELD.folder)

    assert await spool.folders() == []


async def test_folders_are_listed_oldest_first_and_nothing_else_is(
    spool: DiskSpool, root: Path
) -> None:
    newer = held_message(2, received=NOON.replace(year=2027))
    newer = replace(newer, folder=folder_for(newer.id, NOON.replace(year=2027)))
    await store(spool, newer)
    await store(spool)
    (root / "2026" / "03" / "02" / "notes").mkdir()
    (root / "release.lock").touch()

    assert await spool.folders() == [HELD.folder, newer.folder]


async def test_a_spool_that_is_not_there_has_no_folders(spool: DiskSpool) -> None:
    assert await spool.folders() == []


async def test_sweeping_deletes_what_a_crash_left(spool: DiskSpool, root: Path) -> None:
    await store(spool)
    half = root / "tmp" / held_message(2).id
    half.mkdir()
    (half / "message.eml").write_bytes(b"half a mess")

    assert await spool.sweep() == 1
    assert not half.exists()
    assert await spool.read(HELD) == RAW


async def test_sweeping_leaves_alone_what_is_being_written(spool: DiskSpool, root: Path) -> None:
    await spool.sweep()
    draft = root / "tmp" / HELD.id
    draft.mkdir()
    descriptor = os.open(draft, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)

    assert await spool.sweep() == 0
    assert draft.exists()
    os.close(descriptor)


async def test_sweeping_is_not_stopped_by_what_is_not_ours(spool: DiskSpool, root: Path) -> None:
    await spool.sweep()
    (root / "tmp" / "a file").touch()

    assert await spool.sweep() == 0


async def test_sweeping_makes_an_empty_spool_ready(spool: DiskSpool, root: Path) -> None:
    assert await spool.sweep() == 0
    assert stat.S_IMODE(root.stat().st_mode) == 0o700


async def test_a_closed_spool_opens_again(spool: DiskSpool) -> None:
    await store(spool)
    await spool.close()

    assert await spool.read(HELD) == RAW


async def test_there_is_room_on_an_empty_disk_for_a_small_message(spool: DiskSpool) -> None:
    await spool.sweep()

    assert await spool.has_room()


async def test_there_is_no_room_for_more_than_the_disk_has(root: Path) -> None:
    spool = DiskSpool(root, 1 << 60)
    await spool.sweep()

    assert not await spool.has_room()


async def test_there_is_no_room_where_there_is_no_disk(spool: DiskSpool) -> None:
    assert not await spool.has_room()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()

    def mount(options: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)]
        if subprocess.run(command, capture_output=True).returncode:
            pytest.skip("no tmpfs can be mounted here")
        return disk

    yield mount
    subprocess.run(["umount", "--lazy", str(disk)], capture_output=True)


@pytest.mark.parametrize("options", ["size=256k", "size=64m,nr_inodes=7"], ids=["bytes", "inodes"])
async def test_a_full_disk_takes_nothing_and_keeps_what_it_has(
    small_disk: Callable[[str], Path], options: str
) -> None:
    spool = DiskSpool(small_disk(options) / "q", SMALLEST)
    await spool.sweep()

    with pytest.raises(SpoolUnavailable, match="No space left on device"):
        await store(spool, HELD, LARGE)

    assert not await spool.has_room()
    assert await spool.folders() == []


async def test_evidence_can_be_removed_from_a_full_disk(
    small_disk: Callable[[str], Path],
) -> None:
    disk = small_disk("size=256k")
    spool = DiskSpool(disk / "q", SMALLEST)
    await store(spool)
    (disk / "filler").write_bytes(bytes(shutil.disk_usage(disk).free))

    await spool.remove(HELD.folder)

    assert await spool.folders() == []
