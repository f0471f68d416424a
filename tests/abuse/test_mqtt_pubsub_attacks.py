"""Attacks on ordinary publish and subscribe, its sessions and its dialects (threats MQ-3 to MQ-17, PL-1, SE-6)."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.harness import TestServer, running
from tests.integration.applications.watching import new_device, new_tenant, new_token
from tests.integration.mqtt.probe import connected, door_of, emptied, quiet_log, reset, rest, token_device, until
from tests.integration.pubsub.people import (
    LEVELS,
    OwnTopics,
    PeopleDialect,
    Person,
    everybody_leaves,
    expiry,
    people,
    public_id,
)

from firstboot.clock import Clock
from firstboot.errors import Unavailable
from firstboot.sessions import Owner, SessionEnd
from firstboot_plugins.transports.mqtt.packets import (
    Connack,
    Connect,
    Disconnect,
    Pingreq,
    Pingresp,
    Property,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Subscribe,
    Unsubscribe,
    Will,
)
from firstboot_plugins.transports.mqtt.rights import ApplicationRights

__all__ = ["quiet_log"]

levels = pytest.mark.parametrize("level", LEVELS)
quiet = pytest.mark.usefixtures("quiet_log")


async def nothing_left(server: TestServer) -> None:
    door = door_of(server)
    await emptied(server, door)
    broker = door.pubsub._broker
    if broker is not None:
        await until(lambda: not broker.sessions and not broker._inner)
        assert (len(broker._index), len(door.stored), door.stored._bytes) == (0, 0, 0)


# -- properties ------------------------------------------------------------------------------------


@quiet
async def test_mq17_a_message_has_a_bounded_number_of_user_properties(tmp_path: Path) -> None:
    """Each costs every subscriber time and memory: 64 KiB of them held up the server for seconds."""
    async with people(tmp_path) as server:
        listener = await Person.come(server, "app-1", level=5, client_id="listener")
        await listener.listen("t")
        speaker = await Person.come(server, "app-1", level=5, client_id="speaker")
        few = [("name", "value")] * 64

        await speaker.say("t", properties={Property.USER_PROPERTY: few})
        assert (await listener.hear()).properties == {Property.USER_PROPERTY: few}

        await speaker.send(Publish("t", b"", properties={Property.USER_PROPERTY: [*few, ("one", "more")]}))
        assert await rest(speaker) == b"\xe0\x01\x97"
        will = Will("t", b"", properties={Property.USER_PROPERTY: few * 2})
        bomber = await server.peer(Connect(5, "c", True, 60, "app-1", will=will))
        assert (await bomber.expect(Connack)).reason == 0x97
        await rest(bomber)


@quiet
async def test_mq11_properties_count_as_bytes_that_wait_for_a_subscriber(tmp_path: Path) -> None:
    async with people(tmp_path, max_in_flight=1, max_queued_bytes=20_000) as server:
        speaker = await Person.come(server, "app-1", level=5, client_id="speaker")
        listener = await Person.come(server, "app-1", level=5, client_id="listener")
        await listener.listen("t", qos=1)
        large = {Property.CORRELATION_DATA: b"x" * 9000}

        for _ in range(5):
            await speaker.say("t", b"", 1, properties=large)

        assert (await rest(listener)).endswith(b"\xe0\x01\x97")


# -- sessions that are ended while they are busy -----------------------------------------------------


@quiet
@levels
@pytest.mark.parametrize("how", ["clean start", "revoked"])
async def test_mq14_a_session_that_ends_while_its_messages_wait_stays_ended(
    tmp_path: Path, level: int, how: str
) -> None:
    """What its client has sent before it left must not open it again, for ever."""
    async with people(tmp_path) as server:
        door = door_of(server)
        for _ in range(10):
            leaving = await Person.come(server, "device-1", level=level, stays=True)
            burst = b"".join(
                Publish("devices/me/t", b"x", 1, packet_id=number).encode(level) for number in range(1, 16)
            )
            await leaving.send(burst + Disconnect().encode(level))
            await until(lambda: len(door.stored) > 0)
            if how == "revoked":
                server.services.sessions.end(Owner("device", 1), SessionEnd.KICKED)
                server.services.sessions._ended_at.clear()
            back = await Person.come(server, "device-1", level=level, clean=True)
            assert not back.connack.session_present
            await back.send(Disconnect())
            await rest(back)
            await rest(leaving)

        await nothing_left(server)


@levels
async def test_mq9_mq10_nothing_is_retained_of_who_has_just_lost_his_rights(tmp_path: Path, level: int) -> None:
    async with people(tmp_path) as server:
        await Person.come(server, "app-2", level=level)
        for turns in range(30):
            speaker = await Person.come(server, "app-1", level=level)
            await speaker.send(Subscribe(1, [("warm", 0)]))
            flood = b"".join(Publish(f"t/{n}", b"x", retain=True).encode(level) for n in range(19))
            await speaker.send(flood)
            await speaker.receive()
            for _ in range(turns):
                await asyncio.sleep(0)
            server.services.sessions.end(Owner("app-token", 1), SessionEnd.CREDENTIALS_CHANGED)
            server.services.sessions._ended_at.clear()
            await rest(speaker)

        witness = await Person.come(server, "app-3", level=level)
        await witness.listen("t/#")
        await witness.hears_nothing_but(witness, "t/last", "t/last")


# -- exactly once ----------------------------------------------------------------------------------


@levels
async def test_mq3_a_message_with_qos_2_that_could_not_be_saved_is_taken_when_it_comes_again(
    tmp_path: Path, level: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic, saved = "v1/devices/me/telemetry", []
    async with running(tmp_path) as server:
        token = await token_device(server, await server.profile(), "meter")
        connect = Connect(level, "c", False, 60, token, properties=expiry(level, 60))
        save = server.services.telemetry.save

        async def fail(*arguments: Any) -> None:
            raise Unavailable("no database today")

        monkeypatch.setattr(server.services.telemetry, "save", fail)
        device = await connected(server, connect)
        await device.send(Publish(topic, b'{"a":1}', 2, packet_id=5))
        if level == 5:
            assert (await device.expect(Pubrec)).reason == 0x83
            await device.close()
        else:
            assert await rest(device) == b""

        async def count(*arguments: Any) -> None:
            saved.append(arguments)
            await save(*arguments)

        monkeypatch.setattr(server.services.telemetry, "save", count)
        back = await server.peer(connect)
        await back.expect(Connack)
        await back.send(Publish(topic, b'{"a":1}', 2, dup=True, packet_id=5))
        assert await back.expect(Pubrec) == Pubrec(5)
        assert len(saved) == 1
        await back.close()


@quiet
@levels
async def test_mq3_a_session_that_is_taken_over_keeps_what_waits_in_it(tmp_path: Path, level: int) -> None:
    """As much as may wait for a present client, not for an absent one."""
    async with people(tmp_path, max_stored_messages=3) as server:
        speaker = await Person.come(server, "app-1", level=level)
        device = await Person.come(server, "device-1", level=level, stays=True)
        await device.listen("devices/me/#", qos=1)
        for number in range(100):
            await speaker.say(f"devices/{public_id(1)}/t", b"%d" % number)

        for _ in range(3):
            device = await Person.come(server, "device-1", level=level, stays=True)

        heard = [(await device.hear()).payload for _ in range(100)]
        assert heard == [b"%d" % number for number in range(100)]


# -- memory of absent clients ------------------------------------------------------------------------


@quiet
@levels
async def test_mq17_what_absent_clients_have_not_acknowledged_is_bounded(tmp_path: Path, level: int) -> None:
    async with people(tmp_path, max_stored_bytes=100_000) as server:
        door = door_of(server)
        for number in range(10):
            device = await Person.come(server, f"device-{number}", level=level, stays=True)
            await device.listen("devices/me/#", qos=1)
            for packet_id in range(1, 5):
                await device.send(Publish("devices/me/t", b"x" * 10_000, 1, packet_id=packet_id))
                assert {type(await device.receive()) for _ in range(2)} == {Puback, Publish}
            await device.send(Disconnect())
            await rest(device)
            await until(lambda: not door._connections)

            assert door.stored._bytes <= 100_000
        assert len(door.stored) == 2


# -- retained messages -------------------------------------------------------------------------------


async def test_se6_a_flood_of_messages_that_are_not_retained_is_not_one_of_log_lines(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with people(tmp_path, max_retained=1) as server:
        speaker = await Person.come(server, "app-1")
        for number in range(50):
            await speaker.say(f"t/{number}", b"x", retain=True)

    lines = [each for each in caplog.records if "retained" in each.getMessage()]
    assert 1 <= len(lines) <= 10


async def test_mq9_mq10_nothing_stays_of_a_token_that_has_expired(tmp_path: Path) -> None:
    """Also when none of its clients is connected: neither session, nor will, nor retained message."""
    clock = Clock()
    async with running(tmp_path, clock=clock) as server:
        _, theirs = await new_token(server, "subscribe:#", "publish:last")
        witness = await server.peer(Connect(5, "w", True, 60, theirs))
        assert (await witness.expect(Connack)).reason == 0
        assert await witness.subscribe("will") == 0
        expires_at_ms = clock.now_ms() + 700
        _, secret = await new_token(server, "subscribe:#", "publish:#", "retain", expires_at_ms=expires_at_ms)
        will = Will("will", b"too late", properties={Property.WILL_DELAY_INTERVAL: 2})
        app = await connected(server, Connect(5, "c", True, 60, secret, will=will, properties=expiry(5, 3600)))
        assert await app.subscribe("t", 1) == 1
        await app.send(Publish("kept", b"x", 1, True, packet_id=1))
        assert (await app.expect(Puback)).reason == 0
        await app.close()
        door = door_of(server)
        await until(lambda: len(door.stored) == 1)

        await until(lambda: clock.now_ms() > expires_at_ms and len(door.stored) == 0)

        assert door.pubsub._broker is not None
        assert len(door.pubsub._broker.retained) == 0
        now = door.now()
        door.now = lambda: now + 10
        door.stored.sweep()
        await witness.send(Subscribe(2, [("kept", 0)]), Publish("last", b"", 1, packet_id=1), Pingreq())
        assert not [each for each in [await witness.receive() for _ in range(3)] if isinstance(each, Publish)]
        await witness.close()


# -- dialects that fail ------------------------------------------------------------------------------


class FailingTopics(OwnTopics):
    """Topics whose method ``bad`` raises, from the moment that it is armed."""

    def __init__(self, dialect: FailingDialect, bad: str) -> None:
        super().__init__(lambda message: None)
        self._dialect = dialect
        self._bad = bad

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("_") and self._bad == f"topics.{name}":
            self._dialect.fail_if_armed()
        return super().__getattribute__(name)


class FailingRights:
    """Rights of an application whose method ``bad`` raises, from the moment that it is armed."""

    def __init__(self, dialect: FailingDialect, bad: str) -> None:
        self._dialect = dialect
        self._bad = bad
        self._rights = ApplicationRights(1, ("#",), ("#",), may_retain=True)

    def __getattr__(self, name: str) -> Any:
        if self._bad == f"rights.{name}":
            self._dialect.fail_if_armed()
        return getattr(self._rights, name)


class FailingDialect(PeopleDialect):
    """Knows ``bad-<n>`` too, whose topics or rights fail."""

    def __init__(self, bad: str, error: type[BaseException]) -> None:
        super().__init__()
        self._bad = bad
        self._error = error
        self.armed = False

    def fail_if_armed(self) -> None:
        if self.armed:
            raise self._error

    async def login(self, connect: Connect, origin: Any) -> Any:
        if not (connect.username or "").startswith("bad-"):
            return await super().login(connect, origin)
        login = await super().login(Connect(4, connect.client_id, username="app-99"), origin)
        assert login is not None
        if self._bad == "login":
            self.fail_if_armed()
        if self._bad == "nonsense" and self.armed:
            return "a login"
        if self._bad == "owner" and self.armed:
            return dataclasses.replace(login, owner=[])
        topics: Callable[[Any], Any] = lambda send: FailingTopics(self, self._bad)  # noqa: E731
        return dataclasses.replace(login, topics=topics, rights=FailingRights(self, self._bad))


BAD = ["login", "nonsense", "owner", "topics.owns", "topics.subscribe", "topics.unsubscribe", "topics.publish",
       "topics.close", "rights.publish_to", "rights.subscribe_to", "rights.seen_as",
       "rights.may_retain"]  # fmt: skip


@pytest.mark.parametrize("error", [ZeroDivisionError, asyncio.CancelledError, SystemExit])
@pytest.mark.parametrize("bad", BAD)
async def test_pl1_mq14_a_dialect_that_fails_harms_its_own_sessions_alone(
    tmp_path: Path, bad: str, error: type[BaseException]
) -> None:
    dialect = FailingDialect(bad, error)
    script = (
        Subscribe(1, [("own/t", 1), ("t", 1)]),
        Unsubscribe(2, ["own/t"]),
        Publish("own/t", b"x", 2, packet_id=1),
        Publish("t", b"x", 1, packet_id=2),
        Publish("u", b"x", 1, True, packet_id=3),
        Disconnect(),
    )
    async with running(
        tmp_path, plugins={"people": dialect}, mqtt={"messages_per_second": 10_000, "burst": 10_000}
    ) as server:
        door = door_of(server)
        good = await Person.come(server, "app-1", client_id="good")
        await good.listen("t")
        for armed_at in range(-1, len(script)):
            for stays in (False, True):
                dialect.armed = armed_at < 0
                bad_one = await Person.open(server.mqtt_port)
                will = Will("t", b"will")
                await bad_one.connect(Connect(4, f"c{stays}", not stays, 60, "bad-1", will=will))
                for number, packet in enumerate(script):
                    if number == armed_at:
                        await bad_one.send(Pingreq())
                        with contextlib.suppress(TimeoutError):
                            while not isinstance(await bad_one.receive(), Pingresp | None):
                                pass
                        dialect.armed = True
                    with contextlib.suppress(ConnectionError):
                        await bad_one.send(packet)
                if stays:
                    await rest(bad_one)
                else:
                    reset(bad_one)
                await until(lambda: len(door._connections) == 1 and not door._tasks)
        await good.close()
        dialect.armed = True
        now = door.now()
        door.now = lambda: now + 100 * 3600
        door.stored.sweep()
        assert door._checker is not None
        assert not door._checker.done()
        door.now = lambda: now

        await nothing_left(server)
    await everybody_leaves()


# -- too much, in other ways -------------------------------------------------------------------------


@quiet
@levels
async def test_mq17_coming_back_brings_no_new_burst(tmp_path: Path, level: int) -> None:
    async with people(tmp_path, messages_per_second=1, burst=20) as server:
        door = door_of(server)
        farewell = b"\xe0\x01\x97" if level == 5 else b""
        first = await Person.come(server, "device-1", level=level)
        await first.send(b"".join(Publish("devices/me/t", b"").encode(level) for _ in range(15)) + b"\xe0\0")
        await rest(first)
        other = await Person.come(server, "device-2", level=level)

        again = await Person.come(server, "device-1", level=level)
        await again.send(b"".join(Publish("devices/me/t", b"").encode(level) for _ in range(15)))

        assert await rest(again) == farewell
        await other.send(b"".join(Publish("devices/me/t", b"").encode(level) for _ in range(15)), Pingreq())
        assert isinstance(await other.receive(), Pingresp)
        now = door.now()
        door.rates.sweep(now + 60)
        assert len(door.rates) == 0


@quiet
@levels
async def test_mq3_mq14_alternating_logins_lose_nothing_that_was_acknowledged(tmp_path: Path, level: int) -> None:
    """QoS 1 and 2, both ways, while a device takes over from itself again and again."""
    to_device = f"devices/{public_id(1)}/down"
    async with people(tmp_path) as server:
        app = await Person.come(server, "app-1", level=level)
        await app.listen(f"devices/{public_id(1)}/up", qos=0)
        device = await Person.come(server, "device-1", level=level, stays=True)
        await device.listen("devices/me/down", qos=2)
        said, heard, last = [], [], None
        for number in range(20):
            payload = b"%d" % number
            await app.say(to_device, payload, 1 + number % 2)
            # What the device says: sent, and not waited for; sent again by the next connection.
            up = Publish("devices/me/up", payload, 2, packet_id=number + 1)
            await device.send(up)
            device = await Person.come(server, "device-1", level=level, stays=True)
            again = dataclasses.replace(up, dup=True)
            await device.send(again)
            while True:
                packet = await device.receive()
                assert packet is not None
                if isinstance(packet, Publish):
                    heard.append((packet.qos, packet.payload))
                    kind = Puback if packet.qos == 1 else Pubrec
                    await device.send(kind(packet.packet_id or 0))
                elif isinstance(packet, Pubrel):
                    await device.send(Pubcomp(packet.packet_id))
                elif packet == Pubrec(number + 1):
                    await device.send(Pubrel(number + 1))
                elif packet == Pubcomp(number + 1):
                    break
            last = number

        assert last == 19
        await app.say(to_device, b"end", 1)
        while not heard or heard[-1][1] != b"end":
            packet = await device.receive()
            assert packet is not None
            if isinstance(packet, Publish):
                heard.append((packet.qos, packet.payload))
                await device.send((Puback if packet.qos == 1 else Pubrec)(packet.packet_id or 0))
            elif isinstance(packet, Pubrel):
                await device.send(Pubcomp(packet.packet_id))
        while len(said) < 20:
            said.append((await app.hear()).payload)
        await app.hears_nothing_but(app, f"devices/{public_id(1)}/up", f"devices/{public_id(1)}/up")
        assert said == [b"%d" % number for number in range(20)]
        assert set(heard) >= {(1 + number % 2, b"%d" % number) for number in range(20)}
        door = door_of(server)
        assert len(door._connections) == 2
        assert len(door.stored) == 0


ME, OTHER = f"devices/{public_id(1)}", f"devices/{public_id(2)}"
TRICKS = (
    "devices/me", "devices//x", "devices//me/x", "/devices/me/x", "//devices/me/x", "devices/ me/x",
    "devices/me /x",
    "Devices/me/x", "devices/ME/x", "devices/m\u00e9/x", "devices/me\u0301/x", "devices/\uff4d\uff45/x",
    "devices\u2044me\u2044x", "devices/me\u200b/x", "devices/../devices/me/x", "devices/%6de/x", OTHER,
    f"{OTHER}/x",
    f"devices/{public_id(2).hex}/x", f"1/{OTHER}/x", f"/1/{OTHER}/x", f"2/{OTHER}/x", "$", "$/x", "$devices/me/x",
    "$SYS/broker/uptime", "$firstboot/events/x", "$share", "provision/request", "\u202edevices/me/x", " ", "/",
)  # fmt: skip
"""Names that are nearly a device's own."""
INSIDE = ("devices/me/", "devices/me//", "devices/me//x", "devices/me/../x", f"devices/me/{OTHER}/x",
          "devices/me/$x",
          "devices/me/devices/me/x", "devices/me/e\u0301", "devices/me/\u00e9", "devices/me/ ")  # fmt: skip
