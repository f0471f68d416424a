"""The device API with ThingsBoard's Python SDK (tb-mqtt-client), unmodified: contract section 6, DA-3, DA-4."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.harness import TestServer, running
from tests.integration.clients.live import outcome_of
from tests.integration.thingsboard_device.board import Board, Watcher

from firstboot.model import Scope

WAIT_S = 40.0


async def act(server: TestServer, board: Board, tb_paho: Path, do: str) -> dict[str, Any]:
    """Run the program as this device."""
    return await asyncio.to_thread(
        outcome_of, "tb_device_program.py", tb_paho, do=do, port=server.mqtt_port, token=board.token
    )


async def test_6_it_reports_asks_is_told_and_is_called(
    tmp_path: Path, database: str | None, tb_paho: Path
) -> None:
    watcher = Watcher()
    async with running(tmp_path, database=database, plugins={"watcher": watcher}) as server:
        board = await Board.make(server)
        await board.set(Scope.SHARED, {"c": 1})
        program = asyncio.create_task(act(server, board, tb_paho, "device"))

        async with asyncio.timeout(WAIT_S):
            await watcher.reported("ready").wait()
            await board.set(Scope.SHARED, {"c": 2})
            await watcher.reported("changed").wait()
            await board.delete(Scope.SHARED, "c")
            answer = await board.called("setGpio", {"pin": 7})
            outcome = await program

        rates = {"messages": "50:1,3000:60", "telemetryMessages": None, "telemetryDataPoints": None}
        assert outcome == {
            "limits": {"maxPayloadSize": 65536, "maxInflightMessages": 20, "rateLimits": rates},
            "telemetry": True,
            "attributes": True,
            "asked": {"client": {"fw": "1.2.3"}, "shared": {"c": 1}},
            "answer": {"echo": {"x": 1}},
            "updates": [{"c": 2}, {"c": 2}, {"deleted": ["c"]}],
            "called": {"method": "setGpio", "params": {"pin": 7}},
            "connected": True,
        }
        assert answer == {"answer": {"pin": 7}}
        latest = await board.latest()
        assert {key: value for key, (_, value) in latest.items()} == {
            "t": 21.5, "n": 7, "old": 1, "new": 2, "ready": True, "changed": True, "done": True,
        }  # fmt: skip
        assert latest["old"][0] == 1_600_000_000_000
        assert await board.stored(Scope.CLIENT) == {"fw": "1.2.3", "serial": "A-5"}


async def test_da_4_a_gateways_client_gets_all_that_it_waits_for_on_connect(
    server: TestServer, tb_paho: Path
) -> None:
    profile = await server.profile()
    token = (await server.post(profile.request("gw", gateway=True)))["credentialsValue"]
    device = await server.device("gw")
    assert device is not None

    outcome = await act(server, Board(server, device, token), tb_paho, "gateway")

    assert outcome["granted"] == [[1]] * 7
    assert outcome["limits"]["gatewayRateLimits"] == outcome["limits"]["rateLimits"]
    assert (outcome["telemetry"], outcome["connected"]) == (True, True)
