"""Sessions that outlive their connections."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.harness import TestServer
from tests.integration.mqtt.probe import door_of, reset, rest, until
from tests.integration.pubsub.people import LEVELS, Person, people, public_id

from firstboot.sessions import Owner, SessionEnd
from firstboot_plugins.transports.mqtt.packets import (
    Disconnect,
    Property,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Unsuback,
    Unsubscribe,
)

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("quiet_log")]

levels = pytest.mark.parametrize("level", LEVELS)
TO_DEVICE = f"devices/{public_id(1)}/"


@pytest.fixture
async def nobody_stored(server: TestServer) -> None:
    door = door_of(server)
    for owner in list(door.stored._absent):
        door.stored.forget(owner)


async def leave(server: TestServer, person: Person, *, properly: bool = True) -> None:
    """Go away, and return when the server has noticed."""
    stored = len(door_of(server).stored)
    if properly:
        await person.send(Disconnect())
        await rest(person)
    else:
        reset(person)
    await until(lambda: len(door_of(server).stored) > stored)


@levels
@pytest.mark.parametrize("properly", [True, False])
async def test_what_was_published_meanwhile_waits_for_the_client(
    server: TestServer, nobody_stored: None, level: int, properly: bool
) -> None:
    application = await Person.come(server, "app-1", level=level)
    device = await Person.come(server, "device-1", level=level, stays=True)
    await device.listen("devices/me/#", qos=2)
    await leave(server, device, properly=properly)

    for qos in (0, 1, 2):
        await application.say(f"{TO_DEVICE}{qos}", b"x", qos)
    back = await Person.come(server, "device-1", level=level, stays=True)

    assert back.connack.session_present
    messages = [await back.hear() for _ in range(2)]
    assert [(each.topic, each.qos, each.dup) for each in messages] == [
        ("devices/me/1", 1, False), ("devices/me/2", 2, False),
    ]  # fmt: skip
    # The subscription is there, without subscribing again.
    await back.hears_nothing_but(application, f"{TO_DEVICE}t", "devices/me/t")


@levels
async def test_what_was_not_acknowledged_comes_again_with_dup(
    server: TestServer, nobody_stored: None, level: int
) -> None:
    application = await Person.come(server, "app-1", level=level)
    device = await Person.come(server, "device-1", level=level, stays=True)
    await device.listen("devices/me/#", qos=2)
    for payload, qos in ((b"1", 1), (b"2", 2), (b"3", 2)):
        await application.say(f"{TO_DEVICE}t", payload, qos)
        await device.expect(Publish)
    await device.send(Pubrec(3))
    assert await device.expect(Pubrel) == Pubrel(3)
    await leave(server, device, properly=False)

    back = await Person.come(server, "device-1", level=level, stays=True)

    first, second = await back.expect(Publish), await back.expect(Publish)
    assert [(each.payload, each.packet_id, each.dup) for each in (first, second)] == [
        (b"1", 1, True), (b"2", 2, True),
    ]  # fmt: skip
    assert await back.expect(Pubrel) == Pubrel(3)
    await back.send(Puback(1), Pubrec(2), Pubcomp(3))
    assert await back.expect(Pubrel) == Pubrel(2)
    await back.send(Pubcomp(2))
    await leave(server, back)
    again = await Person.come(server, "device-1", level=level, stays=True)
    await again.hears_nothing_but(application, f"{TO_DEVICE}t", "devices/me/t")


@levels
async def test_a_message_with_qos_2_is_passed_on_once_over_two_connections(
    server: TestServer, nobody_stored: None, level: int
) -> None:
    application = await Person.come(server, "app-1", level=level)
    await application.listen("devices/#")
    device = await Person.come(server, "device-1", level=level, stays=True)
    await device.send(Publish("devices/me/t", b"once", 2, packet_id=5))
    await device.expect(Pubrec)
    await leave(server, device, properly=False)

    back = await Person.come(server, "device-1", level=level, stays=True)
    await back.send(Publish("devices/me/t", b"once", 2, dup=True, packet_id=5))
    await back.expect(Pubrec)
    await back.send(Pubrel(5))
    assert await back.expect(Pubcomp) == Pubcomp(5)

    assert (await application.hear()).payload == b"once"
    await application.hears_nothing_but(back, "devices/me/t", f"{TO_DEVICE}t")


@levels
async def test_the_dialect_s_subscriptions_are_there_again(
    server: TestServer, nobody_stored: None, level: int
) -> None:
    device = await Person.come(server, "device-1", level=level, stays=True)
    assert await device.listen("own/a", "own/b", qos=1) == [1, 1]
    await device.send(Unsubscribe(3, ["own/b"]))
    await device.expect(Unsuback)
    await leave(server, device)

    await Person.come(server, "device-1", level=level, stays=True)

    (connection,) = door_of(server)._connections
    topics: Any = connection._topics
    assert topics.filters == ["own/a"]


@levels
async def test_a_clean_start_ends_what_was_left(server: TestServer, nobody_stored: None, level: int) -> None:
    application = await Person.come(server, "app-1", level=level)
    device = await Person.come(server, "device-1", level=level, stays=True)
    await device.listen("devices/me/#", qos=1)
    await leave(server, device)
    await application.say(f"{TO_DEVICE}t", b"lost")

    clean = await Person.come(server, "device-1", level=level, clean=True)

    assert not clean.connack.session_present
    await clean.listen("devices/me/t")
    await clean.hears_nothing_but(application, f"{TO_DEVICE}t", "devices/me/t")
    assert len(door_of(server).stored) == 0


@levels
async def test_a_device_with_another_client_id_begins_anew(
    server: TestServer, nobody_stored: None, level: int
) -> None:
    device = await Person.come(server, "device-1", level=level, client_id="a", stays=True)
    await leave(server, device)

    other = await Person.come(server, "device-1", level=level, client_id="b", stays=True)

    assert not other.connack.session_present
    assert len(door_of(server).stored) == 0


@levels
async def test_mq3_a_session_that_is_taken_over_loses_nothing(
    server: TestServer, nobody_stored: None, level: int
) -> None:
    application = await Person.come(server, "app-1", level=level)
    device = await Person.come(server, "device-1", level=level, stays=True)
    await device.listen("devices/me/#", qos=1)
    heard = []
    for number in range(20):
        device = await Person.come(server, "device-1", level=level, stays=True)
        assert device.connack.session_present
        await application.say(f"{TO_DEVICE}t", b"%d" % number)
        if number % 2:
            heard += [(await device.hear()).payload for _ in range(2)]

    assert heard == [b"%d" % number for number in range(20)]


# -- how long, how many ----------------------------------------------------------------------------


@levels
async def test_a_session_expires(
    server: TestServer, nobody_stored: None, monkeypatch: pytest.MonkeyPatch, level: int
) -> None:
    device = await Person.come(server, "device-1", level=level, stays=True)
    await device.listen("devices/me/#", qos=1)
    door = door_of(server)
    now, life_s = door.now(), 3600 if level == 5 else 24 * 3600
    monkeypatch.setattr(door, "now", lambda: now)
    await leave(server, device)

    monkeypatch.setattr(door, "now", lambda: now + life_s - 1)
    door.stored.sweep()
    assert len(door.stored) == 1
    monkeypatch.setattr(door, "now", lambda: now + life_s + 1)
    door.stored.sweep()

    assert len(door.stored) == 0
    await until(lambda: not inner_sessions(server))


async def test_v5_the_last_word_on_expiry_is_the_disconnect_s(server: TestServer, nobody_stored: None) -> None:
    device = await Person.come(server, "device-1", level=5, stays=True)
    await device.send(Disconnect(0, {Property.SESSION_EXPIRY_INTERVAL: 0}))
    await rest(device)
    assert len(door_of(server).stored) == 0

    device = await Person.come(server, "device-1", level=5)
    await device.send(Disconnect(0, {Property.SESSION_EXPIRY_INTERVAL: 60}))
    assert await device.expect(Disconnect) == Disconnect(0x82)
    assert len(door_of(server).stored) == 0


@levels
async def test_what_waits_for_an_absent_client_is_bounded(tmp_path: Path, level: int) -> None:
    limits = {"max_stored_messages": 3, "max_stored_bytes": 2000, "max_stored_sessions": 2}
    async with people(tmp_path, **limits) as server:
        speaker = await Person.come(server, "app-2", level=level)
        for name in ("a", "b", "c"):  # the first has to make room for the third
            person = await Person.come(server, "app-1", level=level, client_id=name, stays=True)
            await person.listen(f"to/{name}", qos=1)
            await leave_anyhow(server, person, name)

        for number in range(5):
            await speaker.say("to/b", b"%d" % number)
        await speaker.say("to/c", b"x" * 3000)
        await speaker.say("to/c", b"small")

        assert not (await Person.come(server, "app-1", level=level, client_id="a")).connack.session_present
        back = await Person.come(server, "app-1", level=level, client_id="b", stays=True)
        assert [(await back.hear()).payload for _ in range(3)] == [b"0", b"1", b"2"]
        await back.hears_nothing_but(speaker, "to/b", "to/b")
        back = await Person.come(server, "app-1", level=level, client_id="c", stays=True)
        assert (await back.hear()).payload == b"small"
        await leave(server, back)
        assert len(door_of(server).stored) == 1
        door_of(server).stored.forget(Owner("app-token", 1))
        assert door_of(server).stored._bytes == 0


async def leave_anyhow(server: TestServer, person: Person, name: str) -> None:
    await person.send(Disconnect())
    await rest(person)
    slots: Callable[[], Any] = lambda: door_of(server).stored._absent.get(Owner("app-token", 1), {})  # noqa: E731
    await until(lambda: name in slots())


# -- rights that end -------------------------------------------------------------------------------


def inner_sessions(server: TestServer) -> list[str]:
    broker = door_of(server).pubsub._broker
    return [] if broker is None else list(broker.sessions)


@levels
@pytest.mark.parametrize("absent", [True, False])
@pytest.mark.parametrize(
    "why",
    [SessionEnd.CREDENTIALS_CHANGED, SessionEnd.DEVICE_DELETED, SessionEnd.KICKED],
    ids=lambda why: why.value,
)
async def test_mq10_nothing_stays_of_who_has_lost_his_rights(
    server: TestServer, nobody_stored: None, level: int, absent: bool, why: SessionEnd
) -> None:
    application = await Person.come(server, "app-1", level=level)
    device = await Person.come(server, "device-1", level=level, stays=True)
    await device.listen("devices/me/#", qos=1)
    if absent:
        await leave(server, device)
        await application.say(f"{TO_DEVICE}t", b"lost")

    server.services.sessions.end(Owner("device", 1), why)

    if not absent:
        farewell = await device.receive()
        assert farewell == (Disconnect(0x98) if level == 5 else None)
    assert len(door_of(server).stored) == 0
    await until(lambda: not any(each.startswith("device/1/") for each in inner_sessions(server)))
    # As with new credentials: it takes a moment until the old ones count for nothing.
    server.services.sessions._ended_at.clear()
    back = await Person.come(server, "device-1", level=level, stays=True)
    assert not back.connack.session_present
