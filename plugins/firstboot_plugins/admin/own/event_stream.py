"""One stream of server-sent events, from its first byte to whatever ends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from pydantic_core import to_json
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from firstboot.live_events import LiveEvent, Subscription
from firstboot.sessions import SessionEnd
from firstboot_plugins.admin.operation import EVENT_STREAM
from firstboot_plugins.transports.http.protocol import ABORT

HEARTBEAT_S = 15.0
"""How long a stream says nothing at most; proxies close connections that are silent for longer."""
WATCH_S = 1.0
SEND_S = 10.0
"""How long a reader may take nothing before it is dropped."""


class EventStream(Response):
    """Sends events until the reader leaves or is too slow, the asker loses his rights, or the server stops."""

    media_type = EVENT_STREAM

    def __init__(
        self,
        events: Subscription,
        *,
        still_allowed: Callable[[], Awaitable[bool]],
        closed: Callable[[EventStream], None],
    ) -> None:
        """``still_allowed`` is asked again and again; ``closed`` is called once, at the end."""
        super().__init__(headers={"x-accel-buffering": "no"})  # a proxy that collects answers would hold it back
        del self.headers["content-length"]
        self._events = events
        self._still_allowed = still_allowed
        self._closed = closed
        self._ended = asyncio.Event()

    def end(self, why: SessionEnd) -> None:
        """End the stream: the server stops, or the asker's credentials have ended."""
        self._ended.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        tasks = [
            asyncio.create_task(self._send(send)),
            asyncio.create_task(self._wait_for_end()),
            asyncio.create_task(self._watch()),
            asyncio.create_task(_gone(receive)),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._events.close()
            self._closed(self)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled():
                task.result()
        try:
            async with asyncio.timeout(WATCH_S):
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            scope[ABORT]()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async for text in self._texts():
            try:
                async with asyncio.timeout(SEND_S):
                    await send({"type": "http.response.body", "body": text, "more_body": True})
            except TimeoutError:
                return

    async def _texts(self) -> AsyncIterator[bytes]:
        yield b": connected\n\n"
        while not self._events.dropped:
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    event = await anext(self._events)
            except TimeoutError:
                yield b":\n\n"
            except StopAsyncIteration:
                return
            else:
                yield _text(event)

    async def _wait_for_end(self) -> None:
        await self._ended.wait()

    async def _watch(self) -> None:
        while await self._still_allowed():  # noqa: ASYNC110 - the database has no event for it
            await asyncio.sleep(WATCH_S)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _text(event: LiveEvent) -> bytes:
    data = to_json({"atMs": event.at_ms, **event.data}, inf_nan_mode="null")
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (event.id, event.kind.encode(), data)