"""Names that are odd, and a device's own."""


@quiet
@levels
async def test_mq8_a_name_that_is_nearly_a_device_s_own_is_not(tmp_path: Path, level: int) -> None:
    async with people(tmp_path) as server:
        spy = await Person.come(server, "app-1", level=level, client_id="spy")
        await spy.listen("#", "$/x", "$SYS/#", "+/+/+/+", "+/+/+")
        foreign = await Person.come(server, "foreign-1", level=level)
        await foreign.listen("#")
        victim = await Person.come(server, "device-2", level=level)
        await victim.listen("devices/me/#")
        device = await Person.come(server, "device-1", level=level)
        refused = 0x8F if level == 5 else 0x80

        for trick in TRICKS:
            assert await device.say(trick, b"forged") == (0x90 if level == 5 else 0), trick
            assert await device.listen(trick) == [refused], trick
        for trick in ("devices/+/x", "devices/mex/#", "+/me/x", "+/+/x", "+/me/#", "$share", "$/#",
                      "$firstboot/#", "devices/+", "/#", "+", "/devices/me/#", "devices//#"):  # fmt: skip
            assert await device.listen(trick) == [refused], trick
        assert await device.listen("devices/me/#") == [0]
        for name in INSIDE:
            await device.say(name, b"own")
            assert (await device.hear()).topic == name
            assert (await spy.hear()).topic == f"{ME}{name.removeprefix('devices/me')}"

        await victim.hears_nothing_but(victim, "devices/me/end", "devices/me/end")
        assert (await spy.hear()).topic == f"{OTHER}/end"
        await foreign.hears_nothing_but(foreign, "end", "end")


