"""What is to be done while the server runs, whether devices ask for something or not."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from firstboot.errors import Unavailable
from firstboot_plugins.dialects.thingstream.services import Thingstream
from firstboot_plugins.dialects.thingstream.settings import NAME

if TYPE_CHECKING:
    from firstboot.app import Services
    from firstboot.config import Address

logger = logging.getLogger(__name__)

INTERVAL_S = 1.0


class Upkeep:
    """Ends old Things and writes down uses. A transport without sockets: it is started and stopped like others."""

    name = NAME

    def __init__(self) -> None:
        self._thingstream: Thingstream | None = None
        self._task: asyncio.Task[None] | None = None

    def bind(self) -> Mapping[str, Address]:
        """Take no address."""
        return {}

    async def start(self, services: Services) -> None:
        self._thingstream = Thingstream.of(services)
        await self._thingstream.endings.load()
        self._task = asyncio.create_task(self._keep_up(self._thingstream))

    async def stop_accepting(self) -> None:
        pass

    async def stop(self) -> None:
        if self._task is None or self._thingstream is None:
            return
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        await self._thingstream.uses.write()

    async def _keep_up(self, thingstream: Thingstream) -> None:
        while True:
            await asyncio.sleep(INTERVAL_S)
            try:
                await thingstream.endings.sweep()
                await thingstream.uses.write()
            except Unavailable:
                pass  # the next time
            except Exception:
                logger.exception("the upkeep of Things has failed")
