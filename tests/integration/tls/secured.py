"""A server in this process that listens in every way, and clients of it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from tests.harness import MqttPeer, TestServer, running
from tests.integration.tls.making import Identity

from firstboot_plugins.transports.mqtt.packets import Connack, Connect

ANYWHERE = "127.0.0.1:0"


class Secured:
    """A server, the certificates it was given, and those that its clients trust."""

    def __init__(self, server: TestServer, ca: Identity, directory: Path) -> None:
        self.server = server
        self.ca = ca
        self.directory = directory
        self.listeners = server.server.listeners
        assert server.services.tls is not None
        self.tls = server.services.tls

    @property
    def ca_file(self) -> Path:
        file = self.directory / "ca.crt"
        file.write_bytes(self.ca.pem)
        return file

    def port(self, listener: str) -> int:
        return self.listeners[listener].port

    def client(self, device: Identity | None = None, *, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
        """Return what a client connects with that trusts the CA, and is ``device`` if it is asked."""
        context = ssl.create_default_context(cadata=self.ca.certificate.public_bytes(Encoding.PEM).decode())
        if version is not None:
            context.minimum_version = context.maximum_version = version
        if device is not None:
            context.load_cert_chain(*device.write(self.directory, "device"))
        return context

    async def open(
        self, context: ssl.SSLContext | None = None, *, listener: str = "mqtts", host: str = "localhost"
    ) -> MqttPeer:
        """Open a TLS connection; nothing is said over it yet."""
        streams = await asyncio.open_connection(
            "127.0.0.1", self.port(listener), ssl=context or self.client(), server_hostname=host
        )
        return MqttPeer(*streams)

    async def connack(self, peer: MqttPeer, **fields: Any) -> int:
        """Say CONNECT; return the answer's code."""
        await peer.connect(Connect(4, "c", True, 60, **fields))
        return (await peer.expect(Connack)).reason

    async def served_certificate(self, host: str = "localhost", listener: str = "mqtts") -> bytes:
        """Return the certificate that new clients see, in DER."""
        peer = await self.open(host=host, listener=listener)
        der = peer.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        await peer.close()
        assert isinstance(der, bytes)
        return der


@asynccontextmanager
async def secured(
    tmp_path: Path,
    ca: Identity,
    identity: Identity,
    *,
    tls: Mapping[str, Any] | None = None,
    mqtt: Mapping[str, Any] | None = None,
    http: Mapping[str, Any] | None = None,
    **more: Any,
) -> AsyncIterator[Secured]:
    """Run a server that listens in every way."""
    directory = tmp_path / "tls"
    cert, key = identity.write(directory)
    sections = {
        "tls": {"cert": cert, "key": key, **(tls or {})},
        "mqtt": {
            "tls_bind": ANYWHERE,
            "ws_bind": ANYWHERE,
            "wss_bind": ANYWHERE,
            "client_certificates": "optional",
            **(mqtt or {}),
        },
        "http": {"tls_bind": ANYWHERE, "client_certificates": "optional", **(http or {})},
    }
    async with running(tmp_path, **sections, **more) as server:
        yield Secured(server, ca, directory)