@quiet
@levels
async def test_mq9_a_will_on_a_name_that_is_nearly_a_device_s_own_is_refused(tmp_path: Path, level: int) -> None:
    async with people(tmp_path) as server:
        for trick in TRICKS:
            peer = await server.peer(
                Connect(level, "c", True, 60, "device-1", will=Will(trick, b"x", retain=True))
            )
            assert (await peer.expect(Connack)).reason == (0x87 if level == 5 else 5), trick
            await rest(peer)
        await emptied(server, door_of(server))


@quiet
async def test_mq8_an_answer_s_topic_cannot_be_one_that_its_reader_should_not_know(tmp_path: Path) -> None:
    async with people(tmp_path) as server:
        listener = await Person.come(server, "app-1", level=5)
        await listener.listen("#")
        device = await Person.come(server, "device-1", level=5)

        for trick in TRICKS:
            await device.say("devices/me/t", properties={Property.RESPONSE_TOPIC: trick})
            assert (await listener.hear()).properties == {}, trick
        await device.send(Publish("devices/me/t", b"", properties={Property.RESPONSE_TOPIC: "devices/me/#"}))
        assert await rest(device) == b"\xe0\x01\x90"


# -- QoS 2 and the windows ---------------------------------------------------------------------------


@quiet
@levels
async def test_mq17_acknowledgements_of_nothing_change_nothing(tmp_path: Path, level: int) -> None:
    async with people(tmp_path) as server:
        person = await Person.come(server, "app-1", level=level)
        await person.listen("t", qos=2)
        for packet_id in (1, 2, 65_535):
            unknown = 0x92 if level == 5 else 0
            await person.send(Pubrel(packet_id))
            assert await person.expect(Pubcomp) == Pubcomp(packet_id, unknown)
            await person.send(Puback(packet_id), Pubcomp(packet_id), Pubrec(packet_id))
            assert await person.expect(Pubrel) == Pubrel(packet_id, unknown)

        await person.send(Publish("t", b"x", 2, packet_id=7))
        assert {type(await person.receive()) for _ in range(2)} == {Pubrec, Publish}
        (connection,) = door_of(server)._connections
        assert connection._client is not None
        # Of a message with QoS 2, PUBACK or an early PUBCOMP is no acknowledgement.
        await person.send(Puback(1), Pubcomp(1), Pingreq())
        assert isinstance(await person.receive(), Pingresp)
        assert list(connection._client.outgoing._unacknowledged) == [1]
        await person.send(Pubrec(1))
        assert await person.expect(Pubrel) == Pubrel(1)
        await person.send(Pubcomp(1), Pubcomp(1), Pubrel(7), Pubrel(7))
        assert await person.expect(Pubcomp) == Pubcomp(7)
        assert await person.expect(Pubcomp) == Pubcomp(7, 0x92 if level == 5 else 0)
        assert not connection._client.outgoing._unacknowledged
        assert not connection._client.received


