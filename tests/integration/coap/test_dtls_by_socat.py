"""DTLS as docs/how-to/coap-dtls.md has it: socat ends it, and passes everything on."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import socket
import subprocess
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.doc_pages import DOCS, blocks
from tests.harness import WAIT_S, Profile, TestServer
from tests.integration.thingsboard_device.board import Board
from tests.services import require_tool

from firstboot.model import Scope

GUIDE = DOCS / "how-to" / "coap-dtls.md"
MAKE_CERTIFICATE = (
    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    " -addext subjectAltName=DNS:localhost -keyout server.key -out server.pem"
)


def free_udp_port() -> int:
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def certificate(tmp_path: Path) -> None:
    subprocess.run(
        [require_tool("openssl"), *shlex.split(MAKE_CERTIFICATE)], cwd=tmp_path, check=True, capture_output=True
    )


@pytest.fixture
async def port(server: TestServer, certificate: None, tmp_path: Path) -> AsyncIterator[int]:
    """Run the guide's command; return the port on which it speaks DTLS."""
    socat, *options, listen, onward = shlex.split(blocks(GUIDE, "sh")[0])
    port = free_udp_port()
    process = await asyncio.create_subprocess_exec(
        require_tool(socat), "-d", "-d", *options,
        listen.replace(":5684,", f":{port},bind=127.0.0.1,"), onward.replace(":5683", f":{server.coap_port}"),
        cwd=tmp_path, stderr=PIPE, start_new_session=True,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        async with asyncio.timeout(WAIT_S):
            while b"listening on" not in await process.stderr.readline():
                pass
        yield port
    finally:
        os.killpg(process.pid, signal.SIGTERM)  # and those that it has made for each device
        await process.communicate()


async def coap_client(*arguments: str, cwd: Path) -> str:
    process = await asyncio.create_subprocess_exec(
        require_tool("coap-client-openssl"), "-B", "10", *arguments, stdout=PIPE, stderr=PIPE, cwd=cwd
    )
    async with asyncio.timeout(WAIT_S):
        out, _ = await process.communicate()
    return out.decode().strip()


async def test_devices_speak_dtls_with_it(server: TestServer, demo: Profile, port: int, tmp_path: Path) -> None:
    url = f"coaps://localhost:{port}/api/v1"

    made = json.loads(
        await coap_client(
            "-C", "server.pem", "-m", "post", "-e", json.dumps(demo.request("m")), f"{url}/provision", cwd=tmp_path
        )
    )
    token = made["credentialsValue"]
    await coap_client("-C", "server.pem", "-m", "post", "-e", '{"t":1}', f"{url}/{token}/telemetry", cwd=tmp_path)

    device = await server.device("m")
    assert device is not None
    assert [value.key for value in await server.services.telemetry.latest(device.id)] == ["t"]


async def test_blocks_go_through_it(server: TestServer, port: int, tmp_path: Path) -> None:
    board = await Board.make(server)
    values = {f"key-{number}": "v" * 100 for number in range(50)}
    await board.set(Scope.SHARED, values)

    read = await coap_client(
        "-C", "server.pem", "-m", "get", f"coaps://localhost:{port}/api/v1/{board.token}/attributes", cwd=tmp_path
    )

    assert json.loads(read) == {"shared": values}


async def test_a_peer_without_dtls_gets_nothing_there(demo: Profile, port: int, tmp_path: Path) -> None:
    request = json.dumps(demo.request("m"))

    answered = await coap_client(
        "-B", "1", "-m", "post", "-e", request, f"coap://localhost:{port}/api/v1/provision", cwd=tmp_path
    )

    assert answered == ""
