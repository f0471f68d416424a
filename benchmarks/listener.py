"""A client that hears what all others publish, and counts it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from benchmarks import frames

_PATIENCE_S = 10.0
_PUBLISH = 0x30
_SUBACK = 0x90


class Listener(asyncio.Protocol):
    """Counts the messages of QoS 0 that arrive, of fewer than 128 bytes each."""

    def __init__(self) -> None:
        self.messages = 0
        self.subscribed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._held = b""
        self._news = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        data = self._held + data
        at = 0
        while at + 2 <= len(data) and (end := at + 2 + data[at + 1]) <= len(data):
            if data[at] == _PUBLISH:
                self.messages += 1
            elif data[at] == _SUBACK and data[at:end] == frames.SUBACK:
                self.subscribed.set_result(None)
            at = end
        self._held = data[at:]
        self._news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.subscribed.done():
            self.subscribed.set_exception(RuntimeError(f"the listener was refused: {exc}"))

    async def has_heard(self, messages: int) -> bool:
        """Wait for so many messages; False when they do not come, or are more."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                await self._heard(messages)
        return self.messages == messages

    async def _heard(self, messages: int) -> None:
        while self.messages < messages:
            self._news.clear()
            await self._news.wait()


async def listen(port: int, requests: bytes) -> Listener:
    """Connect and subscribe.

    Raises: `RuntimeError` when the server does not let it.
    """
    transport, listener = await asyncio.get_running_loop().create_connection(Listener, "127.0.0.1", port)
    transport.write(requests)
    async with asyncio.timeout(_PATIENCE_S):
        await listener.subscribed
    return listener
