"""CoAP clients that others have written: libcoap's coap-client (Debian), in two of its builds, and aiocoap."""

from __future__ import annotations

import asyncio
import json
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from typing import Any

import aiocoap
import pytest
from tests.harness import WAIT_S, Profile, TestServer
from tests.integration.thingsboard_device.board import Board
from tests.services import require_tool

from firstboot.model import Scope

CERTIFICATE = "-----BEGIN CERTIFICATE-----\n" + "\n".join(["MIIB" * 16] * 40) + "\n-----END CERTIFICATE-----\n"
VALUES = {f"key-{number}": "v" * 100 for number in range(50)}


class CoapClient:
    """``coap-client`` as people type it."""

    def __init__(self, program: str, port: int) -> None:
        self.program = require_tool(program)
        self.url = f"coap://127.0.0.1:{port}/api/v1"

    async def start(self, method: str, path: str, *options: str) -> asyncio.subprocess.Process:
        arguments = ("-m", method, "-B", "10", *options, f"{self.url}/{path}")
        return await asyncio.create_subprocess_exec(self.program, *arguments, stdout=PIPE, stderr=PIPE)

    async def ask(self, method: str, path: str, *options: str) -> tuple[str, str]:
        """Return what it prints, and what it complains of."""
        process = await self.start(method, path, *options)
        async with asyncio.timeout(WAIT_S):
            out, err = await process.communicate()
        return out.decode().rstrip("\n"), err.decode().strip()


@pytest.fixture(params=["coap-client-notls", "coap-client-gnutls"])
def client(request: pytest.FixtureRequest, server: TestServer) -> CoapClient:
    return CoapClient(request.param, server.coap_port)


class TestCoapClient:
    async def test_it_provisions_and_reports(self, server: TestServer, demo: Profile, client: CoapClient) -> None:
        request = json.dumps(demo.request("m"))

        answered = json.loads((await client.ask("post", "provision", "-e", request))[0])
        token = answered["credentialsValue"]
        reported = await client.ask("post", f"{token}/telemetry", "-e", '{"t":1}')
        refused = await client.ask("post", "provision", "-e", request)

        assert answered["status"] == "SUCCESS"
        assert reported == ("", "")
        assert refused == ("", '4.00 {"errorMsg":"Failed to provision device!","status":"FAILURE"}')

    async def test_it_provisions_without_confirmable_messages(self, demo: Profile, client: CoapClient) -> None:
        out, _ = await client.ask("post", "provision", "-N", "-e", json.dumps(demo.request("m")))

        assert json.loads(out)["status"] == "SUCCESS"

    @pytest.mark.parametrize("size", ["16", "256", "1024"])
    async def test_pc_4_it_sends_a_certificate_in_blocks_and_gets_it_back(
        self, demo: Profile, client: CoapClient, size: str
    ) -> None:
        request = demo.request("m", credentialsType="X509_CERTIFICATE", hash=CERTIFICATE)

        out, err = await client.ask("post", "provision", "-b", size, "-e", json.dumps(request))

        assert err == ""
        assert json.loads(out)["credentialsValue"] == "MIIB" * 16 * 40

    async def test_it_gets_many_attributes_in_blocks(self, board: Board, client: CoapClient) -> None:
        await board.set(Scope.SHARED, VALUES)

        as_it_is = await client.ask("get", f"{board.token}/attributes")
        of_its_size = await client.ask("get", f"{board.token}/attributes", "-b", "0,256")

        assert json.loads(as_it_is[0]) == json.loads(of_its_size[0]) == {"shared": VALUES}

    async def test_it_observes(self, board: Board, client: CoapClient) -> None:
        observing = await client.start("get", f"{board.token}/attributes", "-s", "2")
        assert observing.stdout is not None
        async with asyncio.timeout(WAIT_S):
            first = await observing.stdout.readuntil(b"}")
            await board.set(Scope.SHARED, {"a": 1})
            changed = await observing.stdout.readuntil(b"}")
            await observing.communicate()

        assert (first.strip(), changed.strip()) == (b"{}", b'{"a":1}')


class TestAiocoap:
    @pytest.fixture
    async def context(self) -> AsyncIterator[aiocoap.Context]:
        context = await aiocoap.Context.create_client_context(transports=["udp6"])
        yield context
        await context.shutdown()

    @pytest.fixture
    def url(self, server: TestServer) -> str:
        return f"coap://127.0.0.1:{server.coap_port}/api/v1"

    async def _ask(
        self, context: aiocoap.Context, code: aiocoap.Code, url: str, payload: Any = None, **options: Any
    ) -> aiocoap.Message:
        body = b"" if payload is None else json.dumps(payload).encode()
        request = aiocoap.Message(code=code, uri=url, payload=body, **options)
        async with asyncio.timeout(WAIT_S):
            response: aiocoap.Message = await context.request(request).response
        return response

    async def test_it_provisions_and_reports(self, context: aiocoap.Context, demo: Profile, url: str) -> None:
        made = await self._ask(context, aiocoap.POST, f"{url}/provision", demo.request("m"))
        token = json.loads(made.payload)["credentialsValue"]
        reported = await self._ask(context, aiocoap.POST, f"{url}/{token}/attributes", {"a": 1})
        read = await self._ask(context, aiocoap.GET, f"{url}/{token}/attributes?clientKeys=a")

        assert (made.code, reported.code, read.code) == (aiocoap.CREATED, aiocoap.CREATED, aiocoap.CONTENT)
        assert json.loads(read.payload) == {"client": {"a": 1}}

    async def test_pc_4_it_sends_a_certificate_in_blocks_and_gets_it_back(
        self, context: aiocoap.Context, demo: Profile, url: str
    ) -> None:
        request = demo.request("m", credentialsType="X509_CERTIFICATE", hash=CERTIFICATE)

        answer = await self._ask(context, aiocoap.POST, f"{url}/provision", request)

        assert json.loads(answer.payload)["credentialsValue"] == "MIIB" * 16 * 40

    async def test_it_gets_many_attributes_in_blocks(
        self, context: aiocoap.Context, board: Board, url: str
    ) -> None:
        await board.set(Scope.SHARED, VALUES)

        answer = await self._ask(context, aiocoap.GET, f"{url}/{board.token}/attributes")

        assert json.loads(answer.payload) == {"shared": VALUES}

    async def test_it_is_called_and_answers(self, context: aiocoap.Context, board: Board, url: str) -> None:
        observing = context.request(aiocoap.Message(code=aiocoap.GET, uri=f"{url}/{board.token}/rpc", observe=0))
        first = await observing.response
        calling = asyncio.create_task(board.called("setGpio", {"pin": 3}))
        async with asyncio.timeout(WAIT_S):
            async for notification in observing.observation:
                call = json.loads(notification.payload)
                break
        observing.observation.cancel()

        await self._ask(context, aiocoap.POST, f"{url}/{board.token}/rpc/{call['id']}", {"done": True})

        assert first.code == aiocoap.VALID
        assert (call["method"], call["params"], await calling) == ("setGpio", {"pin": 3}, {"done": True})
