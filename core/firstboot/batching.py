"""Group commit and batched look-ups: what waits at the same time is done in one go.

There is no timer. While one batch is under way the next one gathers, so a lone request never waits, and
under load the size of a batch follows the speed of the storage.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

from firstboot.errors import Unavailable

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batcher(Generic[Item, Result]):
    """Hands waiting items to ``run`` in batches, one batch at a time, and gives each its own result.

    ``run`` returns one result per item, in order. When it raises, every item of the batch gets that error.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        *,
        max_batch: int = 500,
        max_waiting: int = 10_000,
    ) -> None:
        self._run = run
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._worker: asyncio.Task[None] | None = None

    def submit(self, item: Item) -> asyncio.Future[Result]:
        """Queue ``item``; the future has its result once its batch is done.

        An item whose future is cancelled before its batch begins is not run.

        Raises: `Unavailable` when too many wait already.
        """
        if len(self._waiting) >= self._max_waiting:
            raise Unavailable("Too many requests are waiting for the database.")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._waiting.append((item, future))
        if self._worker is None:
            self._worker = loop.create_task(self._drain())
        return future

    async def submit_all(self, items: Iterable[Item]) -> list[Result | BaseException]:
        """Queue items; return the result of each once all are done, or the error that it got instead."""
        futures: list[asyncio.Future[Result]] = []
        for item in items:
            try:
                futures.append(self.submit(item))
            except Unavailable as error:
                refused: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
                refused.set_exception(error)
                futures.append(refused)
        return await asyncio.gather(*futures, return_exceptions=True)

    async def _drain(self) -> None:
        waiting = self._waiting
        try:
            while waiting:
                size = min(len(waiting), self._max_batch)
                batch = [entry for entry in (waiting.popleft() for _ in range(size)) if not entry[1].done()]
                if batch:
                    await self._run_batch(batch)
        finally:
            self._worker = None

    async def _run_batch(self, batch: Sequence[tuple[Item, asyncio.Future[Any]]]) -> None:
        try:
            results = await self._run([item for item, _ in batch])
            if len(results) != len(batch):
                raise RuntimeError(f"{len(results)} results for a batch of {len(batch)}")
        except asyncio.CancelledError:
            for _, future in batch:
                future.cancel()
            raise
        except Exception as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)

    async def drain(self) -> None:
        """Wait until nothing is waiting or under way."""
        while self._worker is not None:
            await asyncio.wait([self._worker])
