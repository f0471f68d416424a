"""Applications with API tokens, and devices for them to watch."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from tests.harness import MqttPeer, TestServer

from firstboot.devices import DeviceDraft
from firstboot.model import ApiToken, Credentials, Device, Origin, Scope, TelemetryPoint, Tenant
from firstboot.storage import AuditEntry, CreateTenant
from firstboot_plugins.transports.mqtt.packets import Connack, Connect, Publish, Suback, Subscribe

ORIGIN = Origin(transport="test", dialect="test", address="")
ALL = ("events", "telemetry:read", "attributes:read")


async def new_token(
    server: TestServer, *scopes: str, tenant_id: int = 1, expires_at_ms: int | None = None
) -> tuple[ApiToken, str]:
    """Make an API token; return it and its secret."""
    token, secret = await server.services.api_tokens.create(
        tenant_id, f"app {uuid4()}", scopes, expires_at_ms, actor="test"
    )
    return token, secret.reveal()


async def new_device(server: TestServer, name: str = "d1", tenant_id: int = 1) -> Device:
    profile = await server.services.profiles.default(tenant_id)
    draft = DeviceDraft(name=name, credentials=Credentials("ACCESS_TOKEN", f"token of {name} {tenant_id}"))
    return await server.services.devices.create(profile, draft, actor="test")


async def new_tenant(server: TestServer, name: str = "other") -> int:
    core = server.core
    audit = AuditEntry(at_ms=core.clock.now_ms(), event="tenant-created")
    return (await core.commits.submit(CreateTenant(tenant=Tenant(0, name, uuid4()), audit=audit))).id


async def report(server: TestServer, device: Device, value: Any, at_ms: int = 1000) -> None:
    """Report a value, as the device would."""
    await server.services.telemetry.save(device.ref, [TelemetryPoint(at_ms, {"t": value})], ORIGIN)


async def share(server: TestServer, device: Device, value: Any) -> None:
    """Set a shared attribute."""
    await server.services.attributes.save(device.ref, Scope.SHARED, {"a": value}, actor="user:x")


async def application(
    server: TestServer, secret: str, *, level: int = 5, client_id: str = "app", username: str | None = "any"
) -> MqttPeer:
    """Log in with a token as password, or, without user name, as user name; the server accepts."""
    peer = await connecting(server, secret, level=level, client_id=client_id, username=username)
    assert (await peer.expect(Connack)).reason == 0
    return peer


async def connecting(
    server: TestServer, secret: str, *, level: int = 5, client_id: str = "app", username: str | None = "any"
) -> MqttPeer:
    if username is None:
        return await server.peer(Connect(level, client_id, True, 60, username=secret))
    return await server.peer(Connect(level, client_id, True, 60, username=username, password=secret.encode()))


async def subscribed(peer: MqttPeer, *filters: str, qos: int = 1) -> list[int]:
    """Subscribe; return the codes of the SUBACK."""
    await peer.send(Subscribe(1, [(each, qos) for each in filters]))
    return list((await peer.expect(Suback)).reasons)


async def seen(peer: MqttPeer) -> tuple[str, dict[str, Any]]:
    """Return topic and content of the next message."""
    message = await peer.expect(Publish)
    return message.topic, json.loads(message.payload)


async def refusal(server: TestServer, secret: str, **more: Any) -> int:
    """Return the code with which a token is refused."""
    peer = await connecting(server, secret, **more)
    try:
        return (await peer.expect(Connack)).reason
    finally:
        await peer.close()


async def end_of(peer: MqttPeer) -> list[int]:
    """Wait until the server closes a version 5 session; return the reasons of what it sent last."""
    reasons = [getattr(packet, "reason", -1) for packet in await peer.expect_closed()]
    await peer.close()
    return reasons
