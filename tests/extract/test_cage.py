"""The cage: a process that reads files can do nothing else, and its death is a finding."""

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from email.message import EmailMessage
from io import BytesIO
from pathlib import Path

import pytest

from mailguard.extract import cage as module_of_cage
from mailguard.extract import cage_process as module
from mailguard.extract import patience, unpack
from mailguard.extract.cage import Cage
from mailguard.extract.cage_zygote import _answer
from mailguard.extract.found import Found, Limits, Missed, Opened, Piece, Reading
from mailguard.extract.frames import LENGTH
from mailguard.extract.item import About
from mailguard.mail.message import parse

MARKER = "pineapple on the roof"
TABLE = f"name,note\nAna,{MARKER}\n".encode()
ABOUT = About(name="class.csv")


@pytest.fixture(scope="module")
def started() -> Iterator[Cage]:
    cage = Cage(Limits(seconds=2))
    yield cage
    cage.close()


@pytest.fixture
def cage(started: Cage) -> Cage:
    """A cage that remembers nothing; its libraries are loaded once for all tests."""
    started.renew()
    started._kept.clear()
    started.deaths.clear()
    return started


def processes(parent: int) -> list[int]:
    """The living children of `parent`."""
    text = Path(f"/proc/{parent}/task/{parent}/children").read_text()
    states = {pid: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2] for pid in text.split()}
    return [int(pid) for pid, state in states.items() if "Z" not in state.split()[0]]


def zygote(cage: Cage) -> int:
    """The process that the caged ones are forked from."""
    assert cage._zygote is not None
    return cage._zygote._process.pid


def test_a_caged_process_can_open_nothing_reach_nothing_and_start_nothing(cage: Cage) -> None:
    trial = cage.try_out()

    assert trial.allowed == ()
    assert trial.failed == ()
    assert trial.seccomp


def test_a_file_is_read_in_another_process(cage: Cage) -> None:
    reading = cage.read(TABLE, ABOUT)

    assert MARKER in reading.text
    assert reading.misses == ()
    assert isinstance(reading.found[0], Opened)


def test_a_process_sees_the_files_of_one_message_only(cage: Cage) -> None:
    cage.read(TABLE, ABOUT)
    (first,) = processes(zygote(cage))
    cage.read(TABLE + b"x", ABOUT)
    same = processes(zygote(cage))

    cage.renew()

    assert same == [first]
    assert first not in processes(zygote(cage))


def test_what_was_read_once_is_known(cage: Cage) -> None:
    before = cage.read(TABLE, ABOUT)
    os.kill(zygote(cage), signal.SIGKILL)

    assert cage.read(TABLE, ABOUT) is before


def test_the_same_file_under_another_name_is_another_file(cage: Cage) -> None:
    cage.read(TABLE, ABOUT)

    reading = cage.read(TABLE, About(name="other.csv"))

    assert {"other.csv"} == {found.path for found in reading.found}


def test_a_process_that_is_killed_is_a_miss_and_the_next_file_is_read(cage: Cage) -> None:
    cage.read(TABLE, ABOUT)
    (pid,) = processes(zygote(cage))
    os.kill(pid, signal.SIGKILL)

    dead = cage.read(TABLE + b"1", ABOUT)
    alive = cage.read(TABLE + b"2", ABOUT)

    assert dead.misses == ("killed",)
    assert cage.deaths == ["killed"]
    assert MARKER in alive.text
    assert alive.misses == ()


def test_a_process_that_stands_still_is_killed_at_its_limit(cage: Cage) -> None:
    cage.read(TABLE, ABOUT)
    (pid,) = processes(zygote(cage))
    os.kill(pid, signal.SIGSTOP)
    started = time.monotonic()

    reading = cage.read(TABLE + b"1", ABOUT, seconds=0.1)

    assert reading.misses == ("timeout",)
    assert time.monotonic() - started < 3
    assert pid not in processes(zygote(cage))


def test_a_miss_of_the_moment_is_not_remembered(cage: Cage) -> None:
    assert cage.read(TABLE, ABOUT, seconds=0).misses == ("timeout",)

    assert cage.read(TABLE, ABOUT).misses == ()


