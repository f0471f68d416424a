"""CoAP over DTLS (contract 3.5): libcoap's coap-client in its builds with OpenSSL and with GnuTLS."""

from __future__ import annotations

import asyncio
import json
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.harness import WAIT_S, server_process
from tests.integration.coap.dtls_peer import dtls_peer
from tests.integration.coap.programs import VALUES, observed
from tests.integration.coap.raw_coap import OBSERVE
from tests.integration.thingsboard_device.board import Board
from tests.integration.tls.making import Identity, authority, issue
from tests.integration.x509.fleet import Fleet, fleet_at, one_line
from tests.services import require_tool

from firstboot.model import Scope
from firstboot_plugins.transports.coap.messages import Code

CA = authority()
SERVER = issue("server", by=CA, hosts=["localhost"])
DTLS = {"dtls_bind": "127.0.0.1:0", "client_certificates": "optional"}
BY_CERTIFICATE = json.dumps({"credentialsType": "X509_CERTIFICATE", "deviceName": "meter-7"})


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    async with fleet_at(tmp_path, CA, SERVER, coap=DTLS) as started:
        yield started


class Client:
    """``coap-client`` as people type it, of one device."""

    def __init__(self, program: str, fleet: Fleet, directory: Path) -> None:
        self.program = require_tool(program)
        self._fleet = fleet
        self._directory = directory
        self.url = f"coaps://localhost:{fleet.live.port('coaps')}/api/v1"

    async def start(
        self, method: str, path: str, *options: str, who: Identity | None = None, trusts: Identity = CA
    ) -> asyncio.subprocess.Process:
        roots = self._directory / "roots.crt"
        roots.write_bytes(trusts.pem)
        own: list[str] = []
        if who is not None:
            cert, key = who.write(self._directory / "own", "device")
            own = ["-c", str(cert), "-j", str(key)]
        arguments = ("-m", method, "-B", "10", "-R", str(roots), *own, *options, f"{self.url}/{path}")
        return await asyncio.create_subprocess_exec(self.program, *arguments, stdout=PIPE, stderr=PIPE)

    async def ask(self, *arguments: str, **more: Any) -> tuple[str, str]:
        """Return what it prints, and what it complains of."""
        process = await self.start(*arguments, **more)
        async with asyncio.timeout(WAIT_S):
            out, err = await process.communicate()
        return out.decode().rstrip("\n"), err.decode().strip()


@pytest.fixture(params=["coap-client-openssl", "coap-client-gnutls"])
def client(request: pytest.FixtureRequest, fleet: Fleet, tmp_path: Path) -> Client:
    return Client(request.param, fleet, tmp_path)


async def reported(fleet: Fleet, name: str) -> list[str]:
    device = await fleet.found(name)
    return [value.key for value in await fleet.server.services.telemetry.latest(device.id)]


class TestWithToken:
    async def test_it_provisions_and_reports(self, fleet: Fleet, client: Client) -> None:
        profile = await fleet.server.profile("by-key")

        made = json.loads((await client.ask("post", "provision", "-e", json.dumps(profile.request("m"))))[0])
        answered = await client.ask("post", f"{made['credentialsValue']}/telemetry", "-e", '{"t":1}')

        assert answered == ("", "")
        assert await reported(fleet, "m") == ["t"]

    async def test_large_requests_and_answers_go_in_blocks_and_need_no_echo(
        self, fleet: Fleet, client: Client
    ) -> None:
        board = await Board.make(fleet.server)
        await board.set(Scope.SHARED, VALUES)

        written = await client.ask("post", f"{board.token}/attributes", "-e", json.dumps(VALUES))
        read = await client.ask("get", f"{board.token}/attributes")
        in_small_pieces = await client.ask("get", f"{board.token}/attributes", "-b", "256")

        assert written == ("", "")
        assert json.loads(read[0]) == json.loads(in_small_pieces[0]) == {"client": VALUES, "shared": VALUES}

    async def test_it_observes(self, fleet: Fleet, client: Client) -> None:
        board = await Board.make(fleet.server)
        observing = await client.start("get", f"{board.token}/attributes", "-s", "2")

        assert await observed(observing, board, {"a": 1}) == (b"{}", b'{"a":1}')

    async def test_an_unknown_certificate_connects_and_needs_a_token(self, fleet: Fleet, client: Client) -> None:
        board = await Board.make(fleet.server)
        stranger = issue("stranger")

        with_token = await client.ask("post", f"{board.token}/telemetry", "-e", '{"t":1}', who=stranger)
        without = await client.ask("post", "telemetry", "-e", '{"t":2}', who=stranger)

        assert with_token == ("", "")
        assert without == ("", "4.01")

    @pytest.mark.parametrize("method", ["get", "post"])
    async def test_whoever_shows_neither_certificate_nor_token_is_refused(
        self, client: Client, method: str
    ) -> None:
        for feature in ("telemetry", "attributes", "claim", "release", "rpc"):
            assert await client.ask(method, feature, "-e", "{}") == ("", "4.01")


