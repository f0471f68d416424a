"""Notice what a plugin leaves behind (threat PL-8): tasks, threads, sockets, a changed root logger."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import stat
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest_asyncio

_JOIN_S = 2.0
_TURNS = 20


@dataclass(frozen=True)
class _Surroundings:
    """What a piece of work can leave behind, as it is at one moment."""

    tasks: frozenset[asyncio.Task[object]]
    threads: frozenset[threading.Thread]
    sockets: Mapping[int, int]
    logging: tuple[object, ...]

    @classmethod
    def now(cls) -> _Surroundings:
        return cls(frozenset(asyncio.all_tasks()), _threads(), _sockets(), _logging())


def _threads() -> frozenset[threading.Thread]:
    # The event loop's own pool stays until the loop closes.
    return frozenset(thread for thread in threading.enumerate() if not thread.name.startswith("asyncio_"))


def _sockets() -> dict[int, int]:
    """Return inode to descriptor of each open socket; nothing where the system cannot tell."""
    found = {}
    try:
        descriptors = os.listdir("/dev/fd")
    except OSError:
        return {}
    for descriptor in map(int, descriptors):
        try:
            status = os.fstat(descriptor)
        except OSError:  # the one that listed the folder
            continue
        if stat.S_ISSOCK(status.st_mode):
            found[status.st_ino] = descriptor
    return found


def _logging() -> tuple[object, ...]:
    root = logging.getLogger()
    # pytest puts its own handlers in and out around each step.
    handlers = [handler for handler in root.handlers if not type(handler).__module__.startswith("_pytest")]
    return (*map(id, handlers), logging.getLevelName(root.level), logging.getLevelName(root.manager.disable))


@asynccontextmanager
async def no_leaks() -> AsyncIterator[None]:
    """Raise `AssertionError` if what is done inside leaves something behind."""
    before = _Surroundings.now()
    yield
    for _ in range(_TURNS):  # what was told to end gets the turns that it needs for it
        await asyncio.sleep(0)
    # A thread that was told to end may need a moment; waiting here costs nothing when it has ended.
    for thread in _threads() - before.threads:
        await asyncio.to_thread(thread.join, _JOIN_S)
    leaks = _differences(before, _Surroundings.now())
    if leaks:  # or only not yet collected
        gc.collect()
        leaks = _differences(before, _Surroundings.now())
    if leaks:
        raise AssertionError("left behind: " + "; ".join(leaks))


def _differences(before: _Surroundings, after: _Surroundings) -> list[str]:
    leaks = [
        f"task {task.get_name()} running {task.get_coro()!r}"
        for task in after.tasks - before.tasks
        if task is not asyncio.current_task()
    ]
    leaks += [f"thread {thread.name!r}" for thread in after.threads - before.threads if thread.is_alive()]
    leaks += [
        f"socket on descriptor {descriptor}"
        for inode, descriptor in after.sockets.items()
        if inode not in before.sockets
    ]
    if after.logging != before.logging:
        leaks.append("another set-up of the root logger (its handlers, its level, or logging.disable)")
    return leaks


class NoLeaks:
    """A mixin for test classes: each test fails if it leaves something behind."""

    @pytest_asyncio.fixture(autouse=True)
    async def _no_leaks(self) -> AsyncIterator[None]:
        async with no_leaks():
            yield
