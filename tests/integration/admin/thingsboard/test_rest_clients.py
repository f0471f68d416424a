"""ThingsBoard's own REST client for Python, in the versions that the contract names (5.7)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.admin.thingsboard.rest import ADMIN, Rest
from tests.integration.admin.thingsboard.rest_client_runs import run_program

PROGRAM = Path(__file__).parent / "rest_client_program.py"
PEOPLE = {
    "me": [ADMIN, "TENANT_ADMIN", "USER"],
    "customer": ["c1", "CUSTOMER", 1],
    "user": ["u@example.com", "CUSTOMER_USER", True],
    "person": "U",
    "own customer": "c1",
    "forbidden": [403, 20, "You don't have permission to perform this operation!"],
    "taken": [400, 31, "Customer with such title already exists!"],
    "customers": ["c1"],
    "users": ["u@example.com"],
    "activated": [400, 31, "User is already activated!"],
    "link info": True,
    "refreshed": "u@example.com",
    "logged out": [401, 11, "Token has expired"],
    "wrong password": [None, [401, 10, "Authentication failed"]],
    "customers left": 0,
}
PROFILES = {
    "saved": ["Sensor v2", "u7piawkboq8v32dmcmpp", "DEVICE_PROFILE"],
    "updated": ["new", 2],
    "stale": [409, 35],
    "taken": [400, 31, "Device profile with such name already exists!"],
    "default": "default",
    "profiles": ["Sensor v2", "default"],
    "infos": ["Sensor v2", "default"],
    "provisioned": "SUCCESS",
}


@pytest.mark.parametrize("version", ["3.9.0", "4.3", "4.4"])
async def test_a_program_built_on_tb_rest_client_works(
    sqlite_admin: Rest, rest_client: Callable[[str], Path], version: str
) -> None:
    printed = json.loads(await run_program(sqlite_admin, rest_client(version), str(PROGRAM)))

    assert printed["people"] == PEOPLE
    assert printed["profiles"] == PROFILES
