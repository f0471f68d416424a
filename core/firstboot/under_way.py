"""How many requests are decided at once, and waiting for the last of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from firstboot.errors import Unavailable


class UnderWay:
    """The provisioning requests that are under way."""

    def __init__(self, max_in_flight: int) -> None:
        self._max = max_in_flight
        self._number = 0
        self._finishing = False
        self._idle: asyncio.Event | None = None

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Count a request as long as the block lasts.

        Raises: `Unavailable` when there are too many, or the server stops.
        """
        if self._finishing:
            raise Unavailable("The server stops.")
        if self._number >= self._max:
            raise Unavailable("Too many provisioning requests are under way.")
        self._number += 1
        try:
            yield
        finally:
            self._number -= 1
            if self._number == 0 and self._idle is not None:
                self._idle.set()

    async def finish(self) -> None:
        """Take no more requests, and wait until none is under way."""
        # Peers that are connected may ask without end; what is begun after this would be cut off.
        self._finishing = True
        if self._number:
            self._idle = asyncio.Event()
            await self._idle.wait()
