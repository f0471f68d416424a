"""Customers who claim devices, for the tests."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from tests.harness import TestServer
from tests.integration.admin.thingsboard.rest import Rest

from firstboot.model import Device, Origin
from firstboot.secret import Secret

CLAIMED = (400, "CLAIMED")
FAILURE = (400, "FAILURE")
FAR_MS = 4_000_000_000_000
"""A moment that no test lives to see, and every clock of theirs can show."""
SHELF = Origin(transport="mqtt", dialect="thingsboard", address="192.0.2.1")
NOBODY = "13814000-1dd2-11b2-8080-808080808080"
DATA = "/api/plugins/telemetry"


def link(name: str) -> str:
    """Return the path of a device's claim."""
    return f"/api/customer/device/{quote(name, safe='')}/claim"


async def buyer(admin: Rest, title: str) -> Rest:
    """Make a customer of this title with one user; return what the user calls with."""
    return await admin.active_user(f"{title}@example.com", await admin.customer(title))


async def claim(person: Rest, name: str, secret: str | None = None) -> tuple[int, Any]:
    """Claim a device; return status and JSON."""
    answer = await person.send("POST", link(name), {} if secret is None else {"secretKey": secret})
    return answer.status_code, answer.json()


async def give_back(person: Rest, name: str) -> tuple[int, bytes]:
    """Give a device back, or take it from its customer; return status and body."""
    answer = await person.send("DELETE", link(name))
    return answer.status_code, answer.content


async def on_the_shelf(admin: Rest, name: str, secret: str | None = "s3cret", until_ms: int = FAR_MS) -> str:
    """Make a device that an administrator has opened for claiming, unless ``secret`` is None; return its id."""
    made: str = (await admin.call("POST", "/api/device", {"name": name}))["id"]["id"]
    if secret is not None:
        data = {"claimingData": {"secretKey": secret, "expirationTime": until_ms}}
        await admin.call("POST", f"{DATA}/{made}/SERVER_SCOPE", data)
    return made


async def found(server: TestServer, name: str) -> Device:
    """Return a device that is there."""
    device = await server.device(name)
    assert device is not None
    return device


async def opened_by_device(
    server: TestServer, name: str, secret: str = "", duration_ms: int | None = None
) -> None:
    """Let a device open itself for claiming."""
    device = await found(server, name)
    await server.services.claim_windows.open_by_device(device.ref, Secret(secret), duration_ms, SHELF)


async def owner(admin: Rest, name: str) -> str | None:
    """Return the title of the customer who has a device."""
    title: str | None = (
        await admin.call("GET", f"/api/device/info/{(await found(admin.server, name)).public_id}")
    )["customerTitle"]
    return title


async def server_attributes(admin: Rest, device_id: str) -> dict[str, Any]:
    """Return what administrators see of a device's server attributes."""
    answer = await admin.call("GET", f"{DATA}/DEVICE/{device_id}/values/attributes/SERVER_SCOPE")
    return {each["key"]: each["value"] for each in answer}
