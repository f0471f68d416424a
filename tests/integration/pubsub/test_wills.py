"""Wills (threats MQ-9 and MQ-12)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.harness import TestServer
from tests.integration.mqtt.probe import door_of, reset, rest, until
from tests.integration.pubsub.people import LEVELS, Person, public_id

from firstboot.sessions import Owner, SessionEnd
from firstboot_plugins.transports.mqtt.packets import (
    Connack,
    Connect,
    Disconnect,
    Pingreq,
    Property,
    Publish,
    Will,
)

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("quiet_log")]

levels = pytest.mark.parametrize("level", LEVELS)
WILL = Will("devices/me/status", b"gone", 1)
SEEN = f"devices/{public_id(1)}/status"


async def watcher(server: TestServer, level: int) -> Person:
    person = await Person.come(server, "app-1", level=level, client_id="watcher")
    await person.listen("#", qos=1)
    return person


@levels
@pytest.mark.parametrize("ending", ["abort", "close", "malformed", "protocol error", "take-over", "keep-alive"])
async def test_a_will_fires_when_the_client_does_not_take_its_leave(
    server: TestServer, monkeypatch: pytest.MonkeyPatch, level: int, ending: str
) -> None:
    """MQ-12: also by keep-alive, in the middle of a packet."""
    application = await watcher(server, level)
    device = await Person.come(server, "device-1", level=level, will=WILL, keep_alive=10)

    if ending == "abort":
        reset(device)
    elif ending == "close":
        await device.close()
    elif ending == "malformed":
        await device.send(b"\x3e\x00")
    elif ending == "protocol error":
        await device.send(Connect(level, "again"))
    elif ending == "take-over":
        await Person.come(server, "device-1", level=level)
    else:
        await device.send(Publish("devices/me/t", b"half").encode(level)[:9])
        door = door_of(server)
        (connection,) = [each for each in door._connections if each._keep_alive_s == 10 * 1.5 + 1]
        connection.check(door.now() + 16.1)

    message = await application.hear()
    assert (message.topic, message.payload, message.qos, message.retain) == (SEEN, b"gone", 1, False)


@levels
async def test_no_will_after_a_disconnect(server: TestServer, level: int) -> None:
    application = await watcher(server, level)
    device = await Person.come(server, "device-1", level=level, will=WILL)

    await device.send(Disconnect())
    await rest(device)

    await application.hears_nothing_but(application, "t", "t")


async def test_v5_a_disconnect_can_ask_for_the_will(server: TestServer) -> None:
    application = await watcher(server, 5)
    device = await Person.come(server, "device-1", level=5, will=WILL)

    await device.send(Disconnect(0x04))

    assert (await application.hear()).payload == b"gone"


@levels
@pytest.mark.parametrize(
    "topic", ["t", f"devices/{public_id(2)}/status", "$SYS/t", "devices/me", "/provision/response"]
)
async def test_mq9_a_will_that_the_client_may_not_publish_is_refused(
    server: TestServer, level: int, topic: str
) -> None:
    former = await Person.come(server, "device-1", level=level)
    peer = await Person.open(server.mqtt_port)

    await peer.connect(Connect(level, "c", username="device-1", will=Will(topic, b"x", retain=True)))

    connack = await peer.expect(Connack)
    assert (connack.reason, connack.session_present) == (0x87 if level == 5 else 5, False)
    await rest(peer)
    await former.send(Pingreq())  # it was not taken over
    assert await former.receive() is not None


@levels
async def test_a_will_on_a_topic_of_the_dialect_is_accepted_and_not_published(
    server: TestServer, level: int
) -> None:
    application = await watcher(server, level)
    device = await Person.come(server, "device-1", level=level, will=Will("own/status", b"gone"))

    await device.close()

    await application.hears_nothing_but(application, "t", "t")


@levels
async def test_mq9_a_will_is_retained_only_for_who_may_retain(server: TestServer, level: int) -> None:
    application = await watcher(server, level)
    for number, kept in ((1, False), (100, True)):
        will = Will("devices/me/status", b"gone", 0, retain=True)
        await (await Person.come(server, f"device-{number}", level=level, will=will)).close()
        assert (await application.hear()).payload == b"gone"

        late = await Person.come(server, "app-1", level=level, client_id="late")
        await late.listen(f"devices/{public_id(number)}/status")
        if kept:
            assert (await late.hear()).retain
        await late.hears_nothing_but(
            late, f"devices/{public_id(number)}/status", f"devices/{public_id(number)}/status"
        )
        await application.hear()
        await late.say(f"devices/{public_id(number)}/status", b"", retain=True)
        await application.hear()


@levels
async def test_mq10_no_will_of_who_has_lost_his_rights(server: TestServer, level: int) -> None:
    application = await watcher(server, level)
    await Person.come(server, "device-1", level=level, will=WILL)

    server.services.sessions.end(Owner("device", 1), SessionEnd.DEVICE_DELETED)

    await application.hears_nothing_but(application, "t", "t")


# -- version 5: a will that waits ------------------------------------------------------------------


def late_will(delay_s: int) -> Will:
    return Will("devices/me/status", b"gone", properties={Property.WILL_DELAY_INTERVAL: delay_s})


async def absent(server: TestServer, delay_s: int, session_s: int) -> None:
    expiry: dict[Property, Any] = {Property.SESSION_EXPIRY_INTERVAL: session_s}
    device = await Person.come(
        server, "device-1", level=5, clean=False, will=late_will(delay_s), properties=expiry
    )
    await device.close()
    await until(lambda: not server.services.sessions.is_open(Owner("device", 1)))


async def test_v5_a_late_will_fires_after_its_delay(server: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    application = await watcher(server, 5)
    await absent(server, 100, 3600)
    door = door_of(server)
    await application.hears_nothing_but(application, "t", "t")
    now = door.now()

    monkeypatch.setattr(door, "now", lambda: now + 99)
    door.stored.sweep()
    await application.hears_nothing_but(application, "t", "t")
    monkeypatch.setattr(door, "now", lambda: now + 101)
    door.stored.sweep()

    message = await application.hear()
    assert (message.topic, message.payload, message.properties) == (SEEN, b"gone", {})
    assert len(door.stored) == 1
    monkeypatch.undo()
    await Person.come(server, "device-1", level=5)


@pytest.mark.parametrize("clean", [True, False])
async def test_v5_who_comes_back_in_time_leaves_no_will_unless_it_ends_its_session(
    server: TestServer, clean: bool
) -> None:
    application = await watcher(server, 5)
    await absent(server, 100, 3600)

    back = await Person.come(server, "device-1", level=5, clean=clean)

    assert back.connack.session_present is not clean
    if clean:
        assert (await application.hear()).payload == b"gone"
    await application.hears_nothing_but(application, "t", "t")


async def test_v5_a_will_does_not_wait_longer_than_the_session_lives(server: TestServer) -> None:
    application = await watcher(server, 5)
    await absent(server, 100, 0)

    assert (await application.hear()).payload == b"gone"
