"""Devices that provision themselves without end, and write down what they were told."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from tests.harness import MqttPeer, environment, firstboot
from tests.integration.storage.databases import Database

from firstboot_plugins.transports.mqtt.packets import Connack, Connect

KEY, SECRET = "the-key-of-demo", "the-secret-of-demo-3985"

_LOST = (OSError, httpx2.HTTPError, asyncio.IncompleteReadError, AssertionError, TimeoutError)
"""What a client sees of a server that is gone."""


def make_profile(tmp_path: Path, **more: str) -> None:
    firstboot(environment(tmp_path, **more), "profile", "create", "demo", "--key", KEY, "--secret", SECRET)


def request(name: str, **more: str) -> dict[str, Any]:
    return {"deviceName": name, "provisionDeviceKey": KEY, "provisionDeviceSecret": SECRET, **more}


@dataclass
class Ledger:
    """What devices were told: name and token of every SUCCESS, and every other answer."""

    tokens: dict[str, str] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    grown: asyncio.Event = field(default_factory=asyncio.Event)

    def write(self, name: str, answer: dict[str, Any]) -> None:
        if answer["status"] == "SUCCESS":
            self.tokens[name] = answer["credentialsValue"]
        else:
            self.others.append(answer["status"])
        self.grown.set()

    async def wait_for(self, size: int) -> None:
        while len(self.tokens) < size:
            self.grown.clear()
            await self.grown.wait()


async def provision_over_mqtt(port: int, prefix: str, ledger: Ledger) -> None:
    """Provision one device after another on one connection until the server is gone."""
    try:
        peer = await MqttPeer.open(port)
    except OSError:
        return
    try:
        await peer.connect(Connect(4, "", True, 60, username="provision"))
        await peer.expect(Connack)
        for number in range(1_000_000):
            name = f"{prefix}-{number}"
            ledger.write(name, await peer.provision(request(name)))
    except _LOST:
        pass
    finally:
        await peer.close()


async def provision_over_http(port: int, prefix: str, ledger: Ledger) -> None:
    """Provision one device after another, each bringing its own token, until the server is gone."""
    async with httpx2.AsyncClient(timeout=30) as client:
        for number in range(1_000_000):
            name = f"{prefix}-{number}"
            wanted = request(name, credentialsType="ACCESS_TOKEN", token=f"token-of-{name}")
            try:
                response = await client.post(f"http://127.0.0.1:{port}/api/v1/provision", json=wanted)
            except _LOST:
                return
            if response.status_code == 200:
                ledger.write(name, json.loads(response.text))
            else:
                ledger.others.append(str(response.status_code))


async def may_log_in(port: int, token: str) -> bool:
    peer = await MqttPeer.open(port)
    try:
        await peer.connect(Connect(4, "", True, 60, username=token))
        return (await peer.expect(Connack)).reason == 0
    finally:
        await peer.close()


def database_in(tmp_path: Path, url: str | None) -> Database:
    return Database(url or f"sqlite://{tmp_path}/data/firstboot.db")


HALF_MADE = {
    "a device without credentials": (
        "SELECT count(*) FROM device WHERE id NOT IN (SELECT device_id FROM credentials)"
    ),
    "credentials without a device": (
        "SELECT count(*) FROM credentials WHERE device_id NOT IN (SELECT id FROM device)"
    ),
    "a device without provisionState": (
        "SELECT count(*) FROM device WHERE provisioned_at_ms IS NOT NULL AND NOT EXISTS"
        " (SELECT 1 FROM attribute WHERE device_id = device.id AND key = 'provisionState')"
    ),
    "provisionState without a provisioned device": (
        "SELECT count(*) FROM attribute WHERE key = 'provisionState' AND NOT EXISTS"
        " (SELECT 1 FROM device WHERE id = attribute.device_id AND provisioned_at_ms IS NOT NULL)"
    ),
    "a device without its audit row": (
        "SELECT (SELECT count(*) FROM device)"
        " - (SELECT count(*) FROM audit WHERE entry LIKE '%\"device-provisioned\"%')"
    ),
    "a count of devices that is off": (
        "SELECT count(*) FROM profile_usage WHERE devices <> "
        "(SELECT count(*) FROM device WHERE device.profile_id = profile_usage.profile_id)"
    ),
}
"""What must never be (threat PV-8), each with a query that counts it."""


async def what_is_half_made(database: Database) -> dict[str, int]:
    found = {what: (await database.sql(query))[0][0] for what, query in HALF_MADE.items()}
    return {what: count for what, count in found.items() if count}


async def names_in(database: Database) -> set[str]:
    return {name for (name,) in await database.sql("SELECT name FROM device")}
