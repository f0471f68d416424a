"""What waits at the same time is done in one go, and each gets its own result."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstboot.batching import Batcher
from firstboot.errors import Unavailable


class Work:
    """Doubles numbers when it is let; remembers the batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.under_way = 0
        self.most_under_way = 0
        self.open = asyncio.Event()
        self.open.set()
        self.begun = asyncio.Event()
        self.error: BaseException | None = None

    async def __call__(self, items: Sequence[int]) -> Sequence[int]:
        self.batches.append(list(items))
        self.under_way += 1
        self.begun.set()
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await self.open.wait()
        finally:
            self.under_way -= 1
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        return [item * 2 for item in items]


async def under_way(work: Work) -> None:
    """Wait until a batch is under way."""
    await work.begun.wait()


async def test_a_lone_item_does_not_wait_for_others() -> None:
    work = Work()

    assert await Batcher(work).submit(7) == 14

    assert work.batches == [[7]]


async def test_what_waits_while_a_batch_is_under_way_is_the_next_batch() -> None:
    work = Work()
    work.open.clear()
    batcher = Batcher(work)
    first = batcher.submit(1)
    await under_way(work)
    others = [batcher.submit(number) for number in (2, 3, 4)]

    work.open.set()

    assert await asyncio.gather(first, *others) == [2, 4, 6, 8]
    assert work.batches == [[1], [2, 3, 4]]


async def test_a_batch_is_never_larger_than_allowed() -> None:
    work = Work()
    batcher = Batcher(work, max_batch=3)

    results = await asyncio.gather(*(batcher.submit(number) for number in range(8)))

    assert results == [number * 2 for number in range(8)]
    assert work.batches == [[0, 1, 2], [3, 4, 5], [6, 7]]


async def test_there_is_one_batch_at_a_time() -> None:
    work = Work()
    batcher = Batcher(work, max_batch=2)

    await asyncio.gather(*(batcher.submit(number) for number in range(10)))

    assert work.most_under_way == 1


async def test_an_error_is_that_of_its_batch_only() -> None:
    work = Work()
    work.error = ZeroDivisionError()
    batcher = Batcher(work, max_batch=2)

    results = await asyncio.gather(*(batcher.submit(number) for number in range(4)), return_exceptions=True)

    assert [type(result) for result in results] == [ZeroDivisionError, ZeroDivisionError, int, int]
    assert results[2:] == [4, 6]


async def test_it_goes_on_after_an_error() -> None:
    work = Work()
    work.error = Unavailable("The database is not there.")
    batcher = Batcher(work)
    with pytest.raises(Unavailable):
        await batcher.submit(1)

    assert await batcher.submit(2) == 4


async def test_what_is_cancelled_before_its_batch_is_not_run() -> None:
    work = Work()
    work.open.clear()
    batcher = Batcher(work)
    first = batcher.submit(1)
    await under_way(work)
    second, third = batcher.submit(2), batcher.submit(3)

    second.cancel()
    work.open.set()

    assert [await first, await third] == [2, 6]
    assert work.batches == [[1], [3]]


async def test_no_batch_is_run_for_nobody() -> None:
    work = Work()
    batcher = Batcher(work)

    batcher.submit(1).cancel()
    await batcher.drain()

    assert work.batches == []


async def test_who_leaves_while_a_batch_is_under_way_does_not_disturb_it() -> None:
    work = Work()
    work.open.clear()
    batcher = Batcher(work)
    first, second = batcher.submit(1), batcher.submit(2)
    await under_way(work)

    first.cancel()
    work.open.set()

    assert await second == 4
    assert await batcher.submit(3) == 6


async def test_who_leaves_a_batch_that_fails_does_not_disturb_it() -> None:
    work = Work()
    work.open.clear()
    work.error = ZeroDivisionError()
    batcher = Batcher(work)
    first, second = batcher.submit(1), batcher.submit(2)
    await under_way(work)

    first.cancel()
    work.open.set()

    with pytest.raises(ZeroDivisionError):
        await second
    assert await batcher.submit(3) == 6


async def test_too_many_are_refused_at_n_plus_1_until_there_is_room() -> None:
    work = Work()
    work.open.clear()
    batcher = Batcher(work, max_waiting=3)
    first = batcher.submit(0)
    await under_way(work)
    waiting = [batcher.submit(number) for number in (1, 2, 3)]

    with pytest.raises(Unavailable):
        batcher.submit(4)

    work.open.set()
    assert await asyncio.gather(first, *waiting) == [0, 2, 4, 6]
    assert await batcher.submit(5) == 10


async def test_draining_waits_for_what_waits_and_what_is_under_way() -> None:
    work = Work()
    work.open.clear()
    batcher = Batcher(work, max_batch=1)
    futures = [batcher.submit(number) for number in range(3)]
    draining = asyncio.create_task(batcher.drain())
    await under_way(work)
    assert not draining.done()

    work.open.set()
    await draining

    assert [future.result() for future in futures] == [0, 2, 4]


async def test_draining_nothing_returns() -> None:
    await Batcher(Work()).drain()


async def test_those_in_a_cancelled_batch_are_cancelled() -> None:
    work = Work()
    batcher = Batcher(work)
    work.error = asyncio.CancelledError()
    future = batcher.submit(1)

    await asyncio.wait([future])

    assert future.cancelled()


@pytest.mark.parametrize("results", [[], [1], [1, 2, 3]])
async def test_a_wrong_number_of_results_leaves_nobody_waiting(results: list[int]) -> None:
    async def run(items: Sequence[int]) -> Sequence[int]:
        return results

    batcher = Batcher(run, max_batch=2)
    futures = [batcher.submit(number) for number in range(4)]
    await batcher.drain()

    assert [future.done() for future in futures] == [True] * 4


@given(st.lists(st.integers(0, 6), max_size=12), st.integers(1, 4))
def test_however_they_come_each_is_run_once_in_order_and_gets_its_own(bursts: list[int], max_batch: int) -> None:
    async def come() -> None:
        work = Work()
        batcher = Batcher(work, max_batch=max_batch)
        futures: list[asyncio.Future[int]] = []
        for size in bursts:
            futures += [batcher.submit(len(futures) + number) for number in range(size)]
            await asyncio.sleep(0)

        await batcher.drain()

        assert [future.result() for future in futures] == [number * 2 for number in range(len(futures))]
        assert [item for batch in work.batches for item in batch] == list(range(len(futures)))
        assert all(0 < len(batch) <= max_batch for batch in work.batches)

    asyncio.run(come())
