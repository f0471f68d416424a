"""Two servers on one PostgreSQL: what is changed at one counts at the other within a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from tests.harness import TestServer, login, running
from tests.integration.devices.sessions import LOSSES, SECOND, Listener, connected, make_device, token_of

from firstboot.downlink import AttributeUpdate
from firstboot.model import Scope
from firstboot.sessions import device_owner

KEY = "5" * 64
"""Server key of both."""


@pytest_asyncio.fixture
async def servers(tmp_path: Path, postgres_database: str) -> AsyncIterator[tuple[TestServer, TestServer]]:
    async with AsyncExitStack() as stack:
        one, two = [
            await stack.enter_async_context(
                running(tmp_path / name, database=postgres_database, server={"key": KEY})
            )
            for name in ("one", "two")
        ]
        yield one, two


async def test_a_shared_attribute_reaches_the_device_at_the_other_server_in_order_and_once(
    servers: tuple[TestServer, TestServer],
) -> None:
    one, two = servers
    device = (await make_device(one, await one.profile(), "meter")).ref
    here, there = Listener(), Listener()
    one.services.downlinks.listen(device.id, here)
    two.services.downlinks.listen(device.id, there)

    for number in range(20):
        await one.services.attributes.save(device, Scope.SHARED, {f"key-{number}": number}, actor="test")
    await one.services.attributes.delete(device, Scope.SHARED, ["key-0"], actor="test")
    await one.services.attributes.save(device, Scope.SHARED, {"last": True}, actor="test")
    written_at = time.monotonic()
    await there.hears("last", True)

    assert time.monotonic() - written_at < SECOND
    await here.hears("last", True)
    for listener in (here, there):
        told = [(key, value) for update in listener.updates for key, value in update.values.items()]
        # A value that is gone before it is told is only told as deleted.
        assert [pair for pair in told if pair != ("key-0", 0)] == [
            *((f"key-{number}", number) for number in range(1, 20)), ("last", True),
        ]  # fmt: skip
        assert told.count(("key-0", 0)) <= 1
        assert [update.deleted for update in listener.updates if update.deleted] == [("key-0",)]


async def test_a_value_that_changes_often_ends_as_it_is_at_both_servers(
    servers: tuple[TestServer, TestServer],
) -> None:
    one, two = servers
    device = (await make_device(one, await one.profile(), "meter")).ref
    listeners = [Listener(), Listener()]
    for server, listener in zip(servers, listeners, strict=True):
        server.services.downlinks.listen(device.id, listener)

    async def write(server: TestServer, first: int) -> None:
        for number in range(first, first + 10):
            await server.services.attributes.save(device, Scope.SHARED, {"value": number}, actor="test")

    await asyncio.gather(write(one, 0), write(two, 100))
    await one.services.attributes.save(device, Scope.SHARED, {"value": "last"}, actor="test")

    for listener in listeners:
        await listener.hears("value", "last")
        values = [update.values["value"] for update in listener.updates]
        assert values[-1] == "last"
        assert len(set(values)) == len(values)  # none of them twice
        for part in ([v for v in values[:-1] if v < 100], [v for v in values[:-1] if v >= 100]):
            assert part == sorted(part)  # and no older one after a newer one


@pytest.mark.parametrize("loss", LOSSES)
async def test_mq_10_a_device_that_loses_its_rights_is_gone_from_every_server_within_a_second(
    servers: tuple[TestServer, TestServer], loss: str
) -> None:
    one, two = servers
    demo = await one.profile()
    device = await make_device(one, demo, "meter")
    other = await make_device(one, demo, "other")
    peers = [await connected(server, "meter") for server in servers]
    bystander = await connected(two, "other")

    await LOSSES[loss](one, device)
    done_at = time.monotonic()
    for peer in peers:
        await peer.expect_closed()

    assert time.monotonic() - done_at < SECOND
    assert two.services.sessions.is_open(device_owner(other.id))
    for peer in (*peers, bystander):
        await peer.close()
    for server in servers:
        assert await login(server, username=token_of("meter")) == 5
        assert not server.services.sessions.ids("device") & {device.id}


async def test_a_device_that_was_switched_on_again_is_welcome_at_every_server(
    servers: tuple[TestServer, TestServer],
) -> None:
    one, two = servers
    device = await make_device(one, await one.profile(), "meter")
    disabled = await one.services.devices.set_enabled(device, False, actor="test")
    assert await login(two, username=token_of("meter")) == 5

    await one.services.devices.set_enabled(disabled, True, actor="test")

    assert await login(two, username=token_of("meter")) == 0


async def test_a_poll_for_attributes_at_one_server_is_answered_by_a_change_at_the_other(
    servers: tuple[TestServer, TestServer],
) -> None:
    one, two = servers
    device = (await make_device(one, await one.profile(), "meter")).ref
    polling = asyncio.ensure_future(two.services.downlinks.next_update(device.id, 10))
    await asyncio.sleep(0)

    await one.services.attributes.save(device, Scope.SHARED, {"a": 1}, actor="test")

    assert await polling == AttributeUpdate({"a": 1})
