"""Attacks on ordinary publish and subscribe, its sessions and its dialects (threats MQ-3 to MQ-17, PL-1, SE-6)."""

from __future__ import annotations

import asyncio
import logging
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.harness import TestServer, running
from tests.integration.applications.watching import new_token
from tests.integration.mqtt.probe import connected, door_of, emptied, quiet_log, rest, token_device, until
from tests.integration.pubsub.people import LEVELS, OwnTopics, PeopleDialect, Person, expiry, people, public_id

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
    Publish,
    Pubrec,
    Subscribe,
    Will,
)
from firstboot_plugins.transports.mqtt.rights import ApplicationRights, DeviceRights

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
        for _ in range(30):
            speaker = await Person.come(server, "app-1", level=level)
            await speaker.send(Subscribe(1, [("warm", 0)]))
            flood = b"".join(Publish(f"t/{n}", b"x", retain=True).encode(level) for n in range(19))
            await speaker.send(flood)
            await speaker.receive()
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
