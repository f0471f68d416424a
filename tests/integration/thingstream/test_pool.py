"""A Thingstream profile whose devices were prepared: hardware is given one of the pool."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from tests.integration.thingstream.fleet import IMEI, Fleet

from firstboot.credentials import nobodys_credentials
from firstboot.devices import DeviceDraft


@pytest.fixture
async def token(each_fleet: Fleet) -> str:
    """Return the token of a profile with a pool of two devices."""
    made = await each_fleet.profile()
    core = each_fleet.server.core
    profile = await core.profiles.get(1, made.name)
    profile = await core.profiles.update(replace(profile, strategy="pool"), actor="test")
    drafts = [(DeviceDraft(name=name, credentials=nobodys_credentials()), None) for name in ("one", "two")]
    await core.pools.fill(profile, drafts, actor="test")
    await each_fleet.server.services.provisioning.reload_profiles()
    return made.token


async def test_each_hardware_gets_a_prepared_device_and_nobody_one_more(each_fleet: Fleet, token: str) -> None:
    codes = [f"{IMEI}{number}" for number in range(5)]

    answers = await asyncio.gather(*(each_fleet.ask({"token": token, "hardwareId": code}) for code in codes))

    told = [answer.json() for answer in answers if answer.status_code == 200]
    refused = [(answer.status_code, answer.text) for answer in answers if answer.status_code != 200]
    assert len({each["clientId"] for each in told}) == 2
    assert refused == [(403, "Device limit reached")] * 3
    assert [await each_fleet.login(each) for each in told] == [0, 0]
    devices = [await each_fleet.server.device(name) for name in ("one", "two")]
    assert {f"device:{each.public_id}" for each in devices if each is not None} == {
        each["clientId"] for each in told
    }


async def test_a_lost_answer_costs_no_device(each_fleet: Fleet, token: str) -> None:
    first = await each_fleet.get(token, hardwareId=IMEI)

    second = await each_fleet.get(token, hardwareId=IMEI)

    assert second["clientId"] == first["clientId"]
    assert await each_fleet.login(second) == 0


async def test_without_a_hardware_code_a_pool_gives_nothing(each_fleet: Fleet, token: str) -> None:
    assert await each_fleet.refused({"token": token}) == (400, "Hardware code is mandatory")
