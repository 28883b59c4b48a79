"""Turns are taken in order, and nobody has more than half of the places."""

import asyncio

import pytest

from mailguard.extract.turns import Turns


class Visitor:
    """Somebody who takes a turn, and ends it when told."""

    def __init__(self, turns: Turns, party: str) -> None:
        self.is_in = asyncio.Event()
        self.leave = asyncio.Event()
        self.task = asyncio.create_task(self._visit(turns, party))

    async def _visit(self, turns: Turns, party: str) -> None:
        async with turns.turn(party, 5):
            self.is_in.set()
            await self.leave.wait()


async def settle() -> None:
    """Let everybody do what can be done now."""
    for _ in range(5):
        await asyncio.sleep(0)


async def visit(turns: Turns, *parties: str) -> list[Visitor]:
    visitors = [Visitor(turns, party) for party in parties]
    await settle()
    return visitors


def inside(visitors: list[Visitor]) -> list[bool]:
    return [visitor.is_in.is_set() for visitor in visitors]


async def dismiss(visitors: list[Visitor]) -> None:
    for visitor in visitors:
        visitor.leave.set()
    await asyncio.gather(*(visitor.task for visitor in visitors))


async def test_one_party_has_half_of_the_places_and_others_pass_it_by() -> None:
    turns = Turns(2)

    visitors = await visit(turns, "ana", "ana", "ben", "cem")

    assert inside(visitors) == [True, False, True, False]
    await dismiss(visitors)


async def test_who_leaves_is_followed_by_who_has_waited_longest() -> None:
    turns = Turns(2)
    visitors = await visit(turns, "ana", "ben", "cem", "ana")

    visitors[1].leave.set()
    await settle()

    assert inside(visitors) == [True, True, True, False]
    await dismiss(visitors)


async def test_one_place_is_everybodys() -> None:
    turns = Turns(1)
    visitors = await visit(turns, "ana", "ana")

    visitors[0].leave.set()
    await settle()

    assert inside(visitors) == [True, True]
    await dismiss(visitors)


async def test_who_waits_in_vain_or_goes_leaves_the_place_to_others() -> None:
    turns = Turns(1)
    first, gone, last = await visit(turns, "ana", "ben", "cem")

    with pytest.raises(TimeoutError):
        async with turns.turn("dan", 0.01):
            pytest.fail("there was no place")
    gone.task.cancel()
    first.task.cancel()
    await settle()

    assert inside([gone, last]) == [False, True]
    await dismiss([last])