@quiet
async def test_mq17_a_client_gets_no_more_at_once_than_it_takes_also_after_it_came_back(tmp_path: Path) -> None:
    async with people(tmp_path) as server:
        speaker = await Person.come(server, "app-1", level=5)
        narrow = {Property.RECEIVE_MAXIMUM: 1}
        for number in range(4):
            device = await Person.come(server, "device-1", level=5, stays=True, properties=narrow)
            if not number:
                await device.listen("devices/me/t", qos=1)
            await speaker.say(f"{ME}/t", b"%d" % number)
            first = await device.expect(Publish)
            assert (first.payload, first.dup) == (b"0", number > 0)
            await device.send(Pingreq())
            assert isinstance(await device.receive(), Pingresp)
        await device.send(Puback(first.packet_id or 0))
        assert [(await device.hear()).payload for _ in range(3)] == [b"1", b"2", b"3"]


# -- many ----------------------------------------------------------------------------------------------


@quiet
async def test_subscriptions_that_come_and_go_lose_nobody_a_message(tmp_path: Path) -> None:
    """threats.md, section 13: amqtt alone loses messages of live subscribers meanwhile."""
    async with people(tmp_path) as server:
        speaker = await Person.come(server, "app-1", client_id="speaker")
        steady = [await Person.come(server, "app-1", client_id=f"steady-{n}") for n in range(3)]
        for person in steady:
            await person.listen("t", "+", "#")
        done = asyncio.Event()

        async def churn(name: str) -> None:
            while not done.is_set():
                person = await Person.open(server.mqtt_port)
                await person.connect(Connect(4, name, True, 60, "app-2"))
                await person.expect(Connack)
                await person.send(Subscribe(1, [("t", 0), ("+", 1), ("#", 2)]))
                await person.receive()
                reset(person)

        churning = [asyncio.create_task(churn(f"churn-{n}")) for n in range(4)]
        for number in range(200):
            await speaker.say("t", b"%d" % number)
        done.set()
        await asyncio.gather(*churning)

        for person in steady:
            assert [(await person.hear()).payload for _ in range(200)] == [b"%d" % number for number in range(200)]


