"""Applications watch the devices of their tenant, as far as their scopes go, and no others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.harness import TestServer, running
from tests.integration.applications.watching import (
    ALL,
    application,
    end_of,
    new_device,
    new_tenant,
    new_token,
    report,
    seen,
    share,
    subscribed,
)

from firstboot_plugins.transports.mqtt.packets import (
    Connack,
    Connect,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Suback,
    Unsuback,
    Unsubscribe,
)

LEVELS = {"3.1": 3, "3.1.1": 4, "5": 5}
every_version = pytest.mark.parametrize("level", LEVELS.values(), ids=LEVELS)
EVERYTHING = "$firstboot/#"
TELEMETRY = "$firstboot/devices/+/telemetry"


@pytest.fixture
async def server(tmp_path: Path, database: str | None) -> AsyncIterator[TestServer]:
    async with running(tmp_path, database=database) as started:
        yield started


@every_version
@pytest.mark.parametrize("username", ["any", None], ids=["password", "user name"])
async def test_an_application_sees_what_a_device_reports(
    server: TestServer, level: int, username: str | None
) -> None:
    device = await new_device(server)
    _, secret = await new_token(server, "telemetry:read")
    peer = await application(server, secret, level=level, username=username)
    assert await subscribed(peer, TELEMETRY) == [1]

    await report(server, device, 21.5, at_ms=1700000000000)

    topic, content = await seen(peer)
    assert topic == f"$firstboot/devices/{device.public_id}/telemetry"
    assert content.pop("id") > 0
    assert content.pop("ts") > 1700000000000
    assert content == {
        "kind": "telemetry",
        "deviceId": str(device.public_id),
        "device": "d1",
        "points": [{"ts": 1700000000000, "values": {"t": 21.5}}],
    }
    await peer.close()


async def test_attributes_are_told_by_their_scope(server: TestServer) -> None:
    device = await new_device(server)
    _, secret = await new_token(server, "attributes:read")
    peer = await application(server, secret)
    root = f"$firstboot/devices/{device.public_id}/attributes"
    assert await subscribed(peer, f"{root}/shared", qos=0) == [0]

    await share(server, device, 5)

    topic, content = await seen(peer)
    assert topic == f"{root}/shared"
    assert (content["values"], content["deleted"], content["actor"]) == ({"a": 5}, [], "user:x")
    await peer.close()


async def test_other_events_are_told_by_their_kind(server: TestServer) -> None:
    _, secret = await new_token(server, "events")
    peer = await application(server, secret)
    await subscribed(peer, "$firstboot/events/+")
    profile = await server.profile()

    answer = await server.post(profile.request("d1"))
    await server.post(profile.request("d1"))
    device = await server.peer(Connect(4, "c", True, 60, username=answer["credentialsValue"]))
    assert (await device.expect(Connack)).reason == 0
    await device.close()

    told = [await seen(peer) for _ in range(4)]
    assert [topic.removeprefix("$firstboot/events/") for topic, _ in told] == [
        "device-provisioned", "provisioning-refused", "device-connected", "device-disconnected",
    ]  # fmt: skip
    assert told[1][1]["code"] == "name-taken"
    assert answer["credentialsValue"] not in str(told)
    await peer.close()


@every_version
async def test_what_the_scopes_do_not_cover_is_refused(server: TestServer, level: int) -> None:
    """OP-15, MQ-8: no scope, no topic; and a filter is granted as a whole, or not at all."""
    _, secret = await new_token(server, "telemetry:read")
    peer = await application(server, secret, level=level)
    refused = 0x8F if level == 5 else 0x80

    codes = await subscribed(
        peer, EVERYTHING, "$firstboot/events/+", "$firstboot/devices/+/attributes/#", "$firstboot/nothing",
        TELEMETRY, "$firstboot/devices/#",
    )  # fmt: skip

    assert codes == [refused] * 4 + [1, refused]
    await peer.close()


async def test_a_device_and_a_token_without_scopes_for_it_watch_nothing(server: TestServer) -> None:
    """MQ-8."""
    device = await new_device(server)
    _, secret = await new_token(server, "devices:read", "subscribe:#")
    token = (await server.services.devices.credentials(device)).id
    peers = [
        await application(server, secret),
        await server.peer(Connect(5, "c", True, 60, username=token)),
    ]
    assert (await peers[1].expect(Connack)).reason == 0

    for peer in peers:
        assert await subscribed(peer, EVERYTHING, TELEMETRY) == [0x8F, 0x8F]
        await peer.close()


async def test_another_tenants_application_sees_nothing(server: TestServer) -> None:
    """TN-3."""
    other = await new_tenant(server)
    ours, theirs = await new_device(server), await new_device(server, "theirs", other)
    _, secret = await new_token(server, *ALL, tenant_id=other)
    peer = await application(server, secret)
    assert await subscribed(peer, EVERYTHING) == [1]

    await report(server, ours, "ours")
    await share(server, ours, "ours")
    await report(server, theirs, "theirs")

    # Events are told in order, so what comes first is the first that it may see.
    topic, content = await seen(peer)
    assert topic == f"$firstboot/devices/{theirs.public_id}/telemetry"
    assert "ours" not in str(content)
    await peer.close()


async def test_overlapping_filters_bring_one_message_with_the_highest_qos(server: TestServer) -> None:
    device = await new_device(server)
    _, secret = await new_token(server, *ALL)
    peer = await application(server, secret)
    await subscribed(peer, EVERYTHING, qos=0)
    await subscribed(peer, TELEMETRY, qos=2)

    await report(server, device, 1)
    await report(server, device, 2)

    messages = [await peer.expect(Publish) for _ in range(2)]
    assert [message.qos for message in messages] == [1, 1]
    assert [b'"t":1' in messages[0].payload, b'"t":2' in messages[1].payload] == [True, True]
    await peer.close()


async def test_after_unsubscribing_nothing_comes_and_nobody_is_told_anything(server: TestServer) -> None:
    device = await new_device(server)
    _, secret = await new_token(server, *ALL)
    peer = await application(server, secret)
    await subscribed(peer, EVERYTHING)
    assert server.services.observers.wanted("firstboot_telemetry_received")

    await peer.send(Unsubscribe(2, [EVERYTHING, TELEMETRY]))
    assert list((await peer.expect(Unsuback)).reasons) == [0, 0x11]
    await report(server, device, 1)

    await peer.send(Pingreq())
    await peer.expect(Pingresp)
    assert not server.services.observers.wanted("firstboot_telemetry_received")
    await peer.close()


async def test_nobody_publishes_where_the_server_speaks(server: TestServer) -> None:
    _, secret = await new_token(server, *ALL, "publish:#")
    peer = await application(server, secret)
    await subscribed(peer, EVERYTHING)

    await peer.send(Publish("$firstboot/events/forged", b"{}", qos=1, packet_id=7))

    assert (await peer.expect(Puback)).reason == 0x87
    await peer.close()


async def test_one_token_serves_several_clients_at_once(server: TestServer) -> None:
    device = await new_device(server)
    _, secret = await new_token(server, *ALL)
    peers = [await application(server, secret, client_id=client_id) for client_id in ("one", "two", "")]
    for peer in peers:
        await subscribed(peer, TELEMETRY)

    await report(server, device, 1)

    assert len({topic for topic, _ in [await seen(peer) for peer in peers]}) == 1
    again = await application(server, secret, client_id="one")
    assert await end_of(peers[0]) == [0x8E]
    for peer in (*peers[1:], again):
        await peer.close()


async def test_the_suback_comes_before_what_was_subscribed_to(server: TestServer) -> None:
    device = await new_device(server)
    _, secret = await new_token(server, *ALL)
    peer = await application(server, secret)

    assert await subscribed(peer, TELEMETRY) == [1]
    await report(server, device, 1)

    assert not isinstance(await peer.receive(), Suback)
    await peer.close()
