"""Claim windows and owners as administrators see and change them over Firstboot's own calls."""

from __future__ import annotations

from typing import Any

import httpx2
from tests.integration.admin.own.customers import (
    MINE,
    OURS,
    a_device,
    claimed,
    for_sale,
    problem,
    read_again,
)
from tests.integration.admin.world import House, World

from firstboot.model import Device, Origin
from firstboot.secret import Secret

SHELF = Origin(transport="mqtt", dialect="thingsboard", address="192.0.2.1")


def windows_of(device: Device) -> str:
    return f"{OURS}/devices/{device.public_id}/claim-windows"


async def test_a_made_secret_is_shown_once_and_opens_the_device_for_a_year(
    world: World, house: House, admin: httpx2.AsyncClient, ada: httpx2.AsyncClient
) -> None:
    device = await a_device(world, house, "d1")

    opened = (await admin.put(windows_of(device))).json()
    listed = await admin.get(windows_of(device))
    got = await claimed(ada, "d1", opened["secretKey"])

    (window,) = listed.json()["windows"]
    assert window == {
        "openedBy": "administrator",
        "openedAtMs": window["openedAtMs"],
        "expiresAtMs": opened["untilMs"],
        "open": True,
        "weak": False,
    }
    assert opened["untilMs"] - window["openedAtMs"] == 365 * 24 * 3600 * 1000
    assert opened["secretKey"] not in listed.text
    assert got.status_code == 200


async def test_a_chosen_secret_and_moment_are_taken(
    world: World, house: House, admin: httpx2.AsyncClient, ada: httpx2.AsyncClient
) -> None:
    device = await a_device(world, house, "d1")
    until_ms = 4_000_000_000_000

    opened = (await admin.put(windows_of(device), json={"secretKey": "1234", "untilMs": until_ms})).json()
    (window,) = (await admin.get(windows_of(device))).json()["windows"]

    assert opened == {"secretKey": "1234", "untilMs": until_ms}
    assert (window["weak"], window["open"]) == (True, True)
    assert (await claimed(ada, "d1", "1234")).status_code == 200


async def test_what_is_no_window_is_refused(world: World, house: House, admin: httpx2.AsyncClient) -> None:
    device = await a_device(world, house, "d1")
    secrets: tuple[Any, ...] = {"secretKey": ""}, {"secretKey": "x" * 256}
    moments: tuple[Any, ...] = {"untilMs": -1}, {"untilMs": 1.5}, {"untilMs": 2**60}, {"until": 1}, []

    for body in (*secrets, *moments):
        assert problem(await admin.put(windows_of(device), json=body))[0] == 400, body
    assert (await admin.get(windows_of(device))).json() == {"windows": []}


async def test_the_windows_of_everybody_are_listed_and_closed(
    world: World, house: House, admin: httpx2.AsyncClient, ada: httpx2.AsyncClient
) -> None:
    device = await for_sale(world, house, "d1")
    await world.services.claim_windows.open_by_device(device.ref, Secret(""), 1000, SHELF)
    before = (await admin.get(windows_of(device))).json()["windows"]

    closed = await admin.delete(windows_of(device))
    after = (await admin.get(windows_of(device))).json()["windows"]

    assert sorted(each["openedBy"] for each in before) == ["administrator", "device"]
    assert (closed.status_code, closed.content, after) == (204, b"", [])
    assert problem(await claimed(ada, "d1")) == (403, "not-open")


async def test_who_has_opened_and_closed_a_device_is_in_the_audit_log(
    world: World, house: House, admin: httpx2.AsyncClient
) -> None:
    device = await a_device(world, house, "d1")
    await admin.put(windows_of(device))
    await admin.delete(windows_of(device))

    entries = [row.entry for row in await world.server.audit() if row.entry.device == "d1"]
    assert [(each.event, each.actor) for each in entries[1:]] == [
        ("claim-window-opened", f"user:{house.admin.email}"),
        ("claim-window-closed", f"user:{house.admin.email}"),
    ]