@quiet
async def test_mq9_mq14_a_flood_of_wills_leaves_nothing_and_holds_up_nobody(tmp_path: Path) -> None:
    async with people(tmp_path) as server:
        listener = await Person.come(server, "app-1", client_id="listener")
        await listener.listen("gone/#", qos=1)
        speaker = await Person.come(server, "app-1", client_id="speaker")
        for number in range(100):
            peer = await server.peer(
                Connect(4, f"c{number}", True, 60, "app-2", will=Will(f"gone/{number}", b"x", 1))
            )
            await peer.expect(Connack)
            reset(peer)

        topics = [(await listener.hear()).topic for _ in range(100)]
        await speaker.say("t")
        assert sorted(topics) == sorted(f"gone/{number}" for number in range(100))
        for person in (listener, speaker):
            await person.send(Disconnect())
            await rest(person)
        await nothing_left(server)


@quiet
async def test_mq17_client_ids_without_end_are_bounded(tmp_path: Path) -> None:
    """Sessions of one token that were left, with the longest life that a client can ask for."""
    for_ever = {Property.SESSION_EXPIRY_INTERVAL: 0xFFFFFFFF}
    async with people(tmp_path) as server:
        door = door_of(server)
        for number in range(100):
            person = await Person.come(
                server, "app-1", level=5, client_id=f"c{number}", clean=False, properties=for_ever
            )
            assert person.connack.properties[Property.SESSION_EXPIRY_INTERVAL] == 24 * 3600
            await person.listen("t", qos=1)
            await person.send(Disconnect())
            await rest(person)
        await until(lambda: not door._connections)

        assert len(door.stored) == 20
        broker = door.pubsub._broker
        assert broker is not None
        await until(lambda: len(broker.sessions) == 20)
        assert len(broker._index) == 20
        now = door.now()
        door.now = lambda: now + 25 * 3600
        door.stored.sweep()
        await nothing_left(server)


