"""An account on a running server, and what its clients do over thinger.io's REST."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
from tests.harness import TestServer

from firstboot.model import Authority, Tenant, User
from firstboot.secret import Secret
from firstboot_plugins.dialects.thinger.known_token import KnownToken
from firstboot_plugins.dialects.thinger.shared import Thinger
from firstboot_plugins.dialects.thinger.token_bodies import TokenChange

FULL: Mapping[str, Any] = {"*": {"*": "*"}}
SKETCH: Mapping[str, Any] = {"Device": {"*": ["ListDevices", "CreateDevice"]}}
PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Account:
    """A tenant, and a client of its REST."""

    server: TestServer
    tenant: Tenant
    client: httpx2.AsyncClient

    @property
    def name(self) -> str:
        return self.tenant.name

    @property
    def url(self) -> str:
        """Where what belongs to the account begins."""
        return f"{self.server.url}/v1/users/{self.name}"

    @property
    def parts(self) -> Thinger:
        """What the server's transports share."""
        return Thinger.of(self.server.services)

    async def made_token(self, allow: Mapping[str, Any] = FULL, name: str = "tests", **more: Any) -> KnownToken:
        """Make a token as the command line does; ``more`` are members of `TokenChange` or of what is kept."""
        fields = {key: more.pop(key) for key in ("enabled", "expires_at_ms") if key in more}
        wanted = TokenChange(kept={"name": name, "allow": allow, **more}, **fields)
        await self.parts.ready()
        made = await self.parts.tokens.create(self.tenant, name, wanted, actor="test")
        await self.parts.directory.take(made.token)
        return made

    async def token(self, allow: Mapping[str, Any] = FULL, name: str = "tests", **more: Any) -> str:
        """Make a token; return its JWT."""
        return (await self.made_token(allow, name, **more)).secret.reveal()

    async def call(
        self, method: str, path: str, token: str | None = None, body: Any = None, **more: Any
    ) -> httpx2.Response:
        """Ask for something below `url`, with the token in the header."""
        headers = dict(more.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if body is not None:
            more["json"] = body
        return await self.client.request(method, f"{self.url}{path}", headers=headers, **more)

    async def person(
        self, email: str = "alice@example.com", *, authority: Authority = Authority.TENANT_ADMIN, **more: Any
    ) -> User:
        """Make somebody who may log in with `PASSWORD`."""
        return await self.server.services.users.create(
            None if authority is Authority.SYS_ADMIN else self.tenant.id,
            email=email,
            authority=authority,
            password=Secret(PASSWORD),
            actor="test",
            **more,
        )
