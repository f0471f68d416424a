"""What strangers may do with certificates and requests for them (threats PV-11, PV-12, SE-4, SE-5, SE-10)."""

from __future__ import annotations

import base64
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from tests.harness import login
from tests.integration.tls.making import authority, issue
from tests.integration.x509.fleet import REFUSED_V3, Fleet, chain_of, csr, fleet_at, one_line

from firstboot.logs import JsonFormatter
from firstboot_plugins.credentials.lookup_ids import certificate_hash

CA = authority()
SERVER = issue("server", by=CA, hosts=["localhost"])


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    # One source may fail as often as these tests do.
    patient = {"failures_per_minute": 100_000}
    async with fleet_at(tmp_path, CA, SERVER, provisioning=patient) as started:
        yield started


async def still_serves(fleet: Fleet, name: str) -> None:
    assert await fleet.log_in(fleet.device(f"{name}.company.com")) == 0


@pytest.mark.parametrize(
    "text",
    ["", "x", "-----BEGIN CERTIFICATE REQUEST-----", "A" * 20_000, base64.b64encode(bytes(4096)).decode(),
     "[" * 5000],
    ids=["empty", "short", "cut off", "long", "zeros", "brackets"],
)  # fmt: skip
async def test_what_is_no_request_is_refused_and_nothing_is_made(fleet: Fleet, text: str) -> None:
    profile = await fleet.server.profile("requests")

    answer = await fleet.server.post(profile.request("meter-7", credentialsType="X509_CSR", csr=text))

    assert answer == {"errorMsg": "Failed to provision device!", "status": "FAILURE"}
    assert await fleet.server.device("meter-7") is None


@pytest.mark.parametrize("body", [b"", b"\0", b"{", b"[]", b"null", b'{"csr":{}}', b'{"csr":null}', b'{"csr":""}'])
async def test_odd_bodies_over_mutual_tls_are_answered(fleet: Fleet, body: bytes) -> None:
    async with httpx2.AsyncClient(verify=fleet.live.client(issue())) as client:
        response = await client.post(
            f"https://localhost:{fleet.live.port('https')}/api/v1/provision", content=body
        )

    assert response.status_code in (200, 400, 500)
    assert response.json()["status"] in ("NOT_FOUND", "FAILURE", 400, 500)


async def test_a_request_never_makes_an_authority_or_another_name(fleet: Fleet) -> None:
    from cryptography import x509

    profile = await fleet.server.profile("requests")
    greedy = csr(name="admin", extensions=[x509.BasicConstraints(True, None)])[1]

    assert (await fleet.server.post(profile.request("meter-7", csr=greedy)))["status"] == "FAILURE"


async def test_pv_12_a_pattern_that_backtracks_elsewhere_costs_nothing_here(fleet: Fleet) -> None:
    await fleet.change(pattern="((a+)+)$")
    # 64 characters are what X.520 allows a common name.
    who = fleet.device("a" * 63 + "!")

    began = time.process_time()
    assert await fleet.log_in(who) == REFUSED_V3

    assert time.process_time() - began < 2


@pytest.mark.parametrize("count", [6, 8])
async def test_pv_11_too_many_certificates_are_not_looked_at(fleet: Fleet, count: int) -> None:
    many = chain_of(fleet.device(), *[fleet.maker] * (count - 1))

    assert await fleet.log_in(many) == REFUSED_V3

    await still_serves(fleet, "after")


async def test_pv_11_fifty_certificates_end_in_no_device(fleet: Fleet) -> None:
    above = [issue("first", by=fleet.maker, is_ca=True)]
    for number in range(48):
        above.insert(0, issue(str(number), by=above[0], is_ca=True))

    try:
        reason = await fleet.log_in(chain_of(issue("meter-7.company.com", by=above[0]), *above))
    except (OSError, AssertionError):
        reason = REFUSED_V3  # TLS has ended it

    assert reason == REFUSED_V3
    assert await fleet.server.device("meter-7") is None
    await still_serves(fleet, "after")


async def test_authorities_of_one_name_are_not_all_tried(fleet: Fleet) -> None:
    """The name is the device's choice; each try costs a signature."""
    from cryptography.hazmat.primitives.serialization import Encoding

    from firstboot_plugins.strategies.certificate_settings import CertificateSettings, applied

    profiles = fleet.server.core.profiles
    for number in range(40):
        made = (await fleet.server.profile(f"makers-{number}")).profile
        pem = issue("same name", is_ca=True).certificate.public_bytes(Encoding.PEM).decode()
        settings = CertificateSettings(authority=pem, counts=True)
        await profiles.update(applied(settings, made, profiles), actor="test")
    await fleet.server.services.provisioning.reload_profiles()

    nobody = issue("same name", is_ca=True)
    assert await fleet.log_in(issue("meter-7.company.com", by=nobody)) == REFUSED_V3

    await still_serves(fleet, "after")


async def test_the_certificate_of_another_is_of_no_use_without_its_key(fleet: Fleet) -> None:
    """A certificate is public: to know it, or its hash, proves nothing."""
    who = fleet.device()
    assert await fleet.log_in(who) == 0
    text = one_line(who)
    profile = await fleet.server.profile("requests")

    for stolen in ({"token": text}, {"token": certificate_hash(text)}, {"username": certificate_hash(text)}):
        assert (await fleet.server.post({"csr": csr()[1], **stolen}))["status"] == "NOT_FOUND"
    assert await login(fleet.server, username=certificate_hash(text)) == REFUSED_V3
    squatter = profile.request("other", credentialsType="X509_CERTIFICATE", hash=text)
    assert (await fleet.server.post(squatter))["status"] == "FAILURE"
    assert await fleet.log_in(who) == 0


async def test_a_certificate_in_a_header_is_none(fleet: Fleet) -> None:
    """SE-10: no certificate fields from headers."""
    who = fleet.device()
    assert await fleet.log_in(who) == 0
    headers = {"x-client-cert": who.pem.decode().replace("\n", "%0A"), "x-ssl-client-verify": "SUCCESS"}

    async with httpx2.AsyncClient() as client:
        response = await client.post(
            f"{fleet.server.url}/api/v1/provision", json={"csr": csr()[1]}, headers=headers
        )

    assert response.json()["status"] == "NOT_FOUND"


async def test_se_5_neither_keys_nor_certificates_are_logged(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    _, request = csr()
    who = fleet.device()
    issued = (await fleet.post(who, {"csr": request}))["credentialsValue"]
    await fleet.log_in(issue("stranger\r\nforged line"))
    await fleet.server.services.devices.revoke_credentials(await fleet.found("meter-7"), actor="test")

    lines = [JsonFormatter().format(record) for record in caplog.records]
    rows = repr(await fleet.server.audit())
    logged = "\n".join(lines) + rows
    assert not [line for line in lines if "\n" in line]
    for secret in (
        one_line(who),
        "".join(request.splitlines()[1:-1])[40:80],
        issued.splitlines()[3],
        "PRIVATE KEY",
    ):
        assert secret not in logged


async def test_many_strangers_with_certificates_leave_nothing_behind(fleet: Fleet) -> None:
    for _ in range(20):
        assert await fleet.log_in(issue("stranger.company.com")) == REFUSED_V3

    assert await fleet.server.device("stranger") is None
    assert len(fleet.server.services.sessions) == 0
    await still_serves(fleet, "after")
