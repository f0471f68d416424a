"""ThingsBoard's REST as administrators and customers call it, for the tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
from tests.harness import TestServer, running

from firstboot.model import Authority, Tenant
from firstboot.secret import Secret
from firstboot.storage import AuditEntry, CreateTenant

ADMIN = "admin@example.com"
ADMIN_PASSWORD = "correct horse battery"
PASSWORD = "another good one"
CHEAP_LOGIN = {"password_memory_kib": 8, "password_passes": 1}
"""Argon2id as cheap as it gets."""
NO_TLS = False
"""Without TLS there is nothing to verify; reading all certificates for each client would take most of the time."""


class Rest:
    """One person's, or one program's, way to call the server."""

    def __init__(self, server: TestServer, token: str | None = None, *, scheme: str = "Bearer") -> None:
        self.server = server
        self.token = token
        self._scheme = scheme

    @classmethod
    async def login(cls, server: TestServer, email: str = ADMIN, password: str = ADMIN_PASSWORD) -> Rest:
        """Log in, and stay so."""
        answer = await cls(server).call("POST", "/api/auth/login", {"username": email, "password": password})
        return cls(server, answer["token"])

    async def send(self, method: str, path: str, body: Any = None, **more: Any) -> httpx2.Response:
        """Send a request as it is."""
        headers = dict(more.pop("headers", {}))
        if self.token is not None:
            headers.setdefault("X-Authorization", f"{self._scheme} {self.token}")
        if body is not None:
            more["json"] = body
        async with httpx2.AsyncClient(base_url=self.server.url, verify=NO_TLS) as client:
            return await client.request(method, path, headers=headers, **more)

    async def call(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """Make a call that goes well; return its JSON, or None."""
        response = await self.send(method, path, body, **more)
        assert response.status_code == 200, response.text
        return response.json() if response.content else None

    async def refused(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, int, str]:
        """Make a call that is refused in ThingsBoard's form; return status, error code and message."""
        response = await self.send(method, path, body, **more)
        answer = response.json()
        assert answer.keys() == {"status", "message", "errorCode", "timestamp"}, answer
        assert answer["status"] == response.status_code
        return answer["status"], answer["errorCode"], answer["message"]

    async def customer(self, title: str = "c1") -> dict[str, Any]:
        """Make a customer."""
        made: dict[str, Any] = await self.call("POST", "/api/customer", {"title": title})
        return made

    async def user(self, email: str, customer: Mapping[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
        """Make a user who is not active yet: of a customer, else an administrator of the tenant."""
        body = {"email": email, "authority": "TENANT_ADMIN", **fields}
        if customer is not None:
            body = {**body, "authority": "CUSTOMER_USER", "customerId": customer["id"]}
        made: dict[str, Any] = await self.call("POST", "/api/user?sendActivationMail=False", body)
        return made

    async def activation_token(self, user: Mapping[str, Any]) -> str:
        """Return the token of a user's activation link."""
        link = (await self.send("GET", f"/api/user/{user['id']['id']}/activationLink")).text
        return link.partition("activateToken=")[2]

    async def active_user(self, email: str, customer: Mapping[str, Any] | None = None) -> Rest:
        """Make a user who has chosen a password; return what he calls with."""
        token = await self.activation_token(await self.user(email, customer))
        body = {"activateToken": token, "password": PASSWORD}
        return Rest(self.server, (await Rest(self.server).call("POST", "/api/noauth/activate", body))["token"])

    async def program(self, *scopes: str) -> Rest:
        """Make an API token with these scopes; return what the program calls with."""
        _, secret = await self.server.services.api_tokens.create(1, " ".join(scopes), scopes, None, actor="test")
        return Rest(self.server, secret.reveal(), scheme="ApiKey")


@asynccontextmanager
async def administered(tmp_path: Path, database: str | None = None, **sections: Any) -> AsyncIterator[Rest]:
    """Run a server; yield its administrator."""
    settings: dict[str, Any] = {
        "admin": {"email": ADMIN, "password": ADMIN_PASSWORD},
        "login": CHEAP_LOGIN,
        **sections,
    }
    async with running(tmp_path, database=database, **settings) as server:
        yield await Rest.login(server)


async def other_tenant(server: TestServer, name: str = "other") -> Rest:
    """Make another tenant; return its administrator."""
    core = server.core
    tenant = Tenant(0, name, uuid4())
    made = await core.commits.submit(
        CreateTenant(tenant=tenant, audit=AuditEntry(at_ms=core.clock.now_ms(), event="tenant-created"))
    )
    email = f"admin@{name}.example"
    await server.services.users.create(
        made.id, email=email, authority=Authority.TENANT_ADMIN, password=Secret(PASSWORD), actor="test"
    )
    return await Rest.login(server, email, PASSWORD)
