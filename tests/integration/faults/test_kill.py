"""SIGKILL at any moment: what devices were told is true, and nothing is half-made (PV-8, OP-1).

The seed and the number of kills may be chosen for a long run by hand:
``FIRSTBOOT_KILL_ROUNDS=300 FIRSTBOOT_KILL_SEED=7 pytest tests/integration/faults/test_kill.py``.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from pathlib import Path

import pytest
from tests.harness import firstboot, running, server_process
from tests.integration.faults.load import (
    Ledger,
    database_in,
    make_profile,
    may_log_in,
    names_in,
    provision_over_http,
    provision_over_mqtt,
    what_is_half_made,
)

ROUNDS = int(os.environ.get("FIRSTBOOT_KILL_ROUNDS", "6"))
SEED = int(os.environ.get("FIRSTBOOT_KILL_SEED", "20250101"))
CLIENTS = 6
"""Over each transport."""


@pytest.mark.timeout(60 + 20 * ROUNDS)
async def test_every_device_that_was_told_success_is_there_and_nothing_is_half_made(
    tmp_path: Path, database: str | None
) -> None:
    """PV-8, OP-1, OP-7: over MQTT and HTTP at once, killed under load again and again."""
    chance = random.Random(SEED)
    more = {"FIRSTBOOT_STORAGE__URL": database} if database else {}
    make_profile(tmp_path, **more)
    stored = database_in(tmp_path, database)
    told: dict[str, str] = {}
    fresh: dict[str, str] = {}

    for round_ in range(ROUNDS + 1):
        with server_process(tmp_path, **more) as server:
            missing = fresh.keys() - await names_in(stored)
            assert not missing, f"round {round_}, seed {SEED}"
            assert await what_is_half_made(stored) == {}, f"round {round_}, seed {SEED}"
            for token in fresh.values():
                assert await may_log_in(server.mqtt_port, token), f"round {round_}, seed {SEED}"
            if round_ == ROUNDS:
                assert server.stop() == 0
                break
            ledger = Ledger()
            clients = [
                asyncio.create_task(work(port, f"{round_}-{transport}-{number}", ledger))
                for number in range(CLIENTS)
                for transport, work, port in (
                    ("mqtt", provision_over_mqtt, server.mqtt_port),
                    ("http", provision_over_http, server.http_port),
                )
            ]
            await asyncio.wait_for(ledger.wait_for(chance.randint(1, 150)), 60)
            await asyncio.sleep(chance.random() * 0.01)  # not synchronisation: the moment of the kill
            server.process.send_signal(signal.SIGKILL)
            await asyncio.gather(*clients)
            assert ledger.others == []
            fresh = ledger.tokens
            told |= fresh

    assert told.keys() <= await names_in(stored)
    verified = firstboot(server.environment, "audit", "verify")
    assert "whole" in verified.stdout


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("DELETE FROM credentials", "a device without credentials"),
        ("DELETE FROM device", "credentials without a device"),
        ("DELETE FROM attribute", "a device without provisionState"),
        ("UPDATE device SET provisioned_at_ms = NULL", "provisionState without a provisioned device"),
        ("DELETE FROM audit", "a device without its audit row"),
        ("UPDATE profile_usage SET devices = 7", "a count of devices that is off"),
    ],
)
async def test_what_is_half_made_is_found(tmp_path: Path, damage: str, found: str) -> None:
    async with running(tmp_path) as server:
        demo = await server.profile()
        await server.post(demo.request("m-1"))
    stored = database_in(tmp_path, None)
    assert await what_is_half_made(stored) == {}

    await stored.sql(damage)

    assert found in await what_is_half_made(stored)
