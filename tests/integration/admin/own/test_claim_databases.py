"""What customers do that depends on what a database does, on each kind of database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from tests.integration.admin.own.customers import (
    MINE,
    OURS,
    PASSWORD,
    a_device,
    claimed,
    counted,
    for_sale,
    names,
    problem,
    read_again,
    sign_up,
)
from tests.integration.admin.world import House, World, world_of


@pytest.fixture
async def world(tmp_path: Path, database: str | None) -> AsyncIterator[World]:
    """Run a server whose default tenant is open to everybody."""
    async with world_of(tmp_path, database=database, claiming={"sign_up": ["default"]}) as made:
        yield made


@pytest.fixture
async def house(world: World) -> House:
    return await world.house("aardvark", "default")


async def test_a_long_list_goes_on_behind_its_cursor_also_when_devices_leave_it(
    world: World, house: House, ada: httpx2.AsyncClient
) -> None:
    made = [await a_device(world, house, f"d{number}", house.customer) for number in range(5)]

    first = (await ada.get(MINE, params={"limit": 2})).json()
    await ada.post(f"{MINE}/{made[0].public_id}/release")
    second = (await ada.get(MINE, params={"limit": 2, "cursor": first["cursor"]})).json()
    third = (await ada.get(MINE, params={"limit": 9, "cursor": second["cursor"]})).json()

    listed = [[each["name"] for each in page["devices"]] for page in (first, second, third)]
    assert listed == [[house.device.name, "d0"], ["d1", "d2"], ["d3", "d4"]]
    assert third["cursor"] is None


async def test_a_change_of_the_label_leaves_what_an_administrator_changes_meanwhile(
    world: World, house: House, ada: httpx2.AsyncClient
) -> None:
    admin = await world.person(house.admin)
    path = f"/api/firstboot/devices/{house.device.public_id}"

    answers = await asyncio.gather(
        *(ada.patch(f"{MINE}/{house.device.public_id}", json={"label": f"l{n}"}) for n in range(10)),
        admin.post(f"{path}/disable"),
    )

    assert [each.status_code for each in answers] == [200] * 11
    stored = await read_again(world, house.device)
    assert (stored.enabled, str(stored.label)[:1]) == (False, "l")


async def test_an_offered_device_goes_to_the_next_owner_without_a_gap(
    world: World, house: House, ada: httpx2.AsyncClient, bob: httpx2.AsyncClient
) -> None:
    path = f"{MINE}/{house.device.public_id}"

    offered = (await ada.post(f"{path}/offer")).json()
    still = await names(ada)
    wrong = await claimed(bob, house.device.name, "another")
    own = await claimed(ada, house.device.name, offered["secretKey"])
    got = await claimed(bob, house.device.name, offered["secretKey"])

    assert (len(offered["secretKey"]), still) == (16, [house.device.name])
    assert problem(wrong) == (403, "wrong-secret")
    assert problem(own) == (409, "already-yours")
    assert got.status_code == 200
    assert (await names(ada), await names(bob)) == ([], [house.device.name])
    events = [row.entry.event for row in await world.server.audit() if row.entry.device == house.device.name]
    assert "device-released" not in events
    assert events[-1] == "device-transferred"


async def test_an_account_and_its_first_device_are_made_together(world: World, house: House) -> None:
    device = await for_sale(world, house, "d1")
    customers, users = await counted(world, house)

    answer = await sign_up(world, "d1", email="Eve@Example.com")

    login = {"username": "eve@example.com", "password": PASSWORD}
    token = (await world.nobody.post("/api/auth/login", json=login)).json()["token"]
    me = {"X-Authorization": f"Bearer {token}"}
    mine = (await world.nobody.get(f"{OURS}/my/devices", headers=me)).json()["devices"]
    assert answer.status_code == 200
    assert answer.json()["device"]["id"] == str(device.public_id)
    assert [each["name"] for each in mine] == ["d1"]
    assert await counted(world, house) == (customers + 1, users + 1)


async def test_cm_5_many_who_sign_up_with_one_device_make_one_account(world: World, house: House) -> None:
    device = await for_sale(world, house, "d1")
    customers, users = await counted(world, house)

    answers = await asyncio.gather(
        *(sign_up(world, "d1", email=f"eve{number}@example.com") for number in range(12))
    )

    won = [each for each in answers if each.status_code == 200]
    assert len(won) == 1
    assert {problem(each)[1] for each in answers if each.status_code != 200} <= {"already-claimed", "locked"}
    assert await counted(world, house) == (customers + 1, users + 1)
    assert (await read_again(world, device)).customer_id is not None
