"""Devices through ThingsBoard's own REST client for Python, in the versions that the contract names (5.7)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.admin.thingsboard.rest import Rest
from tests.integration.admin.thingsboard.rest_client_runs import run_program

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
    printed = await run_program(sqlite_admin, rest_client(version), str(PROGRAM))

    assert json.loads(printed) == EXPECTED
