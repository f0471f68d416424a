"""Ordinary messages with the clients that people use."""

from __future__ import annotations

import asyncio
from typing import Any

import aiomqtt
import paho.mqtt.client as paho
import pytest
from paho.mqtt.packettypes import PacketTypes
from tests.harness import WAIT_S, TestServer
from tests.integration.mqtt.probe import door_of, until
from tests.integration.pubsub.people import mosquitto, paho_client, paho_properties, public_id

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("quiet_log")]

PROTOCOLS = [paho.MQTTv31, paho.MQTTv311, paho.MQTTv5]
MOSQUITTO = ["mqttv31", "mqttv311", "mqttv5"]
DEVICE_1 = f"devices/{public_id(1)}"

protocols = pytest.mark.parametrize("protocol", PROTOCOLS)


@protocols
@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_paho_publishes_and_subscribes(server: TestServer, protocol: int, qos: int) -> None:
    async with (
        paho_client(server, "device-1", protocol) as device,
        paho_client(server, "app-1", protocol) as application,
    ):
        (granted,) = await application.subscribe("devices/+/status", qos)
        assert granted == qos

        for payload in (b"1", b"2", b"3"):
            await device.publish("devices/me/status", payload, qos)

        heard = [await application.message() for _ in range(3)]
        assert [(each.topic, each.payload, each.qos) for each in heard] == [
            (f"{DEVICE_1}/status", payload, qos) for payload in (b"1", b"2", b"3")
        ]


@protocols
async def test_paho_gets_what_is_retained(server: TestServer, protocol: int) -> None:
    async with paho_client(server, "device-100", protocol) as device:
        await device.publish("devices/me/status", b"up", 1, retain=True)
    async with paho_client(server, "app-1", protocol) as application:
        await application.subscribe(f"devices/{public_id(100)}/#", 1)

        message = await application.message()

        assert (message.payload, message.retain) == (b"up", True)
        await application.publish(f"devices/{public_id(100)}/status", b"", 1, retain=True)


@protocols
async def test_paho_comes_back_to_its_session(server: TestServer, protocol: int) -> None:
    options: dict[str, Any] = (
        {
            "clean_start": False,
            "properties": paho_properties(PacketTypes.CONNECT, SessionExpiryInterval=600),
        }
        if protocol == paho.MQTTv5
        else {}
    )
    stays = {} if protocol == paho.MQTTv5 else {"clean_session": False}
    name = f"stays-{protocol}"
    async with paho_client(server, "app-1", protocol, name, stays=stays, **options) as client:
        await client.subscribe("t", 2)
    await until(lambda: len(door_of(server).stored) > 0)
    async with paho_client(server, "app-2", protocol) as speaker:
        for qos in (0, 1, 2):
            await speaker.publish("t", b"%d" % qos, qos)

    async with paho_client(server, "app-1", protocol, name, stays=stays, **options) as client:
        heard = [await client.message() for _ in range(2)]
        assert [(each.payload, each.qos) for each in heard] == [(b"1", 1), (b"2", 2)]


@protocols
async def test_paho_s_will(server: TestServer, protocol: int) -> None:
    async with paho_client(server, "app-1", protocol) as application:
        await application.subscribe("devices/#", 1)
        async with paho_client(server, "device-1", protocol, will="devices/me/status") as device:
            device.client._sock_close()  # type: ignore[attr-defined]  # without a word

            assert (await application.message()).payload == b"gone"


async def test_paho_asks_and_is_answered(server: TestServer) -> None:
    async with (
        paho_client(server, "device-1", paho.MQTTv5) as device,
        paho_client(server, "app-1", paho.MQTTv5) as application,
    ):
        await device.subscribe("devices/me/questions", 1)
        await application.subscribe(f"{DEVICE_1}/answers", 1)
        properties = paho_properties(
            PacketTypes.PUBLISH, ResponseTopic=f"{DEVICE_1}/answers", CorrelationData=b"42"
        )
        await application.publish(f"{DEVICE_1}/questions", b"?", 1, properties=properties)

        asked: Any = (await device.message()).properties
        assert (asked.ResponseTopic, asked.CorrelationData) == ("devices/me/answers", b"42")
        await device.publish(asked.ResponseTopic, b"!", 1)

        assert (await application.message()).payload == b"!"


@pytest.mark.parametrize(
    "version", [aiomqtt.ProtocolVersion.V31, aiomqtt.ProtocolVersion.V311, aiomqtt.ProtocolVersion.V5]
)
async def test_aiomqtt_publishes_and_subscribes(server: TestServer, version: aiomqtt.ProtocolVersion) -> None:
    def client(name: str) -> aiomqtt.Client:
        return aiomqtt.Client("127.0.0.1", server.mqtt_port, username=name, identifier=name, protocol=version)

    async with client("app-1") as application, client("device-1") as device, asyncio.timeout(WAIT_S):
        await application.subscribe("devices/#", qos=2)
        await device.publish("devices/me/status", "up", qos=2)

        message = await anext(application.messages)

        assert (message.topic.value, message.payload) == (f"{DEVICE_1}/status", b"up")


@pytest.mark.parametrize("version", MOSQUITTO)
@pytest.mark.parametrize("qos", ["0", "1", "2"])
async def test_the_mosquitto_tools_publish_and_subscribe(server: TestServer, version: str, qos: str) -> None:
    door = door_of(server)
    listening = asyncio.create_task(
        mosquitto(
            server, "sub", "app-1", "-V", version, "-i", "sub", "-q", qos, "-t", "devices/#", "-v", "-C", "1"
        )
    )
    await until(lambda: any(c._client and c._client.filters for c in door._connections))

    sent = await mosquitto(
        server, "pub", "device-1", "-V", version, "-q", qos, "-t", "devices/me/status", "-m", "up"
    )

    assert sent == (0, "")
    assert await listening == (0, f"{DEVICE_1}/status up\n")


async def test_mosquitto_sub_is_told_that_it_may_not(server: TestServer) -> None:
    _, output = await mosquitto(server, "sub", "device-1", "-V", "mqttv5", "-t", "devices/#", "-W", "5")

    assert "All subscription requests were denied" in output
