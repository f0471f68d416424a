"""A server with two tenants, and everybody who may ask it something over REST."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
from tests.harness import TestServer, running

from firstboot.devices import DeviceDraft
from firstboot.model import ApiToken, Authority, Credentials, Customer, Device, DeviceProfile, Tenant, User
from firstboot.secret import Secret

PASSWORD = "correct-horse-9"
CHEAP_PASSWORDS: Mapping[str, Any] = {"password_memory_kib": 8, "password_passes": 1}
"""Section ``[login]`` of a server whose people log in fast."""


@dataclass(frozen=True, kw_only=True)
class House:
    """A tenant with one thing of each kind; the names of all of them have its mark in them."""

    mark: str
    tenant: Tenant
    admin: User
    customer: Customer
    user: User
    other_customer: Customer
    other_user: User
    profile: DeviceProfile
    device: Device
    token: ApiToken

    def ids(self) -> Mapping[str, UUID | str]:
        """Return what stands in a path for each of the things."""
        return {
            "tenantId": self.tenant.public_id,
            "customerId": self.customer.public_id,
            "userId": self.user.public_id,
            "deviceProfileId": self.profile.public_id,
            "profileId": self.profile.public_id,
            "deviceId": self.device.public_id,
            "deviceName": self.device.name,
            "tokenId": self.token.public_id,
        }


class World:
    """The server, its tenants, and clients for those who ask."""

    def __init__(
        self, server: TestServer, stack: list[httpx2.AsyncClient], stop: Callable[[], Awaitable[object]]
    ) -> None:
        self.server = server
        self.services = server.services
        self._clients = stack
        self._stop = stop
        self.nobody = self._client({})

    async def stop(self) -> None:
        """Stop the server before its time."""
        await self._stop()

    def _client(self, headers: Mapping[str, str]) -> httpx2.AsyncClient:
        client = httpx2.AsyncClient(base_url=self.server.url, headers=dict(headers), timeout=10)
        self._clients.append(client)
        return client

    async def bearer(self, user: User) -> str:
        """Log a user in; return the access token."""
        pair = await self.services.authentication.log_in(user.email, Secret(PASSWORD), "127.0.0.1")
        return pair.token.reveal()

    async def person(self, user: User) -> httpx2.AsyncClient:
        """Return a client that asks as this user."""
        return self._client({"X-Authorization": f"Bearer {await self.bearer(user)}"})

    async def program(self, house: House, *scopes: str, name: str = "program") -> httpx2.AsyncClient:
        """Return a client that asks with an API token of these scopes."""
        _, secret = await self.services.api_tokens.create(house.tenant.id, name, scopes, actor="test")
        return self._client({"Authorization": f"Bearer {secret.reveal()}"})

    async def user(
        self, email: str, authority: Authority, tenant: Tenant | None = None, customer: Customer | None = None
    ) -> User:
        """Make a user who can log in."""
        return await self.services.users.create(
            tenant.id if tenant else None,
            email=email,
            authority=authority,
            customer_id=customer.id if customer else None,
            password=Secret(PASSWORD),
            actor="test",
        )

    async def sys_admin(self) -> httpx2.AsyncClient:
        """Return a client that asks as an administrator of the installation."""
        return await self.person(await self.user("root@example.com", Authority.SYS_ADMIN))

    async def house(self, mark: str, tenant_name: str | None = None) -> House:
        """Make a tenant (or furnish the one of this name) with one thing of each kind."""
        services = self.services
        if tenant_name is None:
            tenant = await services.tenants.create(f"{mark}-tenant", actor="test")
        else:
            tenant = await self.server.core.tenant(tenant_name)
        customer = await services.customers.create(tenant.id, f"{mark}-customer", {}, actor="test")
        other = await services.customers.create(tenant.id, f"{mark}-neighbour", {}, actor="test")
        profile = await services.profiles.default(tenant.id)
        profile = await services.profiles.update(replace(profile, name=f"{mark}-profile"), actor="test")
        device = await services.devices.create(
            profile,
            DeviceDraft(
                name=f"{mark}-device",
                credentials=Credentials("ACCESS_TOKEN", f"{mark}-access-token"),
                customer_id=customer.id,
            ),
            actor="test",
        )
        token, _ = await services.api_tokens.create(tenant.id, f"{mark}-token", ["devices:read"], actor="test")
        return House(
            mark=mark,
            tenant=tenant,
            admin=await self.user(f"admin@{mark}.example.com", Authority.TENANT_ADMIN, tenant),
            customer=customer,
            user=await self.user(f"user@{mark}.example.com", Authority.CUSTOMER_USER, tenant, customer),
            other_customer=other,
            other_user=await self.user(f"neighbour@{mark}.example.com", Authority.CUSTOMER_USER, tenant, other),
            profile=profile,
            device=device,
            token=token,
        )


@asynccontextmanager
async def world_of(
    tmp_path: Path, *, database: str | None = None, **sections: Mapping[str, Any]
) -> AsyncIterator[World]:
    """Run a server for administrators."""
    sections.setdefault("login", CHEAP_PASSWORDS)
    clients: list[httpx2.AsyncClient] = []
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(running(tmp_path, database=database, **sections))
        try:
            yield World(server, clients, stack.aclose)
        finally:
            for client in clients:
                await client.aclose()
