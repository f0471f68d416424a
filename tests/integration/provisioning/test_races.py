"""PV-5: many ask at the same time for what only one can have. Unique indexes decide, not a look beforehand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.harness import TestServer, login, running
from tests.integration.provisioning.asking import Answer, ask_all, pre_provision, refusals, statuses

from firstboot.model import Credentials, ProfileLimits
from firstboot.storage import DeviceQuery

ASKERS = 50


@pytest.fixture
async def server(tmp_path: Path, database: str | None) -> AsyncIterator[TestServer]:
    settings = {"failures_per_minute": 10_000}
    async with running(tmp_path, database=database, provisioning=settings) as started:
        yield started


async def devices(server: TestServer) -> list[str]:
    return [device.name for device in await server.core.devices.list(DeviceQuery(tenant_id=1, limit=1000))]


def assert_one_winner(answers: Sequence[Answer]) -> Any:
    """Return the credentials of the only SUCCESS."""
    assert sorted(statuses(answers)) == ["FAILURE"] * (len(answers) - 1) + ["SUCCESS"]
    return next(answer for answer in answers if answer["status"] == "SUCCESS")["credentialsValue"]


async def test_pv_5_one_name_over_mqtt_and_http_at_once_has_one_winner(server: TestServer) -> None:
    demo = await server.profile()
    peers = [await server.provision_peer() for _ in range(ASKERS)]

    for number in range(3):
        request = demo.request(f"meter-{number}")
        over_http, *over_mqtt = await asyncio.gather(
            ask_all(*[(server, request)] * ASKERS), *(peer.provision(request) for peer in peers)
        )
        token = assert_one_winner([*over_http, *over_mqtt])
        assert await login(server, username=token) == 0

    assert await devices(server) == ["meter-0", "meter-1", "meter-2"]
    assert {*await refusals(server)} == {"name-taken"}
    await asyncio.gather(*(peer.close() for peer in peers))


async def test_pv_5_one_token_under_many_names_has_one_winner(server: TestServer) -> None:
    demo = await server.profile()

    answers = await ask_all(
        *((server, demo.request(f"meter-{number}", token="one-token")) for number in range(ASKERS))
    )

    assert assert_one_winner(answers) == "one-token"
    assert len(await devices(server)) == 1
    assert await refusals(server) == ["token-in-use"] * (ASKERS - 1)


async def test_pv_5_one_pre_provisioned_device_asked_for_many_times_has_one_winner(server: TestServer) -> None:
    waiting = await server.profile(strategy="check-pre-provisioned")
    await pre_provision(server, waiting, "meter", Credentials("ACCESS_TOKEN", "given-token"))

    answers = await ask_all(*[(server, waiting.request("meter"))] * ASKERS)

    assert assert_one_winner(answers) == "given-token"
    assert await refusals(server) == ["already-provisioned"] * (ASKERS - 1)


async def test_pv_5_a_re_opened_name_asked_for_many_times_has_one_winner(server: TestServer) -> None:
    demo = await server.profile()
    await server.post(demo.request("meter"))
    await server.core.devices.reopen(await server.core.devices.get(1, "meter"), actor="test")

    answers = await ask_all(*[(server, demo.request("meter"))] * ASKERS)

    assert await login(server, username=assert_one_winner(answers)) == 0


async def test_pv_3_of_many_at_once_exactly_as_many_succeed_as_the_profile_may_have(server: TestServer) -> None:
    few = await server.profile("few", limits=ProfileLimits(max_devices=7))
    slow = await server.profile("slow", limits=ProfileLimits(max_per_minute=7))

    by_count = await ask_all(*((server, few.request(f"c-{number}")) for number in range(ASKERS)))
    by_rate = await ask_all(*((server, slow.request(f"r-{number}")) for number in range(ASKERS)))

    assert statuses(by_count).count("SUCCESS") == 7
    assert statuses(by_rate).count("SUCCESS") == 7
    assert len(await devices(server)) == 14
    assert await refusals(server) == ["device-limit"] * (ASKERS - 7) + ["rate-limit"] * (ASKERS - 7)


async def test_pv_5_two_servers_on_one_database_have_one_winner(two_servers: Sequence[TestServer]) -> None:
    one, other = two_servers
    demo = await one.profile(limits=ProfileLimits(max_devices=3))
    await other.services.provisioning.reload_profiles()

    for number in range(5):
        request = demo.request(f"meter-{number}")
        answers = await ask_all(*[(one, request), (other, request)] * (ASKERS // 2))
        if number < 3:
            token = assert_one_winner(answers)
            assert await login(one, username=token) == await login(other, username=token) == 0
        else:
            assert {*statuses(answers)} == {"FAILURE"}, "the bound holds for both together"

    assert await devices(one) == ["meter-0", "meter-1", "meter-2"]


async def test_pv_5_one_token_on_two_servers_has_one_winner(two_servers: Sequence[TestServer]) -> None:
    one, other = two_servers
    demo = await one.profile()
    await other.services.provisioning.reload_profiles()

    answers = await ask_all(
        *((two_servers[number % 2], demo.request(f"m-{number}", token="t")) for number in range(ASKERS))
    )

    assert assert_one_winner(answers) == "t"


async def test_pv_5_one_pre_provisioned_device_on_two_servers_has_one_winner(
    two_servers: Sequence[TestServer],
) -> None:
    one, other = two_servers
    waiting = await one.profile(strategy="check-pre-provisioned")
    await other.services.provisioning.reload_profiles()
    await pre_provision(one, waiting, "meter", Credentials("ACCESS_TOKEN", "given-token"))

    answers = await ask_all(*[(one, waiting.request("meter")), (other, waiting.request("meter"))] * 25)

    assert assert_one_winner(answers) == "given-token"
