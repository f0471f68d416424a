"""The server issues certificates: a device sends a request, and its key never leaves it."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from tests.harness import Profile
from tests.integration.provisioning.fake_clock import FakeClock
from tests.integration.tls.making import Identity, issue, new_key
from tests.integration.x509.fleet import REFUSED_V3, Fleet, csr, fleet_at, issued

from firstboot.certificate_authority import META_NAME
from firstboot.model import Origin, ReprovisionPolicy, WantedCredentials
from firstboot_plugins.dialects.thingsboard import provisioning_protobuf

DAY_S = 86_400


@pytest.fixture
async def fleet(tmp_path: Path, ca: Identity, identity: Identity, database: str) -> AsyncIterator[Fleet]:
    """Run a server on each kind of database."""
    async with fleet_at(tmp_path, ca, identity, database=database) as started:
        yield started


async def enrolled(fleet: Fleet, profile: Profile | None = None, name: str = "meter-7") -> Identity:
    """Provision a device that wants a certificate; return who it is then."""
    profile = profile or await fleet.server.profile("requests")
    key, request = csr()
    answer = await fleet.server.post(profile.request(name, csr=request))
    assert (answer["status"], answer["credentialsType"]) == ("SUCCESS", "X509_CERTIFICATE")
    return issued(key, answer["credentialsValue"])


async def test_a_device_gets_a_certificate_for_its_key_and_logs_in(fleet: Fleet) -> None:
    who = await enrolled(fleet)

    assert await fleet.log_in(who) == 0
    leaf, (own,) = who.certificate, who.above
    leaf.verify_directly_issued_by(own)
    device = await fleet.found("meter-7")
    assert leaf.subject.rfc4514_string() == "CN=meter-7"
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [f"urn:uuid:{device.public_id}"]
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc == timedelta(days=365, hours=1)


@pytest.mark.parametrize("field", ["csr", "hash"])
@pytest.mark.parametrize("type_", [None, "X509_CERTIFICATE", "X509_CSR"])
async def test_a_request_is_known_by_its_field_its_type_or_its_header(
    tmp_path: Path, ca: Identity, identity: Identity, field: str, type_: str | None
) -> None:
    if (field, type_) == ("hash", None):
        type_ = "X509_CSR"  # otherwise it is a token that is wanted (PR-14)
    async with fleet_at(tmp_path, ca, identity) as fleet:
        profile = await fleet.server.profile("requests")
        key, request = csr()
        fields = {field: request, **({} if type_ is None else {"credentialsType": type_})}

        answer = await fleet.server.post(profile.request("meter-7", **fields))

        assert await fleet.log_in(issued(key, answer["credentialsValue"])) == 0


async def test_base64_of_the_request_does_as_well(fleet: Fleet) -> None:
    profile = await fleet.server.profile("requests")
    key, request = csr()
    text = "".join(request.splitlines()[1:-1])

    answer = await fleet.server.post(profile.request("meter-7", csr=text))

    assert await fleet.log_in(issued(key, answer["credentialsValue"])) == 0


def test_protobuf_knows_a_request_by_its_header() -> None:
    """Contract 2.9 has no number for the type."""
    _, request = csr()
    hash_ = b"\x0a" + _length(request) + request.encode()
    data = b"\x12" + _length(hash_) + hash_
    payload = b"\x10\x01\x1a\x0c\x0a\x04key1\x12\x04sec1\x22" + _length(data) + data
    origin = Origin(transport="mqtt", dialect="thingsboard", address="")

    wanted = provisioning_protobuf.decode_request(payload, origin).wanted

    assert wanted == WantedCredentials(type="X509_CSR", certificate=request)


def _length(value: str | bytes) -> bytes:
    return bytes([len(value) & 0x7F | 0x80, len(value) >> 7])


async def test_the_subject_of_the_request_does_not_count(fleet: Fleet) -> None:
    profile = await fleet.server.profile("requests")
    key, request = csr(name="somebody-else")

    answer = await fleet.server.post(profile.request("meter-7", csr=request))

    assert issued(key, answer["credentialsValue"]).certificate.subject.rfc4514_string() == "CN=meter-7"


async def test_a_factory_certificate_is_exchanged_for_one_of_the_server(fleet: Fleet) -> None:
    """The device is made by the chain of its maker, and gets a certificate of its own at once."""
    key, request = csr()
    factory = fleet.device()

    answer = await fleet.post(factory, {"csr": request})

    who = issued(key, answer["credentialsValue"])
    assert await fleet.log_in(who) == 0
    assert await fleet.log_in(factory) == REFUSED_V3, "the older certificate must not replace the newer one"
    assert await fleet.log_in(who) == 0


# -- asking again ----------------------------------------------------------------------------------


async def test_where_the_profile_allows_it_a_lost_answer_is_given_again(fleet: Fleet) -> None:
    profile = await fleet.server.profile("retries", reprovision=ReprovisionPolicy.RETRY)
    _, request = csr()
    wanted = profile.request("meter-7", csr=request)

    first, second = await fleet.server.post(wanted), await fleet.server.post(wanted)

    assert second == first


async def test_a_device_that_is_opened_again_gets_another_certificate(fleet: Fleet) -> None:
    profile = await fleet.server.profile("requests")
    first = await enrolled(fleet, profile)
    await fleet.server.services.devices.reopen(await fleet.found("meter-7"), actor="test")

    second = await enrolled(fleet, profile)

    assert await fleet.log_in(first) == REFUSED_V3
    assert await fleet.log_in(second) == 0


# -- renewal ---------------------------------------------------------------------------------------


class Aging:
    """A fleet whose clock a test sets."""

    def __init__(self, fleet: Fleet, clock: FakeClock) -> None:
        self.fleet = fleet
        self.clock = clock

    def days(self, days: float) -> None:
        self.clock.advance(days * DAY_S)


@pytest.fixture
async def aging(tmp_path: Path, ca: Identity, identity: Identity) -> AsyncIterator[Aging]:
    clock = FakeClock(round(time.time() * 1000))
    async with fleet_at(tmp_path, ca, identity, clock=clock.clock) as started:
        yield Aging(started, clock)


async def test_a_certificate_is_renewed_within_its_last_days_and_the_old_one_stays_for_the_grace(
    aging: Aging,
) -> None:
    fleet = aging.fleet
    old = await enrolled(fleet)
    aging.days(300)
    key, request = csr()

    answer = await fleet.post(old, {"csr": request})

    new = issued(key, answer["credentialsValue"])
    assert [await fleet.log_in(each) for each in (new, old)] == [0, 0]
    aging.days(1.1)
    assert [await fleet.log_in(each) for each in (new, old)] == [0, REFUSED_V3]


async def test_a_certificate_is_not_renewed_too_early(aging: Aging) -> None:
    old = await enrolled(aging.fleet)
    aging.days(200)

    assert (await aging.fleet.post(old, {"csr": csr()[1]}))["status"] == "FAILURE"

    assert await aging.fleet.refusals() == ["too-early"]
    assert await aging.fleet.log_in(old) == 0


async def test_a_renewal_whose_answer_was_lost_is_answered_again(aging: Aging) -> None:
    old = await enrolled(aging.fleet)
    aging.days(300)
    _, request = csr()

    first = await aging.fleet.post(old, {"csr": request})
    second = await aging.fleet.post(old, {"csr": request})

    assert first["status"] == "SUCCESS"
    assert second == first


async def test_a_renewal_may_keep_the_key(aging: Aging) -> None:
    old = await enrolled(aging.fleet)
    aging.days(300)

    answer = await aging.fleet.post(old, {"csr": csr(old.key)[1]})

    new = issued(old.key, answer["credentialsValue"])
    assert new.certificate.not_valid_after_utc > old.certificate.not_valid_after_utc
    assert await aging.fleet.log_in(new) == 0


async def test_an_expired_certificate_renews_nothing(aging: Aging) -> None:
    old = await enrolled(aging.fleet)
    aging.days(366)

    assert (await aging.fleet.post(old, {"csr": csr()[1]}))["status"] == "NOT_FOUND"


async def test_a_profile_has_its_own_life_and_time_of_renewal(aging: Aging) -> None:
    fleet = aging.fleet
    await fleet.change(life_days=10, renewal_days=2)
    answer = await fleet.post(fleet.device(), {"csr": (pair := csr())[1]})
    who = issued(pair[0], answer["credentialsValue"])

    assert who.certificate.not_valid_after_utc - who.certificate.not_valid_before_utc == timedelta(
        days=10, hours=1
    )
    aging.days(7.9)
    assert (await fleet.post(who, {"csr": csr()[1]}))["status"] == "FAILURE"
    aging.days(0.2)
    assert (await fleet.post(who, {"csr": csr()[1]}))["status"] == "SUCCESS"


async def test_a_device_exchanges_its_token_for_a_certificate(fleet: Fleet) -> None:
    profile = await fleet.server.profile("tokens")
    token = (await fleet.server.post(profile.request("meter-7")))["credentialsValue"]
    key, request = csr()

    answer = await fleet.server.post({"csr": request, "token": token})

    assert await fleet.log_in(issued(key, answer["credentialsValue"])) == 0
    assert await fleet.log_in(None, username=token) == 0, "it is good for the grace"


async def test_a_device_exchanges_its_password_for_a_certificate(fleet: Fleet) -> None:
    profile = await fleet.server.profile("passwords")
    await fleet.server.post(
        profile.request("meter-7", credentialsType="MQTT_BASIC", username="u1", password="p1-of-this-device")
    )
    key, request = csr()
    wrong = await fleet.server.post({"csr": request, "username": "u1", "password": "another"})

    answer = await fleet.server.post({"csr": request, "username": "u1", "password": "p1-of-this-device"})

    assert wrong["status"] == "NOT_FOUND"
    assert await fleet.log_in(issued(key, answer["credentialsValue"])) == 0


@pytest.mark.parametrize("proof", [{}, {"token": "a-guess"}, {"username": "u"}, {"clientId": "c"}])
async def test_without_a_proof_nothing_is_issued(fleet: Fleet, proof: dict[str, str]) -> None:
    assert (await fleet.server.post({"csr": csr()[1], **proof}))["status"] == "NOT_FOUND"

    assert await fleet.refusals() == ["unknown-key"]


async def test_a_renewal_over_mqtt_and_mutual_tls(aging: Aging) -> None:
    old = await enrolled(aging.fleet)
    aging.days(300)
    key, request = csr()
    peer, _ = await aging.fleet.say_connect(old, username="provision")

    answer = await peer.provision({"csr": request})

    assert await aging.fleet.log_in(issued(key, answer["credentialsValue"])) == 0
    await peer.close()


# -- the authority ---------------------------------------------------------------------------------


async def test_the_authority_is_one_and_its_key_is_sealed(fleet: Fleet) -> None:
    who = await enrolled(fleet)

    stored = await fleet.server.core.storage.read_meta(META_NAME)

    assert stored is not None
    assert b"PRIVATE KEY" not in stored
    assert b"CERTIFICATE" not in stored
    again = issued(new_key(), await fleet.server.core.certificates.certificate())
    assert again.certificate == who.above[0]


async def test_se_2_the_key_of_an_authority_is_in_no_file_of_the_server(
    tmp_path: Path, ca: Identity, identity: Identity
) -> None:
    """Neither that of the own authority nor of one that was imported; in no journal of the database either."""
    imported = _with_usage(issue("factory CA", is_ca=True))
    async with fleet_at(tmp_path, ca, identity) as fleet:
        await enrolled(fleet)
        core = fleet.server.core
        sealed = await core.storage.read_meta(META_NAME)
        assert sealed is not None
        _, made = json.loads(core.keyring.unseal(sealed, b"meta.certificate-authority"))
        await core.certificates.install(imported.pem.decode(), imported.key_pem().decode())
        kept = {file: file.read_bytes() for file in (tmp_path / "data").rglob("*") if file.is_file()}

    assert any(META_NAME.encode() in content for content in kept.values())
    for pem in (made.encode(), imported.key_pem()):
        key = load_pem_private_key(pem, None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        scalar = key.private_numbers().private_value.to_bytes(32, "big")
        for form in (pem.splitlines()[1], scalar, scalar.hex().encode()):
            assert [file for file, content in kept.items() if form in content] == []


async def test_an_imported_authority_issues_from_then_on(fleet: Fleet) -> None:
    before = await enrolled(fleet)
    profile = await fleet.server.core.profiles.get(1, "requests")
    other = issue("factory CA", is_ca=True, days=(-1, 30))
    usable = _with_usage(other)

    await fleet.server.core.certificates.install(usable.pem.decode(), usable.key_pem().decode())

    key, request = csr()
    answer = await fleet.server.post(
        {**(await _request(fleet, profile.name)), "deviceName": "meter-8", "csr": request}
    )
    after = issued(key, answer["credentialsValue"])
    assert after.above[0] == usable.certificate
    assert after.certificate.not_valid_after_utc == usable.certificate.not_valid_after_utc, (
        "no longer than its own"
    )
    assert [await fleet.log_in(each) for each in (before, after)] == [0, 0]


async def _request(fleet: Fleet, name: str) -> dict[str, Any]:
    profile = await fleet.server.core.profiles.get(1, name)
    secret = fleet.server.core.profiles.reveal_secret(profile)
    assert secret is not None
    return {"provisionDeviceKey": profile.provision_key, "provisionDeviceSecret": secret.reveal()}


def _with_usage(ca: Identity) -> Identity:
    from firstboot.certificate_signing import make_authority

    made = make_authority(ca.certificate.not_valid_after_utc - timedelta(days=3640))
    return replace(ca, certificate=made.certificate, key=made.key)


async def test_the_value_that_administrators_see_can_be_saved_again(fleet: Fleet) -> None:
    """ThingsBoard's clients send a record back as they have read it (contract 5.4)."""
    who = await enrolled(fleet)
    credentials = await fleet.credentials("meter-7")
    generator = fleet.server.core.foundation.generators["X509_CERTIFICATE"][1]

    saved = generator.issue(WantedCredentials(type="X509_CERTIFICATE", certificate=credentials.value))

    assert saved.id == credentials.id
    assert json.loads(json.dumps(generator.reveal(saved)))
    assert await fleet.log_in(who) == 0
