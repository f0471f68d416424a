"""Thingstream's acceptance checks of PointPerfect, by their numbers (contract section 11), on each database."""

from __future__ import annotations

import asyncio
import logging
import re
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID
from tests.integration.provisioning.fake_clock import FakeClock
from tests.integration.thingstream.fleet import ROOM, Fleet, fleet_of
from tests.integration.thingstream.rovers import MAC, POINTPERFECT, corrections, got, refused

from firstboot.certificate_signing import key_usage, pem_of
from firstboot.moments import as_datetime
from firstboot_plugins.dialects.thingstream.dynamic_keys import DURATION_MS
from firstboot_plugins.dialects.thingstream.services import Thingstream

UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
FRAGMENTS = (
    "key distribution topic", "key distribution", "AssistNow", "L-band + IP correction", "IP correction",
    "geographic area definition", "high-precision atmosphere correction", "GNSS orbit, clocks and bias",
    "GNSS clock", "frequencies",
)  # fmt: skip
"""What clients search for (contract section 6.1); ``L-band correction`` is for a plan without IP."""


async def test_check_6_a_device_that_asks_again_is_the_same_thing_and_another_profile_s_is_refused(
    each_fleet: Fleet,
) -> None:
    mine, other = await corrections(each_fleet), await corrections(each_fleet, "other")

    first = await got(each_fleet, mine.token, hardwareId=MAC, givenName="rover", tags=["ztp"])
    second = await got(each_fleet, mine.token, hardwareId=MAC)

    assert re.fullmatch(UUID, first["clientId"])
    assert second["clientId"] == first["clientId"]
    assert second["privateKey"] != first["privateKey"]
    assert await refused(each_fleet, other.token) == (403, "Device already registered")
    assert (await got(each_fleet, other.token, hardwareId="other"))["clientId"] != first["clientId"]
    record = await each_fleet.thing(first)
    assert (record["id"], record["name"], record["tags"], record["state"]) == (
        f"device:{first['clientId']}", "rover", ["ztp"], "active",
    )  # fmt: skip


async def test_check_6_a_device_that_is_not_on_the_list_is_refused(each_fleet: Fleet) -> None:
    profile = await corrections(each_fleet, hardwareCodes=["LISTED"])

    assert await refused(each_fleet, profile.token) == (403, "Device hardware code not whitelisted")
    assert await refused(each_fleet, profile.token, None) == (400, "Hardware code is mandatory")
    assert (await got(each_fleet, profile.token, hardwareId="LISTED"))["clientId"]


async def test_check_6_a_deactivated_device_is_refused_with_its_id_until_it_is_active_again(
    each_fleet: Fleet,
) -> None:
    profile = await corrections(each_fleet)
    told = await got(each_fleet, profile.token, hardwareId=MAC)

    await each_fleet.call("POST", f"/things/{told['clientId']}/deactivate")

    assert await refused(each_fleet, profile.token) == (403, f"No plan for device device:{told['clientId']}")
    await each_fleet.call("POST", f"/things/{told['clientId']}/activate")
    assert (await got(each_fleet, profile.token, hardwareId=MAC))["clientId"] == told["clientId"]


async def test_check_6_without_auto_activation_the_thing_is_made_and_answered_once_somebody_activates_it(
    each_fleet: Fleet,
) -> None:
    profile = await corrections(each_fleet, autoActivate=False)

    refusals = [await refused(each_fleet, profile.token) for _ in range(2)]

    (thing,) = (await each_fleet.call("GET", "/things", hardwareId=MAC))["things"]
    assert refusals == [(403, f"No plan for device {thing['id']}")] * 2
    assert thing["state"] == "allocated"
    await each_fleet.call("POST", "/things/activate", {"profile": profile.name})
    assert (await got(each_fleet, profile.token, hardwareId=MAC))["clientId"] == thing["id"].removeprefix(
        "device:"
    )


