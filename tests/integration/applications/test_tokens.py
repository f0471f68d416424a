"""The sessions of applications live as long as their tokens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.harness import TestServer, running
from tests.integration.applications.watching import (
    ALL,
    application,
    end_of,
    new_device,
    new_token,
    refusal,
    report,
    seen,
    subscribed,
)
from tests.integration.mqtt.probe import until

EVERYTHING = "$firstboot/#"


@pytest.fixture
async def server(tmp_path: Path, database: str | None) -> AsyncIterator[TestServer]:
    async with running(tmp_path, database=database) as started:
        yield started


@pytest.mark.parametrize(("level", "code"), [(3, 5), (4, 5), (5, 0x86)])
@pytest.mark.parametrize("username", ["any", None], ids=["password", "user name"])
async def test_a_token_that_does_not_exist_opens_nothing(
    server: TestServer, level: int, code: int, username: str | None
) -> None:
    assert await refusal(server, "fbt_" + "x" * 43, level=level, username=username) == code


@pytest.mark.parametrize("secret", ["fbt_", "fbt_" + "x" * 4000, "fbt_\ufffd\u0301"])
async def test_what_only_looks_like_a_token_is_refused(server: TestServer, secret: str) -> None:
    assert await refusal(server, secret) == 0x86


async def test_a_revoked_tokens_sessions_end_within_a_second(server: TestServer) -> None:
    """MQ-10, LG-9."""
    token, secret = await new_token(server, *ALL)
    _, other = await new_token(server, *ALL)
    device = await new_device(server)
    revoked = [await application(server, secret, client_id=client_id) for client_id in ("one", "two")]
    kept = await application(server, other)
    for peer in (*revoked, kept):
        await subscribed(peer, EVERYTHING)

    async with asyncio.timeout(1):
        await server.services.api_tokens.revoke(token, actor="test")
        endings = [await end_of(peer) for peer in revoked]

    assert endings == [[0x98], [0x98]]
    assert await refusal(server, secret) == 0x86
    await report(server, device, 1)
    assert (await seen(kept))[1]["device"] == "d1"
    await kept.close()


async def test_a_token_that_expires_takes_its_sessions_with_it(server: TestServer) -> None:
    """LG-9."""
    now_ms = server.services.clock.now_ms()
    _, secret = await new_token(server, *ALL, expires_at_ms=now_ms + 700)
    peer = await application(server, secret)
    await subscribed(peer, EVERYTHING)

    assert await end_of(peer) == [0x98]
    assert server.services.clock.now_ms() >= now_ms + 700
    assert await refusal(server, secret) == 0x86


async def test_sessions_that_end_leave_nothing_behind(server: TestServer) -> None:
    _, secret = await new_token(server, *ALL)
    tasks = len(asyncio.all_tasks())
    for _ in range(3):
        peer = await application(server, secret)
        await subscribed(peer, EVERYTHING)
        await peer.close()

    observers, sessions = server.services.observers, server.services.sessions
    await until(lambda: not observers.wanted("firstboot_telemetry_received") and not len(sessions))
    await until(lambda: len(asyncio.all_tasks()) <= tasks)
