"""Telling plugins what happened, so that none of them can cost anybody else anything (threat PL-4)."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from firstboot.calls import PluginFailed, PluginRunner
from firstboot.errors import Refused, Unavailable
from firstboot.hookspecs import OBSERVING
from firstboot.plugin_manager import PluginManager

logger = logging.getLogger(__name__)

QUEUE_LENGTH = 1000


class _Observer:
    """One plugin's queue. When it is full the oldest event is dropped and counted."""

    def __init__(self, runner: PluginRunner) -> None:
        self._runner = runner
        self._queue: deque[tuple[Callable[..., Any], object]] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._stopped = False
        self.dropped = 0

    def push(self, function: Callable[..., Any], event: object) -> None:
        if self._stopped:
            return
        if len(self._queue) >= QUEUE_LENGTH:
            self._queue.popleft()
            self.dropped += 1
            if self.dropped % QUEUE_LENGTH == 1:
                logger.warning("plugin %s is too slow: %d events dropped", self._runner.name, self.dropped)
        self._queue.append((function, event))
        if self._worker is None:
            self._worker = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        try:
            while self._queue:
                function, event = self._queue.popleft()
                try:
                    await self._runner.call(function, {"event": event})
                except (Refused, Unavailable) as error:  # there is nothing to refuse any more
                    self._runner.count_failure(f"raised {type(error).__name__}")
                except PluginFailed:  # counted and logged by the runner
                    pass
        finally:
            self._worker = None

    async def stop(self, timeout_s: float) -> None:
        self._stopped = True
        if self._worker is None:
            return
        _, pending = await asyncio.wait([self._worker], timeout=timeout_s)
        if pending:
            self.dropped += len(self._queue)
            logger.warning(
                "plugin %s was busy when the server stopped: %d events dropped",
                self._runner.name, len(self._queue),
            )  # fmt: skip
            self._queue.clear()
            for task in pending:
                task.cancel()
            await asyncio.wait(pending)


class Watcher(Protocol):
    """Hears what observers are told, at once and on the event loop: the server's own live events."""

    def wanted(self, hook: str) -> bool: ...

    def tell(self, hook: str, event: object) -> None: ...


class Observers:
    """The observing hooks of all plugins, and ``watcher`` beside them."""

    def __init__(self, plugins: PluginManager, watcher: Watcher | None = None) -> None:
        self._watcher = watcher
        self._observers: dict[str, _Observer] = {}
        self._listeners: dict[str, list[tuple[_Observer, Callable[..., Any]]]] = {}
        for hook in OBSERVING:
            for runner, function in plugins.implementations(hook):
                observer = self._observers.setdefault(runner.name, _Observer(runner))
                self._listeners.setdefault(hook, []).append((observer, function))

    @property
    def dropped(self) -> Mapping[str, int]:
        """How many events each plugin has missed, because it was too slow."""
        return {name: observer.dropped for name, observer in self._observers.items()}

    def wanted(self, hook: str) -> bool:
        """Whether anybody listens; spares the making of an event that nobody wants."""
        return hook in self._listeners or (self._watcher is not None and self._watcher.wanted(hook))

    def tell(self, hook: str, event: object) -> None:
        """Queue an event for everybody who observes this hook. Never waits, never fails."""
        for observer, function in self._listeners.get(hook, ()):
            observer.push(function, event)
        if self._watcher is not None:
            self._watcher.tell(hook, event)

    async def stop(self, timeout_s: float) -> None:
        """Let the observers finish what is queued, but no longer than this. What happens later is not told."""
        await asyncio.gather(*(observer.stop(timeout_s) for observer in self._observers.values()))
