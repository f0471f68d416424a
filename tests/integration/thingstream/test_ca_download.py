"""Where devices fetch the authority that they are to trust (contract section 6.3)."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from cryptography import x509
from tests.integration.provisioning.fake_clock import FakeClock
from tests.integration.thingstream.fleet import Fleet, fleet_of
from tests.integration.thingstream.rovers import MAC, corrections, got
from tests.integration.tls.making import authority

from firstboot.errors import ConfigError

PATHS = ("/ztp/ca.pem", "/repository/AmazonRootCA1.pem")


async def test_the_authority_for_devices_is_to_be_had_at_both_paths(each_fleet: Fleet) -> None:
    profile = await corrections(each_fleet)
    told = await got(each_fleet, profile.token, hardwareId=MAC)

    answers = [await each_fleet.device.get(path) for path in PATHS]

    assert [each.status_code for each in answers] == [200, 200]
    assert answers[0].content == answers[1].content
    assert answers[0].headers["content-type"].startswith("application/x-pem-file")
    assert int(answers[0].headers["content-length"]) == len(answers[0].content)
    (certificate,) = x509.load_pem_x509_certificates(answers[0].content)
    x509.load_pem_x509_certificate(told["certificate"].encode()).verify_directly_issued_by(certificate)


async def test_a_file_can_be_named_of_which_nobody_gets_the_key(tmp_path: Path, clock: FakeClock) -> None:
    ca = authority("ours")
    file = tmp_path / "both.pem"
    file.write_bytes(ca.key_pem() + ca.pem + b"words\n")
    async with fleet_of(tmp_path, clock=clock.clock, thingstream={"ca_file": file}) as fleet:
        first = await fleet.device.get(PATHS[0])
        other = authority("next")
        file.write_bytes(other.pem.replace(b"\n", b"\r\n"))
        second = await fleet.device.get(PATHS[1])
        file.unlink()
        third = await fleet.device.get(PATHS[1])

    assert (first.content, second.content) == (ca.pem, other.pem)
    assert (third.status_code, third.text) == (500, "Internal error")
    ssl.create_default_context(cadata=second.text)


@pytest.mark.parametrize("text", [None, "", "-----BEGIN CERTIFICATE-----", "-----BEGIN PRIVATE KEY-----\nAA==\n"])
async def test_a_file_without_a_certificate_stops_the_start(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "ca.pem"
    if text is not None:
        file.write_text(text)

    with pytest.raises(ConfigError, match=r"thingstream\.ca_file"):
        async with fleet_of(tmp_path, thingstream={"ca_file": file}):
            pass


@pytest.mark.parametrize("path", PATHS)
async def test_another_method_is_refused_in_the_dialect_s_form(fleet: Fleet, path: str) -> None:
    answer = await fleet.device.post(path)

    assert (answer.status_code, answer.text) == (405, "Method Not Allowed")
    assert "GET" in answer.headers["allow"]


async def test_what_is_not_there_is_refused_in_the_dialect_s_form(fleet: Fleet) -> None:
    for path in ("/repository/other.pem", "/ztp/other", "/ztp/unknown/credentials"):
        answer = await fleet.device.get(path)

        assert (answer.status_code, answer.text) == (404, "Not Found")
        assert answer.headers["content-type"].startswith("text/plain")
