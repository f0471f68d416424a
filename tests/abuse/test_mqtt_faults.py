"""When a dialect crashes, or the database is away: one peer is refused properly, and the others never notice."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.harness import RESPONSE_TOPIC, TestServer, login, running
from tests.integration.mqtt.probe import (
    FAILURE,
    LEVELS,
    ProbeDialect,
    connected,
    door_of,
    emptied,
    request_packet,
    rest,
    token_device,
)

from firstboot.errors import Unavailable
from firstboot.model import ReprovisionPolicy
from firstboot_plugins.transports.mqtt.dialect import Reply
from firstboot_plugins.transports.mqtt.packets import (
    Connect,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Subscribe,
)

levels = pytest.mark.parametrize("level", LEVELS)


def unavailable(level: int) -> bytes:
    return b"\x20\x03\0\x88\0\xe0\x01\x88" if level == 5 else b"\x20\x02\0\x03"


def crash(message: Publish) -> Reply:
    raise ZeroDivisionError("a test's dialect")


@pytest.fixture
async def fragile(tmp_path: Path) -> AsyncIterator[TestServer]:
    """A server with a dialect that crashes."""
    async with running(tmp_path, plugins={"probe": ProbeDialect(crash)}) as started:
        yield started
        await emptied(started, door_of(started))


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


# -- a dialect that crashes ------------------------------------------------------------------------


@levels
@pytest.mark.parametrize("where", ["crash-at-once", "crash-at-login"])
async def test_a_dialect_that_crashes_at_connect_refuses_it_as_unavailable(
    fragile: TestServer, caplog: pytest.LogCaptureFixture, level: int, where: str
) -> None:
    peer = await fragile.peer(Connect(level, where, username="nobody"))

    assert await rest(peer) == unavailable(level)
    assert len(errors(caplog)) == 1
    assert await login(fragile, client_id="c", username="nobody") == 5


@levels
@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_2_7_a_dialect_that_crashes_on_a_message_ends_that_session(
    fragile: TestServer, caplog: pytest.LogCaptureFixture, level: int, qos: int
) -> None:
    other = await fragile.provision_peer(level)
    peer = await connected(fragile, Connect(level, "probe"))

    await peer.send(Publish("t", b"x", qos, packet_id=7 if qos else None))

    acknowledgement = (b"\x40\x03\0\x07\x83" if level == 5 else b"\x40\x02\0\x07") if qos else b""
    assert await rest(peer) == acknowledgement + (b"\xe0\x01\x83" if level == 5 else b"")
    assert errors(caplog) == ["a message could not be served"]
    await other.send(Pingreq())
    await other.expect(Pingresp)
    await other.close()


@levels
async def test_a_dialect_that_crashes_on_a_subscription_ends_that_session(
    fragile: TestServer, caplog: pytest.LogCaptureFixture, level: int
) -> None:
    peer = await connected(fragile, Connect(level, "probe"))

    await peer.send(Subscribe(1, [("crash", 0)]))

    assert await rest(peer) == (b"\xe0\x01\x83" if level == 5 else b"")
    assert errors(caplog) == ["an MQTT packet could not be served"]


# -- the database is away --------------------------------------------------------------------------


async def away(*arguments: Any) -> Any:
    raise Unavailable("The database cannot be reached.")


@levels
async def test_3_3_a_login_without_the_database_is_refused_as_unavailable(
    server: TestServer, monkeypatch: pytest.MonkeyPatch, level: int
) -> None:
    token = await token_device(server, await server.profile(), "device")
    online = await connected(server, Connect(level, "c", username=token))
    monkeypatch.setattr(server.core.storage, "find_credentials", away)

    assert await rest(await server.peer(Connect(level, "c", username=token))) == unavailable(level)

    # Who is connected stays, and when the database is back everything is as before.
    await online.send(Pingreq())
    await online.expect(Pingresp)
    await online.close()
    monkeypatch.undo()
    assert await login(server, level=level, username=token) == 0


@levels
async def test_3_3_a_first_login_that_must_be_recorded_and_cannot_is_refused_as_unavailable(
    server: TestServer, monkeypatch: pytest.MonkeyPatch, level: int
) -> None:
    profile = await server.profile(reprovision=ReprovisionPolicy.RETRY)
    token = await token_device(server, profile, "device")
    monkeypatch.setattr(server.core.storage, "write", away)

    assert await rest(await server.peer(Connect(level, "c", username=token))) == unavailable(level)
    assert not len(server.services.sessions)


@levels
async def test_logins_without_the_database_do_not_flood_the_log(
    server: TestServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, level: int
) -> None:
    monkeypatch.setattr(server.core.storage, "find_credentials", away)

    for _ in range(30):
        await rest(await server.peer(Connect(level, "c", username="anybody")))

    assert errors(caplog) == ["a login is not possible now"] * 10


@levels
async def test_a_request_without_the_database_fails_and_may_be_asked_again(
    server: TestServer, monkeypatch: pytest.MonkeyPatch, level: int
) -> None:
    demo = await server.profile()
    peer = await server.provision_peer(level)
    monkeypatch.setattr(server.core.storage, "write", away)

    await peer.send(request_packet(demo.request("device"), 1, 4))

    assert await peer.expect(Puback) == Puback(4)
    answer = await peer.expect(Publish)
    assert (answer.topic, answer.payload) == (RESPONSE_TOPIC, FAILURE)
    monkeypatch.undo()
    assert (await peer.provision(demo.request("device")))["status"] == "SUCCESS"
    await peer.close()


async def test_pv6_a_delivery_that_cannot_be_recorded_harms_nobody(
    server: TestServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    demo = await server.profile(reprovision=ReprovisionPolicy.RETRY)
    peer = await server.provision_peer()
    await peer.send(request_packet(demo.request("device")))
    answer = await peer.expect(Publish)
    assert answer.packet_id is not None
    monkeypatch.setattr(server.core.storage, "write", away)

    await peer.send(Puback(answer.packet_id), Pingreq())

    await peer.expect(Pingresp)
    await peer.close()
    await emptied(server, door_of(server))
    assert errors(caplog) == ["a delivery could not be recorded"]


@pytest.mark.parametrize(("reason", "confirmed"), [(0, True), (0x10, True), (0x97, False)])
async def test_pv6_only_a_good_acknowledgement_confirms_the_delivery(
    server: TestServer, reason: int, confirmed: bool
) -> None:
    demo = await server.profile(reprovision=ReprovisionPolicy.RETRY)
    peer = await server.provision_peer(5)
    await peer.send(request_packet(demo.request("device")))
    answer = await peer.expect(Publish)
    assert answer.packet_id is not None

    await peer.send(Puback(answer.packet_id, reason), Pingreq())
    await peer.expect(Pingresp)
    await peer.close()
    await emptied(server, door_of(server))

    device = await server.device("device")
    assert device is not None
    assert (device.delivered_at_ms is not None) is confirmed


@levels
async def test_pv6_a_retry_over_a_new_connection_gets_the_same_answer_until_it_is_confirmed(
    server: TestServer, level: int
) -> None:
    demo = await server.profile(reprovision=ReprovisionPolicy.RETRY)
    payloads = []
    for confirm in (False, True, False):
        peer = await server.provision_peer(level)
        await peer.send(request_packet(demo.request("device")))
        answer = await peer.expect(Publish)
        payloads.append(answer.payload)
        if confirm:
            await peer.send(Puback(answer.packet_id or 0))
        await peer.close()
        await emptied(server, door_of(server))

    assert payloads[0] == payloads[1]
    assert payloads[2] == FAILURE