def test_the_process_they_are_forked_from_may_die_too(cage: Cage) -> None:
    cage.read(TABLE, ABOUT)
    pid = zygote(cage)
    (child,) = processes(pid)
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
        time.sleep(0.01)

    cage.read(TABLE + b"1", ABOUT)

    assert not Path(f"/proc/{child}").exists()
    assert MARKER in cage.read(TABLE + b"2", ABOUT).text


def test_nothing_is_left_when_it_is_closed() -> None:
    cage = Cage()
    cage.read(TABLE, ABOUT)
    pids = [zygote(cage), *processes(zygote(cage))]

    cage.close()

    deadline = time.monotonic() + 5
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_passwords_are_tried_only_where_something_is_locked(cage: Cage) -> None:
    told = About(name="class.csv", passwords=("tulip",))

    assert cage.read(TABLE, told) is cage.read(TABLE, ABOUT)


@pytest.mark.parametrize(("page", "codec"), [(950, "big5"), (932, "cp932"), (1255, "cp1255")])
def test_letters_of_any_charset_need_no_file(cage: Cage, page: int, codec: str) -> None:
    word = {"big5": "學校", "cp932": "学校", "cp1255": "ספר"}[codec]
    letters = "".join(f"\\'{code:02x}" for code in word.encode(codec))
    letter = rf"{{\rtf1\ansi\ansicpg{page} {letters} {MARKER}\par}}".encode()
    reading = cage.read(letter, About(name="letter.rtf"))
    assert not reading.misses
    assert word in reading.text
    assert MARKER in reading.text


def test_a_file_that_no_reader_knows_says_so(cage: Cage) -> None:
    reading = cage.read(b"\x00\x01\x02\x03" * 9, About(name="a.xyz"))

    assert Missed(path="a.xyz", reason="format") in reading.found


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        pytest.param(itertools.repeat(b"[" + b" " * (1 << 20) + b"]"), "too_long", id="endless"),
        pytest.param([LENGTH.pack(1 << 40)], "too_long", id="more than there can be"),
        pytest.param([b'["named"]'], "killed", id="another form"),
        pytest.param([], "killed", id="nothing"),
    ],
)
def test_a_process_that_was_taken_over_is_not_believed(
    frames: Iterable[bytes], reason: str
) -> None:
    ours, theirs = socket.socketpair()

    def answer() -> None:
        with theirs, contextlib.suppress(OSError):
            for body in (b"{}", *itertools.islice(frames, 40)):
                framed = LENGTH.pack(len(body)) + body if len(body) != LENGTH.size else body
                theirs.sendall(framed)
            theirs.shutdown(socket.SHUT_WR)
            while theirs.recv(1 << 16):
                pass

    thread = threading.Thread(target=answer)
    thread.start()
    with ours, pytest.raises(module.Dead) as dead:
        list(module.Child(0, ours).read(TABLE, ABOUT, Limits(), time.monotonic() + 10))

    thread.join()
    assert dead.value.reason == reason


def test_who_never_stops_sending_has_no_more_time_than_others() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        child = module.Child(os.getpid(), ours)
        # There is always something to receive, so no wait for it ever ends in vain.
        theirs.sendall(LENGTH.pack(2) + b"{}" + LENGTH.pack(2) + b"[]" + LENGTH.pack(0))
        answers = child.read(TABLE, ABOUT, Limits(seconds=-module.GRACE_S), time.monotonic() + 9)

        with pytest.raises(module.Dead) as dead:
            list(answers)

    assert dead.value.reason == "timeout"


def take_turns(pid: int, share: float, stop: threading.Event) -> None:
    """Let a process run for only so much of the time, as a busy machine would."""
    with contextlib.suppress(ProcessLookupError):
        while not stop.wait(0.02 * share):
            os.kill(pid, signal.SIGSTOP)
            time.sleep(0.02 * (1 - share))
            os.kill(pid, signal.SIGCONT)


@pytest.fixture
def crowded(cage: Cage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cage]:
    """A cage that gets a tenth of the time."""
    # However busy the machine is besides.
    monkeypatch.setattr(patience, "STILL", 0)
    cage.get_ready()
    (pid,) = processes(zygote(cage))
    stop = threading.Event()
    thread = threading.Thread(target=take_turns, args=(pid, 0.1, stop))
    thread.start()
    yield cage
    stop.set()
    thread.join()


PAGE = b"<b></b>" * 100_000
"""Takes the reader some tenths of a second."""


