"""CL-12.4: hardware that proves a profile with a pool is given one of its devices (thinger.io contract 12.4)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.harness import REQUEST_TOPIC, TestServer, login, running
from tests.integration.pools.pool import MANY_FAILURES, Pool
from tests.integration.provisioning.fake_clock import FakeClock

from firstboot.model import ProfileLimits
from firstboot_plugins.transports.mqtt.packets import Connack, Connect, Publish

SUCCESS, FAILURE = "SUCCESS", "FAILURE"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def server(tmp_path: Path, clock: FakeClock, database: str | None) -> AsyncIterator[TestServer]:
    async with running(tmp_path, database=database, clock=clock.clock, provisioning=MANY_FAILURES) as started:
        yield started


async def token_of(pool: Pool, hardware_id: str) -> str:
    """Ask for a device; return its access token."""
    answer = await pool.ask(hardware_id)
    assert answer["status"] == SUCCESS
    token: str = answer["credentialsValue"]
    return token


async def test_a_hardware_gets_a_device_with_credentials_that_open_it(server: TestServer) -> None:
    pool = await Pool.make(server, 2)
    before = await server.device("m-1")
    assert before is not None
    assert not before.enabled

    token = await token_of(pool, "AABBCC")

    device = await server.device("m-1")
    assert device is not None
    assert (device.enabled, device.hardware_id, device.provision_state) == (True, "AABBCC", "provisioned")
    assert await login(server, username=token) == 0
    assert await pool.ready() == 1
    assert (await server.audit())[-1].entry.detail == "taken-from-pool"


async def test_an_empty_pool_refuses_and_says_so_to_the_operator(server: TestServer) -> None:
    pool = await Pool.make(server, 1)
    await token_of(pool, "one")

    assert (await pool.ask("two"))["status"] == FAILURE

    assert await pool.codes() == ["pool-empty"]


@pytest.mark.parametrize("hardware_id", [None, "x" * 65])
async def test_a_hardware_that_does_not_say_which_it_is_is_refused(
    server: TestServer, hardware_id: str | None
) -> None:
    pool = await Pool.make(server, 1)

    assert (await pool.ask(hardware_id))["status"] == FAILURE

    assert await pool.codes() == ["no-hardware-id"]
    assert await pool.ready() == 1


async def test_a_hardware_that_is_not_on_the_list_is_refused(server: TestServer) -> None:
    pool = await Pool.make(server, 2, hardware_ids=["AABBCC"])

    assert (await pool.ask("DDEEFF"))["status"] == FAILURE
    assert (await pool.ask("AABBCC"))["status"] == SUCCESS
    await pool.change(hardware_ids="any")
    assert (await pool.ask("DDEEFF"))["status"] == SUCCESS

    assert await pool.codes() == ["hardware-not-allowed"]


@pytest.mark.parametrize(("order", "expected"), [("fifo", ["b", "a"]), ("lowest", ["a", "b"])])
async def test_members_are_given_in_the_order_of_the_pool(
    server: TestServer, order: str, expected: list[str]
) -> None:
    pool = await Pool.make(server, order=order)
    await pool.add("b", "a")

    for hardware_id in ("one", "two"):
        await token_of(pool, hardware_id)

    assert [await pool.name_of("one"), await pool.name_of("two")] == expected


@pytest.mark.parametrize(("order", "others_get"), [("match", FAILURE), ("match_fifo", SUCCESS), ("fifo", SUCCESS)])
async def test_a_reserved_member_is_for_its_hardware_alone(
    server: TestServer, order: str, others_get: str
) -> None:
    pool = await Pool.make(server, order=order)
    await pool.reserve("mine", "AABBCC")
    await pool.add("free")

    assert (await pool.ask("DDEEFF"))["status"] == others_get
    assert (await pool.ask("112233"))["status"] == FAILURE
    assert (await pool.ask("AABBCC"))["status"] == SUCCESS

    assert await pool.name_of("AABBCC") == "mine"


# -- asking again ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rebind", "has_logged_in", "status"),
    [
        ("until_confirmed", False, SUCCESS),
        ("until_confirmed", True, FAILURE),
        ("always", False, SUCCESS),
        ("always", True, SUCCESS),
        ("never", False, FAILURE),
        ("never", True, FAILURE),
    ],
)
async def test_a_hardware_that_asks_again_gets_the_same_device_or_none(
    server: TestServer, rebind: str, has_logged_in: bool, status: str
) -> None:
    pool = await Pool.make(server, 2, rebind=rebind)
    first = await token_of(pool, "AABBCC")
    if has_logged_in:
        assert await login(server, username=first) == 0
        await server.core.commits.drain()

    again = await pool.ask("AABBCC")

    assert again["status"] == status
    assert (await pool.device_of("AABBCC")).name == "m-1"
    assert await pool.ready() == 1
    if status == SUCCESS:
        assert await login(server, username=again["credentialsValue"]) == 0
        assert await login(server, username=first) != 0
    else:
        assert await pool.codes() == ["already-provisioned"]


async def test_fresh_credentials_end_the_session_that_the_old_ones_opened(server: TestServer) -> None:
    pool = await Pool.make(server, 1, rebind="always")
    peer = await server.peer(Connect(4, "c", True, 60, username=await token_of(pool, "AABBCC")))
    assert (await peer.expect(Connack)).reason == 0

    await token_of(pool, "AABBCC")

    await peer.expect_closed()
    await peer.close()


async def test_a_hardware_that_brings_its_own_token_again_keeps_it(server: TestServer) -> None:
    pool = await Pool.make(server, 1)

    for _ in range(2):
        assert (await pool.ask("AABBCC", token="own-token"))["credentialsValue"] == "own-token"

    assert await login(server, username="own-token") == 0


async def test_an_answer_that_is_lost_loses_no_member(server: TestServer) -> None:
    """CL-12.4: the connection is cut before the answer is read; whoever asks again gets the same device."""
    pool = await Pool.make(server, 1)
    request = Publish(REQUEST_TOPIC, json.dumps(pool.profile.request("AABBCC")).encode(), qos=1, packet_id=7)
    for _ in range(3):
        peer = await server.provision_peer()
        await peer.send(request)
        await peer.receive()  # the acknowledgement or the answer: the one is written after the other
        await peer.close()

    token = await token_of(pool, "AABBCC")

    assert (await pool.device_of("AABBCC")).name == "m-1"
    assert await login(server, username=token) == 0


async def test_a_device_that_an_operator_has_switched_off_is_not_given_again(server: TestServer) -> None:
    pool = await Pool.make(server, 1)
    await token_of(pool, "AABBCC")
    await server.core.devices.set_enabled(await server.core.devices.get(1, "m-1"), False, actor="test")

    assert (await pool.ask("AABBCC"))["status"] == FAILURE

    assert await pool.codes() == ["device-disabled"]
    device = await pool.device_of("AABBCC")
    assert not device.enabled


# -- leases ----------------------------------------------------------------------------------------


async def test_a_lease_that_is_over_leaves_the_device_to_the_next_and_voids_what_the_first_has(
    server: TestServer, clock: FakeClock
) -> None:
    pool = await Pool.make(server, 1, lease=60)
    first = await token_of(pool, "one")
    clock.advance(60)
    assert (await pool.ask("two"))["status"] == FAILURE
    clock.advance(1)

    second = await token_of(pool, "two")

    assert await pool.holder_of("m-1") == "two"
    assert await login(server, username=first) != 0
    assert await login(server, username=second) == 0
    assert (await pool.ask("one"))["status"] == FAILURE


async def test_a_lease_begins_anew_with_each_answer(server: TestServer, clock: FakeClock) -> None:
    pool = await Pool.make(server, 1, lease=60)
    for _ in range(3):
        await token_of(pool, "one")
        clock.advance(60)

    assert (await pool.ask("two"))["status"] == FAILURE


async def test_a_device_that_has_logged_in_is_its_hardwares_for_good(server: TestServer, clock: FakeClock) -> None:
    pool = await Pool.make(server, 1, lease=60)
    token = await token_of(pool, "one")
    assert await login(server, username=token) == 0
    await server.core.commits.drain()

    clock.advance(10_000_000)

    assert (await pool.ask("two"))["status"] == FAILURE
    assert await login(server, username=token) == 0


async def test_who_comes_late_logs_in_as_long_as_nobody_took_the_device(
    server: TestServer, clock: FakeClock
) -> None:
    pool = await Pool.make(server, 1, lease=60)
    token = await token_of(pool, "one")
    clock.advance(1000)

    assert await login(server, username=token) == 0
    await server.core.commits.drain()

    assert (await pool.ask("two"))["status"] == FAILURE


async def test_a_lease_without_an_end_has_none(server: TestServer, clock: FakeClock) -> None:
    pool = await Pool.make(server, 1, lease=0)
    await token_of(pool, "one")

    clock.advance(10_000_000)

    assert (await pool.ask("two"))["status"] == FAILURE


# -- making more -----------------------------------------------------------------------------------


async def test_an_empty_pool_makes_more_devices_if_it_shall(server: TestServer) -> None:
    pool = await Pool.make(server, 1, on_empty="create", id_pattern="new-{seq:03d}")
    await server.profile("other")
    tokens = [await token_of(pool, f"hw-{number}") for number in range(3)]

    names = [await pool.name_of(f"hw-{number}") for number in range(3)]

    assert names == ["m-1", "new-002", "new-003"]
    assert [await login(server, username=token) for token in tokens] == [0, 0, 0]
    assert (await pool.ask("hw-1"))["status"] == FAILURE  # it has logged in
    assert await pool.codes() == ["already-provisioned"]


async def test_a_name_may_be_made_of_the_hardwares_id_and_another_devices_name_is_not_taken(
    server: TestServer,
) -> None:
    pool = await Pool.make(server, on_empty="create", id_pattern="new-{hw}")
    other = await server.profile("other")
    await server.post(other.request("new-taken"))

    assert (await pool.ask("fine"))["status"] == SUCCESS
    assert (await pool.ask("taken"))["status"] == FAILURE

    assert await pool.name_of("fine") == "new-fine"
    assert await pool.codes() == ["name-taken"]


async def test_a_name_that_is_taken_is_passed_over(server: TestServer) -> None:
    other = await server.profile("other")
    for number in (1, 2):
        await server.post(other.request(f"new-{number}"))
    pool = await Pool.make(server, on_empty="create", id_pattern="new-{seq}")

    await token_of(pool, "AABBCC")

    assert await pool.name_of("AABBCC") == "new-3"


async def test_a_made_device_that_never_logs_in_is_the_next_ones(server: TestServer, clock: FakeClock) -> None:
    limits = ProfileLimits(max_devices=1)
    pool = await Pool.make(server, fields={"limits": limits}, on_empty="create", id_pattern="new-{seq}", lease=60)
    await token_of(pool, "one")
    assert (await pool.ask("two"))["status"] == FAILURE
    clock.advance(61)

    await token_of(pool, "two")

    assert await pool.name_of("two") == "new-1"
    assert await pool.codes() == ["device-limit"]


# -- limits ----------------------------------------------------------------------------------------


async def test_pv_3_the_rate_of_the_profile_counts_devices_that_are_given_for_the_first_time(
    server: TestServer, clock: FakeClock
) -> None:
    pool = await Pool.make(server, 5, fields={"limits": ProfileLimits(max_per_minute=2)})
    for hardware_id in ("one", "two", "two", "one"):
        await token_of(pool, hardware_id)

    assert (await pool.ask("three"))["status"] == FAILURE

    assert await pool.codes() == ["rate-limit"]
    assert await pool.ready() == 3
    clock.advance(60)
    await token_of(pool, "three")
