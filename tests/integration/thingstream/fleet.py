"""A server with an operator and devices of Thingstream."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
from tests.harness import MqttPeer, TestServer, running

from firstboot.clock import Clock
from firstboot_plugins.transports.mqtt.packets import Connack, Connect

CLOUDLOCATE = "/ztp/cloudlocate/credentials"
IMEI = "352656100000001"
REFUSED = 5
SCOPES = ("profiles:read", "profiles:write", "devices:read", "devices:write")
ROOM: Mapping[str, Any] = {"requests_per_minute": 10_000, "bad_tokens_per_minute": 10_000}
"""Settings of a server whose tests come from one address."""


@dataclass(frozen=True)
class Made:
    """A profile that an operator has made, with the text of its token."""

    name: str
    token: str
    told: dict[str, Any]


class Fleet:
    """What operators and devices do."""

    def __init__(self, server: TestServer, operator: httpx2.AsyncClient, device: httpx2.AsyncClient) -> None:
        self.server = server
        self.operator = operator
        self.device = device

    async def call(self, method: str, path: str, body: Any = None, *, status: int = 200, **query: str) -> Any:
        """Ask as an operator; return the JSON of the answer."""
        answer = await self.operator.request(method, f"/thingstream/v1{path}", json=body, params=query)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def profile(self, name: str = "trackers-eu", /, **options: Any) -> Made:
        """Make a profile."""
        told = await self.call("POST", "/profiles", {"profile": name, **options}, status=201)
        return Made(name, told["tokens"][0]["token"], told)

    async def ask(
        self, body: Mapping[str, Any] | bytes, *, path: str = CLOUDLOCATE, **headers: str
    ) -> httpx2.Response:
        """Ask for credentials, with the bytes that a device sends."""
        content = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
        return await self.device.post(
            path, content=content, headers={"content-type": "application/json", **headers}
        )

    async def get(self, token: str, **body: Any) -> dict[str, Any]:
        """Ask for credentials; return them."""
        answer = await self.ask({"token": token, **body})
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def refused(self, body: Mapping[str, Any] | bytes, **headers: str) -> tuple[int, str]:
        """Ask for credentials; return status and text of the refusal."""
        answer = await self.ask(body, **headers)
        return answer.status_code, answer.text

    async def thing(self, credentials: Mapping[str, Any]) -> dict[str, Any]:
        """Return the record of the Thing that has these credentials."""
        told: dict[str, Any] = await self.call("GET", f"/things/{credentials['clientId']}")
        return told

    async def open(self, credentials: Mapping[str, Any], **other: Any) -> tuple[MqttPeer, int]:
        """Log in over MQTT; return the peer and the code of the CONNACK."""
        peer = await MqttPeer.open(self.server.mqtt_port)
        parts = {
            "client_id": credentials["clientId"],
            "username": credentials["userName"],
            "password": credentials["password"],
            **other,
        }
        client_id, password = parts.pop("client_id"), parts.pop("password")
        await peer.connect(Connect(4, client_id, True, 60, password=password.encode(), **parts))
        return peer, (await peer.expect(Connack)).reason

    async def login(self, credentials: Mapping[str, Any], **other: Any) -> int:
        """Log in over MQTT and leave; return the code of the CONNACK."""
        peer, code = await self.open(credentials, **other)
        await peer.close()
        return code


@asynccontextmanager
async def fleet_of(
    tmp_path: Path, *, database: str | None = None, clock: Clock | None = None, **sections: Mapping[str, Any]
) -> AsyncIterator[Fleet]:
    """Run a server with an operator of its tenant."""
    sections = {"thingstream": ROOM, **sections}
    async with running(tmp_path, database=database, clock=clock, **sections) as server:
        _, secret = await server.services.api_tokens.create(1, f"operator-{uuid4()}", SCOPES, actor="test")
        headers = {"authorization": f"Bearer {secret.reveal()}"}
        async with (
            httpx2.AsyncClient(base_url=server.url, headers=headers, timeout=10) as operator,
            httpx2.AsyncClient(base_url=server.url, timeout=10) as device,
        ):
            yield Fleet(server, operator, device)
