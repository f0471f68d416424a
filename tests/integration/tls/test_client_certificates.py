"""SE-10: who the peer is follows from the certificate of this connection, vouched for or not."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from tests.integration.tls.making import Identity, authority, issue
from tests.integration.tls.secured import Secured, secured

from firstboot.hookspecs import hookimpl
from firstboot.model import Origin, PeerCertificate
from firstboot.tls_settings import PEER_CERTIFICATE
from firstboot_plugins.transports.mqtt.dialect import ConnectRefused, SessionTopics
from firstboot_plugins.transports.mqtt.packets import Connect

EVERY_VERSION = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
every_version = pytest.mark.parametrize("version", EVERY_VERSION, ids=lambda version: version.name)


class Notes:
    """A dialect that notes with which certificate each CONNECT has come, and refuses them all."""

    FIRSTBOOT_API = 1
    name = "notes"

    def __init__(self) -> None:
        self.certificates: list[PeerCertificate | None] = []

    @hookimpl
    def firstboot_mqtt_dialects(self) -> Iterable[Any]:
        return [self]

    @hookimpl
    def firstboot_http_routes(self) -> Iterable[Any]:
        async def note(request: Request) -> JSONResponse:
            self.certificates.append(request.scope[PEER_CERTIFICATE])
            return JSONResponse({})

        return [Route("/note", note)]

    def provision_session(self, connect: Connect, origin: Origin) -> SessionTopics | None:
        return None

    async def login(self, connect: Connect, origin: Origin) -> None:
        self.certificates.append(origin.certificate)
        raise ConnectRefused(5, 0x87)

    def last(self) -> PeerCertificate:
        certificate = self.certificates[-1]
        assert certificate is not None
        return certificate


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
async def noting(tmp_path: Path, ca: Identity, identity: Identity, notes: Notes) -> Any:
    directory = tmp_path / "authorities"
    directory.mkdir()
    trusted = directory / "devices.crt"
    trusted.write_bytes(ca.pem)
    async with secured(
        tmp_path, ca, identity, plugins={"notes": notes}, plugin_settings={"disable": ["thingsboard"]},
        tls={"client_ca": trusted},
    ) as live:  # fmt: skip
        yield live


async def shown(live: Secured, context: ssl.SSLContext, notes: Notes) -> PeerCertificate | None:
    """Connect; return what the dialect has seen."""
    peer = await live.open(context)
    await peer.connect(Connect(4, "c", True, 60))
    await peer.expect_closed()
    return notes.certificates[-1]


@every_version
async def test_a_self_signed_certificate_is_taken_and_not_trusted(
    noting: Secured, notes: Notes, version: ssl.TLSVersion
) -> None:
    device = issue("meter-7")

    seen = await shown(noting, noting.client(device, version=version), notes)

    assert seen == PeerCertificate(der=device.der, chain=(), is_trusted=False)


@every_version
async def test_a_chain_up_to_a_known_authority_is_trusted_and_whole(
    noting: Secured, notes: Notes, ca: Identity, version: ssl.TLSVersion
) -> None:
    middle = issue("factory CA", by=ca, is_ca=True)
    device = dataclasses.replace(issue("meter-7", by=middle), above=(middle.certificate,))

    seen = await shown(noting, noting.client(device, version=version), notes)

    assert seen is not None
    assert (seen.der, seen.chain, seen.is_trusted) == (device.der, (middle.der,), True)


async def test_a_chain_without_its_middle_is_not_trusted(noting: Secured, notes: Notes, ca: Identity) -> None:
    middle = issue("factory CA", by=ca, is_ca=True)

    seen = await shown(noting, noting.client(issue("meter-7", by=middle)), notes)

    assert seen is not None
    assert not seen.is_trusted


async def test_a_chain_of_a_stranger_who_has_the_authoritys_name_is_not_trusted(
    noting: Secured, notes: Notes, ca: Identity
) -> None:
    forged = authority("test CA")  # as the real one calls itself
    device = dataclasses.replace(issue("meter-7", by=forged), above=(forged.certificate,))

    seen = await shown(noting, noting.client(device), notes)

    assert seen is not None
    assert not seen.is_trusted


async def test_a_device_whose_issuer_is_no_authority_is_not_trusted(
    noting: Secured, notes: Notes, ca: Identity
) -> None:
    colleague = issue("meter-6", by=ca)
    device = dataclasses.replace(issue("meter-7", by=colleague), above=(colleague.certificate,))

    seen = await shown(noting, noting.client(device), notes)

    assert seen is not None
    assert not seen.is_trusted


@pytest.mark.parametrize("days", [(-9, -1), (1, 9)], ids=["expired", "not yet valid"])
async def test_its_dates_are_for_the_dialect_to_judge(
    noting: Secured, notes: Notes, ca: Identity, days: tuple[float, float]
) -> None:
    device = issue("meter-7", by=ca, days=days)

    seen = await shown(noting, noting.client(device), notes)

    assert seen is not None
    assert (seen.der, seen.is_trusted) == (device.der, True)


async def test_an_authority_that_has_expired_vouches_for_nobody(
    noting: Secured, notes: Notes, ca: Identity
) -> None:
    middle = issue("factory CA", by=ca, is_ca=True, days=(-9, -1))
    device = dataclasses.replace(issue("meter-7", by=middle), above=(middle.certificate,))

    seen = await shown(noting, noting.client(device), notes)

    assert seen is not None
    assert not seen.is_trusted


@every_version
async def test_a_client_without_a_certificate_is_served_too(
    noting: Secured, notes: Notes, version: ssl.TLSVersion
) -> None:
    assert await shown(noting, noting.client(version=version), notes) is None


async def test_a_key_that_is_too_small_ends_the_handshake(noting: Secured, notes: Notes) -> None:
    device = issue("weak", key=rsa.generate_private_key(65537, 1024))
    context = noting.client(version=ssl.TLSVersion.TLSv1_2)
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.load_cert_chain(*device.write(noting.directory, "weak"))

    with pytest.raises(ssl.SSLError):
        await noting.open(context)

    assert notes.certificates == []


@every_version
async def test_se_10_nobody_takes_over_the_certificate_of_a_session_before(
    noting: Secured, notes: Notes, version: ssl.TLSVersion
) -> None:
    """Without its key a client that resumes the session of a device would be that device."""
    context = noting.client(issue("meter-7"), version=version)
    port = noting.port("mqtts")

    def connect(session: ssl.SSLSession | None) -> tuple[ssl.SSLSession | None, bool | None]:
        with (
            socket.create_connection(("127.0.0.1", port)) as plain,
            context.wrap_socket(plain, server_hostname="localhost", session=session) as peer,
        ):
            peer.sendall(Connect(4, "c", True, 60).encode(4))
            while peer.recv(100):
                pass
            return peer.session, peer.session_reused

    session, _ = await asyncio.to_thread(connect, None)
    _, was_reused = await asyncio.to_thread(connect, session)

    assert was_reused is False
    assert len(notes.certificates) == 2


async def test_a_listener_that_does_not_ask_gets_no_certificate(
    tmp_path: Path, ca: Identity, identity: Identity, notes: Notes
) -> None:
    async with secured(
        tmp_path, ca, identity, plugins={"notes": notes}, plugin_settings={"disable": ["thingsboard"]},
        mqtt={"client_certificates": "off"},
    ) as live:  # fmt: skip
        assert await shown(live, live.client(issue("meter-7")), notes) is None


async def test_http_requests_say_with_which_certificate_they_have_come(noting: Secured, notes: Notes) -> None:
    device = issue("meter-7")
    async with httpx2.AsyncClient(verify=noting.client(device)) as client:
        answer = await client.get(f"https://localhost:{noting.port('https')}/note")
        assert answer.status_code == 200
    async with httpx2.AsyncClient() as client:
        await client.get(f"{noting.server.url}/note", headers={"X-Client-Cert": "somebody", "Forwarded": "for=x"})

    assert notes.certificates[0] == PeerCertificate(der=device.der)
    assert notes.certificates[1] is None  # and nothing from headers


async def test_a_certificate_is_in_no_repr_and_no_log(
    noting: Secured, notes: Notes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    await shown(noting, noting.client(issue("meter-7")), notes)

    assert "PeerCertificate(is_trusted=False)" in repr(notes.last())
    assert "meter-7" not in caplog.text
