"""Certificates are taken back: sessions end, logins are refused, and the list says so."""

from __future__ import annotations

import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from tests.harness import TestServer
from tests.integration.provisioning.fake_clock import FakeClock
from tests.integration.tls.making import Identity
from tests.integration.x509.fleet import REFUSED_V3, Fleet, csr, fleet_at, issued
from tests.services import require_tool


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(round(time.time() * 1000))


@pytest.fixture
async def fleet(
    tmp_path: Path, ca: Identity, identity: Identity, database: str, clock: FakeClock
) -> AsyncIterator[Fleet]:
    """Run a server on each kind of database."""
    async with fleet_at(tmp_path, ca, identity, database=database, clock=clock.clock) as started:
        yield started


async def enrolled(fleet: Fleet, name: str = "meter-7") -> Identity:
    key, request = csr()
    answer = await fleet.post(fleet.device(f"{name}.company.com"), {"csr": request})
    return issued(key, answer["credentialsValue"])


async def download(server: TestServer, path: str) -> httpx2.Response:
    async with httpx2.AsyncClient() as client:
        response = await client.get(f"{server.url}/api/firstboot/{path}")
    assert response.status_code == 200
    return response


async def revoked(fleet: Fleet, clock: FakeClock) -> set[int]:
    """Return the serial numbers on the list, as it is when what was read before is too old."""
    clock.advance(2)
    der = (await download(fleet.server, "ca.crl")).content
    return {each.serial_number for each in x509.load_der_x509_crl(der)}


async def test_a_revoked_device_is_put_out_and_stays_out(fleet: Fleet, clock: FakeClock) -> None:
    who = await enrolled(fleet)
    peer, reason = await fleet.say_connect(who)
    assert reason == 0

    await fleet.server.services.devices.revoke_credentials(await fleet.found("meter-7"), actor="test")

    assert await peer.expect_closed() == []
    assert await fleet.log_in(who) == REFUSED_V3
    assert await revoked(fleet, clock) == {who.certificate.serial_number}


async def test_a_revoked_device_does_not_come_back_by_its_maker_or_with_a_request(
    fleet: Fleet, clock: FakeClock
) -> None:
    who = await enrolled(fleet)
    await fleet.server.services.devices.revoke_credentials(await fleet.found("meter-7"), actor="test")

    assert await fleet.log_in(fleet.device(days=(0, 30))) == REFUSED_V3
    assert (await fleet.post(fleet.device(days=(0, 30)), {"csr": csr()[1]}))["status"] == "FAILURE"
    assert (await fleet.post(who, {"csr": csr()[1]}))["status"] == "NOT_FOUND"


async def test_the_certificate_of_a_deleted_device_is_revoked(fleet: Fleet, clock: FakeClock) -> None:
    who = await enrolled(fleet)

    await fleet.server.services.devices.delete(await fleet.found("meter-7"), actor="test")

    assert await revoked(fleet, clock) == {who.certificate.serial_number}


async def test_a_revoked_certificate_makes_no_device_where_its_authority_proves_a_profile(
    fleet: Fleet, clock: FakeClock
) -> None:
    who = await enrolled(fleet)
    await fleet.change(authority=await fleet.server.core.certificates.certificate(), pattern="(.*)")
    await fleet.server.services.devices.delete(await fleet.found("meter-7"), actor="test")
    clock.advance(2)

    assert await fleet.log_in(who) == REFUSED_V3

    assert await fleet.server.device("meter-7") is None


async def test_certificates_of_makers_are_not_on_the_list(fleet: Fleet, clock: FakeClock) -> None:
    assert await fleet.log_in(fleet.device()) == 0

    await fleet.server.services.devices.revoke_credentials(await fleet.found("meter-7"), actor="test")

    assert await revoked(fleet, clock) == set()


async def test_what_is_in_its_grace_is_revoked_too(fleet: Fleet, clock: FakeClock) -> None:
    old = await enrolled(fleet)
    clock.advance(300 * 86_400)
    key, request = csr()
    new = issued(key, (await fleet.post(old, {"csr": request}))["credentialsValue"])

    await fleet.server.services.devices.revoke_credentials(await fleet.found("meter-7"), actor="test")

    assert await revoked(fleet, clock) == {old.certificate.serial_number, new.certificate.serial_number}


async def test_the_list_is_signed_dated_and_made_anew_only_when_needed(fleet: Fleet, clock: FakeClock) -> None:
    who = await enrolled(fleet)
    first = (await download(fleet.server, "ca.crl")).content
    clock.advance(2)

    response = await download(fleet.server, "ca.crl")

    assert response.content == first
    assert response.headers["content-type"] == "application/pkix-crl"
    assert "max-age" in response.headers["cache-control"]
    crl = x509.load_der_x509_crl(first)
    assert crl.is_signature_valid(who.above[0].public_key())  # type: ignore[arg-type]
    assert crl.issuer == who.certificate.issuer
    assert crl.next_update_utc is not None
    clock.advance(3600)
    later = x509.load_der_x509_crl((await download(fleet.server, "ca.crl")).content)
    assert later.next_update_utc is not None
    assert later.next_update_utc > crl.next_update_utc
    number = x509.CRLNumber
    assert (
        later.extensions.get_extension_for_class(number).value.crl_number
        > crl.extensions.get_extension_for_class(number).value.crl_number
    )


async def test_openssl_knows_good_from_revoked(fleet: Fleet, clock: FakeClock, tmp_path: Path) -> None:
    openssl = require_tool("openssl")
    good, bad = await enrolled(fleet), await enrolled(fleet, "meter-8")
    await fleet.server.services.devices.revoke_credentials(await fleet.found("meter-8"), actor="test")
    clock.advance(2)
    (tmp_path / "ca.pem").write_bytes((await download(fleet.server, "ca.pem")).content)
    der = (await download(fleet.server, "ca.crl")).content
    (tmp_path / "crl.pem").write_bytes(x509.load_der_x509_crl(der).public_bytes(Encoding.PEM))

    def verdict(who: Identity) -> str:
        cert, _ = who.write(tmp_path, "leaf")
        at = round(clock.now_ms / 1000)
        done = subprocess.run(
            [openssl, "verify", "-attime", str(at), "-crl_check", "-x509_strict", "-purpose", "sslclient",
             "-CAfile", str(tmp_path / "ca.pem"), "-CRLfile", str(tmp_path / "crl.pem"), str(cert)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.stdout + done.stderr

    assert verdict(good).endswith("OK\n")
    assert "certificate revoked" in verdict(bad)
