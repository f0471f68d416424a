"""HTTP requests of devices that wait for news."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

from firstboot.model import DeviceRef
from firstboot.sessions import SessionEnd, Sessions, device_owner
from firstboot_plugins.dialects.thingsboard.config import ThingsBoardConfig
from firstboot_plugins.transports.http.in_flight import free_slot

News = TypeVar("News")


class TooManyPolls(Exception):
    """More requests of this device, or of all of them, would wait than may."""

    def __init__(self, *, of_device: bool) -> None:
        super().__init__("too many requests wait")
        self.of_device = of_device


class PollEnded(Exception):
    """The server has ended the wait, because the credentials have ended or because it stops."""

    def __init__(self, why: SessionEnd) -> None:
        super().__init__(why.value)
        self.why = why


class LongPolls:
    """Keeps waiting requests within their number, and each as a session of its device while it waits."""

    def __init__(self, sessions: Sessions, config: ThingsBoardConfig) -> None:
        self._sessions = sessions
        self._config = config
        self._waiting: Counter[int] = Counter()
        """Requests by device."""

    async def hold(
        self, request: Request, device: DeviceRef, judged_at: float, news: Coroutine[Any, Any, News]
    ) -> News:
        """Wait for ``news``, which is bounded in time; meanwhile the request does not count as one in flight.

        The request must have been read to its end. ``judged_at``: when its token was looked up.

        Raises: `TooManyPolls`, `PollEnded`, `ClientDisconnect`, and what ``news`` raises.
        """
        of_device = self._waiting[device.id] >= self._config.max_polls_per_device
        if of_device or self._waiting.total() >= self._config.max_polls:
            news.close()
            raise TooManyPolls(of_device=of_device)
        self._waiting[device.id] += 1
        poll = _Poll()
        owner = device_owner(device.id)
        try:
            if not self._sessions.open(owner, poll, judged_at=judged_at, slot=poll):
                news.close()
                raise PollEnded(SessionEnd.CREDENTIALS_CHANGED)
            free_slot(request)
            return await _first(news, request, poll.ended)
        finally:
            self._sessions.close(owner, poll, slot=poll)
            self._waiting[device.id] -= 1
            if not self._waiting[device.id]:
                del self._waiting[device.id]


class _Poll:
    """A waiting request, as `Sessions` sees it."""

    def __init__(self) -> None:
        self.ended: asyncio.Future[SessionEnd] = asyncio.get_running_loop().create_future()

    def end(self, why: SessionEnd) -> None:
        if not self.ended.done():
            self.ended.set_result(why)


async def _first(news: Coroutine[Any, Any, News], request: Request, ended: asyncio.Future[SessionEnd]) -> News:
    work = asyncio.ensure_future(news)
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait((work, gone, ended), return_when=asyncio.FIRST_COMPLETED)
        if ended.done():  # whoever has lost his rights is told nothing any more
            raise PollEnded(ended.result())
        if work.done():
            return work.result()
        raise ClientDisconnect
    finally:
        work.cancel()
        gone.cancel()
        await asyncio.gather(work, gone, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
