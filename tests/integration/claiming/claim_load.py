"""Many customers who claim from server processes over HTTP, and what must never be in a database."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import httpx2
from tests.harness import TestServer, running
from tests.integration.claiming.shop import MANY, UNTHROTTLED
from tests.integration.storage.databases import Database

from firstboot.devices import DeviceDraft
from firstboot.model import Attribute, Authority, Credentials, Scope
from firstboot.secret import Secret

KEY = "ab" * 32
PASSWORD = Secret("a right password")
FAR_MS = 4_000_000_000_000
LOST = (OSError, httpx2.HTTPError)
"""What a client sees of a server that is gone."""


def settings(database: str | None) -> dict[str, str]:
    """Return the environment of servers in which nobody is throttled."""
    return {
        "FIRSTBOOT_SERVER__KEY": KEY,
        "FIRSTBOOT_PROVISIONING__FAILURE_DELAY": "0ms",
        "FIRSTBOOT_PROVISIONING__FAILURES_PER_MINUTE": str(MANY),
        "FIRSTBOOT_CLAIMING__SIGN_UP": '["default"]',
        **{f"FIRSTBOOT_CLAIMING__{name}".upper(): str(value) for name, value in UNTHROTTLED.items()},
        **({"FIRSTBOOT_STORAGE__URL": database} if database else {}),
    }


def secret_of(name: str) -> str:
    return f"the secret of {name}"


@dataclass(frozen=True)
class Buyer:
    """A customer's user who is logged in, on any server with this database."""

    customer_id: int
    token: str


async def stock(tmp_path: Path, database: str | None, buyers: int, devices: Sequence[str]) -> list[Buyer]:
    """Make devices that are open for claiming, and people."""
    async with running(tmp_path, database=database, server={"key": KEY}) as server:
        profile = (await server.profile()).profile
        await asyncio.gather(*(_open(server, profile, name) for name in devices))
        return [await _buyer(server, number) for number in range(buyers)]


async def _open(server: TestServer, profile: object, name: str) -> None:
    data = {"secretKey": secret_of(name), "expirationTime": FAR_MS}
    draft = DeviceDraft(
        name=name,
        credentials=Credentials("ACCESS_TOKEN", f"token of {name}"),
        attributes=(Attribute(Scope.SERVER, "claimingData", data),),
    )
    await server.services.devices.create(profile, draft, actor="test")  # type: ignore[arg-type]


async def _buyer(server: TestServer, number: int) -> Buyer:
    services = server.services
    customer = await services.customers.create(1, f"customer {number}", {}, actor="test")
    user = await services.users.create(
        1,
        email=f"buyer-{number}@example.com",
        authority=Authority.CUSTOMER_USER,
        customer_id=customer.id,
        password=PASSWORD,
        actor="test",
    )
    tokens = await services.authentication.log_in(user.email, PASSWORD, "192.0.2.1")
    return Buyer(customer.id, tokens.token.reveal())


async def send(client: httpx2.AsyncClient, method: str, buyer: Buyer, name: str) -> str:
    """Claim or give back; return the status and what it says."""
    answer = await client.request(
        method,
        f"/api/customer/device/{quote(name, safe='')}/claim",
        json={"secretKey": secret_of(name)} if method == "POST" else None,
        headers={"X-Authorization": f"Bearer {buyer.token}"},
    )
    return "200" if answer.status_code == 200 else f"{answer.status_code} {answer.text}"


def client_of(port: int) -> httpx2.AsyncClient:
    limits = httpx2.Limits(max_connections=25, max_keepalive_connections=25)
    return httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", limits=limits, timeout=60)


@dataclass
class Ledger:
    """What people were told about their devices."""

    claimed: dict[str, int] = field(default_factory=dict)
    """Names of devices, and the customers who were told that they own them."""
    released: set[str] = field(default_factory=set)
    asked_back: set[str] = field(default_factory=set)
    """Devices that somebody wished to give back, whether he was answered or not."""
    signed_up: dict[str, str] = field(default_factory=dict)
    """E-mail addresses, and the devices with which they came."""
    others: list[str] = field(default_factory=list)
    grown: asyncio.Event = field(default_factory=asyncio.Event)

    def size(self) -> int:
        return len(self.claimed) + len(self.released) + len(self.signed_up)

    async def wait_for(self, size: int) -> None:
        while self.size() < size:
            self.grown.clear()
            await self.grown.wait()


NEVER = {
    "a claim window of a device that is owned": (
        "SELECT count(*) FROM claim_window JOIN device ON device.id = claim_window.device_id"
        " WHERE device.customer_id IS NOT NULL"
    ),
    "claimingData without its window": (
        "SELECT count(*) FROM attribute WHERE key = 'claimingData' AND NOT EXISTS"
        " (SELECT 1 FROM claim_window WHERE device_id = attribute.device_id)"
    ),
    "a window without its claimingData": (
        "SELECT count(*) FROM claim_window WHERE NOT EXISTS"
        " (SELECT 1 FROM attribute WHERE device_id = claim_window.device_id AND key = 'claimingData')"
    ),
    "a device that is owned and was not told so": (
        "SELECT count(*) FROM device WHERE customer_id IS NOT NULL AND NOT EXISTS"
        " (SELECT 1 FROM attribute WHERE device_id = device.id AND key = 'claimed' AND value = 'true')"
    ),
    "a device that is free and was told that it is owned": (
        "SELECT count(*) FROM attribute WHERE key = 'claimed' AND value = 'true' AND EXISTS"
        " (SELECT 1 FROM device WHERE id = attribute.device_id AND customer_id IS NULL)"
    ),
    "a change of an owner without its audit row": (
        "SELECT (SELECT sum(version - 1) FROM device)"
        " - (SELECT count(*) FROM audit WHERE event IN ('device-claimed', 'device-released'))"
    ),
    "a customer without a user": (
        "SELECT count(*) FROM customer WHERE id NOT IN (SELECT customer_id FROM app_user WHERE customer_id > 0)"
    ),
    "somebody who signed up and has no device": (
        "SELECT count(*) FROM customer WHERE title LIKE 'new-%' AND id NOT IN"
        " (SELECT customer_id FROM device WHERE customer_id IS NOT NULL)"
    ),
}
"""What must not be after claims and releases of devices that were opened once, with queries that count it."""


async def what_never_may_be(database: Database) -> dict[str, int]:
    """Return what is wrong in a database."""
    found = {what: (await database.sql(query))[0][0] for what, query in NEVER.items()}
    return {what: count for what, count in found.items() if count}


async def owners(database: Database) -> dict[str, int | None]:
    """Return the customers to whom the devices belong."""
    return dict(await database.sql("SELECT name, customer_id FROM device"))  # type: ignore[arg-type]