@quiet
async def test_mq8_a_provision_session_has_nothing_to_do_with_the_broker(tmp_path: Path) -> None:
    async with people(tmp_path) as server:
        listener = await Person.come(server, "app-1", level=5)
        await listener.listen("#")
        for level in LEVELS:
            will = Will("devices/me/t", b"will", retain=True)
            stranger = await server.peer(
                Connect(level, "provision", False, 60, will=will, properties=expiry(level, 60))
            )
            assert not (await stranger.expect(Connack)).session_present
            for topic_filter in ("devices/me/#", "#", "t", "$share/g/t"):
                assert await stranger.subscribe(topic_filter) >= 0x80
            await stranger.send(Publish("devices/me/t", b"x", 1, True, packet_id=1))
            await rest(stranger)

        await listener.hears_nothing_but(listener, "t", "t")
        assert len(door_of(server).stored) == 0


@quiet
async def test_mq8_tn1_devices_of_one_name_in_two_tenants_and_their_applications_never_meet(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as server:
        ours, theirs = await new_device(server, "twin"), await new_device(server, "twin", await new_tenant(server))
        scopes = ("subscribe:#", "publish:#", "retain")
        peers = []
        for device in (ours, theirs):
            _, secret = await new_token(server, *scopes, tenant_id=device.tenant_id)
            app = await connected(server, Connect(5, "same", True, 60, secret))
            assert await app.subscribe("#") == 0
            token = f"token of twin {device.tenant_id}"
            peers.append((device, app, await connected(server, Connect(5, "same", True, 60, token))))
        _, our_app, our_device = peers[0]
        _, their_app, their_device = peers[1]
        assert await their_device.subscribe("devices/me/#") == 0

        for public in (ours.public_id, theirs.public_id):
            packet = Publish(f"devices/{public}/t", b"ours", 1, True, packet_id=1)
            await our_app.send(packet)
            assert {type(await our_app.receive()) for _ in range(2)} == {Puback, Publish}
        await our_device.send(Publish("devices/me/t", b"ours", 1, packet_id=1))
        await our_device.expect(Puback)
        await their_app.send(Publish(f"devices/{theirs.public_id}/t", b"theirs", 1, packet_id=1))

        assert (await their_device.expect(Publish)).payload == b"theirs"
        first, second = [await their_app.receive() for _ in range(2)]
        assert {type(first), type(second)} == {Puback, Publish}
        assert b"theirs" in (getattr(first, "payload", b""), getattr(second, "payload", b""))
        for _, app, peer in peers:
            await app.close()
            await peer.close()


@quiet
@levels
async def test_mq8_an_application_gets_no_wider_than_its_scopes(tmp_path: Path, level: int) -> None:
    async with running(tmp_path) as server:
        _, secret = await new_token(server, "subscribe:a/+", "publish:b/+/c")
        narrow = await connected(server, Connect(level, "c", True, 60, secret))
        for wide in (
            "#",
            "+",
            "a",
            "a/#",
            "a/+/#",
            "+/b",
            "+/+",
            "a/b/c",
            "/a/b",
            "b/x/c",
            "$share/g/a/b",
            "1/a/b",
        ):
            assert await narrow.subscribe(wide) >= 0x80, wide
        for fits in ("a/+", "a/b", "a/"):
            assert await narrow.subscribe(fits) == 0, fits
        for name, reason in (
            ("b/x/c", 0),
            ("b//c", 0),
            ("b/c", 0x90),
            ("b/x/c/", 0x90),
            ("a/b", 0x90),
            ("b", 0x90),
        ):
            await narrow.send(Publish(name, b"", 1, True, packet_id=1))
            assert (await narrow.expect(Puback)).reason == (reason if level == 5 else 0), name
        broker = door_of(server).pubsub._broker
        assert broker is not None
        assert len(broker.retained) == 0
        await narrow.close()


@levels
@pytest.mark.parametrize("qos", [1, 2])
async def test_mq3_what_a_dialect_has_failed_to_take_is_not_acknowledged(
    tmp_path: Path, level: int, qos: int
) -> None:
    dialect = FailingDialect("topics.publish", ZeroDivisionError)
    dialect.armed = True
    async with running(tmp_path, plugins={"people": dialect}) as server:
        device = await connected(server, Connect(level, "c", True, 60, "bad-1"))
        await device.send(Publish("own/t", b"x", qos, packet_id=7))

        kind = Puback if qos == 1 else Pubrec
        told = kind(7, 0x83).encode(5) + Disconnect(0x83).encode(5) if level == 5 else b""
        assert await rest(device) == told
