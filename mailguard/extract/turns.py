"""Whose turn it is: some may work at a time, and nobody keeps all places from the others."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """So many places, given in the order of asking; one party has at most half of them."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._share = max(1, places // 2)
        self._taken: Counter[str] = Counter()
        self._waiting: list[tuple[str, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def turn(self, party: str, patience_s: float) -> AsyncIterator[None]:
        """Keep a place for `party` while inside. Raises TimeoutError if none came free in time."""
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((party, place))
        self._call_up()
        try:
            async with asyncio.timeout(patience_s):
                # Must: shielded, or a place that was just given would be lost with the wait.
                await asyncio.shield(place)
            yield
        finally:
            if place.done():
                self._free += 1
                self._taken[party] -= 1
                self._taken += Counter()
                self._call_up()
            else:
                self._waiting.remove((party, place))

    def _call_up(self) -> None:
        for party, place in tuple(self._waiting):
            if not self._free:
                return
            if self._taken[party] < self._share:
                self._waiting.remove((party, place))
                self._free -= 1
                self._taken[party] += 1
                place.set_result(None)
