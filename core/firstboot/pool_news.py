"""Waiting for a member of a pool to be ready."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence

from firstboot.clock import Clock
from firstboot.errors import Unavailable
from firstboot.storage import Change, Storage

RECHECK_S = 15.0
"""Whoever waits for a member looks this often whether a lease has ended, of which nobody tells."""


class PoolNews:
    """Wakes those who wait for a member of a pool to be ready."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock
        self._waiting: dict[int, set[asyncio.Event]] = {}

    async def follow(self, changes: Sequence[Change]) -> None:
        """Wake those whose pool a change speaks of."""
        for profile_id in {change.ref for change in changes}:
            for news in self._waiting.get(profile_id, ()):
                news.set()

    async def wait_until(self, profile_id: int, attempt: Callable[[], Awaitable[bool]]) -> None:
        """Make an attempt now, and again whenever the pool has a member that is ready, until one is true.

        Raises: what ``attempt`` raises.
        """
        news = asyncio.Event()
        waiting = self._waiting.setdefault(profile_id, set())
        waiting.add(news)
        try:
            while not await attempt():
                await self._until_ready(profile_id, news)
        finally:
            waiting.discard(news)
            if not waiting and self._waiting.get(profile_id) is waiting:
                del self._waiting[profile_id]

    async def _until_ready(self, profile_id: int, news: asyncio.Event) -> None:
        """Return once a member is ready, perhaps: an attempt that fails costs more than a look."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RECHECK_S):
                    await news.wait()
            news.clear()
            with contextlib.suppress(Unavailable):  # who waits can wait until the database is back
                if await self._storage.count_ready(profile_id, self._clock.now_ms()):
                    return
