"""A dialect whose clients are who their user name says, and real clients to be them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import paho.mqtt.client as paho
from paho.mqtt.properties import Properties as PahoProperties
from tests.harness import WAIT_S, MqttPeer, TestServer, running

from firstboot.hookspecs import hookimpl
from firstboot.model import Origin
from firstboot.sessions import Owner
from firstboot_plugins.transports.mqtt.dialect import (
    ConnectRefused,
    Login,
    Message,
    Reply,
    Sender,
    SessionTopics,
    TopicRights,
)
from firstboot_plugins.transports.mqtt.packets import (
    Connack,
    Connect,
    Packet,
    Properties,
    Property,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Will,
)
from firstboot_plugins.transports.mqtt.rights import ApplicationRights, DeviceRights

LEVELS = (3, 4, 5)
GENEROUS = {"messages_per_second": 100_000, "burst": 100_000}


def public_id(number: int) -> UUID:
    return UUID(int=number)


class OwnTopics:
    """The topics ``own/...``, which the dialect of these tests serves itself: it answers with what it gets."""

    def __init__(self, send: Sender) -> None:
        self._send = send
        self.filters: list[str] = []

    def owns(self, topic: str) -> bool:
        return topic.startswith("own/")

    def subscribe(self, topic_filter: str, qos: int) -> int | None:
        self.filters.append(topic_filter)
        return qos

    def unsubscribe(self, topic_filter: str) -> bool:
        return topic_filter in self.filters

    async def publish(self, message: Publish) -> Reply:
        return Reply(messages=(Message("own/answer", message.payload, 1),))

    def close(self) -> None:
        pass


class PeopleDialect:
    """Knows ``device-<n>`` and ``app-<n>`` of tenant 1, ``foreign-<n>`` of tenant 2, ``mute-<n>`` without rights.

    Devices with a number above 99 may retain messages, as may applications, which see all of their tenant.
    """

    FIRSTBOOT_API = 1
    name = "people"

    def __init__(self, rights: TopicRights | None = None) -> None:
        self._rights = rights

    @hookimpl
    def firstboot_mqtt_dialects(self) -> list[object]:
        return [self]

    def provision_session(self, connect: Connect, origin: Origin) -> SessionTopics | None:
        return None

    async def login(self, connect: Connect, origin: Origin) -> Login | None:
        kind, _, number = (connect.username or "").partition("-")
        if kind not in ("device", "app", "foreign", "mute"):
            return None
        if connect.password == b"wrong":
            raise ConnectRefused(5, 0x87)
        is_device = kind in ("device", "mute")
        rights: TopicRights | None = None
        if kind == "device":
            rights = self._rights or DeviceRights(1, public_id(int(number)), may_retain=int(number) > 99)
        elif kind != "mute":
            rights = ApplicationRights(1 if kind == "app" else 2, ("#",), ("#",), may_retain=True)
        return Login(
            dialect=self.name,
            owner=Owner("device" if is_device else f"{kind}-token", int(number)),
            slot="" if is_device else connect.client_id or secrets.token_hex(),
            name=connect.username or "",
            topics=OwnTopics if number != "13" else _unlucky,
            rights=rights,
        )


def _unlucky(send: Sender) -> SessionTopics:
    raise ZeroDivisionError("a test's dialect")


@asynccontextmanager
async def people(tmp_path: Path, **settings: Any) -> AsyncIterator[TestServer]:
    """Run a server with this dialect. ``settings`` are those of the section ``[mqtt]``."""
    try:
        async with running(
            tmp_path,
            plugins={"people": PeopleDialect()},
            mqtt={**GENEROUS, **settings},
            provisioning={"failure_delay": "0ms"},
        ) as server:
            yield server
    finally:
        await everybody_leaves()


async def everybody_leaves() -> None:
    while Person.present:
        await Person.present.pop().close()


# -- a bare peer -----------------------------------------------------------------------------------


def expiry(level: int, seconds: int) -> dict[Property, Any]:
    return {Property.SESSION_EXPIRY_INTERVAL: seconds} if level == 5 else {}


class Person(MqttPeer):
    """A bare client that has logged in. All are gone at the end of the test."""

    present: ClassVar[list[Person]] = []

    connack: Connack

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(reader, writer)
        self._early: list[Packet] = []
        """Messages that came while something else was expected."""
        self.present.append(self)

    async def receive(self) -> Packet | None:
        return self._early.pop(0) if self._early else await super().receive()

    @classmethod
    async def come(
        cls,
        server: TestServer,
        name: str,
        *,
        level: int = 4,
        client_id: str = "c",
        stays: bool = False,
        clean: bool | None = None,
        will: Will | None = None,
        keep_alive: int = 60,
        properties: Properties | None = None,
    ) -> Person:
        """Log in. ``stays``: the session is to outlive the connection."""
        person = await cls.open(server.mqtt_port)
        assert isinstance(person, cls)
        kept = {**(expiry(level, 3600) if stays else {}), **(properties or {})}
        clean_start = not stays if clean is None else clean
        await person.connect(Connect(level, client_id, clean_start, keep_alive, name, will=will, properties=kept))
        person.connack = await person.expect(Connack)
        assert person.connack.reason == 0, person.connack
        return person

    async def listen(self, *filters: str, qos: int = 0, options: int = 0) -> list[int]:
        """Subscribe; return the codes."""
        await self.send(Subscribe(9, [(each, qos | options) for each in filters]))
        return (await self.expect(Suback)).reasons

    async def say(self, topic: str, payload: bytes = b"x", qos: int = 1, **more: Any) -> int:
        """Publish; return the reason code of the acknowledgement."""
        packet_id = 7 if qos else None
        await self.send(Publish(topic, payload, qos, packet_id=packet_id, **more))
        if not qos:
            return 0
        answer = await self._answer()
        assert isinstance(answer, Puback | Pubrec), answer
        if isinstance(answer, Pubrec) and answer.reason < 0x80:
            await self.send(Pubrel(7))
            assert await self._answer() == Pubcomp(7)
        return answer.reason

    async def _answer(self) -> Packet | None:
        while isinstance(packet := await super().receive(), Publish):
            self._early.append(packet)
        return packet

    async def hear(self) -> Publish:
        """Return the next message, which is acknowledged."""
        message = await self.expect(Publish)
        if message.qos == 1:
            await self.send(Puback(message.packet_id or 0))
        return message

    async def hears_nothing_but(self, other: Person, topic: str, own_topic: str) -> None:
        """Check that nothing came before a message that ``other`` sends now on a topic that is heard."""
        await other.say(topic, b"the last")
        message = await self.hear()
        assert (message.topic, message.payload) == (own_topic, b"the last")


# -- paho ------------------------------------------------------------------------------------------


class Paho:
    """A paho client in its own thread; what it gets arrives on this loop."""

    def __init__(self, server: TestServer, name: str, protocol: int, client_id: str, **options: Any) -> None:
        self._loop = asyncio.get_running_loop()
        self.messages: asyncio.Queue[paho.MQTTMessage] = asyncio.Queue()
        self._events: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self.client = paho.Client(
            paho.CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=protocol,
            **options,  # type: ignore[arg-type]
        )
        self.client.username_pw_set(name)
        self.client.on_message = lambda client, data, message: self._tell(self.messages, message)
        self.client.on_connect = lambda client, data, flags, code, props: self._event("connected", (flags, code))
        self.client.on_subscribe = lambda client, data, mid, codes, props: self._event("subscribed", codes)
        self.client.on_publish = lambda client, data, mid, code, props: self._event("published", code)
        self._port = server.mqtt_port

    def _tell(self, queue: asyncio.Queue[Any], item: Any) -> None:
        self._loop.call_soon_threadsafe(queue.put_nowait, item)

    def _event(self, name: str, value: Any) -> None:
        self._tell(self._events, (name, value))

    async def event(self, name: str) -> Any:
        async with asyncio.timeout(WAIT_S):
            found, value = await self._events.get()
        assert found == name
        return value

    async def connect(self, **options: Any) -> Any:
        self.client.connect_async("127.0.0.1", self._port, **options)
        self.client.loop_start()
        return await self.event("connected")

    async def subscribe(self, topic_filter: str, qos: int) -> Any:
        self.client.subscribe(topic_filter, qos)
        return await self.event("subscribed")

    async def publish(self, topic: str, payload: bytes, qos: int, *, retain: bool = False, **more: Any) -> Any:
        self.client.publish(topic, payload, qos, retain, **more)
        return await self.event("published")

    async def message(self) -> paho.MQTTMessage:
        async with asyncio.timeout(WAIT_S):
            return await self.messages.get()

    async def leave(self) -> None:
        self.client.disconnect()
        await asyncio.to_thread(self.client.loop_stop)


@asynccontextmanager
async def paho_client(
    server: TestServer,
    name: str,
    protocol: int = paho.MQTTv311,
    client_id: str = "paho",
    *,
    stays: Mapping[str, Any] | None = None,
    will: str | None = None,
    **options: Any,
) -> AsyncIterator[Paho]:
    """Connect a paho client for the length of the block. ``stays``: its options for a session that is kept."""
    client = Paho(server, name, protocol, client_id, **(stays or {}))
    if will is not None:
        client.client.will_set(will, b"gone", 1)
    await client.connect(**options)
    try:
        yield client
    finally:
        await client.leave()


def paho_properties(kind: int, **values: Any) -> PahoProperties:
    properties = PahoProperties(kind)
    for name, value in values.items():
        setattr(properties, name, value)
    return properties


async def mosquitto(server: TestServer, tool: str, name: str, *arguments: str) -> tuple[int, str]:
    """Run ``mosquitto_pub`` or ``mosquitto_sub``; return its status and what it printed."""
    process = await asyncio.create_subprocess_exec(
        f"mosquitto_{tool}", "-h", "127.0.0.1", "-p", str(server.mqtt_port), "-u", name, *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(WAIT_S):
        output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()
