"""What devices of an account do over MQTT, in the tests."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
from tests.harness import MqttPeer, running
from tests.integration.thinger.account import Account

from firstboot.clock import Clock
from firstboot_plugins.transports.mqtt.packets import Connack, Connect, Puback, Publish, Suback, Subscribe

ENSURE = "provision/ensure"
REPLY = "provision/reply"
SECRET = "a good secret"
PROVISION = {"Device": {"*": ["CreateDevice", "ListDevices"]}}
CLAIM = {"Pool": {"*": ["ClaimDevice"]}}


@asynccontextmanager
async def account_on(tmp_path: Path, *, clock: Clock | None = None, **settings: Any) -> AsyncIterator[Account]:
    """Run a server with these settings of the dialect, and the account ``alice``."""
    fast = {"provisioning_burst": 100_000, "failed_tokens_per_minute": 1000, **settings}
    async with running(tmp_path, clock=clock, thinger=fast) as server, httpx2.AsyncClient() as client:
        yield Account(server, await server.services.tenants.create("alice", actor="test"), client)


async def connect(
    account: Account, client_id: str, password: str, *, username: str | None = None, level: int = 4, **more: Any
) -> tuple[MqttPeer, int]:
    """Send CONNECT; return the connection and the CONNACK's code."""
    user = account.name if username is None else username
    peer = await account.server.peer(
        Connect(level, client_id, True, 60, username=user, password=password.encode(), **more)
    )
    return peer, (await peer.expect(Connack)).reason


async def opened(account: Account, client_id: str, password: str, **more: Any) -> MqttPeer:
    """Connect, which must succeed."""
    peer, code = await connect(account, client_id, password, **more)
    assert code == 0
    return peer


async def code_of(account: Account, client_id: str, password: str, **more: Any) -> int:
    """Connect and leave; return the CONNACK's code."""
    peer, code = await connect(account, client_id, password, **more)
    await peer.close()
    return code


async def device(account: Account, device_id: str = "meter1", **fields: Any) -> MqttPeer:
    """Make a device that logs in with `SECRET`, and connect it."""
    token = await account.token(name=f"maker_{device_id}")
    body = {"device": device_id, "credentials": SECRET, "type": "MQTT", **fields}
    made = await account.call("POST", "/devices", token, body)
    assert made.status_code == 200, made.text
    return await opened(account, device_id, SECRET)


async def ask(peer: MqttPeer, body: Any, *, qos: int = 0) -> dict[str, Any]:
    """Publish a request; return the reply."""
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    await peer.send(Publish(ENSURE, payload, qos, packet_id=7 if qos else None))
    if qos:
        assert (await peer.expect(Puback)).packet_id == 7
    return await heard(peer, REPLY)


async def heard(peer: MqttPeer, topic: str) -> dict[str, Any]:
    """Return the next message, which must be on this topic."""
    message = await peer.expect(Publish)
    assert (message.topic, message.retain) == (topic, False)
    decoded: dict[str, Any] = json.loads(message.payload)
    return decoded


async def subscribed(peer: MqttPeer, topic_filter: str, qos: int = 0) -> int:
    """Subscribe; return the SUBACK's code."""
    await peer.send(Subscribe(9, [(topic_filter, qos)]))
    return (await peer.expect(Suback)).reasons[0]


async def short_key(account: Account, allow: Any = PROVISION, name: str = "factory", **more: Any) -> str:
    """Make a token; return its provisioning key."""
    made = await account.made_token(allow, name, short=True, **more)
    assert made.short is not None
    return made.short.reveal()
