"""Devices through ThingsBoard's own REST client for Python, in the versions that the contract names (5.7)."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.admin.thingsboard.rest import ADMIN, ADMIN_PASSWORD, Rest

PROGRAM = Path(__file__).parent / "rest_client_devices.py"
NOBODY = "13814000-1dd2-11b2-8080-808080808080"
EXPECTED = {
    "devices": {
        "saved": ["d 1/x", "default", "DEVICE", 1],
        "changed": ["Cellar", 2],
        "read": "d 1/x",
        "by name": True,
        "page": ["d 1/x"],
        "infos": [["d 1/x", False, "default"]],
        "given": [True, ["d 1/x"]],
        "taken": NOBODY,
        "name taken": [400, 31, "Device with such name already exists!"],
        "left": 1,
    },
    "credentials": {"before": ["ACCESS_TOKEN", "A1_TEST_TOKEN", None], "after": ["MQTT_BASIC", "u"]},
    "data": {
        # The device was given away and taken back before, and is told so.
        "all": [["a", 5], ["b", True], ["c", "on"], ["claimed", False], ["d", 1.5]],
        "some": "on",
        "keys": ["a", "b", "c", "claimed", "d"],
        "telemetry": [],
        "left": ["b", "c", "claimed", "d"],
    },
    "bulk": {"token": "I1", "devices": 2},
}


@pytest.mark.parametrize("version", ["3.9.0", "4.3", "4.4"])
async def test_a_program_built_on_tb_rest_client_works_with_devices(
    sqlite_admin: Rest, rest_client: Callable[[str], Path], version: str
) -> None:
    packages = rest_client(version)

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(PROGRAM), sqlite_admin.server.url, ADMIN, ADMIN_PASSWORD],
            env={**os.environ, "PYTHONPATH": str(packages)},
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    done = await asyncio.to_thread(run)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == EXPECTED
