"""Work of plugins that is done again and again while the server runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from firstboot.errors import PluginError, Unavailable
from firstboot.hookspecs import PeriodicJob
from firstboot.periodic import Periodic

WAIT_S = 10.0
SOON, NEVER = timedelta(milliseconds=1), timedelta(days=1)


class Counter:
    """Counts its calls, and lets a test wait for them."""

    def __init__(self, error: Exception | None = None) -> None:
        self.calls = 0
        self._error = error
        self._called = asyncio.Condition()

    async def __call__(self) -> None:
        async with self._called:
            self.calls += 1
            self._called.notify_all()
        if self._error is not None:
            raise self._error

    async def reaches(self, calls: int) -> None:
        async with asyncio.timeout(WAIT_S), self._called:
            await self._called.wait_for(lambda: self.calls >= calls)


def work(run: Callable[[], Awaitable[None]], interval: timedelta = SOON, **more: bool) -> tuple[str, PeriodicJob]:
    return "acme", PeriodicJob(run=run, interval=interval, **more)


@pytest.mark.parametrize("error", [None, Unavailable("away"), ZeroDivisionError()])
async def test_work_goes_on_whatever_it_raises(error: Exception | None, caplog: pytest.LogCaptureFixture) -> None:
    counter = Counter(error)
    periodic = Periodic([work(counter)])
    with caplog.at_level(logging.WARNING):
        periodic.start()
        await counter.reaches(3)
        await periodic.stop(WAIT_S)

    stopped_at = counter.calls
    assert [record.__dict__["plugin"] for record in caplog.records] == ["acme"] * (stopped_at if error else 0)


async def test_work_that_hangs_keeps_nobody_waiting() -> None:
    counter = Counter()
    periodic = Periodic([work(asyncio.Event().wait), work(counter)])  # type: ignore[arg-type]
    periodic.start()
    await counter.reaches(2)
    await asyncio.wait_for(periodic.stop(WAIT_S), WAIT_S)


async def test_what_is_done_last_is_done_once_more_at_the_stop() -> None:
    last, other = Counter(), Counter()
    periodic = Periodic([work(last, NEVER, at_stop=True), work(other, NEVER)])
    periodic.start()
    await last.reaches(1)
    await other.reaches(1)
    await periodic.stop(WAIT_S)

    assert (last.calls, other.calls) == (2, 1)


async def test_the_stop_does_not_wait_for_ever() -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    periodic = Periodic([work(hang, at_stop=True)])
    periodic.start()
    await asyncio.wait_for(periodic.stop(0.01), WAIT_S)
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


def test_what_is_no_work_stops_the_start() -> None:
    with pytest.raises(PluginError, match="acme"):
        Periodic([("acme", object())])  # type: ignore[list-item]
