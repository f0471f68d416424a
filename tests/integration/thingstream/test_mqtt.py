"""What a Thing may do once it has logged in: its own subtree, and what every device may."""

from __future__ import annotations

from tests.integration.thingstream.fleet import IMEI, REFUSED, Fleet

from firstboot.model import Credentials
from firstboot_plugins.transports.mqtt.packets import Connack, Connect, Puback, Publish


async def test_a_thing_is_sent_what_is_for_it_and_nothing_of_another(fleet: Fleet) -> None:
    profile = await fleet.profile()
    one, other = await fleet.get(profile.token), await fleet.get(profile.token)
    peer, _ = await fleet.open(one)
    stranger, _ = await fleet.open(other)
    (answers,) = (each["path"] for each in one["subscriptions"])

    assert await peer.subscribe(answers, 1) == 1
    assert await stranger.subscribe(answers) == 0x80
    assert await stranger.subscribe("#") == 0x80
    await stranger.send(Publish(answers, b"not for you to send"))
    await peer.send(Publish(answers, b"position"))

    message = await peer.expect(Publish)
    assert (message.topic, message.payload) == (answers, b"position")
    await peer.close()
    await stranger.close()


async def test_an_application_speaks_with_a_thing_on_its_topics(fleet: Fleet) -> None:
    profile = await fleet.profile()
    told = await fleet.get(profile.token)
    client_id = told["clientId"]
    _, secret = await fleet.server.services.api_tokens.create(
        1, "locator", [f"publish:{client_id}/#", f"subscribe:{client_id}/#"], actor="test"
    )
    thing, _ = await fleet.open(told)
    assert await thing.subscribe(f"{client_id}/cloudlocate/response") == 0
    application = await fleet.server.peer(
        Connect(4, "app", True, 60, username="x", password=secret.reveal().encode())
    )
    assert (await application.expect(Connack)).reason == 0
    assert await application.subscribe(f"{client_id}/cloudlocate/request") == 0

    await thing.send(Publish(f"{client_id}/cloudlocate/request", b"raw"))
    assert (await application.expect(Publish)).payload == b"raw"
    await application.send(Publish(f"{client_id}/cloudlocate/response", b"47.28"))
    message = await thing.expect(Publish)

    assert (message.topic, message.payload) == (f"{client_id}/cloudlocate/response", b"47.28")
    for peer in (thing, application):
        await peer.close()


async def test_a_thing_reports_as_any_device_does(fleet: Fleet) -> None:
    profile = await fleet.profile()
    told = await fleet.get(profile.token)
    peer, _ = await fleet.open(told)
    assert await peer.subscribe("devices/me/news") == 0

    await peer.send(Publish("devices/me/news", b"me"))
    assert (await peer.expect(Publish)).topic == "devices/me/news"
    await peer.send(Publish("v1/devices/me/telemetry", b'{"bars":4}', qos=1, packet_id=7))
    await peer.expect(Puback)

    device = await fleet.server.device(told["clientId"])
    assert device is not None
    (value,) = await fleet.server.core.storage.latest_telemetry(device.id)
    assert (value.key, value.value) == ("bars", 4)
    await peer.close()
    assert (await fleet.thing(told))["lastSeen"] == fleet.server.services.clock.now_ms()


async def test_the_credentials_of_other_devices_do_not_make_a_thing_of_them(fleet: Fleet) -> None:
    """Client ids that look like a Thing's, and those of Things in other dialects."""
    demo = await fleet.server.profile()
    answer = await fleet.server.post(
        demo.request("meter", credentialsType="MQTT_BASIC", clientId="device:x", username="u", password="p" * 20)
    )
    assert answer["status"] == "SUCCESS"
    profile = await fleet.profile()
    told = await fleet.get(profile.token, hardwareId=IMEI)
    device = await fleet.server.device(told["clientId"])
    assert device is not None

    assert await fleet.login({"clientId": "device:x", "userName": "u", "password": "p" * 20}) == 0
    await fleet.server.services.devices.change_credentials(
        device, Credentials("ACCESS_TOKEN", "someone-s-access-token"), actor="test"
    )

    assert await fleet.login({"clientId": "c", "userName": "someone-s-access-token", "password": ""}) == REFUSED
    assert await fleet.login(told) == REFUSED


async def test_no_other_device_is_given_credentials_of_a_thing(fleet: Fleet) -> None:
    demo = await fleet.server.profile()

    answer = await fleet.server.post(demo.request("meter", credentialsType="THINGSTREAM"))

    assert answer["status"] == "FAILURE"
