"""Work of plugins that is done again and again while the server runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from firstboot.errors import PluginError, Unavailable
from firstboot.hookspecs import PeriodicJob

logger = logging.getLogger(__name__)


class Periodic:
    """Runs each work in a task of its own, so that one that is slow or fails keeps no other waiting."""

    def __init__(self, offered: Sequence[tuple[str, PeriodicJob]]) -> None:
        """``offered``: name of the plugin, and the work.

        Raises: `PluginError` for what is no `PeriodicJob`.
        """
        for plugin, job in offered:
            if not isinstance(job, PeriodicJob):
                raise PluginError(
                    plugin, f"offers {type(job).__name__} as periodic jobs.", "Offer PeriodicJob objects."
                )
        self._offered = offered
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin; each work is done at once for the first time."""
        self._tasks = [asyncio.create_task(self._repeat(plugin, job)) for plugin, job in self._offered]

    async def stop(self, timeout_s: float) -> None:
        """Break off what is under way, and do once more what is to be done last, all of it within this time."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        last = [asyncio.create_task(self._do(plugin, job)) for plugin, job in self._offered if job.at_stop]
        if last:
            _, late = await asyncio.wait(last, timeout=timeout_s)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    async def _repeat(self, plugin: str, job: PeriodicJob) -> None:
        while True:
            await self._do(plugin, job)
            await asyncio.sleep(job.interval.total_seconds())

    async def _do(self, plugin: str, job: PeriodicJob) -> None:
        try:
            await job.run()
        except Unavailable as error:
            logger.warning("work of a plugin waits", extra={"plugin": plugin, "reason": str(error)})
        except Exception:
            logger.exception("work of a plugin has failed", extra={"plugin": plugin})
