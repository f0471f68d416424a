"""Two CoAP clients that others have written: libcoap's coap-client, in two of its builds, and aiocoap."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiocoap
import pytest
from tests.harness import WAIT_S, Profile, TestServer
from tests.integration.coap.dtls_peer import losing, relay
from tests.integration.coap.programs import CERTIFICATE, VALUES, CoapClient, observed
from tests.integration.thingsboard_device.board import Board

from firstboot.model import Scope


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

    async def test_pv_9_whichever_datagram_is_lost_it_gets_its_certificate_and_is_one_device(
        self, server: TestServer, demo: Profile, client: CoapClient
    ) -> None:
        async def provision(number: int, direction: str) -> str:
            name = f"{number:02}{direction}"
            own = CERTIFICATE.replace("MIIB", name[:4])
            request = demo.request(name, credentialsType="X509_CERTIFICATE", hash=own)
            async with relay(server.coap_port, **{direction: losing(number)}) as way:
                through = CoapClient(client.program, way.port)
                out, _ = await through.ask("post", "provision", "-b", "512", "-e", json.dumps(request))
            assert json.loads(out)["credentialsValue"] in own.replace("\n", "")
            return out

        ways = [(number, direction) for number in (0, 3, 5, 7, 9) for direction in ("up", "down")]
        answers = await asyncio.gather(*(provision(*way) for way in ways))

        assert len(set(answers)) == len(ways)
        assert [row.entry.event for row in await server.audit()].count("device-provisioned") == len(ways)

    async def test_protobuf_is_answered_in_protobuf_whatever_stands_for_the_token(
        self, server: TestServer, client: CoapClient, tmp_path: Path
    ) -> None:
        """PC-1; the request is that of the contract's 2.9 with a token, the answer is the contract's."""
        await server.profile("pb", key="key1", secret="sec1-and-more-of-it")
        known = bytes.fromhex("0a056465762d311a1b0a046b6579311213") + b"sec1-and-more-of-it"
        (tmp_path / "request").write_bytes(known + bytes.fromhex("220c0a0a0a08") + b"TOKEN123")
        answer = tmp_path / "answer"

        files = ("-f", str(tmp_path / "request"), "-o", str(answer))
        await client.ask("post", "whatever/provision", *files)

        assert answer.read_bytes().hex() == "08011a08544f4b454e313233"

    async def test_it_reports_calls_and_is_claimed(
        self, server: TestServer, board: Board, client: CoapClient
    ) -> None:
        said = [
            await client.ask("post", f"{board.token}/{feature}", *payload)
            for feature, payload in {
                "attributes": ("-e", '{"fw":"v1"}'),
                "rpc": ("-e", '{"method":"m","params":{}}'),
                "claim": ("-e", '{"secretKey":"s","durationMs":60000}'),
            }.items()
        ]

        assert said == [("", ""), ('{"error":"timeout"}', ""), ("", "")]
        assert await board.stored(Scope.CLIENT) == {"fw": "v1"}
        assert len(await server.services.claim_windows.list(board.device)) == 1

    async def test_it_gets_many_attributes_in_blocks(self, board: Board, client: CoapClient) -> None:
        await board.set(Scope.SHARED, VALUES)

        as_it_is = await client.ask("get", f"{board.token}/attributes")
        of_its_size = await client.ask("get", f"{board.token}/attributes", "-b", "0,256")

        assert json.loads(as_it_is[0]) == json.loads(of_its_size[0]) == {"shared": VALUES}

    @pytest.mark.parametrize("values", [{"a": 1}, VALUES], ids=["a few", "what takes many blocks"])
    async def test_it_observes(self, board: Board, client: CoapClient, values: dict[str, Any]) -> None:
        observing = await client.start("get", f"{board.token}/attributes", "-s", "2")

        first, changed = await observed(observing, board, values)

        assert (first, json.loads(changed)) == (b"{}", values)


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

    async def test_it_observes_news_that_take_many_blocks(
        self, context: aiocoap.Context, board: Board, url: str
    ) -> None:
        where = f"{url}/{board.token}/attributes"
        observing = context.request(aiocoap.Message(code=aiocoap.GET, uri=where, observe=0))
        await observing.response
        await board.set(Scope.SHARED, VALUES)
        async with asyncio.timeout(WAIT_S):
            news = await anext(aiter(observing.observation))
        observing.observation.cancel()

        assert json.loads(news.payload) == VALUES

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