class TestWithCertificate:
    async def test_contract_3_5_a_known_certificate_needs_no_token(self, fleet: Fleet, client: Client) -> None:
        profile = await fleet.server.profile("by-key")
        own = issue("m")
        request = profile.request("m", credentialsType="X509_CERTIFICATE", hash=own.pem.decode())

        made = await client.ask("post", "provision", "-e", json.dumps(request))
        answers = [
            await client.ask("post", "telemetry", "-e", '{"t":1}', who=own),
            await client.ask("post", "attributes", "-e", '{"a":1}', who=own),
            await client.ask("get", "attributes?clientKeys=a", who=own),
        ]

        assert json.loads(made[0])["status"] == "SUCCESS"
        assert answers == [("", ""), ("", ""), ('{"client":{"a":1}}', "")]
        assert await reported(fleet, "m") == ["t"]

    async def test_a_device_is_provisioned_by_its_chain(self, fleet: Fleet, client: Client) -> None:
        own = fleet.device()

        made = await client.ask("post", "provision", "-e", BY_CERTIFICATE, who=own)
        told = await client.ask("post", "telemetry", "-e", '{"t":1}', who=own)

        answer = json.loads(made[0])
        assert (answer["status"], answer["credentialsType"]) == ("SUCCESS", "X509_CERTIFICATE")
        assert (await fleet.credentials("meter-7")).value == one_line(own)
        assert told == ("", "")

    async def test_a_chain_of_somebody_else_provisions_nothing(self, fleet: Fleet, client: Client) -> None:
        wrong = authority("maker")
        own = issue("meter-7.company.com", by=wrong)

        _, refused = await client.ask("post", "provision", "-e", BY_CERTIFICATE, who=own)

        assert json.loads(refused.removeprefix("4.00 "))["status"] == "NOT_FOUND"
        assert await fleet.server.device("meter-7") is None

    @pytest.mark.parametrize("days", [(-9, -1), (1, 9)], ids=["expired", "not yet valid"])
    async def test_a_certificate_out_of_its_dates_is_no_login(
        self, fleet: Fleet, client: Client, days: tuple[float, float]
    ) -> None:
        profile = await fleet.server.profile("by-key")
        own = issue("m", days=days)
        request = profile.request("m", credentialsType="X509_CERTIFICATE", hash=own.pem.decode())
        await client.ask("post", "provision", "-e", json.dumps(request))

        refused = await client.ask("post", "telemetry", "-e", '{"t":1}', who=own)

        assert refused == ("", "4.01")
        assert await reported(fleet, "m") == []


async def test_a_client_that_does_not_trust_the_server_says_nothing(fleet: Fleet, client: Client) -> None:
    profile = await fleet.server.profile("by-key")
    request = json.dumps(profile.request("m"))

    out, _ = await client.ask("post", "provision", "-e", request, "-B", "2", trusts=authority("another CA"))

    assert "status" not in out
    assert await fleet.server.device("m") is None
    assert json.loads((await client.ask("post", "provision", "-e", request))[0])["status"] == "SUCCESS"


async def test_a_certificate_is_not_asked_for_unless_configured(tmp_path: Path) -> None:
    async with fleet_at(tmp_path, CA, SERVER, coap={"dtls_bind": "127.0.0.1:0"}) as fleet:
        profile = await fleet.server.profile("by-key")
        own = issue("m")
        request = profile.request("m", credentialsType="X509_CERTIFICATE", hash=own.pem.decode())
        async with dtls_peer(fleet.live.port("coaps"), own) as peer:
            await peer.provision(request)

            assert (await peer.post("api/v1/telemetry", {"t": 1})).code == Code.UNAUTHORIZED


async def test_a_device_without_a_token_is_called_and_answers(fleet: Fleet) -> None:
    own = fleet.device()
    async with dtls_peer(fleet.live.port("coaps"), own) as peer:
        await peer.post("api/v1/provision", json.loads(BY_CERTIFICATE))
        board = Board(fleet.server, await fleet.found("meter-7"), token="")
        observing = await peer.ask(Code.GET, "api/v1/rpc", options=OBSERVE)
        calling = asyncio.create_task(board.called("setGpio", {"pin": 3}))
        call = json.loads((await peer.answer(observing.token)).payload)

        answered = await peer.post(f"api/v1/rpc/{call['id']}", {"done": True})

        assert (observing.code, answered.code) == (Code.VALID, Code.CREATED)
        assert (call["method"], await calling) == ("setGpio", {"done": True})


def test_the_ready_file_names_the_listener(tmp_path: Path) -> None:
    cert, key = SERVER.write(tmp_path)
    settings = {
        "FIRSTBOOT_TLS__CERT": str(cert), "FIRSTBOOT_TLS__KEY": str(key),
        "FIRSTBOOT_COAP__DTLS_BIND": "127.0.0.1:0",
    }  # fmt: skip
    with server_process(tmp_path, **settings) as process:
        assert process.listeners["coaps"]["port"] != process.listeners["coap"]["port"]
        assert process.stop() == 0
