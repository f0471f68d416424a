"""Customers of a house and what they own, for the tests of Firstboot's own calls about claiming."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx2
from tests.integration.admin.world import House, World

from firstboot.devices import DeviceDraft
from firstboot.model import Credentials, Customer, Device
from firstboot.secret import Secret
from firstboot.storage import PageQuery

OURS = "/api/firstboot"
CLAIMS = f"{OURS}/claims"
MINE = f"{OURS}/my/devices"
SECRET = "a secret of some length"
SIGN_UP = f"{OURS}/sign-up"
PASSWORD = "one-of-my-own"
PROBLEM = "application/problem+json"


async def a_device(world: World, house: House, name: str, owner: Customer | None = None) -> Device:
    """Make a device."""
    draft = DeviceDraft(
        name=name,
        credentials=Credentials("ACCESS_TOKEN", f"token of {name}"),
        customer_id=owner.id if owner else None,
    )
    return await world.services.devices.create(house.profile, draft, actor="test")


async def for_sale(world: World, house: House, name: str, until_ms: int | None = None) -> Device:
    """Make a device that an administrator has opened for claiming."""
    device = await a_device(world, house, name)
    await world.services.claim_windows.open_by_administrator(
        device, secret=Secret(SECRET), until_ms=until_ms, actor="test"
    )
    return device


async def claimed(person: httpx2.AsyncClient, name: str, secret: str | None = SECRET) -> httpx2.Response:
    """Claim a device."""
    return await person.post(CLAIMS, json={"deviceName": name, "secretKey": secret})


def problem(answer: httpx2.Response) -> tuple[int, str]:
    """Return status and code of a refusal in the form of a problem."""
    assert answer.headers["content-type"] == PROBLEM, answer.text
    told: Mapping[str, Any] = answer.json()
    assert told["status"] == answer.status_code
    assert told["type"] == f"urn:firstboot:error:{told['code']}"
    return answer.status_code, told["code"]


async def read_again(world: World, device: Device) -> Device:
    return await world.services.devices.by_public_id(device.tenant_id, device.public_id)


async def names(person: httpx2.AsyncClient, **params: Any) -> list[str]:
    answer = await person.get(MINE, params=params)
    assert answer.status_code == 200, answer.text
    return [each["name"] for each in answer.json()["devices"]]


async def sign_up(world: World, device: str, secret: str = SECRET, **more: Any) -> httpx2.Response:
    body = {"email": "eve@example.com", "password": PASSWORD, "deviceName": device, "secretKey": secret, **more}
    return await world.nobody.post(SIGN_UP, json=body)


async def counted(world: World, house: House) -> tuple[int, int]:
    """Return how many customers and users the tenant has."""
    query = PageQuery()
    customers = await world.services.customers.page(house.tenant.id, query)
    return customers.total, (await world.services.users.page(house.tenant.id, query)).total
