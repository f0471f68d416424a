"""Certificates of devices and profiles over Firstboot's own calls."""

from __future__ import annotations

import base64
import re
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.integration.admin.own.customers import OURS, a_device, problem
from tests.integration.admin.world import House, World
from tests.integration.tls.making import authority, issue, new_key
from tests.integration.x509.fleet import one_line

from firstboot.model import Credentials
from firstboot_plugins.credentials.lookup_ids import certificate_hash

MAKER = authority("maker")
DEFAULTS = {
    "authority": None, "authorityCounts": False, "pattern": "(.*)", "allowCreate": False, "validation": "strict",
    "lifeDays": None, "renewalDays": None,
}  # fmt: skip


def of_profile(house: House) -> str:
    return f"{OURS}/profiles/{house.profile.public_id}/certificates"


def told(answer: httpx2.Response) -> dict[str, Any]:
    """Return what is said of a profile, but for the challenge, which is another one at each installation."""
    settings: dict[str, Any] = answer.json()
    assert re.fullmatch("firstboot-authority-[0-9a-f]{32}", settings.pop("challenge"))
    return settings


async def with_certificate(world: World, house: House) -> tuple[str, x509.Certificate]:
    """Make a device that has a certificate of the server; return its address and the certificate."""
    device = await a_device(world, house, "d1")
    key = new_key().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    issued = await world.services.certificates.certify(
        key, name=device.name, public_id=device.public_id, life=timedelta(days=10)
    )
    text = base64.b64encode(issued.der).decode()
    credentials = Credentials("X509_CERTIFICATE", certificate_hash(text), text)
    await world.services.devices.change_credentials(device, credentials, actor="test")
    return f"{OURS}/devices/{device.public_id}", x509.load_der_x509_certificate(issued.der)


async def test_everybody_may_have_the_authoritys_certificate(world: World) -> None:
    answer = await world.nobody.get(f"{OURS}/ca.pem")

    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-pem-file")
    (own,) = x509.load_pem_x509_certificates(answer.content)
    assert own.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert (await world.nobody.get(f"{OURS}/ca.pem")).content == answer.content


async def test_everybody_may_have_the_list_of_revoked_certificates(world: World) -> None:
    answer = await world.nobody.get(f"{OURS}/ca.crl")

    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pkix-crl")
    assert list(x509.load_der_x509_crl(answer.content)) == []


async def test_the_certificates_of_a_device_are_shown(
    world: World, house: House, admin: httpx2.AsyncClient
) -> None:
    device, certificate = await with_certificate(world, house)

    (shown,) = (await admin.get(f"{device}/certificates")).json()["certificates"]

    assert shown == {
        "serial": f"{certificate.serial_number:x}",
        "subject": "CN=d1",
        "issuer": certificate.issuer.rfc4514_string(),
        "notBeforeMs": round(certificate.not_valid_before_utc.timestamp() * 1000),
        "notAfterMs": round(certificate.not_valid_after_utc.timestamp() * 1000),
        "validUntilMs": None,
    }


async def test_a_device_with_a_token_has_none(world: World, house: House, admin: httpx2.AsyncClient) -> None:
    device = await a_device(world, house, "d2")

    assert (await admin.get(f"{OURS}/devices/{device.public_id}/certificates")).json() == {"certificates": []}


async def test_a_text_that_is_no_certificate_is_not_shown(
    world: World, house: House, admin: httpx2.AsyncClient
) -> None:
    """PR-14: any string is accepted."""
    device = await a_device(world, house, "d2")
    odd = Credentials("X509_CERTIFICATE", certificate_hash("odd"), "odd")
    await world.services.devices.change_credentials(device, odd, actor="test")

    assert (await admin.get(f"{OURS}/devices/{device.public_id}/certificates")).json() == {"certificates": []}


async def test_revoking_voids_what_the_device_has_and_lists_its_certificate(
    world: World, house: House, admin: httpx2.AsyncClient
) -> None:
    device, certificate = await with_certificate(world, house)

    answer = await admin.delete(f"{device}/credentials")

    assert answer.status_code == 204
    assert (await admin.get(f"{device}/certificates")).json() == {"certificates": []}
    listed = await world.services.storage.revoked_certificates(0)
    assert [each.serial for each in listed] == [f"{certificate.serial_number:x}"]


async def test_a_profile_says_nothing_of_certificates_at_first(house: House, admin: httpx2.AsyncClient) -> None:
    assert told(await admin.get(of_profile(house))) == DEFAULTS


async def test_an_authority_makes_the_profile_one_of_certificates(
    world: World, house: House, admin: httpx2.AsyncClient
) -> None:
    settings = {
        "pattern": "(.*)[.]example[.]com", "allowCreate": True, "validation": "lax", "lifeDays": 30,
        "renewalDays": 10,
    }  # fmt: skip

    changed = await admin.patch(of_profile(house), json={"authority": MAKER.pem.decode(), **settings})

    expected = {"authority": certificate_hash(one_line(MAKER)), "authorityCounts": False, **settings}
    assert told(changed) == expected
    assert told(await admin.get(of_profile(house))) == expected
    profile = await world.services.profiles.by_public_id(house.tenant.id, house.profile.public_id)
    assert profile.strategy == "x509-certificate-chain"
    theirs = (await admin.get(f"/api/deviceProfile/{profile.public_id}")).json()
    provision = theirs["profileData"]["provisionConfiguration"]
    assert (theirs["provisionType"], theirs["provisionDeviceKey"]) == (
        "X509_CERTIFICATE_CHAIN", expected["authority"],
    )  # fmt: skip
    assert provision["provisionDeviceSecret"] == one_line(MAKER)
    assert provision["certificateRegExPattern"] == settings["pattern"]
    assert provision["allowCreateNewDevicesByX509Certificate"] is True


async def test_what_is_left_out_stays_and_zero_takes_away(house: House, admin: httpx2.AsyncClient) -> None:
    await admin.patch(of_profile(house), json={"lifeDays": 30, "renewalDays": 10, "pattern": "x(.*)"})

    changed = await admin.patch(of_profile(house), json={"lifeDays": 0, "renewalDays": None})

    assert told(changed) == {**DEFAULTS, "renewalDays": 10, "pattern": "x(.*)"}


@pytest.mark.parametrize(
    "bad",
    [{"authority": "no certificate"}, {"authority": ""}, {"authority": "A" * 20_000},
     {"authority": MAKER.key_pem().decode()}, {"pattern": "no group"}, {"pattern": "(("}, {"pattern": "(a)\\1"},
     {"proof": "AAAA"}],
    ids=["no authority", "nothing", "too much", "a key", "no group", "no expression", "a reference", "a proof"],
)  # fmt: skip
async def test_bad_settings_are_refused(house: House, admin: httpx2.AsyncClient, bad: dict[str, Any]) -> None:
    status, _ = problem(await admin.patch(of_profile(house), json=bad))

    assert status == 400
    assert told(await admin.get(of_profile(house))) == DEFAULTS


async def test_one_authority_proves_one_profile(world: World, house: House, admin: httpx2.AsyncClient) -> None:
    """Contract 1.3: such a certificate is a provision key, and unique."""
    pem = issue("another maker", is_ca=True).pem.decode()
    other = await world.services.profiles.named(house.tenant.id, "other", actor="test")
    await admin.patch(of_profile(house), json={"authority": pem})

    answer = await admin.patch(f"{OURS}/profiles/{other.public_id}/certificates", json={"authority": pem})

    assert problem(answer)[0] == 409
