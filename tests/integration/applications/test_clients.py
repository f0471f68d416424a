"""Programs that are not ours watch devices: paho-mqtt and mosquitto_sub, in each version of MQTT."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.harness import TestServer
from tests.integration.applications.watching import new_device, new_token, report
from tests.services import require_tool

WAIT_S = 20.0
PROGRAM = Path(__file__).parent / "paho_application.py"
TELEMETRY = "$firstboot/devices/+/telemetry"


@asynccontextmanager
async def program(
    *command: str, typed: str = "", env: Mapping[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a program until the end of the block."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **(env or {})},
    )
    try:
        assert process.stdin is not None
        process.stdin.write(typed.encode())
        process.stdin.close()
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def line(process: asyncio.subprocess.Process) -> str:
    """Return the next line that the program says."""
    assert process.stdout is not None
    async with asyncio.timeout(WAIT_S):
        return (await process.stdout.readline()).decode()


@pytest.mark.parametrize("level", [3, 4, 5])
async def test_paho_mqtt_sees_a_device(server: TestServer, paho_mqtt: Path, level: int) -> None:
    device = await new_device(server)
    _, secret = await new_token(server, "telemetry:read")
    job = {
        "port": server.mqtt_port,
        "token": secret,
        "level": level,
        "filters": [TELEMETRY, "$firstboot/events/+"],
    }
    env = {"PYTHONPATH": str(paho_mqtt)}

    async with program(sys.executable, str(PROGRAM), typed=json.dumps(job), env=env) as paho:
        first: dict[str, Any] = json.loads(await line(paho))
        await report(server, device, 21.5)
        second: dict[str, Any] = json.loads(await line(paho))

    assert Path(first["paho"]).is_relative_to(paho_mqtt)
    assert first["suback"] == [1, 0x8F if level == 5 else 0x80]
    assert second["topic"] == f"$firstboot/devices/{device.public_id}/telemetry"
    assert second["content"]["points"] == [{"ts": 1000, "values": {"t": 21.5}}]


@pytest.mark.parametrize("version", ["mqttv31", "mqttv311", "mqttv5"])
async def test_mosquitto_sub_sees_a_device(server: TestServer, version: str) -> None:
    device = await new_device(server)
    _, secret = await new_token(server, "telemetry:read")
    unbuffered = [require_tool("stdbuf"), "-oL"]
    command = [
        require_tool("mosquitto_sub"), "-h", "127.0.0.1", "-p", str(server.mqtt_port), "-V", version,
        "-u", "app", "-P", secret, "-t", TELEMETRY, "-q", "1", "-C", "1", "-d",
    ]  # fmt: skip

    async with program(*unbuffered, *command) as mosquitto:
        while not (said := await line(mosquitto)).startswith("Subscribed (mid: 1): 1"):
            assert said, "it left without a subscription"
        await report(server, device, "on")
        while not (said := await line(mosquitto)).startswith("{"):
            assert said, "it left without a message"

    assert json.loads(said)["points"] == [{"ts": 1000, "values": {"t": "on"}}]