async def test_check_7_the_body_has_all_that_clients_read_in_the_sizes_that_they_have(each_fleet: Fleet) -> None:
    profile = await corrections(each_fleet)

    answer = await each_fleet.ask({"token": profile.token, "hardwareId": MAC}, path=POINTPERFECT)

    told = answer.json()
    assert (answer.status_code, int(answer.headers["content-length"])) == (200, len(answer.content))
    assert len(answer.content) < 6000
    assert told["brokerHost"] == "localhost"
    assert told["supportsMqtt"] is True
    assert told["supportsLband"] is True
    check_pair(told)
    described = [each["description"] for each in told["subscriptions"]]
    for fragment in (*FRAGMENTS, "correction topic for EU"):
        assert any(fragment in each for each in described), fragment
    assert told["subscriptions"][0]["path"] == "/pp/ubx/0236/Lb"
    assert {each["path"].split("/")[3] for each in told["subscriptions"] if "region" in each["description"]} == {
        "eu"
    }


def check_pair(told: dict[str, Any]) -> None:
    """Check certificate and key as the devices' TLS libraries use them."""
    certificate_text, key_text = told["certificate"], told["privateKey"]
    assert len(certificate_text) < 2000
    assert len(key_text) < 2000
    assert key_text.startswith("-----BEGIN RSA PRIVATE KEY-----\n")
    (certificate,) = x509.load_pem_x509_certificates(certificate_text.encode())
    key = load_pem_private_key(key_text.encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    assert key.key_size == 2048
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    assert certificate.public_key().public_bytes(*form) == key.public_key().public_bytes(*form)
    (name,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert name.value == told["clientId"]


async def test_check_7_the_body_is_small_enough_with_every_region(tmp_path: Path, clock: FakeClock) -> None:
    plans = {"world": {"regions": ["eu", "us", "kr", "au", "jp"]}}
    async with fleet_of(tmp_path, clock=clock.clock, thingstream={**ROOM, "plans": plans}) as fleet:
        profile = await corrections(fleet, plan="world")

        answer = await fleet.ask({"token": profile.token, "hardwareId": MAC}, path=POINTPERFECT)

    assert len(answer.content) < 6000
    described = " ".join(each["description"] for each in answer.json()["subscriptions"])
    for region in ("EU", "US", "KR", "AU", "Japan"):
        assert f"correction topic for {region}" in described


async def test_check_7_the_body_is_small_enough_with_the_longest_certificate_of_an_authority_of_one_s_own(
    tmp_path: Path, clock: FakeClock
) -> None:
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "o" * 64),
            x509.NameAttribute(NameOID.COMMON_NAME, "c" * 64),
        ]
    )
    key, day = rsa.generate_private_key(65_537, 4096), timedelta(days=1)
    now = as_datetime(clock.now_ms)
    ca = (
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), now - day, now + 9 * day
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    plans = {"world": {"regions": ["eu", "us", "kr", "au", "jp"]}}
    async with fleet_of(tmp_path, clock=clock.clock, thingstream={**ROOM, "plans": plans}) as fleet:
        await fleet.server.services.certificates.install(pem_of(ca), key_pem)
        profile = await corrections(fleet, plan="world")

        answer = await fleet.ask({"token": profile.token, "hardwareId": MAC}, path=POINTPERFECT)

    assert len(answer.content) < 6000
    told = answer.json()
    check_pair(told)
    described = {each["description"] for each in told["subscriptions"] if "description" in each}
    assert "L-band + IP correction topic for Japan region" in described
    assert {"path": "/pp/Lb/jp/clk"} in told["subscriptions"]


async def test_check_7_both_keys_are_there_and_the_next_one_follows_the_current_one(
    each_fleet: Fleet, clock: FakeClock
) -> None:
    profile = await corrections(each_fleet)

    keys = (await got(each_fleet, profile.token, hardwareId=MAC))["dynamickeys"]
    clock.now_ms = keys["next"]["start"]
    later = (await got(each_fleet, profile.token, hardwareId=MAC))["dynamickeys"]

    for each in (keys["current"], keys["next"]):
        assert type(each["start"]) is int
        assert each["duration"] == DURATION_MS
        assert re.fullmatch(r"[0-9a-f]{32}", each["value"])
    assert keys["current"]["start"] <= 1_800_000_000_000 < keys["next"]["start"]
    assert keys["next"]["start"] == keys["current"]["start"] + DURATION_MS
    assert later["current"] == keys["next"]
    assert len({keys["current"]["value"], keys["next"]["value"], later["next"]["value"]}) == 3


