"""Contract section 6 over MQTT, on both databases and in all versions: a whole life of a device."""

from __future__ import annotations

import asyncio

import pytest
from tests.harness import TestServer
from tests.integration.thingsboard_device.board import LEVELS, ME, Answers, Board

from firstboot.model import Scope


@pytest.mark.parametrize("level", LEVELS)
async def test_6_a_device_reports_asks_is_told_and_is_called(
    stored: TestServer, level: int, plugin: Answers
) -> None:
    board = await Board.make(stored)
    await board.set(Scope.SHARED, {"interval": 5, "mode": "eco"})
    await board.set(Scope.SERVER, {"hidden": 1})

    async with board.session(level):
        granted = await board.subscribe_all(
            (f"{ME}/attributes", 1), (f"{ME}/attributes/response/+", 0), (f"{ME}/rpc/request/+", 1),
            (f"{ME}/rpc/response/+", 2),
        )  # fmt: skip
        assert granted == [1, 0, 1, 1]

        # Telemetry, in its three forms.
        assert await board.publish(f"{ME}/telemetry", {"t": 1, "old": 1}) == 0
        assert (
            await board.publish(f"{ME}/telemetry", {"ts": 1_600_000_000_000, "values": {"u": "x", "old": 0}}) == 0
        )
        assert await board.publish(f"{ME}/telemetry", [{"v": True}, {"ts": 5, "values": {"w": {"a": [1]}}}]) == 0
        latest = await board.latest()
        assert {key: value for key, (_, value) in latest.items()} == {
            "t": 1, "old": 1, "u": "x", "v": True, "w": {"a": [1]},
        }  # fmt: skip
        assert (latest["u"][0], latest["w"][0]) == (1_600_000_000_000, 5)

        # Client attributes, and asking for both kinds.
        assert await board.publish(f"{ME}/attributes", {"fw": "1.2.3", "serial": "12345"}) == 0
        assert await board.stored(Scope.CLIENT) == {"fw": "1.2.3", "serial": 12345}
        assert (
            await board.publish(f"{ME}/attributes/request/7", {"clientKeys": "fw,nope", "sharedKeys": "mode"}) == 0
        )
        assert await board.told() == (
            f"{ME}/attributes/response/7", {"client": {"fw": "1.2.3"}, "shared": {"mode": "eco"}}, 0,
        )  # fmt: skip

        # Shared attributes that change.
        await board.set(Scope.SHARED, {"interval": 9})
        assert await board.told() == (f"{ME}/attributes", {"interval": 9}, 1)
        await board.delete(Scope.SHARED, "mode")
        assert await board.told() == (f"{ME}/attributes", {"deleted": ["mode"]}, 1)

        # Calls both ways.
        call = asyncio.create_task(board.called("blink", {"n": 3}))
        topic, content, qos = await board.told()
        assert (content, qos) == ({"method": "blink", "params": {"n": 3}}, 1)
        assert await board.publish(topic.replace("/request/", "/response/"), {"done": True}) == 0
        assert await call == {"done": True}

        assert await board.publish(f"{ME}/rpc/request/4", {"method": "echo", "params": [1]}) == 0
        assert await board.told() == (f"{ME}/rpc/response/4", {"echo": [1]}, 1)
        assert plugin.asked_by(board) == [("echo", [1])]


@pytest.mark.parametrize("end", ["", "/j"])
async def test_6_the_short_topics_do_the_same(stored: TestServer, end: str) -> None:
    board = await Board.make(stored)
    await board.set(Scope.SHARED, {"c": 2})

    async with board.session():
        filters = (f"v2/a{end}", f"v2/a/res{end}/+", f"v2/r/req{end}/+", f"v2/r/res{end}/+")
        assert await board.subscribe_all(*((each, 1) for each in filters)) == [1, 1, 1, 1]

        await board.publish(f"v2/t{end}", {"t": 1})
        await board.publish(f"v2/a{end}", {"a": 1})
        assert set(await board.latest()) == {"t"}

        await board.publish(f"v2/a/req{end}/3", {})
        assert await board.told() == (f"v2/a/res{end}/3", {"client": {"a": 1}, "shared": {"c": 2}}, 1)

        await board.set(Scope.SHARED, {"c": 3})
        assert await board.told() == (f"v2/a{end}", {"c": 3}, 1)

        await board.publish(f"v2/r/req{end}/5", {"method": "echo", "params": {}})
        assert await board.told() == (f"v2/r/res{end}/5", {"echo": {}}, 1)

        call = asyncio.create_task(board.called("m", None))
        topic, content, _ = await board.told()
        assert topic.startswith(f"v2/r/req{end}/")
        assert content == {"method": "m", "params": None}
        await board.publish(topic.replace("/req", "/res"), 5)
        assert await call == 5
