"""What blocks the event loop is named in the log within a second (PL-3, OP-11)."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from firstboot.watchdog import BEAT_S, BLOCKED_S, Watchdog

WAIT_S = 10.0


class Lines(logging.Handler):
    """The watchdog's lines, for a loop that cannot look at them because it is blocked."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self.came = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        self.came.set()


@pytest.fixture
def lines() -> AsyncIterator[Lines]:
    logger = logging.getLogger("firstboot.watchdog")
    handler = Lines()
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


@asynccontextmanager
async def watching(watchdog: Watchdog) -> AsyncIterator[None]:
    task = asyncio.create_task(watchdog.watch())
    await asyncio.sleep(0)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def owner_of(module: str) -> str | None:
    return "acme" if module == __name__ else None


def hold_up(lines: Lines) -> bool:
    """Block the event loop as a plugin may, until it is told on."""
    return lines.came.wait(WAIT_S)


async def test_pl_3_what_blocks_the_loop_is_named_with_its_plugin_while_it_does(lines: Lines) -> None:
    async with watching(Watchdog(owner_of)):
        assert hold_up(lines)

    (line,) = lines.records
    assert line.levelno == logging.ERROR
    assert line.getMessage() == "the event loop is blocked"
    assert line.plugin == "acme"  # type: ignore[attr-defined]
    stack = line.stack.split(" < ")  # type: ignore[attr-defined]
    assert stack[0].startswith("threading:")
    places = [place for place in stack if place.startswith(f"{__name__}:")]
    assert places[0].endswith(" hold_up")


async def test_op_11_a_block_outside_of_plugins_names_none(lines: Lines) -> None:
    async with watching(Watchdog(lambda module: None)):
        assert hold_up(lines)

    assert lines.records[0].plugin is None  # type: ignore[attr-defined]


async def test_one_block_is_told_once_and_the_next_one_again(lines: Lines) -> None:
    reports: list[int] = []
    async with watching(Watchdog(owner_of)):
        for _ in range(2):
            lines.came.clear()
            assert hold_up(lines)
            # The listener looks again before the loop beats: that must not tell it twice.
            lines.came.clear()
            assert not lines.came.wait(2 * BEAT_S)
            reports.append(len(lines.records))
            await asyncio.sleep(BEAT_S * 1.1)  # the loop beats again

    assert reports == [1, 2]


def test_pl_3_a_block_is_told_within_a_second() -> None:
    # Found at the listener's first look after BLOCKED_S.
    assert BLOCKED_S + BEAT_S < 1.0


async def test_a_loop_that_is_not_blocked_is_not_told_and_the_thread_ends_with_the_watch(lines: Lines) -> None:
    before = set(threading.enumerate())
    async with watching(Watchdog(owner_of)):
        (listener,) = set(threading.enumerate()) - before
        await asyncio.sleep(0)

    await asyncio.to_thread(listener.join, WAIT_S)
    assert not listener.is_alive()
    assert lines.records == []