async def test_keys_are_those_of_the_plan_and_outlive_the_server(tmp_path: Path, clock: FakeClock) -> None:
    async with fleet_of(tmp_path, clock=clock.clock) as fleet:
        one, other = await corrections(fleet), await corrections(fleet, "other", plan="other")
        keys = (await got(fleet, one.token, hardwareId=MAC))["dynamickeys"]
        beside = (await got(fleet, one.token, hardwareId="beside"))["dynamickeys"]
        elsewhere = (await got(fleet, other.token, hardwareId="else"))["dynamickeys"]
    async with fleet_of(tmp_path / "again", clock=clock.clock, server={"data_dir": tmp_path / "data"}) as fleet:
        again = (await got(fleet, one.token, hardwareId=MAC))["dynamickeys"]
        told = await fleet.call("GET", "/plans/default/keys")

    assert keys == beside == again == told
    assert elsewhere["current"]["value"] != keys["current"]["value"]
    assert elsewhere["current"]["start"] == keys["current"]["start"]


async def test_check_10_fifty_devices_at_once_are_answered(each_fleet: Fleet) -> None:
    profile = await corrections(each_fleet)

    told = await asyncio.gather(*(got(each_fleet, profile.token, hardwareId=f"{n}") for n in range(50)))

    assert len({each["clientId"] for each in told}) == len({each["privateKey"] for each in told}) == 50


async def test_a_device_that_asks_several_times_at_once_is_one_thing(each_fleet: Fleet) -> None:
    profile = await corrections(each_fleet, maxThings=1)

    told = await asyncio.gather(*(got(each_fleet, profile.token, hardwareId=MAC) for _ in range(5)))

    assert len({each["clientId"] for each in told}) == 1
    assert len({each["certificate"] for each in told}) == 5
    assert await refused(each_fleet, profile.token, "another") == (403, "Device limit reached")


async def test_two_servers_that_make_the_same_thing_at_once_make_one(
    tmp_path: Path, clock: FakeClock, postgres_database: str
) -> None:
    shared: dict[str, Any] = {
        "database": postgres_database, "clock": clock.clock, "server": {"key": "5" * 64},
    }  # fmt: skip
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    async with fleet_of(tmp_path / "one", **shared) as one, fleet_of(tmp_path / "two", **shared) as two:
        profile = await corrections(one)
        await two.server.services.provisioning.reload_profiles()

        told = await asyncio.gather(
            *(got(each, profile.token, hardwareId=f"{n}") for n in range(5) for each in (one, two))
        )

    assert len({each["clientId"] for each in told}) == 5


async def test_a_thing_that_was_deleted_is_made_again(fleet: Fleet) -> None:
    profile, other = await corrections(fleet), await corrections(fleet, "other")
    told = await got(fleet, profile.token, hardwareId=MAC)

    await fleet.call("DELETE", f"/things/{told['clientId']}", status=204)

    assert (await got(fleet, other.token, hardwareId=MAC))["certificate"] != told["certificate"]


async def test_hardware_that_an_operator_has_exchanged_gets_the_thing_and_the_old_one_another(
    fleet: Fleet,
) -> None:
    profile = await corrections(fleet)
    told = await got(fleet, profile.token, hardwareId=MAC)
    services = fleet.server.services
    device = await services.devices.get(1, f"device:{told['clientId']}")
    await services.devices.update(replace(device, hardware_id="new"), actor="test")

    assert (await got(fleet, profile.token, hardwareId="new"))["clientId"] == told["clientId"]
    assert (await got(fleet, profile.token, hardwareId=MAC))["clientId"] != told["clientId"]


