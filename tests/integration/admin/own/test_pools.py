"""Pools over Firstboot's own calls."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx2
import pytest
from tests.harness import login
from tests.integration.admin.own.customers import OURS, problem
from tests.integration.admin.world import House, World

DEFAULTS = {
    "order": "fifo", "leaseMs": 600_000, "onEmpty": "fail", "idPattern": None, "rebind": "until_confirmed",
    "hardwareIds": None, "deviceCount": 1, "ready": 0,
}  # fmt: skip


def of(house: House) -> str:
    return f"{OURS}/profiles/{house.profile.public_id}/pool"


@pytest.fixture
async def pool(admin: httpx2.AsyncClient, house: House) -> str:
    """Return the address of a pool."""
    answer = await admin.patch(of(house), json={})
    assert answer.status_code == 200
    return of(house)


async def test_a_profile_without_a_pool_has_none(admin: httpx2.AsyncClient, house: House) -> None:
    assert problem(await admin.get(of(house))) == (400, "invalid-value")
    assert problem(await admin.post(f"{of(house)}/members", json={"count": 1})) == (400, "invalid-value")


async def test_a_profile_becomes_a_pool_and_keeps_its_device(
    admin: httpx2.AsyncClient, house: House, world: World
) -> None:
    changed = await admin.patch(of(house), json={})

    assert changed.json() == DEFAULTS
    assert (await admin.get(of(house))).json() == DEFAULTS
    profile = await world.services.profiles.by_public_id(house.tenant.id, house.profile.public_id)
    assert profile.strategy == "pool"
    assert (await world.server.audit())[-1].entry.event == "pool-changed"


@pytest.mark.parametrize(
    "change",
    [
        {"order": "match", "leaseMs": 0, "rebind": "always"},
        {"onEmpty": "create", "idPattern": "m-{hw}"},
        {"hardwareIds": ["A", "B"]},
        {"hardwareIds": []},
    ],
)
async def test_options_are_changed_one_by_one(
    admin: httpx2.AsyncClient, pool: str, change: dict[str, Any]
) -> None:
    changed = await admin.patch(pool, json=change)

    assert changed.json() == {**DEFAULTS, **change}


async def test_options_are_taken_away_with_null(admin: httpx2.AsyncClient, pool: str) -> None:
    await admin.patch(pool, json={"hardwareIds": ["A"], "idPattern": "m-{seq}"})

    changed = await admin.patch(pool, json={"hardwareIds": None, "idPattern": None})

    assert changed.json() == DEFAULTS


@pytest.mark.parametrize(
    "change",
    [
        {"order": "first"},
        {"leaseMs": -1},
        {"leaseMs": 1},
        {"onEmpty": "create"},
        {"idPattern": "m"},
        {"hardwareIds": ["x" * 65]},
        {"hardwareIds": [" "]},
        {"template": {}},
    ],
)
async def test_options_that_make_no_pool_are_refused(
    admin: httpx2.AsyncClient, pool: str, change: dict[str, Any]
) -> None:
    answer = await admin.patch(pool, json=change)

    assert answer.status_code == 400
    assert (await admin.get(pool)).json() == DEFAULTS


async def test_a_pool_is_filled_with_a_number_and_listed_in_parts(admin: httpx2.AsyncClient, pool: str) -> None:
    filled = await admin.post(f"{pool}/members", json={"count": 5, "idPattern": "m-{seq:03d}"})

    assert filled.json() == {"added": 5, "ready": 5, "failed": []}
    names, cursor = [], None
    for _ in range(3):
        query = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = (await admin.get(f"{pool}/members", params=query)).json()
        names += [(each["name"], each["state"]) for each in page["members"]]
        cursor = page["cursor"]
    assert cursor is None
    assert names == [(f"m-{number:03}", "ready") for number in range(2, 7)]  # the house has a device already


async def test_a_pool_is_filled_by_its_own_pattern(admin: httpx2.AsyncClient, pool: str) -> None:
    assert problem(await admin.post(f"{pool}/members", json={"count": 1})) == (400, "invalid-value")
    await admin.patch(pool, json={"idPattern": "m-{seq}"})

    assert (await admin.post(f"{pool}/members", json={"count": 1})).json()["added"] == 1


async def test_devices_of_a_list_succeed_or_fail_alone(admin: httpx2.AsyncClient, pool: str, house: House) -> None:
    devices = [
        {"name": "m-1", "hardwareId": "AABBCC"},
        {"name": house.device.name},
        {"name": "m-2", "hardwareId": "AABBCC"},
        {"name": "<script>"},
        {"name": "m-3"},
    ]

    filled = (await admin.post(f"{pool}/members", json={"devices": devices})).json()

    assert (filled["added"], filled["ready"]) == (2, 2)
    assert [each["name"] for each in filled["failed"]] == [house.device.name, "m-2", "<script>"]
    listed = (await admin.get(f"{pool}/members")).json()["members"]
    assert [(each["name"], each["hardwareId"], each["reserved"]) for each in listed] == [
        ("m-1", "AABBCC", True), ("m-3", None, False),
    ]  # fmt: skip


@pytest.mark.parametrize("body", [{}, {"count": 1, "devices": [{"name": "m"}]}, {"count": 0}, {"devices": []}])
async def test_a_filling_is_a_number_or_a_list(admin: httpx2.AsyncClient, pool: str, body: dict[str, Any]) -> None:
    assert (await admin.post(f"{pool}/members", json=body)).status_code == 400


async def test_a_device_is_returned_to_its_pool_and_what_it_had_is_void(
    admin: httpx2.AsyncClient, pool: str, house: House, world: World
) -> None:
    await admin.post(f"{pool}/members", json={"devices": [{"name": "m-1"}]})
    profile = await world.services.profiles.by_public_id(house.tenant.id, house.profile.public_id)
    rotated = await world.services.profiles.rotate_secret(profile, grace=timedelta(), secret=None, actor="test")
    await world.services.provisioning.reload_profiles()
    given = await world.server.post(
        {
            "deviceName": "AABBCC",
            "provisionDeviceKey": rotated.profile.provision_key,
            "provisionDeviceSecret": rotated.secret.reveal(),
        }
    )
    member = (await admin.get(f"{pool}/members")).json()["members"][0]
    assert (given["status"], member["state"], member["hardwareId"]) == ("SUCCESS", "leased", "AABBCC")

    answer = await admin.post(f"{OURS}/devices/{member['deviceId']}/return-to-pool")

    assert answer.status_code == 204
    (again,) = (await admin.get(f"{pool}/members")).json()["members"]
    assert (again["state"], again["hardwareId"], again["leasedAtMs"]) == ("ready", None, None)
    assert await login(world.server, username=given["credentialsValue"]) != 0
    assert not (await world.services.devices.get(house.tenant.id, "m-1")).enabled


async def test_a_device_of_no_pool_cannot_be_returned(
    admin: httpx2.AsyncClient, house: House, world: World
) -> None:
    before = await world.services.devices.credentials(house.device)

    answer = await admin.post(f"{OURS}/devices/{house.device.public_id}/return-to-pool")

    assert problem(answer) == (404, "not-found")
    assert await world.services.devices.credentials(house.device) == before
