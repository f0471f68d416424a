"""What goes wrong behind the door."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.integration.mqtt.probe import door_of, emptied, rest
from tests.integration.pubsub.people import LEVELS, Person, people

from firstboot_plugins.transports.mqtt.broker.embedded import EmbeddedBroker
from firstboot_plugins.transports.mqtt.packets import Connack, Connect, Publish, Subscribe

levels = pytest.mark.parametrize("level", LEVELS)


@levels
async def test_a_dialect_that_fails_to_open_a_session_refuses_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, level: int
) -> None:
    async with people(tmp_path) as server:
        peer = await Person.open(server.mqtt_port)
        await peer.connect(Connect(level, "c", username="device-13"))

        assert (await peer.expect(Connack)).reason == (0x88 if level == 5 else 3)
        await rest(peer)

        await emptied(server, door_of(server))
    assert [record.getMessage() for record in caplog.records if record.exc_info] == [
        "a session could not be opened"
    ]


@levels
@pytest.mark.parametrize("asks", [Subscribe(1, [("t", 1)]), Publish("t", b"", 1, packet_id=1)], ids=["sub", "pub"])
async def test_a_broker_that_does_not_start_ends_the_sessions_that_need_it(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    level: int,
    asks: Subscribe | Publish,
) -> None:
    async def fail(self: EmbeddedBroker) -> None:
        raise OSError("no broker today")

    async with people(tmp_path) as server:
        monkeypatch.setattr(EmbeddedBroker, "start", fail)
        one, other = (
            await Person.come(server, "app-1", level=level),
            await Person.come(server, "app-2", level=level),
        )

        await one.send(asks)

        farewell = b"\xe0\x01\x83" if level == 5 else b""
        assert (await rest(one)).endswith(farewell)
        assert await other.listen("own/t") == [0]
        monkeypatch.undo()
        assert await other.listen("t") == [0]  # the next who needs it tries again
    assert [record.getMessage() for record in caplog.records if record.exc_info] != []
