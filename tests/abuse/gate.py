"""A plugin that holds every provisioning request until the test lets them go."""

from __future__ import annotations

import asyncio

from tests.harness import WAIT_S

from firstboot.hookspecs import hookimpl
from firstboot.model import DeviceProposal


class Gate:
    FIRSTBOOT_API = 1

    def __init__(self) -> None:
        self._opened = asyncio.Event()
        self._inside = 0
        self._changed = asyncio.Condition()

    def open(self) -> None:
        self._opened.set()

    async def entered(self, count: int) -> None:
        """Wait until this many requests are held."""
        async with asyncio.timeout(WAIT_S), self._changed:
            await self._changed.wait_for(lambda: self._inside >= count)

    @hookimpl
    async def firstboot_device_provisioning(self, proposal: DeviceProposal) -> None:
        async with self._changed:
            self._inside += 1
            self._changed.notify_all()
        await self._opened.wait()
