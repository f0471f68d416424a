"""Certificates that proved something once, or look as if they did (threats PV-4, PV-11, PL-6)."""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID
from tests.integration.admin.world import world_of
from tests.integration.provisioning.fake_clock import FakeClock
from tests.integration.tls.making import Identity, authority, issue, new_key
from tests.integration.x509.fleet import REFUSED_V3, Fleet, csr, fleet_at, issued, one_line

from firstboot.model import Credentials

CA = authority()
SERVER = issue("server", by=CA, hosts=["localhost"])
CSR, CERTIFICATE, TOKEN = "X509_CSR", "X509_CERTIFICATE", "ACCESS_TOKEN"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(round(time.time() * 1000))


@pytest.fixture
async def fleet(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Fleet]:
    patient = {"failures_per_minute": 100_000}
    async with fleet_at(tmp_path, CA, SERVER, provisioning=patient, clock=clock.clock) as started:
        yield started


async def enrolled(fleet: Fleet, name: str = "meter-7") -> Identity:
    """Return a device whose certificate is from the server's own authority, which proves the profile too."""
    key, request = csr()
    answer = await fleet.post(fleet.device(f"{name}.company.com"), {"csr": request})
    await fleet.change(authority=await fleet.server.core.certificates.certificate(), pattern="(.*)")
    return issued(key, answer["credentialsValue"])


async def public_proof(fleet: Fleet) -> dict[str, str]:
    """Return key and secret of the profile, which everybody may know: a hash, and a certificate."""
    profile = await fleet.server.core.profiles.get(1, "by-certificate")
    secret = fleet.server.core.profiles.reveal_secret(profile)
    assert secret is not None
    assert profile.provision_key is not None
    return {"provisionDeviceKey": profile.provision_key, "provisionDeviceSecret": secret.reveal()}


@pytest.mark.parametrize("wanted", [{}, {"credentialsType": TOKEN}, {"credentialsType": CSR}], ids=str)
async def test_pv_11_a_revoked_certificate_proves_nothing_with_the_public_key_and_secret_either(
    fleet: Fleet, clock: FakeClock, wanted: dict[str, str]
) -> None:
    who = await enrolled(fleet)
    await fleet.server.services.devices.delete(await fleet.found("meter-7"), actor="test")
    clock.advance(2)
    request = {"csr": csr()[1]} if wanted.get("credentialsType") == CSR else {}

    answer = await fleet.post(who, {**await public_proof(fleet), **wanted, **request})

    assert answer["status"] == "NOT_FOUND"
    assert await fleet.server.device("meter-7") is None


@pytest.mark.parametrize("kind", [CSR, CERTIFICATE, TOKEN])
async def test_pv_4_a_replaced_leaf_gets_no_other_credentials(fleet: Fleet, kind: str) -> None:
    first, second = fleet.device(days=(-2, 90)), fleet.device(days=(-1, 90))
    assert [await fleet.log_in(each) for each in (first, second)] == [0, 0]
    wanted = {
        CSR: {"csr": csr()[1]},
        CERTIFICATE: {"credentialsType": CERTIFICATE, "hash": one_line(issue("mine"))},
        TOKEN: {"credentialsType": TOKEN, "token": "a-token-of-my-own"},
    }[kind]

    assert (await fleet.post(first, wanted))["status"] == "FAILURE"

    assert await fleet.log_in(second) == 0
    assert await fleet.refusals() == ["not-the-same-device"]


# -- certificates that OpenSSL takes and other readers do not -----------------------------------------


def patched(who: Identity, old: bytes, new: bytes) -> Identity:
    """Return an identity with other bytes in its certificate; nobody has signed it any more."""
    assert len(old) == len(new)
    assert old in who.der
    return replace(who, certificate=x509.load_der_x509_certificate(who.der.replace(old, new, 1)))


def odd_names() -> dict[str, Identity]:
    """Return certificates whose first name, the issuer's, is spelled in a way that X.509 does not have."""
    utf8, text = b"\x0c\x08", b"stranger"
    return {
        "teletex that is none": patched(issue("stranger"), utf8 + text, b"\x14\x08" + b"\xff" * 8),
        "bits": patched(issue("stranger"), utf8 + text, b"\x03\x08" + bytes(8)),
        "an object": patched(issue("stranger"), utf8 + text, b"\x07\x08" + text),
        "a number without a sign": patched(issue("stranger"), utf8 + text, b"\x12\x08" + b"\xff" * 8),
    }


def other_version(who: Identity) -> bytes:
    return who.der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x05", 1)


