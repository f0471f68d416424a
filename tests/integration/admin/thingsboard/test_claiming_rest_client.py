"""Claiming with ThingsBoard's own REST client for Python, in the versions that the contract names (5.7)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.admin.thingsboard.rest import Rest
from tests.integration.admin.thingsboard.rest_client_runs import run_program

PROGRAM = Path(__file__).parent / "rest_client_claiming.py"
EXPECTED = {
    "unknown": 404,
    "wrong secret": [400, "FAILURE"],
    "no body": [400, "FAILURE"],
    "not open": [400, "FAILURE"],
    "administrator": 403,
    "claimed": "ada",
    "claimed before": [400, "CLAIMED"],
    "taken by another": 404,
    "still": "ada",
    "given back": "nobody",
    "once": [400, "FAILURE"],
    "opened by the device": "bob",
    "taken back": "nobody",
    "without a secret": "ada",
}


@pytest.mark.parametrize("version", ["3.9.0", "4.3", "4.4"])
async def test_customers_claim_and_give_back_devices_with_tb_rest_client(
    sqlite_admin: Rest, rest_client: Callable[[str], Path], version: str
) -> None:
    printed = await run_program(sqlite_admin, rest_client(version), str(PROGRAM))

    assert json.loads(printed) == EXPECTED
