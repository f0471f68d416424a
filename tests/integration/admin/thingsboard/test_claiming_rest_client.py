"""Claiming with ThingsBoard's own REST client for Python, in the versions that the contract names (5.7)."""

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
