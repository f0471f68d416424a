"""A server that sells devices, and the people who buy them, for the tests of the claim page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from tests.harness import TestServer, running
from tests.integration.provisioning.fake_clock import FakeClock

from firstboot.devices import DeviceDraft
from firstboot.model import Authority, Credentials, Customer, Device, Origin, User
from firstboot.secret import Secret

PASSWORD = "a right password"
SECRET = "7KQ2M9XWA4TD8VHZ"
SHELF = Origin(transport="mqtt", dialect="thingsboard", address="192.0.2.1")
TENANT_ID = 1
HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Buyer:
    """A customer, and the person who comes for it."""

    customer: Customer
    user: User

    @property
    def email(self) -> str:
        return self.user.email


class Shop:
    """The server, and what stands in it."""

    def __init__(self, server: TestServer, time: FakeClock | None = None) -> None:
        self.server = server
        self.services = server.services
        self.time = time
        """None: the server's time is the real one."""

    @property
    def page(self) -> str:
        """Where the page is."""
        return f"{self.server.url}/claim"

    @property
    def host(self) -> str:
        return urlsplit(self.page).netloc

    def link(self, name: str, secret: str = SECRET, **more: str) -> str:
        """Return the link on a device's label."""
        parts = {"name": name, "secret": secret, **more}
        return f"{self.page}#{'&'.join(f'{key}={quote(value)}' for key, value in parts.items())}"

    async def buyer(self, name: str = "ann") -> Buyer:
        """Make a customer with one user, who knows the password."""
        customer = await self.services.customers.create(TENANT_ID, name.title(), actor="test")
        return Buyer(customer, await self.user(f"{name}@example.com", customer, Secret(PASSWORD)))

    async def user(self, email: str, customer: Customer | None, password: Secret | None) -> User:
        """Make a user, of the tenant's administration when there is no customer."""
        return await self.services.users.create(
            TENANT_ID,
            email=email,
            authority=Authority.TENANT_ADMIN if customer is None else Authority.CUSTOMER_USER,
            customer_id=None if customer is None else customer.id,
            password=password,
            actor="test",
        )

    async def device(self, name: str, owner: Buyer | None = None, label: str | None = None) -> Device:
        """Make a device that nobody may claim yet."""
        profile = await self.services.profiles.default(TENANT_ID)
        draft = DeviceDraft(name=name, credentials=Credentials("ACCESS_TOKEN", f"token of {name}"), label=label)
        device = await self.services.devices.create(profile, draft, actor="test")
        if owner is None:
            return device
        return await self.services.ownership.assign(device, owner.customer, actor="test")

    async def on_the_shelf(self, name: str, secret: str = SECRET, *, until_ms: int | None = None) -> Device:
        """Make a device that whoever knows the secret may claim."""
        device = await self.device(name)
        await self.services.claim_windows.open_by_administrator(
            device, secret=Secret(secret), until_ms=until_ms, actor="test"
        )
        return device

    async def owner_of(self, name: str) -> int | None:
        """Return the id of the customer who has a device."""
        device = await self.server.device(name)
        assert device is not None
        return device.customer_id


@asynccontextmanager
async def open_shop(
    tmp_path: Path, *, time: FakeClock | None = None, **sections: Mapping[str, Any]
) -> AsyncIterator[Shop]:
    """Run a server with a claim page."""
    async with running(tmp_path, clock=None if time is None else time.clock, **sections) as server:
        yield Shop(server, time)
