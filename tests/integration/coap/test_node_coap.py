"""A third CoAP client that others have written: node-coap, whose blocks and observations are its own."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.harness import WAIT_S, Profile, TestServer
from tests.integration.coap.programs import CERTIFICATE, VALUES
from tests.integration.thingsboard_device.board import Board
from tests.services import require_tool

from firstboot.model import Scope

PACKAGE = "coap@1.5.0"
PROGRAM = Path(__file__).with_name("node_device.js")


@pytest.fixture(scope="session")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install node-coap into a folder of this run."""
    npm, folder = require_tool("npm"), tmp_path_factory.mktemp("node")
    options = ["--no-audit", "--no-fund", "--no-update-notifier", "--ignore-scripts", "--loglevel=error"]
    try:
        subprocess.run(
            [npm, "install", *options, "--prefix", str(folder), PACKAGE],
            cwd=folder, capture_output=True, text=True, timeout=40, check=True,
        )  # fmt: skip
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        # In the pipeline too: where packages of npm cannot be had, two other clients have proven the same.
        pytest.skip(f"npm cannot install {PACKAGE}: {type(error).__name__} {(error.stderr or '')[-200:]!r}")
    return folder / "node_modules"


class NodeDevice:
    """`node_device.js` as a process: one device, for the length of a test."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self._process = process
        self._url = url
        self._last_id = 0

    def send(self, method: str, path: str, payload: Any = None, **more: Any) -> int:
        """Send a request; return the number by which its answers are known."""
        body = {} if payload is None else {"payload": json.dumps(payload)}
        return self._write({"method": method, "url": f"{self._url}/{path}", **body, **more})

    def stop(self, observation: int) -> None:
        """Take back an observation."""
        self._write({"stop": observation})

    async def hear(self, number: int) -> tuple[str, str]:
        """Return code and payload of what comes next, which must be for this request."""
        assert self._process.stdout is not None
        async with asyncio.timeout(WAIT_S):
            line = await self._process.stdout.readline()
        answer: dict[str, Any] = json.loads(line)
        assert answer.pop("id") == number, answer
        return answer["code"], answer["payload"]

    async def ask(self, method: str, path: str, payload: Any = None, **more: Any) -> tuple[str, str]:
        return await self.hear(self.send(method, path, payload, **more))

    def _write(self, request: dict[str, Any]) -> int:
        assert self._process.stdin is not None
        self._last_id += 1
        self._process.stdin.write(json.dumps({"id": self._last_id, **request}).encode() + b"\n")
        return self._last_id


@pytest.fixture
async def device(server: TestServer, node_modules: Path) -> AsyncIterator[NodeDevice]:
    process = await asyncio.create_subprocess_exec(
        require_tool("node"), str(PROGRAM),
        env={**os.environ, "NODE_PATH": str(node_modules)}, stdin=PIPE, stdout=PIPE, limit=2**20,
    )  # fmt: skip
    try:
        yield NodeDevice(process, f"coap://127.0.0.1:{server.coap_port}/api/v1")
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


async def test_it_provisions_and_reports(server: TestServer, demo: Profile, device: NodeDevice) -> None:
    code, payload = await device.ask("post", "provision", demo.request("m"))
    token = json.loads(payload)["credentialsValue"]
    reported = await device.ask("post", f"{token}/telemetry", {"t": 21.5})
    unknown = await device.ask("post", "nobody/telemetry", {"t": 21.5})
    refused = await device.ask("post", "provision", demo.request("m"))

    assert (code, json.loads(payload)["status"]) == ("2.01", "SUCCESS")
    assert (reported, unknown) == (("2.01", ""), ("4.01", ""))
    assert (refused[0], json.loads(refused[1])["status"]) == ("4.00", "FAILURE")
    known = await server.device("m")
    assert known is not None
    assert [value.value for value in await server.services.telemetry.latest(known.id)] == [21.5]


@pytest.mark.parametrize("size", [64, 1024])
async def test_pc_4_it_sends_a_certificate_in_blocks_and_gets_it_back(
    server: TestServer, demo: Profile, device: NodeDevice, size: int
) -> None:
    request = demo.request("m", credentialsType="X509_CERTIFICATE", hash=CERTIFICATE)

    code, payload = await device.ask("post", "provision", request, block=size)

    assert (code, json.loads(payload)["credentialsValue"]) == ("2.01", "MIIB" * 16 * 40)


async def test_it_gets_many_attributes_in_blocks(board: Board, device: NodeDevice) -> None:
    await board.set(Scope.SHARED, VALUES)

    code, payload = await device.ask("get", f"{board.token}/attributes")

    assert (code, json.loads(payload)) == ("2.05", {"shared": VALUES})


async def test_it_observes_its_attributes_until_it_does_not_want_to(board: Board, device: NodeDevice) -> None:
    await device.ask("post", f"{board.token}/attributes", {"fw": "v1.2"})
    observing = device.send("get", f"{board.token}/attributes", observe=True)
    first = await device.hear(observing)
    await board.set(Scope.SHARED, {"a": 1})
    changed = await device.hear(observing)
    await board.delete(Scope.SHARED, "a")
    deleted = await device.hear(observing)
    device.stop(observing)
    await board.waits(0)
    read = await device.ask("get", f"{board.token}/attributes?clientKeys=fw&sharedKeys=a")

    assert first == ("2.05", "{}")
    assert changed == ("2.05", '{"a":1}')
    assert deleted == ("2.05", '{"deleted":["a"]}')
    assert read == ("2.05", '{"client":{"fw":"v1.2"}}')


async def test_it_is_called_and_answers_and_calls(board: Board, device: NodeDevice) -> None:
    observing = device.send("get", f"{board.token}/rpc", observe=True)
    assert await device.hear(observing) == ("2.03", "")
    calling = asyncio.create_task(board.called("setGpio", {"pin": 3}))
    call = json.loads((await device.hear(observing))[1])

    answered = await device.ask("post", f"{board.token}/rpc/{call['id']}", {"done": True})
    asked = await device.ask("post", f"{board.token}/rpc", {"method": "nobody knows it", "params": {}})

    assert (call["method"], call["params"], await calling) == ("setGpio", {"pin": 3}, {"done": True})
    assert (answered, asked) == (("2.01", ""), ("2.05", '{"error":"timeout"}'))
