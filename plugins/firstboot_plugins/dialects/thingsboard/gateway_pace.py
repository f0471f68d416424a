"""Sending a gateway what is news of many devices at once, such as when all of them get an owner."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

from firstboot_plugins.transports.mqtt.dialect import Message, Sender

AT_A_TIME = 50
"""Messages that wait for the client; the door drops a client for which far more wait."""


class Pace:
    """Makes messages when it is their turn. How many wait is for those to bound who put them in."""

    __slots__ = ("_on_the_way", "_send", "_waiting")

    def __init__(self, send: Sender) -> None:
        self._send = send
        self._waiting: OrderedDict[object, Callable[[], Message | None]] = OrderedDict()
        self._on_the_way = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, key: object, make: Callable[[], Message | None]) -> None:
        """Send what ``make`` returns, unless something of the same key waits already: that will do."""
        self._waiting.setdefault(key, make)
        self._go_on()

    def _go_on(self) -> None:
        while self._waiting and self._on_the_way < AT_A_TIME:
            _, make = self._waiting.popitem(last=False)
            message = make()
            if message is not None:
                self._on_the_way += 1
                self._send(replace(message, written=self._written))

    def _written(self) -> None:
        self._on_the_way -= 1
        # Not at once: the door is writing.
        asyncio.get_running_loop().call_soon(self._go_on)
