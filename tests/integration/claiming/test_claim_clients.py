"""Clients that are not ours open devices for claiming: contract 4.2, 5.7."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.harness import TestServer, running
from tests.integration.claiming.buyers import PASSWORD, Buyer, windows
from tests.integration.clients.live import WAIT_S, run_program
from tests.integration.thingsboard_device.board import Board, Watcher
from tests.services import require_tool

HERE = Path(__file__).parent
CLAIM = "v1/devices/me/claim"
RELEASE = "v1/devices/me/release"


async def outcome_of(program: str, python_path: Path, **job: Any) -> dict[str, Any]:
    """Run one of the programs beside this module; return what it reports of its client."""
    done = await asyncio.to_thread(run_program, HERE / program, python_path=python_path, typed=json.dumps(job))
    assert done.returncode == 0, done.stderr
    outcome: dict[str, Any] = json.loads(done.stdout)
    # Else the test would say something of another client than it claims to.
    assert Path(outcome.pop("paho")).is_relative_to(python_path)
    return outcome


# -- tb-mqtt-client --------------------------------------------------------------------------------


async def test_5_7_the_sdk_claims_a_customer_claims_and_the_device_is_told(
    tmp_path: Path, database: str | None, tb_paho: Path
) -> None:
    watcher = Watcher()
    async with running(tmp_path, database=database, plugins={"watcher": watcher}) as server:
        board, buyer = await Board.make(server), await Buyer.make(server)
        claims = [{"secret_key": "first"}, {"secret_key": "second", "duration": 60000}]
        program = asyncio.create_task(
            outcome_of("tb_claim_program.py", tb_paho, port=server.mqtt_port, token=board.token, claims=claims,
                       waits=True)
        )  # fmt: skip

        async with asyncio.timeout(WAIT_S):
            await watcher.reported("claimed").wait()
            (window,) = await windows(board)
            await buyer.claim(board, "second")
            outcome = await program

    assert window.expires_at_ms - window.opened_at_ms == 60_000
    assert outcome == {"claims": [True, True], "told": {"claimed": True}, "connected": True}


async def test_7_the_nulls_of_the_sdk_count_as_absent(server: TestServer, tb_paho: Path) -> None:
    board, buyer = await Board.make(server), await Buyer.make(server)

    outcome = await outcome_of(
        "tb_claim_program.py", tb_paho, port=server.mqtt_port, token=board.token,
        claims=[{"secret_key": None, "duration": None}],
    )  # fmt: skip

    assert outcome == {"claims": [True], "connected": True}
    assert (await buyer.claim(board, "")).customer_id == buyer.user.customer_id


# -- tb-rest-client --------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["3.9.0", "4.3", "4.4"])
async def test_5_7_each_version_of_the_rest_client_claims_for_a_device(
    server: TestServer, rest_client: Callable[[str], Path], version: str
) -> None:
    board, buyer = await Board.make(server), await Buyer.make(server)
    arguments = [server.url, buyer.user.email, PASSWORD, board.token]
    program = [sys.executable, str(HERE / "tb_rest_claim_program.py"), *arguments]
    env = {**os.environ, "PYTHONPATH": str(rest_client(version))}

    done = await asyncio.to_thread(
        subprocess.run, program, env=env, capture_output=True, text=True, check=False, timeout=WAIT_S
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [200, 200, 401]
    (window,) = await windows(board)
    assert window.expires_at_ms - window.opened_at_ms == 60_000
    assert (await buyer.claim(board, "from the client")).customer_id == buyer.user.customer_id


# -- paho-mqtt -------------------------------------------------------------------------------------

GOOD = [CLAIM, '{"secretKey":"s"}']
CLOSED_WITHOUT_REASON = ["disconnect", 0x80]
"""What paho makes of a connection that ends in version 3."""


@pytest.mark.parametrize(
    ("level", "message", "outcome"),
    [
        (level, message, outcome)
        for message, v3, v5 in (
            ([CLAIM, ""], ["puback", 0], ["puback", 0]),
            ([CLAIM, "not JSON"], CLOSED_WITHOUT_REASON, ["puback", 0x99]),
            ([CLAIM, "[]"], CLOSED_WITHOUT_REASON, ["puback", 0x99]),
            ([CLAIM, '{"secretKey":{}}'], CLOSED_WITHOUT_REASON, ["disconnect", 0x8B]),
            ([CLAIM, '{"durationMs":"x"}'], CLOSED_WITHOUT_REASON, ["disconnect", 0x8B]),
            ([RELEASE, ""], ["puback", 0], ["puback", 0x87]),
            ([RELEASE, "[]"], CLOSED_WITHOUT_REASON, ["puback", 0x99]),
        )
        for level, outcome in ((3, v3), (4, v3), (5, v5))
    ],
)
async def test_4_2_paho_is_answered_as_the_contract_says(
    server: TestServer, paho_mqtt: Path, level: int, message: list[str], outcome: list[Any]
) -> None:
    board = await Board.make(server)

    got = await outcome_of(
        "paho_claim_program.py", paho_mqtt, level=level, port=server.mqtt_port, token=board.token,
        messages=[GOOD, message],
    )  # fmt: skip

    assert got == {"outcomes": [["puback", 0], outcome]}
    assert len(await windows(board)) == 1


# -- curl ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "secret"),
    [
        (("--request", "POST"), ""),
        (("--data", ""), ""),
        (("--data", "{}"), ""),
        (("--data", '{"secretKey":"s","durationMs":60000}'), "s"),
        (("--json", '{"secretKey":"s"}'), "s"),
        (("--http1.0", "--data", '{"secretKey":"s"}'), "s"),
        (("--header", "Transfer-Encoding: chunked", "--data", '{"secretKey":"s"}'), "s"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, tuple) else part,
)
async def test_4_2_curl_claims_for_a_device(server: TestServer, arguments: tuple[str, ...], secret: str) -> None:
    board, buyer = await Board.make(server), await Buyer.make(server)
    command = [
        require_tool("curl"),
        "--silent",
        "--max-time",
        "20",
        "--write-out",
        "%{http_code} %{size_download}",
    ]

    done = await asyncio.to_thread(
        subprocess.run, [*command, *arguments, f"{board.url}/claim"], capture_output=True, text=True, check=False
    )

    assert done.stdout == "200 0"
    assert (await buyer.claim(board, secret)).customer_id == buyer.user.customer_id
