from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from mailguard.store.elapsed import STEP, Uptime, count_in, machine_uptime
from mailguard.store.tables import Clocks

DAY = 86400


InMemory = Callable[[], AbstractContextManager[Connection]]


@pytest.fixture
def connection(in_memory: InMemory) -> Iterator[Connection]:
    with in_memory() as connection:
        yield connection


def count(connection: Connection, seconds: int, boot: str = "first", school: str = "Elm") -> int:
    return count_in(connection, school, Uptime(boot=boot, seconds=seconds))


def test_counting_starts_at_nought(connection: Connection) -> None:
    assert count(connection, 5 * DAY) == 0


def test_what_the_machine_was_up_has_passed(connection: Connection) -> None:
    count(connection, 1000)

    assert count(connection, 1000 + 30 * DAY) == 30 * DAY


def test_a_restart_of_the_machine_counts_nothing(connection: Connection) -> None:
    """Nobody knows how long it was off: its clock may be wrong."""
    count(connection, 1000)
    count(connection, 1000 + DAY)

    assert count(connection, 900 * DAY, boot="second") == DAY


def test_counting_goes_on_after_a_restart(connection: Connection) -> None:
    count(connection, DAY)
    count(connection, 100, boot="second")

    assert count(connection, 100 + DAY, boot="second") == DAY


def test_an_uptime_that_runs_back_counts_nothing(connection: Connection) -> None:
    count(connection, DAY)

    assert count(connection, 0) == 0


def test_each_school_has_its_own_count(connection: Connection) -> None:
    count(connection, 0, school="Elm")
    count(connection, DAY, school="Oak")

    assert count(connection, DAY, school="Elm") == DAY
    assert count(connection, DAY, school="Oak") == 0


def test_less_than_a_step_is_not_written(connection: Connection) -> None:
    count(connection, 1000)
    count(connection, 1000 + STEP - 1)

    assert connection.scalar(select(Clocks.uptime)) == 1000


@given(gaps=st.lists(st.integers(0, 10 * STEP), max_size=30))
def test_the_count_is_never_ahead_and_at_most_one_step_behind(
    in_memory: InMemory, gaps: list[int]
) -> None:
    with in_memory() as connection:
        count(connection, 0)
        uptimes = [sum(gaps[: end + 1]) for end in range(len(gaps))]

        behind = [uptime - count(connection, uptime) for uptime in uptimes]

    assert all(0 <= seconds < STEP for seconds in behind)


@given(
    steps=st.lists(st.tuples(st.booleans(), st.integers(0, DAY)), max_size=20),
)
def test_restarts_never_make_the_count_run_ahead(
    in_memory: InMemory, steps: list[tuple[bool, int]]
) -> None:
    with in_memory() as connection:
        count(connection, 0, boot="0")
        boot, uptime, passed = 0, 0, 0
        ahead = []
        for restarts, seconds in steps:
            boot, uptime = (boot + 1, seconds) if restarts else (boot, uptime + seconds)
            passed += seconds
            ahead.append(count(connection, uptime, boot=str(boot)) - passed)

    assert all(seconds <= 0 for seconds in ahead)


def test_the_machines_uptime_goes_on() -> None:
    first, second = machine_uptime(), machine_uptime()

    assert first.boot == second.boot
    assert 0 < first.seconds <= second.seconds
