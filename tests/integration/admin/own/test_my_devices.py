"""What customers do with devices that they own."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from tests.integration.admin.own.customers import (
    CLAIMS,
    MINE,
    a_device,
    claimed,
    for_sale,
    names,
    problem,
    read_again,
)
from tests.integration.admin.world import House, World, world_of
from tests.integration.provisioning.fake_clock import FakeClock

CALLS: tuple[tuple[str, str, Any], ...] = (
    ("PATCH", "", {"label": "taken over"}),
    ("POST", "/release", None),
    ("POST", "/offer", None),
    ("DELETE", "/offer", None),
)


async def test_a_customer_s_devices_are_listed_and_nobody_else_s(
    world: World, house: House, ada: httpx2.AsyncClient, bob: httpx2.AsyncClient
) -> None:
    other = await world.house("baboon")
    await for_sale(world, house, "d1")
    await a_device(world, house, "free")
    await claimed(bob, "d1")

    assert await names(ada) == [house.device.name]
    assert await names(bob) == ["d1"]
    assert await names(await world.person(other.other_user)) == []


async def test_tn_3_a_cursor_of_another_list_is_refused(
    world: World, house: House, ada: httpx2.AsyncClient
) -> None:
    admin = await world.person(house.admin)
    cursor = (await admin.get("/api/firstboot/devices", params={"limit": 1})).json()["cursor"]

    for made_up in (cursor, "x", ""):
        assert (await ada.get(MINE, params={"cursor": made_up})).status_code == 400


async def test_an_owner_gives_a_device_a_name_of_his_own(
    world: World, house: House, ada: httpx2.AsyncClient
) -> None:
    path = f"{MINE}/{house.device.public_id}"

    named = await ada.patch(path, json={"label": " Keller "})
    stored = await read_again(world, house.device)
    cleared = await ada.patch(path, json={"label": None})

    assert named.json()["device"]["label"] == "Keller"
    assert (stored.label, stored.name, stored.customer_id) == ("Keller", house.device.name, house.customer.id)
    assert cleared.json()["device"]["label"] is None


async def test_ht_7_a_label_that_is_dangerous_to_show_is_refused(
    world: World, house: House, ada: httpx2.AsyncClient
) -> None:
    labels: tuple[Any, ...] = "x" * 256, "<script>alert(1)</script>", "a\nb", "a\u202eb", 1, ["a"]

    for label in labels:
        answer = await ada.patch(f"{MINE}/{house.device.public_id}", json={"label": label})
        assert problem(answer)[0] == 400, label
    assert (await read_again(world, house.device)).label is None


async def test_lg_8_nothing_but_the_label_is_the_owner_s_to_change(house: House, ada: httpx2.AsyncClient) -> None:
    for more in ({"name": "x"}, {"customerId": None}, {"enabled": False}, {"profile": "x"}):
        answer = await ada.patch(f"{MINE}/{house.device.public_id}", json={"label": "a", **more})
        assert problem(answer)[0] == 400
    assert problem(await ada.patch(f"{MINE}/{house.device.public_id}", json={}))[0] == 400


async def test_cm_6_what_is_not_one_s_own_is_not_there(
    world: World, house: House, ada: httpx2.AsyncClient, bob: httpx2.AsyncClient, subtests: pytest.Subtests
) -> None:
    """A neighbour, another tenant's customer, and the former owner; a device that is free; none at all."""
    stranger = await world.person((await world.house("baboon")).user)
    free = await a_device(world, house, "free")
    given_back = await a_device(world, house, "given back", house.customer)
    await ada.post(f"{MINE}/{given_back.public_id}/release")
    kept = [await read_again(world, each) for each in (house.device, free, given_back)]

    for person, public_id in (
        (bob, house.device.public_id),
        (stranger, house.device.public_id),
        (ada, free.public_id),
        (ada, given_back.public_id),
        (ada, uuid4()),
    ):
        for method, more, body in CALLS:
            with subtests.test(f"{method} {more}"):
                answer = await person.request(method, f"{MINE}/{public_id}{more}", json=body)
                assert problem(answer) == (404, "not-found")
    assert [await read_again(world, each) for each in (house.device, free, given_back)] == kept