async def test_the_owners_of_a_device_are_told_with_who_made_them_so(
    world: World, house: House, admin: httpx2.AsyncClient, ada: httpx2.AsyncClient, bob: httpx2.AsyncClient
) -> None:
    device = await for_sale(world, house, "d1")
    path = f"{OURS}/devices/{device.public_id}"
    empty = (await admin.get(f"{path}/owners")).json()
    await claimed(ada, "d1")
    offer = (await ada.post(f"{MINE}/{device.public_id}/offer")).json()
    await claimed(bob, "d1", offer["secretKey"])
    await bob.post(f"{MINE}/{device.public_id}/release")
    given = await admin.post(f"{path}/owner", json={"customerId": str(house.customer.public_id)})

    told = (await admin.get(f"{path}/owners")).json()

    owner = {"customerId": str(house.customer.public_id), "title": house.customer.title}
    assert empty == {"owner": None, "changes": [], "cursor": None}
    assert given.json() == {"owner": owner}
    assert told["owner"] == owner
    assert [(each["event"], each["actor"]) for each in told["changes"]] == [
        ("device-assigned", f"user:{house.admin.email}"),
        ("device-released", f"user:{house.other_user.email}"),
        ("device-transferred", f"user:{house.other_user.email}"),
        ("device-claimed", f"user:{house.user.email}"),
    ]
    assert house.other_customer.title in told["changes"][2]["detail"]
    assert told["cursor"] is None


async def test_a_long_history_goes_on_behind_its_cursor(
    world: World, house: House, admin: httpx2.AsyncClient
) -> None:
    device = await a_device(world, house, "d1")
    for customer in (house.customer, house.other_customer, None):
        device = await world.services.ownership.assign(device, customer, actor="test")
    path = f"{OURS}/devices/{device.public_id}/owners"

    pages = []
    cursor: str | None = None
    for _ in range(2):
        params = {"limit": 2} if cursor is None else {"limit": 2, "cursor": cursor}
        page = (await admin.get(path, params=params)).json()
        pages.append([each["event"] for each in page["changes"]])
        cursor = page["cursor"]

    assert pages == [["device-unassigned", "device-assigned"], ["device-assigned"]]
    assert cursor is None
    assert problem(await admin.get(path, params={"cursor": "x"}))[0] == 400


async def test_an_administrator_gives_a_device_from_one_customer_to_another(
    world: World, house: House, admin: httpx2.AsyncClient
) -> None:
    other = await world.house("baboon")
    path = f"{OURS}/devices/{house.device.public_id}/owner"

    async def to(customer_id: object) -> httpx2.Response:
        return await admin.post(path, json={"customerId": customer_id})

    moved = await to(str(house.other_customer.public_id))
    stored = await read_again(world, house.device)
    foreign = await to(str(other.customer.public_id))
    broken = await to("nobody")
    kept = await read_again(world, house.device)
    freed = await to(None)

    assert moved.json()["owner"]["title"] == house.other_customer.title
    assert stored.customer_id == kept.customer_id == house.other_customer.id
    assert (problem(foreign)[0], problem(broken)[0]) == (404, 400)
    assert freed.json() == {"owner": None}
    assert (await read_again(world, house.device)).customer_id is None


async def test_lg_9_programs_need_the_scopes(world: World, house: House) -> None:
    device = await a_device(world, house, "d1")
    windows, owners = windows_of(device), f"{OURS}/devices/{device.public_id}/owners"
    owner = f"{OURS}/devices/{device.public_id}/owner"
    asked = (("GET", windows), ("PUT", windows), ("GET", owners), ("POST", owner), ("DELETE", windows))
    body = {"customerId": None}
    expected = {
        "devices:read": (200, 403, 403, 403, 403),
        "devices:write": (403, 200, 403, 200, 204),
        "audit:read": (403, 403, 200, 403, 403),
    }

    for scope, statuses in expected.items():
        program = await world.program(house, scope, name=scope)
        answers = [
            await program.request(method, path, json=body if path == owner else None) for method, path in asked
        ]
        assert tuple(each.status_code for each in answers) == statuses, scope