@pytest.mark.parametrize("name", odd_names())
async def test_pv_11_a_name_that_cannot_be_read_is_refused_like_any_other(
    fleet: Fleet, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    who = odd_names()[name]

    assert await fleet.log_in(who) == REFUSED_V3  # and not 3: unavailable
    assert (await fleet.post(who, {}))["status"] == "NOT_FOUND"

    assert [each for each in caplog.records if each.exc_info] == []


async def test_pv_11_a_certificate_of_a_version_that_does_not_exist_is_refused_like_any_other(
    fleet: Fleet, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    who = issue("stranger")
    file = tmp_path / "odd.pem"
    body = base64.encodebytes(other_version(who)).decode()
    file.write_text(f"-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n{who.key_pem().decode()}")
    context = fleet.live.client()
    context.load_cert_chain(file)

    async with httpx2.AsyncClient(verify=context) as client:
        url = f"https://localhost:{fleet.live.port('https')}/api/v1/provision"
        answer = (await client.post(url, json={})).json()

    assert answer["status"] == "NOT_FOUND"
    assert [each for each in caplog.records if each.exc_info] == []


# A SubjectAlternativeName with one entry of an X.400 address, of a kind that readers leave out.
X400 = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), b"\x30\x04\xa3\x02\x30\x00")


def with_x400() -> Identity:
    key = new_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "odd")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=90))
        .add_extension(X400, critical=False)
        .sign(key, hashes.SHA256())
    )
    return Identity(certificate, key)


async def test_pl_6_a_device_with_an_odd_certificate_does_not_stop_the_issuing_for_others(fleet: Fleet) -> None:
    """Ten failures of a plugin would let it rest: no device may cause them."""
    profile = await fleet.server.profile("requests")
    odd = with_x400()
    brought = profile.request("odd", credentialsType=CERTIFICATE, hash=one_line(odd))
    assert (await fleet.server.post(brought))["status"] == "SUCCESS"

    asked = [(await fleet.post(odd, {"csr": csr()[1]}))["status"] for _ in range(12)]

    assert asked[0] == "SUCCESS"
    assert "plugin-error" not in await fleet.refusals()
    assert (await fleet.server.post(profile.request("m", csr=csr()[1])))["status"] == "SUCCESS"


async def test_pl_6_odd_requests_do_not_stop_the_issuing_for_others(fleet: Fleet) -> None:
    profile = await fleet.server.profile("requests")

    for _ in range(12):
        odd = csr(extensions=[X400])[1]
        assert (await fleet.server.post(profile.request("odd", csr=odd)))["status"] == "FAILURE"

    assert set(await fleet.refusals()) == {"bad-credentials-request"}
    assert (await fleet.server.post(profile.request("m", csr=csr()[1])))["status"] == "SUCCESS"


@pytest.mark.parametrize("name", odd_names())
async def test_pl_6_an_odd_certificate_of_a_device_is_no_error_of_whoever_looks_at_it(
    tmp_path: Path, name: str
) -> None:
    async with world_of(tmp_path) as world:
        house = await world.house("aardvark")
        odd = Credentials(CERTIFICATE, "an id", one_line(odd_names()[name]))
        await world.services.devices.change_credentials(house.device, odd, actor="test")
        admin = await world.person(house.admin)

        shown = await admin.get(f"/api/firstboot/devices/{house.device.public_id}/certificates")
        await world.services.devices.revoke_credentials(house.device, actor="test")

    assert (shown.status_code, shown.json()) == (200, {"certificates": []})


# -- what everybody may know proves nothing ----------------------------------------------------------


async def test_pv_3_a_profile_of_certificates_with_another_strategy_is_not_proven_by_its_certificate(
    tmp_path: Path,
) -> None:
    async with world_of(tmp_path) as world:
        house = await world.house("aardvark")
        admin = await world.person(house.admin)
        ours = f"/api/firstboot/profiles/{house.profile.public_id}"
        pem = authority("maker").pem.decode()
        assert (await admin.patch(f"{ours}/certificates", json={"authority": pem})).status_code == 200
        theirs = (await admin.get(f"/api/deviceProfile/{house.profile.public_id}")).json()
        known = {
            "provisionDeviceKey": theirs["provisionDeviceKey"],
            "provisionDeviceSecret": theirs["profileData"]["provisionConfiguration"]["provisionDeviceSecret"],
        }

        theirs["provisionType"] = theirs["profileData"]["provisionConfiguration"]["type"] = (
            "ALLOW_CREATE_NEW_DEVICES"
        )
        refused = await admin.post("/api/deviceProfile", json=theirs)
        changed = await admin.patch(ours, json={"strategy": "allow-create-new"})
        answer = await world.server.post({**known, "deviceName": "stolen"})
        rotated = (await admin.post(f"{ours}/rotate-secret")).json()

    assert refused.status_code == 400
    assert (changed.status_code, changed.json()["provisionKey"]) == (200, None)
    assert answer["status"] == "NOT_FOUND"
    assert rotated["provisionKey"] not in (None, known["provisionDeviceKey"])
