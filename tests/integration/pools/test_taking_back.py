"""Operators take devices back, on a running server; and leases that end while somebody is connected."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.harness import TestServer, firstboot, login, running, server_process
from tests.integration.pools.pool import MANY_FAILURES, Pool
from tests.integration.provisioning.fake_clock import FakeClock

from firstboot.errors import NotFound
from firstboot.model import Device
from firstboot.pool_names import read_pattern
from firstboot_plugins.transports.mqtt.packets import Connack, Connect

THOUSANDS = 10_000


@pytest.fixture
async def server(tmp_path: Path, database: str | None) -> AsyncIterator[TestServer]:
    async with running(tmp_path, database=database, provisioning=MANY_FAILURES) as started:
        yield started


async def test_a_released_device_ends_its_session_and_goes_to_the_next(server: TestServer) -> None:
    pool = await Pool.make(server, 1)
    token = (await pool.ask("one"))["credentialsValue"]
    peer = await server.peer(Connect(4, "c", True, 60, username=token))
    assert (await peer.expect(Connack)).reason == 0
    assert (await pool.ask("two"))["status"] == "FAILURE"

    await server.services.pools.release(await server.core.devices.get(1, "m-1"), actor="test")

    await peer.expect_closed()
    await peer.close()
    assert await login(server, username=token) != 0
    fresh = (await pool.ask("two"))["credentialsValue"]
    assert await login(server, username=fresh) == 0
    assert await login(server, username=token) != 0
    events = [row.entry.event for row in await server.audit()]
    assert events.index("credentials-revoked") < events.index("pool-member-released")


async def test_a_reserved_device_goes_back_to_its_hardware(server: TestServer) -> None:
    pool = await Pool.make(server)
    await pool.reserve("mine", "AABBCC")
    await pool.ask("AABBCC")

    await server.services.pools.release(await server.core.devices.get(1, "mine"), actor="test")

    assert (await pool.ask("other"))["status"] == "FAILURE"
    assert (await pool.ask("AABBCC"))["status"] == "SUCCESS"


async def test_a_device_in_no_pool_keeps_what_it_has(server: TestServer) -> None:
    other = await server.profile("other")
    token = (await server.post(other.request("plain")))["credentialsValue"]

    with pytest.raises(NotFound, match="in no pool"):
        await server.services.pools.release(await server.core.devices.get(1, "plain"), actor="test")

    assert await login(server, username=token) == 0


async def test_a_session_that_began_as_the_lease_ended_is_not_left_open(tmp_path: Path) -> None:
    """The first one logs in, and before that is written the device goes to the next."""
    clock = FakeClock()
    async with running(tmp_path, clock=clock.clock, provisioning=MANY_FAILURES) as server:
        pool = await Pool.make(server, 1, lease=60)
        token = (await pool.ask("one"))["credentialsValue"]
        recording = server.services.logins.record

        async def never(match: object) -> None:
            """Stand for a login that is not written yet."""

        server.services.logins.record = never  # type: ignore[method-assign]
        peer = await server.peer(Connect(4, "c", True, 60, username=token))
        assert (await peer.expect(Connack)).reason == 0
        server.services.logins.record = recording  # type: ignore[method-assign]
        clock.advance(61)

        assert (await pool.ask("two"))["status"] == "SUCCESS"

        await peer.expect_closed()
        await peer.close()


async def test_ten_thousand_devices_are_added_at_once_and_each_is_ready(server: TestServer) -> None:
    pool = await Pool.make(server)

    added = await server.services.pools.fill_by_pattern(
        pool.profile.profile, read_pattern("m-{seq:05d}"), THOUSANDS, actor="test"
    )

    assert sum(isinstance(each, Device) for each in added) == THOUSANDS
    assert await pool.ready() == THOUSANDS
    assert (await pool.ask("AABBCC"))["status"] == "SUCCESS"
    assert await pool.name_of("AABBCC") == "m-00001"


def test_a_running_server_gives_what_a_command_adds_and_takes_what_it_releases(tmp_path: Path) -> None:
    with server_process(tmp_path) as process:

        def pool(*arguments: str) -> str:
            return firstboot(process.environment, "pool", *arguments).stdout

        made = json.loads(pool("create", "meters", "--json"))
        pool("fill", "meters", "m-1")

        def ask(hardware_id: str) -> str:
            request = {
                "deviceName": hardware_id,
                "provisionDeviceKey": made["provision_key"],
                "provisionDeviceSecret": made["provision_secret"],
            }
            url = f"http://127.0.0.1:{process.http_port}/api/v1/provision"
            with urllib.request.urlopen(url, json.dumps(request).encode(), 30) as response:
                status: str = json.loads(response.read())["status"]
            return status

        assert [ask("one"), ask("two")] == ["SUCCESS", "FAILURE"]
        pool("release", "meters", "m-1")
        assert [ask("two"), ask("one")] == ["SUCCESS", "FAILURE"]
