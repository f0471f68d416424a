"""A running server with devices on its shelves and people who want them, under a clock that a test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.harness import Profile, TestServer, running
from tests.integration.provisioning.fake_clock import FakeClock

from firstboot.devices import DeviceDraft
from firstboot.errors import ClaimRefused
from firstboot.model import Authority, ClaimOpener, Credentials, Customer, Device, Origin, Scope, User
from firstboot.secret import Secret

BUYERS_ORIGIN = Origin(transport="http", dialect="own", address="192.0.2.9")
DEVICES_ORIGIN = Origin(transport="mqtt", dialect="thingsboard", address="198.51.100.9")
MANY = 1_000_000
UNTHROTTLED = {
    "failures": MANY,
    "failures_per_hour": MANY,
    "device_failures_per_hour": MANY,
    "address_failures_per_hour": MANY,
    "guessed_failures_per_hour": MANY,
}


class Shop:
    """What is done with devices and people, through the services of a server."""

    def __init__(self, server: TestServer, now: FakeClock, profile: Profile) -> None:
        self.server = server
        self.services = server.services
        self.now = now
        self.profile = profile
        self.customers: dict[int, Customer] = {}

    @classmethod
    @asynccontextmanager
    async def running(cls, tmp_path: Path, database: str | None, **claiming: Any) -> AsyncIterator[Shop]:
        """Run a server in which nobody is throttled, unless the settings of claiming say so."""
        now = FakeClock()
        async with running(
            tmp_path,
            database=database,
            clock=now.clock,
            provisioning={"failure_delay": "0ms", "failures_per_minute": MANY},
            claiming={**UNTHROTTLED, **claiming},
        ) as server:
            yield cls(server, now, await server.profile(release_by_device=True))

    async def device(self, name: str | None = None) -> Device:
        draft = DeviceDraft(name=name or f"d-{uuid4().hex}", credentials=Credentials("ACCESS_TOKEN", uuid4().hex))
        made = await self.services.devices.create(self.profile.profile, draft, actor="test")
        return await self.again(made)

    async def again(self, device: Device) -> Device:
        """Read a device again."""
        return await self.services.devices.by_public_id(device.tenant_id, device.public_id)

    async def buyer(self, title: str | None = None) -> User:
        """Make a customer with a user."""
        customer = await self.services.customers.create(1, title or uuid4().hex, {}, actor="test")
        self.customers[customer.id] = customer
        return await self.services.users.create(
            1,
            email=f"{customer.public_id.hex}@example.com",
            authority=Authority.CUSTOMER_USER,
            customer_id=customer.id,
            password=Secret("a right password"),
            actor="test",
        )

    async def device_opens(self, device: Device, secret: str, duration_ms: int | None = None) -> None:
        await self.services.claim_windows.open_by_device(device.ref, Secret(secret), duration_ms, DEVICES_ORIGIN)

    async def administrator_opens(self, device: Device, secret: str, until_ms: int) -> None:
        """Set the attribute ``claimingData``."""
        value = {"secretKey": secret, "expirationTime": until_ms}
        await self.services.attributes.save(device.ref, Scope.SERVER, {"claimingData": value}, actor="test")

    async def assign(self, device: Device, owner: User | None) -> None:
        customer = None if owner is None else self.customers[owner.customer_id or 0]
        await self.services.ownership.assign(await self.again(device), customer, actor="test")

    async def claim(self, user: User, device: Device, secret: str) -> str:
        """Claim a device; return the code of the refusal, or ``yours``."""
        try:
            claimed = await self.services.claiming.claim(user, device.name, Secret(secret), BUYERS_ORIGIN)
        except ClaimRefused as refusal:
            return refusal.code
        assert claimed.customer_id == user.customer_id
        return "yours"

    async def openers(self, device: Device) -> set[ClaimOpener]:
        return {each.opened_by for each in await self.services.claim_windows.list(device)}

    async def server_attributes(self, device: Device) -> dict[str, Any]:
        read = await self.services.storage.device_attributes(device.id, Scope.SERVER)
        return {each.key: each.value for each in read}