async def test_without_a_hardware_code_every_request_makes_a_thing_of_its_own(fleet: Fleet) -> None:
    profile = await corrections(fleet)

    told = [await got(fleet, profile.token) for _ in range(2)]

    assert told[0]["clientId"] != told[1]["clientId"]


async def test_the_same_hardware_may_have_things_of_several_services(fleet: Fleet) -> None:
    tracker, rover = await fleet.profile(), await corrections(fleet)

    located, corrected = (
        await fleet.get(tracker.token, hardwareId=MAC),
        await got(fleet, rover.token, hardwareId=MAC),
    )

    assert located["clientId"] != f"device:{corrected['clientId']}"
    assert await refused(fleet, tracker.token) == (403, "Invalid token")
    assert (await fleet.ask({"token": rover.token, "hardwareId": MAC})).status_code == 403


async def test_the_private_key_is_kept_nowhere(tmp_path: Path, clock: FakeClock) -> None:
    async with fleet_of(tmp_path, clock=clock.clock) as fleet:
        profile = await corrections(fleet)
        told = await got(fleet, profile.token, hardwareId=MAC)
        device = await fleet.server.device(f"device:{told['clientId']}")
        assert device is not None
        kept = await fleet.server.services.devices.credentials(device)

    assert "PRIVATE" not in kept.to_json()
    inner = told["privateKey"].splitlines()[1].encode()
    assert not any(inner in file.read_bytes() for file in (tmp_path / "data").rglob("*") if file.is_file())


async def test_keys_are_ready_before_devices_ask(fleet: Fleet) -> None:
    thingstream = Thingstream.of(fleet.server.services)
    await thingstream.stock_keys()
    before = len(thingstream.key_stock)
    await fleet.profile("trackers")
    await corrections(fleet, "rtcm", format="RTCM")
    await thingstream.stock_keys()
    needless = len(thingstream.key_stock)

    await corrections(fleet)
    await thingstream.stock_keys()

    assert (before, needless, len(thingstream.key_stock)) == (0, 0, thingstream.config.key_stock)


async def test_a_profile_with_a_pool_makes_no_thing_of_pointperfect(fleet: Fleet) -> None:
    profile = await corrections(fleet)
    services = fleet.server.services
    stored = next(each for each in await services.profiles.all(1) if each.name == profile.name)
    await services.profiles.update(replace(stored, strategy="pool"), actor="test")
    await services.provisioning.reload_profiles()

    assert await refused(fleet, profile.token) == (403, "Not allowed")


async def test_a_repeat_is_bound_by_the_limits_of_its_profile_and_its_refusal_is_audited(fleet: Fleet) -> None:
    profile = await corrections(fleet)
    await got(fleet, profile.token, hardwareId=MAC)
    services = fleet.server.services
    stored = next(each for each in await services.profiles.all(1) if each.name == profile.name)
    limits = replace(stored.limits, allowed_networks=(ip_network("192.0.2.0/24"),))
    await services.profiles.update(replace(stored, limits=limits), actor="test")
    await services.provisioning.reload_profiles()

    assert await refused(fleet, profile.token) == (403, "Invalid token")

    await fleet.server.core.commits.drain()
    rows = [row.entry for row in await fleet.server.audit()]
    (refusal,) = (each for each in rows if each.event == "provisioning-refused")
    assert (refusal.profile, refusal.code) == (profile.name, "network-not-allowed")


async def test_no_secret_of_an_answer_is_in_the_log_or_the_audit(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    spartn, rtcm = await corrections(fleet), await corrections(fleet, "rtcm", format="RTCM")
    told = [await got(fleet, spartn.token, hardwareId=MAC) for _ in range(2)]
    stream = (await got(fleet, rtcm.token, hardwareId="stream"))["rtcmCredentials"]

    secrets = [each["privateKey"].splitlines()[3] for each in told]
    secrets += [each["dynamickeys"][name]["value"] for each in told for name in ("current", "next")]
    secrets += [stream["password"], spartn.token, rtcm.token]
    said = caplog.text + str([vars(each) for each in caplog.records]) + str(await fleet.server.audit())
    assert "device provisioned" in said
    assert not any(secret in said for secret in secrets)