def test_a_busy_machine_takes_no_time_from_a_file(
    crowded: Cage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module_of_cage, "CLOCK_TIMES", 1000)
    began = time.monotonic()

    reading = crowded.read(PAGE, About(name="a.html"), seconds=1)

    assert reading.misses == ()
    assert time.monotonic() - began > crowded.spent > 0


def test_what_a_busy_machine_has_no_time_for_is_no_fault_of_the_file(
    crowded: Cage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GRACE_S", 0.1)

    reading = crowded.read(PAGE, About(name="a.html"), seconds=5, deadline=time.monotonic() + 0.1)

    assert reading.misses == ("engine",)


def test_a_file_that_needs_more_than_its_time_is_to_blame(
    cage: Cage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GRACE_S", 0)

    # Its own clock is looked at between two things found, and here is nothing to find.
    reading = cage.read(PAGE, About(name="a.html"), seconds=0.1)

    assert reading.misses == ("timeout",)


def test_all_files_of_a_message_have_one_time(cage: Cage) -> None:
    began = cage.spent
    message = EmailMessage()
    for number in range(2):
        message.add_attachment(PAGE + b"%d" % number, "text", "x-page", filename=f"{number}.html")

    first, second = unpack.unpack(parse(message.as_bytes()), cage, 0.02)

    assert cage.spent - began >= 0.02
    assert (first.misses, second.misses) == (("timeout",), ("timeout",))


def test_text_is_told_before_the_reader_goes_on_to_what_may_kill_it() -> None:
    answers = BytesIO()

    def found() -> Iterator[Found]:
        yield Piece(path="a.txt", where="", text=MARKER)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _answer(answers, found())

    assert MARKER.encode() in answers.getvalue()


def test_a_process_that_died_while_idle_costs_no_file(cage: Cage) -> None:
    cage.read(TABLE, ABOUT)
    cage.renew()
    (pid,) = processes(zygote(cage))
    os.kill(pid, signal.SIGKILL)

    reading = cage.read(TABLE + b"1", ABOUT)

    assert reading.misses == ()
    assert MARKER in reading.text
    assert cage.deaths == []


def test_what_a_process_says_of_a_second_file_holds_for_one_message_only(cage: Cage) -> None:
    first = cage.read(TABLE, ABOUT)
    second = cage.read(TABLE + b"1", ABOUT)

    assert cage.read(TABLE, ABOUT) is first
    assert cage.read(TABLE + b"1", ABOUT) is not second


def test_a_second_look_with_passwords_takes_none_of_others_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cage = Cage(Limits(seconds=0.1))
    ends: list[tuple[float, float]] = []

    def read(_data: bytes, about: About, end: float, deadline: float) -> Reading:
        ends.append((end, deadline))
        return Reading(found=(Missed(path=about.name, reason="encrypted"),))

    monkeypatch.setattr(cage, "_read", read)
    started = time.monotonic()
    cage.read(TABLE, About(name="a.zip", passwords=("tulip",)))

    assert ends == [ends[0]] * 2
    assert ends[0][0] == 0.1
    assert started < ends[0][1] < started + 1


def test_the_files_of_one_message_have_an_end_together(
    cage: Cage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "TEXT", 100)
    message = EmailMessage()
    for number in range(3):
        message.add_attachment(TABLE, "text", "csv", filename=f"{number}.csv")

    first, second, third = unpack.unpack(parse(message.as_bytes()), cage, 10)

    assert MARKER in first.text
    assert (second.misses, third.misses) == (("too_long",), ("too_long",))


def test_where_no_process_can_be_made_the_miss_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    cage = Cage()
    monkeypatch.setattr(module.sys, "executable", "/bin/false")

    assert cage.read(TABLE, ABOUT).misses == ("engine",)


def test_readers_work_where_no_memory_is_both_written_and_run() -> None:
    # What MemoryDenyWriteExecute= is on kernels from 6.3 on: prctl(PR_SET_MDWE, REFUSE_EXEC_GAIN).
    code = (
        "import ctypes; assert ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) == 0\n"
        "from mailguard.extract.cage import Cage\n"
        "cage = Cage(); trial = cage.try_out(); cage.close()\n"
        "print(trial.failed, trial.allowed)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    if "AssertionError" in done.stderr:
        pytest.skip("this kernel has no PR_SET_MDWE")
    assert done.stdout == "() ()\n"
