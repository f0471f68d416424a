"""A fleet of devices with certificates: who vouches for them, and how they come to the server."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from tests.harness import MqttPeer, Profile, TestServer
from tests.integration.tls.making import Identity, Key, authority, issue, new_key
from tests.integration.tls.secured import Secured, secured

from firstboot.model import Credentials, Device
from firstboot_plugins.strategies.certificate_settings import CertificateSettings, applied
from firstboot_plugins.transports.mqtt.packets import Connack, Connect

COMPANY = r"(.*)[.]company[.]com"
REFUSED_V3, REFUSED_V5 = 5, 0x87


def chain_of(*identities: Identity) -> Identity:
    """Return the first identity, with the certificates of the others as it sends them."""
    first, *others = identities
    return replace(first, above=tuple(each.certificate for each in others))


def csr(key: Key | None = None, *, name: str = "whatever", extensions: Sequence[Any] = ()) -> tuple[Key, str]:
    """Return a key and a request for its certificate, PEM."""
    key = key or new_key()
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    return key, builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def issued(key: Key, pem: str) -> Identity:
    """Return who a device is once it has got its certificate."""
    first, *above = x509.load_pem_x509_certificates(pem.encode())
    return Identity(first, key, tuple(above))


def one_line(identity: Identity) -> str:
    return base64.b64encode(identity.der).decode()


@dataclass
class Fleet:
    """A server that asks for certificates, and a profile whose devices prove it by them."""

    live: Secured
    root: Identity
    maker: Identity
    """The authority of the profile, which the root vouches for."""
    profile: Profile

    @property
    def server(self) -> TestServer:
        return self.live.server

    def device(self, name: str = "meter-7.company.com", **fields: Any) -> Identity:
        """Return a device as it leaves the factory: it sends its maker's certificate along."""
        return chain_of(issue(name, by=self.maker, **fields), self.maker)

    async def say_connect(self, who: Identity | None, *, level: int = 4, **fields: Any) -> tuple[MqttPeer, int]:
        """Connect over mutual TLS; return the connection, and the code of the answer."""
        peer = await self.live.open(self.live.client(who))
        await peer.connect(Connect(level, "c", True, 60, **fields))
        return peer, (await peer.expect(Connack)).reason

    async def log_in(self, who: Identity | None, *, level: int = 4, **fields: Any) -> int:
        """Connect, and leave again; return the code of the answer."""
        peer, reason = await self.say_connect(who, level=level, **fields)
        await peer.close()
        return reason

    async def post(self, who: Identity | None, request: Any) -> dict[str, Any]:
        """Ask to be provisioned over HTTPS; return the answer."""
        content = request if isinstance(request, bytes) else json.dumps(request).encode()
        context = self.live.client(who)
        async with httpx2.AsyncClient(verify=context) as client:
            response = await client.post(
                f"https://localhost:{self.live.port('https')}/api/v1/provision", content=content
            )
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def change(self, **settings: Any) -> None:
        """Change what the profile says of certificates."""
        profiles = self.server.core.profiles
        profile = await profiles.get(1, self.profile.profile.name)
        wanted = applied(CertificateSettings(counts=True, **settings), profile, profiles)
        await profiles.update(wanted, actor="test")
        await self.server.services.provisioning.reload_profiles()

    async def credentials(self, name: str) -> Credentials:
        return await self.server.core.devices.credentials(await self.found(name))

    async def found(self, name: str) -> Device:
        device = await self.server.device(name)
        assert device is not None
        return device

    async def refusals(self) -> list[str]:
        """Return the codes with which devices were refused."""
        entries = [row.entry for row in await self.server.audit()]
        return [each.code or "" for each in entries if each.event == "provisioning-refused"]


@asynccontextmanager
async def fleet_at(tmp_path: Path, ca: Identity, identity: Identity, **sections: Any) -> AsyncIterator[Fleet]:
    """Run a server with a profile that makes devices of a maker's certificates."""
    root = authority("root of the makers")
    maker = issue("maker", by=root, is_ca=True)
    async with secured(tmp_path, ca, identity, **sections) as live:
        profile = await live.server.profile("by-certificate")
        fleet = Fleet(live, root, maker, profile)
        pem = maker.certificate.public_bytes(Encoding.PEM).decode()
        await fleet.change(authority=pem, pattern=COMPANY, allow_create=True)
        yield fleet
