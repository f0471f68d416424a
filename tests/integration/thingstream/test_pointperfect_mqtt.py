"""Things of PointPerfect over MQTT: mutual TLS with their certificate (contract sections 6.1, 8, 9)."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography import x509
from tests.harness import MqttPeer
from tests.integration.provisioning.fake_clock import FakeClock
from tests.integration.thingstream.fleet import REFUSED
from tests.integration.thingstream.rovers import MAC, Rovers, corrections, got, refused, rovers_of

from firstboot_plugins.transports.mqtt.packets import Connack, Connect, Puback, Publish

REFUSED_V5 = 0x87
PLANS = {"eu-lband": {"regions": ["eu"]}, "us-ip": {"delivery": "ip", "regions": ["us"]}}


@pytest.fixture
def clock() -> FakeClock:
    # TLS looks at the real one.
    return FakeClock(round(time.time() * 1000))


@pytest.fixture
async def rovers(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Rovers]:
    async with rovers_of(tmp_path, clock, thingstream={"plans": PLANS, "requests_per_minute": 1000}) as made:
        yield made


async def publisher(rovers: Rovers, *scopes: str) -> MqttPeer:
    """Log in as whoever has the corrections."""
    server = rovers.fleet.server
    _, secret = await server.services.api_tokens.create(1, "caster", scopes or ["publish:/pp/#"], actor="test")
    peer = await server.peer(Connect(4, "caster", True, 60, username="x", password=secret.reveal().encode()))
    assert (await peer.expect(Connack)).reason == 0
    return peer


async def test_check_7_a_thing_logs_in_with_certificate_and_client_id_alone(rovers: Rovers) -> None:
    profile = await corrections(rovers.fleet)
    told = await got(rovers.fleet, profile.token, hardwareId=MAC)

    assert await rovers.login(told) == 0
    assert await rovers.login(told, level=5) == 0
    assert (await rovers.fleet.thing(told))["lastSeen"] is not None


async def test_check_7_a_client_id_that_is_not_the_common_name_is_refused(rovers: Rovers) -> None:
    profile = await corrections(rovers.fleet)
    told = await got(rovers.fleet, profile.token, hardwareId=MAC)
    other = await got(rovers.fleet, profile.token, hardwareId="other")

    for client_id in (other["clientId"], f"device:{told['clientId']}", told["clientId"].upper(), "", "c"):
        assert await rovers.login(told, client_id=client_id) == REFUSED, client_id
    assert await rovers.login(told, client_id=other["clientId"], level=5) == REFUSED_V5


async def test_without_its_certificate_a_client_id_opens_nothing(rovers: Rovers) -> None:
    profile = await corrections(rovers.fleet)
    told = await got(rovers.fleet, profile.token, hardwareId=MAC)

    for fields in ({}, {"username": told["clientId"], "password": b"x"}, {"username": "provisioned"}):
        peer = await rovers.fleet.server.peer(Connect(4, told["clientId"], True, 60, **fields))
        assert (await peer.expect(Connack)).reason in (2, REFUSED)
        await peer.close()


async def test_deactivating_ends_session_and_login_and_activating_brings_both_back(rovers: Rovers) -> None:
    fleet = rovers.fleet
    profile = await corrections(fleet)
    told = await got(fleet, profile.token, hardwareId=MAC)
    peer, _ = await rovers.open(told)

    await fleet.call("POST", f"/things/{told['clientId']}/deactivate")

    await peer.expect_closed()
    await peer.close()
    assert await rovers.login(told) == REFUSED
    await fleet.call("POST", f"/things/{told['clientId']}/activate")
    assert await rovers.login(told) == 0


@pytest.mark.parametrize("how", ["revoke", "delete"])
async def test_what_is_revoked_or_deleted_logs_in_no_more_and_is_on_the_list(rovers: Rovers, how: str) -> None:
    fleet = rovers.fleet
    profile = await corrections(fleet)
    told = await got(fleet, profile.token, hardwareId=MAC)
    peer, _ = await rovers.open(told)
    devices = fleet.server.services.devices
    device = await devices.get(1, f"device:{told['clientId']}")

    await (devices.revoke_credentials if how == "revoke" else devices.delete)(device, actor="test")

    await peer.expect_closed()
    await peer.close()
    assert await rovers.login(told) == REFUSED
    assert await serials(rovers) == {serial(told)}


async def serials(rovers: Rovers) -> set[int]:
    services = rovers.fleet.server.services
    listed = x509.load_der_x509_crl(await services.certificates.revocation_list())
    return {each.serial_number for each in listed}


def serial(told: dict[str, Any]) -> int:
    return x509.load_pem_x509_certificate(told["certificate"].encode()).serial_number


async def test_what_a_device_had_before_it_asked_again_is_good_until_the_new_one_connects(
    rovers: Rovers, clock: FakeClock
) -> None:
    fleet = rovers.fleet
    profile = await corrections(fleet)
    first = await got(fleet, profile.token, hardwareId=MAC)
    assert await rovers.login(first) == 0
    clock.advance(300 * 86_400)
    second = await got(fleet, profile.token, hardwareId=MAC)
    await fleet.server.services.changes.catch_up()

    assert await rovers.login(first) == 0
    clock.advance(2)  # the list of what was taken back is read at most once a second
    assert (await rovers.login(second), await rovers.login(first)) == (0, REFUSED)

    clock.advance(2)
    assert await serials(rovers) == {serial(first)}
    assert await rovers.login(second) == 0


async def test_a_device_whose_answers_are_lost_can_log_in_with_any_of_the_last_ones(
    rovers: Rovers, clock: FakeClock
) -> None:
    fleet = rovers.fleet
    profile = await corrections(fleet)
    told = []
    for _ in range(20):
        told.append(await got(fleet, profile.token, hardwareId=MAC))
        clock.advance(1)
    await fleet.server.services.changes.catch_up()

    device = await fleet.server.device(f"device:{told[0]['clientId']}")
    assert device is not None
    assert len(await fleet.server.core.storage.device_credentials(device.id)) == 4
    assert [await rovers.login(each) for each in told[-5:]] == [REFUSED, 0, 0, 0, 0]
    assert [await rovers.login(each) for each in told[-5:]] == [REFUSED] * 4 + [0]


async def test_a_thing_hears_the_topics_of_its_plan_and_no_others(rovers: Rovers) -> None:
    fleet = rovers.fleet
    lband = await corrections(fleet, "lband", plan="eu-lband")
    ip = await corrections(fleet, "ip", plan="us-ip")
    one = await got(fleet, lband.token, hardwareId="1")
    other = await got(fleet, ip.token, hardwareId="2")
    (first, _), (second, _) = await rovers.open(one), await rovers.open(other)
    caster = await publisher(rovers)

    assert other["supportsLband"] is False
    assert other["subscriptions"][0] == {"description": "IP key distribution topic", "path": "/pp/ubx/0236/ip"}
    for each in one["subscriptions"]:
        assert await first.subscribe(each["path"], 1) == 1
    for each in other["subscriptions"]:
        assert await second.subscribe(each["path"], 1) == 1
    for refused_filter in ("/pp/ip/us", "/pp/#", "/pp/Lb/+", "/pp/Lb/us", "#", "pp/Lb/eu", "/pp/key/Lb"):
        assert await first.subscribe(refused_filter) == 0x80, refused_filter
    for topic in ("/pp/Lb/eu", "/pp/ip/us", "/pp/ubx/mga"):
        await caster.send(Publish(topic, topic.encode()))
    heard = [(await peer.expect(Publish)).topic for peer in (first, first, second, second)]

    assert heard == ["/pp/Lb/eu", "/pp/ubx/mga", "/pp/ip/us", "/pp/ubx/mga"]
    for peer in (first, second, caster):
        await peer.close()


async def test_a_thing_publishes_nothing_to_others(rovers: Rovers) -> None:
    fleet = rovers.fleet
    profile = await corrections(fleet)
    told, beside = [await got(fleet, profile.token, hardwareId=each) for each in ("1", "2")]
    (peer, _), (stranger, _) = await rovers.open(told), await rovers.open(beside)
    caster = await publisher(rovers)
    assert await stranger.subscribe("/pp/Lb/eu") == 0

    for topic in ("/pp/Lb/eu", "/pp/ubx/mga"):
        await peer.send(Publish(topic, b"forged", qos=1, packet_id=1))
        await peer.expect(Puback)
    await caster.send(Publish("/pp/Lb/eu", b"genuine"))

    assert (await stranger.expect(Publish)).payload == b"genuine"
    for each in (peer, stranger, caster):
        await each.close()


async def test_a_key_that_is_retained_reaches_a_thing_that_comes_later(rovers: Rovers) -> None:
    fleet = rovers.fleet
    profile = await corrections(fleet)
    told = await got(fleet, profile.token, hardwareId=MAC)
    caster = await publisher(rovers, "publish:/pp/#", "retain")
    await caster.send(Publish("/pp/ubx/0236/Lb", b"key", qos=1, packet_id=1, retain=True))
    await caster.expect(Puback)

    peer, _ = await rovers.open(told)
    assert await peer.subscribe("/pp/ubx/0236/Lb") == 0

    assert (await peer.expect(Publish)).payload == b"key"
    await peer.close()
    await caster.close()


async def test_a_thing_of_another_tenant_hears_nothing(rovers: Rovers) -> None:
    fleet = rovers.fleet
    profile = await corrections(fleet)
    told = await got(fleet, profile.token, hardwareId=MAC)
    peer, _ = await rovers.open(told)
    assert await peer.subscribe("/pp/ubx/mga") == 0
    services = fleet.server.services
    tenant = await fleet.server.core.tenants.create("other", actor="test")
    _, secret = await services.api_tokens.create(tenant.id, "caster", ["publish:/pp/#"], actor="test")
    stranger = await fleet.server.peer(Connect(4, "x", True, 60, username="x", password=secret.reveal().encode()))
    assert (await stranger.expect(Connack)).reason == 0
    await stranger.send(Publish("/pp/ubx/mga", b"foreign", qos=1, packet_id=1))
    await stranger.expect(Puback)
    caster = await publisher(rovers)

    await caster.send(Publish("/pp/ubx/mga", b"ours"))

    assert (await peer.expect(Publish)).payload == b"ours"
    for each in (peer, stranger, caster):
        await each.close()


async def test_a_certificate_that_is_over_logs_in_no_more_and_another_is_to_be_had(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with rovers_of(tmp_path, clock, thingstream={"certificate_life": "30d"}) as rovers:
        profile = await corrections(rovers.fleet)
        first = await got(rovers.fleet, profile.token, hardwareId=MAC)

        clock.advance(31 * 86_400)

        assert await rovers.login(first) == REFUSED
        assert await rovers.login(await got(rovers.fleet, profile.token, hardwareId=MAC)) == 0


async def test_a_device_of_another_dialect_stays_one_though_it_has_a_certificate(rovers: Rovers) -> None:
    """The certificate of an ordinary device opens nothing of Thingstream's, whatever its client id."""
    fleet = rovers.fleet
    profile = await corrections(fleet)
    told = await got(fleet, profile.token, hardwareId=MAC)
    demo = await fleet.server.profile()
    other = await got(fleet, profile.token, hardwareId="other")
    device = await fleet.server.device(f"device:{other['clientId']}")
    assert device is not None
    await fleet.server.services.devices.delete(device, actor="test")
    answer = await fleet.server.post(
        demo.request("meter", credentialsType="X509_CERTIFICATE", hash=other["certificate"])
    )
    assert answer["status"] == "SUCCESS"

    peer, code = await rovers.open(other, client_id=told["clientId"])

    assert code == 0
    assert await peer.subscribe("/pp/ubx/mga") == 0x80
    await peer.close()


async def test_the_certificate_asks_for_nothing_over_http(rovers: Rovers) -> None:
    """A device is known by its token there."""
    fleet = rovers.fleet
    async with httpx2.AsyncClient(base_url=fleet.server.url) as client:
        answer = await client.post("/ztp/pointperfect/credentials", json={"hardwareId": MAC})

    assert (answer.status_code, answer.text) == (400, "Token is mandatory")
    assert await refused(fleet, "aabbccdd-0011-2233-0a0b-0c0d00010203") == (403, "Invalid token")