async def test_a_released_device_is_nobody_s_and_not_open(
    world: World, house: House, ada: httpx2.AsyncClient, bob: httpx2.AsyncClient
) -> None:
    device = await for_sale(world, house, "d1")
    await claimed(ada, "d1")

    released = await ada.post(f"{MINE}/{device.public_id}/release")

    assert (released.status_code, released.content) == (204, b"")
    assert (await read_again(world, device)).customer_id is None
    assert problem(await claimed(bob, "d1")) == (403, "not-open")


async def test_an_offer_is_good_once_and_the_new_owner_keeps_the_device(
    house: House, ada: httpx2.AsyncClient, bob: httpx2.AsyncClient
) -> None:
    offered = (await ada.post(f"{MINE}/{house.device.public_id}/offer")).json()
    await claimed(bob, house.device.name, offered["secretKey"])

    again = await claimed(ada, house.device.name, offered["secretKey"])

    assert problem(again) == (409, "already-claimed")
    assert await names(bob) == [house.device.name]


async def test_an_offer_is_typed_as_people_type(
    house: House, ada: httpx2.AsyncClient, bob: httpx2.AsyncClient
) -> None:
    secret = (await ada.post(f"{MINE}/{house.device.public_id}/offer")).json()["secretKey"]
    typed = f"{secret[:4]}-{secret[4:8]} {secret[8:12]}-{secret[12:]}".lower()

    assert (await claimed(bob, house.device.name, typed)).status_code == 200


async def test_a_withdrawn_offer_and_a_replaced_one_open_nothing(
    house: House, ada: httpx2.AsyncClient, bob: httpx2.AsyncClient
) -> None:
    path = f"{MINE}/{house.device.public_id}/offer"
    first = (await ada.post(path)).json()["secretKey"]
    second = (await ada.post(path)).json()["secretKey"]
    replaced = await claimed(bob, house.device.name, first)
    withdrawn = await ada.delete(path)

    answer = await claimed(bob, house.device.name, second)

    assert problem(replaced) == (403, "wrong-secret")
    assert (withdrawn.status_code, withdrawn.content) == (204, b"")
    assert problem(answer) == (409, "already-claimed")
    assert await names(ada) == [house.device.name]
    assert (await ada.delete(path)).status_code == 204


async def test_an_offer_ends_after_a_day_and_with_the_ownership(tmp_path: Path) -> None:
    now = FakeClock()
    async with world_of(tmp_path, clock=now.clock, claiming={"failures": 50}) as world:
        house = await world.house("aardvark")
        ada, bob = await world.person(house.user), await world.person(house.other_user)
        path = f"{MINE}/{house.device.public_id}"
        first = (await ada.post(f"{path}/offer")).json()
        now.advance(24 * 3600 + 1)
        ada, bob = await world.person(house.user), await world.person(house.other_user)
        late = problem(await claimed(bob, house.device.name, first["secretKey"]))
        second = (await ada.post(f"{path}/offer")).json()
        await ada.post(f"{path}/release")
        released = problem(await claimed(bob, house.device.name, second["secretKey"]))

    assert (late, released) == ((403, "expired"), (403, "not-open"))


async def test_who_is_no_customer_has_no_devices(world: World, house: House) -> None:
    program = await world.program(house, "devices:read", "devices:write")
    root = await world.sys_admin()
    people = {401: world.nobody, 403: await world.person(house.admin)}

    for status, person in (*people.items(), (403, program), (403, root)):
        assert problem(await person.get(MINE))[0] == status
        assert problem(await person.post(CLAIMS, json={"deviceName": "d1"}))[0] == status
