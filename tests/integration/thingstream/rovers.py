"""Devices that get corrections: how they ask, and how they log in with a certificate."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from tests.harness import MqttPeer
from tests.integration.provisioning.fake_clock import FakeClock
from tests.integration.thingstream.fleet import Fleet, Made, fleet_of
from tests.integration.tls.making import Identity, authority, issue

from firstboot_plugins.transports.mqtt.packets import Connack, Connect

POINTPERFECT = "/ztp/pointperfect/credentials"
ASSISTNOW = "/ztp/assistnow/credentials"
MAC = "F412FA001122"
UNIQUE_ID = "B56227030A00020000000102030405064B0D"
VERSION = "B5620A04280045585420434F524520312E30302028746573742900000000000000000000303031393030303000000A2E"
"""The two frames that contract section 7 has."""
CHIP = "010203040506"


async def corrections(fleet: Fleet, name: str = "rovers", /, **options: Any) -> Made:
    """Make a profile of PointPerfect."""
    return await fleet.profile(name, deviceType="PointPerfect", **options)


async def got(fleet: Fleet, token: str, /, **body: Any) -> dict[str, Any]:
    """Ask for credentials of PointPerfect; return them."""
    answer = await fleet.ask({"token": token, **body}, path=POINTPERFECT)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def refused(
    fleet: Fleet, token: str, hardware_id: str | None = MAC, *, path: str = POINTPERFECT
) -> tuple[int, str]:
    """Ask for credentials; return status and text of the refusal."""
    body = {"token": token} if hardware_id is None else {"token": token, "hardwareId": hardware_id}
    answer = await fleet.ask(body, path=path)
    return answer.status_code, answer.text


async def assist(fleet: Fleet, token: str, **frames: str) -> dict[str, Any]:
    """Ask for a chipcode; return the answer."""
    messages = {"UBX-SEC-UNIQID": UNIQUE_ID, "UBX-MON-VER": VERSION, **frames}
    answer = await fleet.ask({"token": token, "messages": messages}, path=ASSISTNOW)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


class Rovers:
    """A server with TLS, and what its devices do there."""

    def __init__(self, fleet: Fleet, ca: Identity, directory: Path) -> None:
        self.fleet = fleet
        self.ca_file = directory / "ca.crt"
        self._ca, self._directory = ca, directory

    async def open(self, told: Mapping[str, Any], **fields: Any) -> tuple[MqttPeer, int]:
        """Log in over mutual TLS, as the devices do: with the client id alone; return the code of the CONNACK."""
        # OpenSSL reads certificates from files only.
        cert, key = self._directory / "rover.crt", self._directory / "rover.key"
        cert.write_text(told["certificate"])
        key.write_text(told["privateKey"])
        context = ssl.create_default_context(cadata=self._ca.certificate.public_bytes(Encoding.PEM).decode())
        context.load_cert_chain(cert, key)
        port = self.fleet.server.server.listeners["mqtts"].port
        streams = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
        peer = MqttPeer(*streams)
        client_id, level = fields.pop("client_id", told["clientId"]), fields.pop("level", 4)
        await peer.connect(Connect(level, client_id, True, 60, **fields))
        return peer, (await peer.expect(Connack)).reason

    async def login(self, told: Mapping[str, Any], **fields: Any) -> int:
        """Log in and leave; return the code of the CONNACK."""
        peer, code = await self.open(told, **fields)
        await peer.close()
        return code


@asynccontextmanager
async def rovers_of(tmp_path: Path, clock: FakeClock, **more: Any) -> AsyncIterator[Rovers]:
    """Run a server that asks for certificates over TLS."""
    directory, ca = tmp_path / "tls", authority()
    cert, key = issue("localhost", by=ca, hosts=["localhost"], days=(-400, 400)).write(directory)
    (directory / "ca.crt").write_bytes(ca.pem)
    sections: dict[str, Any] = {
        "tls": {"cert": cert, "key": key},
        "mqtt": {"tls_bind": "127.0.0.1:0", "client_certificates": "optional"},
        **more,
    }
    async with fleet_of(tmp_path, clock=clock.clock, **sections) as fleet:
        yield Rovers(fleet, ca, directory)
