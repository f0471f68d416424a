"""Pre-shared keys as docs/how-to/coap-dtls.md has them: libcoap's server takes them, and passes requests on."""

from __future__ import annotations

import asyncio
import json
import shlex
import socket
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.doc_pages import DOCS, blocks
from tests.harness import WAIT_S, Profile, TestServer, running
from tests.integration.coap.programs import CERTIFICATE, VALUES, CoapClient
from tests.integration.mqtt.probe import until
from tests.integration.thingsboard_device.board import Board
from tests.services import require_tool

from firstboot.model import Scope

GUIDE = DOCS / "how-to" / "coap-dtls.md"
KEYS = blocks(GUIDE, "text")[0]
COMMAND = blocks(GUIDE, "sh")[0]
SETTINGS = blocks(GUIDE, "toml")[-1]
_, IDENTITY, KEY = KEYS.splitlines()[0].split(",")


def free_port_pair() -> int:
    """Return a UDP port that is free, as the next one is."""
    while True:
        with socket.socket(type=socket.SOCK_DGRAM) as first, socket.socket(type=socket.SOCK_DGRAM) as second:
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[TestServer]:
    async with running(tmp_path, coap=tomllib.loads(SETTINGS)["coap"]) as started:
        yield started


@pytest.fixture(params=["coap-client-openssl", "coap-client-gnutls"])
async def device(request: pytest.FixtureRequest, server: TestServer, tmp_path: Path) -> AsyncIterator[CoapClient]:
    """Run the guide's command, and wait until it answers."""
    (tmp_path / "devices.psk").write_text(KEYS)
    port = free_port_pair()
    own = {"192.0.2.10": "127.0.0.1", "5683": str(port), "$(openssl rand -hex 32)": "nobody knows it"}
    program, *arguments = (own.get(each, each) for each in shlex.split(COMMAND))
    log = tmp_path / "proxy.log"
    with log.open("wb") as written:
        process = await asyncio.create_subprocess_exec(
            require_tool(program), "-v", "7", *arguments, cwd=tmp_path, stdout=written, stderr=written
        )
    try:
        await until(lambda: b"created DTLS endpoint" in log.read_bytes())
        proxy = f"coaps://127.0.0.1:{port + 1}"
        yield CoapClient(request.param, server.coap_port, "-u", IDENTITY, "-k", KEY, "-P", proxy)
    finally:
        process.terminate()
        await process.wait()


async def test_a_device_with_its_key_provisions_and_reports(server: TestServer, device: CoapClient) -> None:
    demo: Profile = await server.profile()

    made = json.loads((await device.ask("post", "provision", "-e", json.dumps(demo.request("m"))))[0])
    await device.ask("post", f"{made['credentialsValue']}/telemetry", "-e", '{"t":1}')

    known = await server.device("m")
    assert known is not None
    assert [value.key for value in await server.services.telemetry.latest(known.id)] == ["t"]


async def test_blocks_go_through_it_both_ways(server: TestServer, device: CoapClient) -> None:
    demo, board = await server.profile(), await Board.make(server)
    await board.set(Scope.SHARED, VALUES)
    request = demo.request("m", credentialsType="X509_CERTIFICATE", hash=CERTIFICATE)

    made, _ = await device.ask("post", "provision", "-b", "256", "-e", json.dumps(request))
    read, _ = await device.ask("get", f"{board.token}/attributes", "-N")

    assert json.loads(made)["credentialsValue"] == "MIIB" * 16 * 40
    assert json.loads(read) == {"shared": VALUES}


async def test_a_device_that_observes_is_called_through_it(server: TestServer, device: CoapClient) -> None:
    board = await Board.make(server)
    observing = await device.start("get", f"{board.token}/rpc", "-s", "2")
    assert observing.stdout is not None

    calling = asyncio.create_task(board.called("reboot", {"now": True}))
    async with asyncio.timeout(WAIT_S):
        call = await observing.stdout.readuntil(b"}}")
        number = json.loads(call)["id"]
        await device.ask("post", f"{board.token}/rpc/{number}", "-e", '{"done":true}')
        answer = await calling
        await observing.communicate()

    assert (json.loads(call)["method"], answer) == ("reboot", {"done": True})


@pytest.mark.parametrize(
    ("identity", "key"), [(IDENTITY, "wrong"), ("nobody", KEY)], ids=["another key", "an unknown identity"]
)
async def test_who_does_not_have_the_key_gets_nowhere(
    server: TestServer, device: CoapClient, identity: str, key: str
) -> None:
    demo = await server.profile()
    request = json.dumps(demo.request("m"))

    said = await device.ask("post", "provision", "-e", request, "-u", identity, "-k", key, "-B", "1")

    assert "credentialsValue" not in " ".join(said)
    assert await server.device("m") is None
