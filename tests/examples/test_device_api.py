"""The examples of the device API report, keep to their settings and answer, at a real server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.harness import running
from tests.integration.clients.live import WAIT_S, private_package, run_program
from tests.integration.thingsboard_device.board import Board, Watcher

from firstboot.model import Scope

DEVICES = Path(__file__).parents[2] / "examples" / "devices"
LIBRARIES = {"mqtt_device_api.py": "paho-mqtt", "tb_device_api.py": "tb-paho-mqtt-client"}


@pytest.mark.parametrize("example", LIBRARIES)
async def test_it_reports_keeps_to_its_settings_and_answers(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, example: str
) -> None:
    library = private_package(tmp_path_factory.getbasetemp(), LIBRARIES[example])
    disk = tmp_path / "disk of the device"
    disk.mkdir()
    watcher = Watcher()
    async with running(tmp_path, plugins={"watcher": watcher}) as server:
        demo = await server.profile()
        done = asyncio.create_task(
            asyncio.to_thread(
                run_program, DEVICES / example,
                *("--host", "127.0.0.1", "--port", str(server.mqtt_port), "--key", demo.key),
                *("--secret", demo.secret, "--name", "meter-1", "--calls", "1"),
                python_path=library, cwd=disk,
            )
        )  # fmt: skip

        async with asyncio.timeout(WAIT_S):
            await watcher.reported("energy").wait()
            device = await server.device("meter-1")
            assert device is not None
            board = Board(server, device, "")
            await board.set(Scope.SHARED, {"interval": 30})
            await watcher.reported("settings").wait()
            assert await board.called("measure", {}) == {"energy": 17.6}
            program = await done

        assert program.returncode == 0, program.stderr
        assert program.stdout.splitlines()[-3:] == ["Settings: {}", 'Changed: {"interval": 30}', "Called: measure"]
        assert (await board.latest())["energy"][1] == 17.5
        assert await board.stored(Scope.CLIENT) == {"firmware": "1.0.0", "settings": {"interval": 30}}
