"""CL-12.4: many at once over every transport; nobody shares a device, and none is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from tests.harness import TestServer, login, running
from tests.integration.pools.pool import MANY_FAILURES, Answer, Pool, ask_all, tokens

MEMBERS, CLAIMANTS = 10, 30
SAME = 20


@pytest.fixture
async def server(tmp_path: Path, database: str | None) -> AsyncIterator[TestServer]:
    async with running(tmp_path, database=database, provisioning=MANY_FAILURES) as started:
        yield started


async def ask_over_everything(pool: Pool, hardware: Sequence[str]) -> list[Answer]:
    """Let hardware ask at the same time: a third of it over each of MQTT, HTTP and CoAP."""
    peers = [await pool.server.provision_peer() for _ in hardware[0::3]]
    over_http, *others = await asyncio.gather(
        ask_all(*((pool, hardware_id) for hardware_id in hardware[1::3])),
        *(
            peer.provision(pool.profile.request(hardware_id))
            for peer, hardware_id in zip(peers, hardware[0::3], strict=True)
        ),
        *(pool.ask_over_coap(hardware_id) for hardware_id in hardware[2::3]),
    )
    await asyncio.gather(*(peer.close() for peer in peers))
    return [*over_http, *others]


async def assert_each_has_its_own(pool: Pool, answers: Sequence[Answer], members: int) -> None:
    """Check that as many as there are members got one, each another one, and that it opens it."""
    given = tokens(answers)
    assert len(given) == members
    assert [await login(pool.server, username=token) for token in given] == [0] * members
    holders = [member.hardware_id for member in await pool.members()]
    assert None not in holders
    assert len(set(holders)) == members
    assert await pool.ready() == 0


@pytest.mark.parametrize("order", ["fifo", "lowest", "random"])
async def test_more_claimants_than_members_get_exactly_the_members(server: TestServer, order: str) -> None:
    """CL-14.8."""
    pool = await Pool.make(server, MEMBERS, order=order)

    answers = await ask_over_everything(pool, [f"hw-{number}" for number in range(CLAIMANTS)])

    await assert_each_has_its_own(pool, answers, MEMBERS)
    assert await pool.codes() == ["pool-empty"] * (CLAIMANTS - MEMBERS)


async def test_two_servers_give_away_one_pool(two_servers: Sequence[TestServer]) -> None:
    pool = await Pool.make(two_servers[0], MEMBERS)
    await two_servers[1].services.provisioning.reload_profiles()
    both = [pool.at(server) for server in two_servers]

    answers = await ask_all(*((both[number % 2], f"hw-{number}") for number in range(CLAIMANTS)))

    await assert_each_has_its_own(pool, answers, MEMBERS)


async def test_a_pool_that_makes_devices_makes_each_claimant_one(server: TestServer) -> None:
    pool = await Pool.make(server, MEMBERS, on_empty="create", id_pattern="m-{seq}")

    answers = await ask_over_everything(pool, [f"hw-{number}" for number in range(CLAIMANTS)])

    await assert_each_has_its_own(pool, answers, CLAIMANTS)


async def test_two_servers_that_make_devices_name_each_of_them_differently(
    two_servers: Sequence[TestServer],
) -> None:
    pool = await Pool.make(two_servers[0], on_empty="create", id_pattern="m-{seq}")
    await two_servers[1].services.provisioning.reload_profiles()
    both = [pool.at(server) for server in two_servers]

    answers = await ask_all(*((both[number % 2], f"hw-{number}") for number in range(CLAIMANTS)))

    await assert_each_has_its_own(pool, answers, CLAIMANTS)


@pytest.mark.parametrize("options", [{}, {"on_empty": "create", "id_pattern": "new-{seq}"}], ids=["given", "made"])
async def test_one_hardware_that_asks_many_times_at_once_never_has_two(
    server: TestServer, options: dict[str, str]
) -> None:
    """CL-12.4: whoever is not answered with the device is told that it may try again."""
    pool = await Pool.make(server, 0 if options else 5, **options)

    answers = await ask_over_everything(pool, ["AABBCC"] * SAME)

    device = await pool.device_of("AABBCC")
    assert len(await pool.members()) == (1 if options else 5)
    assert set(await pool.codes()) <= {"try-again"}
    opened = [await login(server, username=token) for token in tokens(answers)]
    assert opened.count(0) == 1  # the last one that was given
    assert (await server.core.devices.get(1, device.name)).enabled


async def test_one_hardware_at_two_servers_at_once_never_has_two(two_servers: Sequence[TestServer]) -> None:
    pool = await Pool.make(two_servers[0], 5)
    await two_servers[1].services.provisioning.reload_profiles()
    both = [pool.at(server) for server in two_servers]

    answers = await ask_all(*((both[number % 2], "AABBCC") for number in range(SAME)))

    assert (await pool.device_of("AABBCC")).name == "m-1"
    assert await pool.ready() == 4
    assert [await login(two_servers[0], username=token) for token in tokens(answers)].count(0) == 1


async def test_with_rebind_never_one_of_many_requests_is_answered(server: TestServer) -> None:
    pool = await Pool.make(server, 5, rebind="never")

    answers = await ask_over_everything(pool, ["AABBCC"] * SAME)

    (token,) = tokens(answers)
    assert await login(server, username=token) == 0
    assert set(await pool.codes()) == {"already-provisioned"}
