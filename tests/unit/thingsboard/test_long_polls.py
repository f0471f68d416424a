"""Requests that wait for news end with whatever comes first."""

from __future__ import annotations

import asyncio
import time
from collections.abc import MutableMapping
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request

from firstboot.sessions import SessionEnd, Sessions, device_owner
from firstboot.testing.samples import a_device
from firstboot_plugins.dialects.thingsboard.config import ThingsBoardConfig
from firstboot_plugins.dialects.thingsboard.long_polls import LongPolls, PollEnded, TooManyPolls

DEVICE = a_device().ref
OWNER = device_owner(DEVICE.id)


class Waiting:
    """A request that was read, whose client stays until it leaves."""

    def __init__(self) -> None:
        self.leaves = asyncio.Event()
        self.request = Request({"type": "http", "method": "GET", "path": "/", "headers": []}, self._receive)

    async def _receive(self) -> MutableMapping[str, Any]:
        await self.leaves.wait()
        return {"type": "http.disconnect"}


async def news_after(event: asyncio.Event) -> str:
    await event.wait()
    return "news"


async def test_news_end_the_wait() -> None:
    sessions, event = Sessions(), asyncio.Event()
    polls = LongPolls(sessions, ThingsBoardConfig())

    held = asyncio.create_task(polls.hold(Waiting().request, DEVICE, time.monotonic(), news_after(event)))
    await asyncio.sleep(0)
    assert sessions.is_open(OWNER)
    event.set()

    assert await held == "news"
    assert not sessions.is_open(OWNER)


async def test_au_6_credentials_that_ended_while_they_were_judged_end_it_at_once() -> None:
    sessions = Sessions()
    judged_at = time.monotonic()
    sessions.end(OWNER, SessionEnd.CREDENTIALS_CHANGED)

    with pytest.raises(PollEnded):
        await LongPolls(sessions, ThingsBoardConfig()).hold(
            Waiting().request, DEVICE, judged_at, news_after(asyncio.Event())
        )


async def test_au_6_who_has_lost_his_rights_is_not_told_what_has_just_come() -> None:
    sessions, event = Sessions(), asyncio.Event()
    polls = LongPolls(sessions, ThingsBoardConfig())
    held = asyncio.create_task(polls.hold(Waiting().request, DEVICE, time.monotonic(), news_after(event)))
    await asyncio.sleep(0)

    event.set()
    sessions.end(OWNER, SessionEnd.KICKED)

    with pytest.raises(PollEnded) as ended:
        await held
    assert ended.value.why is SessionEnd.KICKED


async def test_a_client_that_leaves_ends_it_and_makes_room() -> None:
    sessions, waiting = Sessions(), Waiting()
    polls = LongPolls(sessions, ThingsBoardConfig(max_polls_per_device=1))
    never = asyncio.Event()
    held = asyncio.create_task(polls.hold(waiting.request, DEVICE, time.monotonic(), news_after(never)))
    await asyncio.sleep(0)
    with pytest.raises(TooManyPolls):
        await polls.hold(Waiting().request, DEVICE, time.monotonic(), news_after(never))

    waiting.leaves.set()
    with pytest.raises(ClientDisconnect):
        await held

    never.set()
    assert await polls.hold(Waiting().request, DEVICE, time.monotonic(), news_after(never)) == "news"
    assert not sessions.is_open(OWNER)
