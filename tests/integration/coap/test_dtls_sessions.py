"""DTLS sessions: on ways where datagrams are lost or late, and from their begin to their end."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.doc_pages import DOCS
from tests.harness import WAIT_S, running
from tests.integration.coap.dtls_peer import Fate, dtls_peer, dtls_socket, listener_of, losing, relay, swapping
from tests.integration.coap.raw_coap import OBSERVE, coap_request
from tests.integration.coap.test_dtls import CA, DTLS, SERVER, Client
from tests.integration.mqtt.probe import until
from tests.integration.thingsboard_device.board import Board
from tests.integration.tls.making import issue
from tests.integration.x509.fleet import Fleet, fleet_at
from tests.services import require_tool

from firstboot.errors import ConfigError
from firstboot.model import Scope
from firstboot_plugins.transports.coap.dtls import Dtls
from firstboot_plugins.transports.coap.messages import Code


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    async with fleet_at(tmp_path, CA, SERVER, coap=DTLS) as started:
        yield started


@pytest.fixture
def port(fleet: Fleet) -> int:
    return fleet.live.port("coaps")


def dtls_of(fleet: Fleet) -> Dtls:
    return listener_of(fleet.live).dtls


# -- on the way ------------------------------------------------------------------------------------


async def _reports(program: str, fleet: Fleet, directory: Path, **fates: Fate) -> tuple[str, str]:
    """Let a real client report with its certificate, over a way on which not all arrives."""
    async with relay(fleet.live.port("coaps"), **fates) as way:
        client = Client(program, fleet, directory)
        client.url = f"coaps://localhost:{way.port}/api/v1"
        return await client.ask("post", "provision", "-e", "{}", who=fleet.device(directory.name + ".company.com"))


@pytest.mark.parametrize("program", ["coap-client-openssl", "coap-client-gnutls"])
async def test_whichever_datagram_is_lost_or_late_the_handshake_comes_to_its_end(
    fleet: Fleet, tmp_path: Path, program: str
) -> None:
    require_tool(program)
    ways: list[dict[str, Fate]] = [
        *({direction: losing(number)} for direction in ("up", "down") for number in range(7)),
        *({direction: swapping(number)} for direction in ("up", "down") for number in range(1, 7)),
        {"up": losing(2, 3), "down": losing(1, 2)},
    ]

    async def on(number: int, way: dict[str, Fate]) -> tuple[str, str]:
        directory = tmp_path / f"d{number}"
        directory.mkdir()
        return await _reports(program, fleet, directory, **way)

    for out, _ in await asyncio.gather(*(on(number, way) for number, way in enumerate(ways))):
        assert '"status":"SUCCESS"' in out  # and a word on what came late


async def test_a_session_whose_port_has_changed_is_ignored_and_a_new_one_can_begin(
    fleet: Fleet, port: int
) -> None:
    board = await Board.make(fleet.server)
    async with relay(port) as way, dtls_peer(way.port) as peer:
        assert (await peer.post(f"api/v1/{board.token}/telemetry", {"t": 1})).code == Code.CREATED
        await way.change_port()

        peer.send(coap_request(Code.POST, f"api/v1/{board.token}/telemetry", b'{"t":2}', message_id=9))
        await peer.shake_hands()

        assert (await peer.post(f"api/v1/{board.token}/telemetry", {"u": 3})).code == Code.CREATED
        assert {key: value for key, (_, value) in (await board.latest()).items()} == {"t": 1, "u": 3}


# -- from begin to end -----------------------------------------------------------------------------


async def test_a_device_that_starts_again_on_its_port_gets_a_new_session(fleet: Fleet, port: int) -> None:
    board = await Board.make(fleet.server)
    async with dtls_peer(port) as peer:
        await peer.ask(Code.GET, f"api/v1/{board.token}/attributes", options=OBSERVE)
        former = next(iter(dtls_of(fleet).sessions))

        await peer.shake_hands()  # as after a power cut: no goodbye

        assert (await peer.post(f"api/v1/{board.token}/telemetry", {"t": 1})).code == Code.CREATED
        assert [session is former for session in dtls_of(fleet).sessions] == [False]
        await board.set(Scope.SHARED, {"a": 1})  # it has not registered again: it is told nothing
        await peer.ping()
        assert peer.unread() == []


async def test_a_new_session_gets_no_answers_of_the_former_one(fleet: Fleet, port: int) -> None:
    """SE-10: the same message from the same port is another request, once it is from another session."""
    own = fleet.device()
    async with dtls_peer(port, own) as peer:
        request = coap_request(Code.GET, "api/v1/attributes")
        assert (await peer.provision({})).code == Code.CREATED
        peer.send(request)
        first = await peer.answer(request.token)
        peer.be(None)
        await peer.shake_hands()

        peer.send(request)

        assert (await peer.answer(request.token)).code == Code.UNAUTHORIZED
        assert first.code == Code.NOT_FOUND


async def test_a_client_that_says_goodbye_is_forgotten(fleet: Fleet, port: int) -> None:
    async with dtls_peer(port) as peer:
        peer.bye()
        assert await _ended(peer.ended) == "closed"
        assert len(dtls_of(fleet).sessions) == 0


async def test_a_server_that_stops_says_goodbye(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        async with fleet_at(tmp_path, CA, SERVER, coap=DTLS) as fleet:
            peer = await stack.enter_async_context(dtls_peer(fleet.live.port("coaps")))
        assert await _ended(peer.ended) == "closed"


async def test_an_observation_ends_with_its_session(fleet: Fleet, port: int) -> None:
    board = await Board.make(fleet.server)
    async with dtls_peer(port) as peer:
        await peer.ask(Code.GET, f"api/v1/{board.token}/attributes", options=OBSERVE)
        peer.bye()
        await _ended(peer.ended)
        assert len(listener_of(fleet.live).endpoint.observations) == 0


async def test_se_8_new_certificates_are_for_new_sessions_and_the_others_go_on(fleet: Fleet, port: int) -> None:
    board = await Board.make(fleet.server)
    renewed = issue("server", by=CA, hosts=["localhost"])
    async with dtls_peer(port) as before:
        renewed.write(fleet.live.directory)
        assert await fleet.live.tls.reload()

        async with dtls_peer(port) as after:
            answers = [
                (await peer.post(f"api/v1/{board.token}/telemetry", {"t": 1})).code for peer in (before, after)
            ]

            assert answers == [Code.CREATED, Code.CREATED]
            assert (before.server_certificate(), after.server_certificate()) == (SERVER.der, renewed.der)


async def test_se_10_a_certificate_that_is_revoked_opens_nothing_in_a_live_session(
    fleet: Fleet, port: int
) -> None:
    async with dtls_peer(port, fleet.device()) as peer:
        assert (await peer.provision({})).code == Code.CREATED
        assert (await peer.post("api/v1/telemetry", {"t": 1})).code == Code.CREATED

        device = await fleet.found("meter-7")
        await fleet.server.core.devices.delete(device, actor="test")

        assert (await peer.post("api/v1/telemetry", {"t": 2})).code == Code.UNAUTHORIZED


async def test_an_unfinished_handshake_and_a_silent_session_end(tmp_path: Path) -> None:
    limits = {"dtls_handshake_timeout": "1s", "dtls_idle_timeout": "1s"}
    async with fleet_at(tmp_path, CA, SERVER, coap={**DTLS, **limits}) as fleet:
        dtls, port = dtls_of(fleet), fleet.live.port("coaps")
        async with dtls_socket(port) as unfinished, dtls_peer(port) as silent:
            unfinished.stops_after = 2
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await unfinished.shake_hands()
            assert len(dtls.handshakes) == 1

            await until(lambda: not len(dtls.handshakes) and not len(dtls.sessions))

            assert await _ended(silent.ended) == "closed"


async def _ended(future: asyncio.Future[str]) -> str:
    async with asyncio.timeout(WAIT_S):
        return await future


async def test_without_a_certificate_the_listener_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"coap\.dtls_bind"):
        async with running(tmp_path, coap={"dtls_bind": "127.0.0.1:0"}):
            pass


async def test_ciphers_that_nobody_knows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"tls\.dtls_ciphers"):
        async with fleet_at(tmp_path, CA, SERVER, coap=DTLS, tls={"dtls_ciphers": "NONE-SUCH"}):
            pass


async def test_the_ciphers_of_the_smallest_devices_can_be_allowed(tmp_path: Path) -> None:
    """RFC 7252, 9.1.3.3: CCM_8, which is not offered unless configured."""
    guide = (DOCS / "how-to" / "coap-dtls.md").read_text()
    ciphers = re.findall(r'dtls_ciphers = "(.*?)"', guide)[0]
    for offered, works in ((None, False), (ciphers, True)):
        tls = {} if offered is None else {"dtls_ciphers": offered}
        directory = tmp_path / str(works)
        directory.mkdir()
        async with (
            fleet_at(directory, CA, SERVER, coap=DTLS, tls=tls) as fleet,
            dtls_socket(fleet.live.port("coaps")) as peer,
        ):
            peer.be(None, ciphers="ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0")
            with contextlib.nullcontext() if works else pytest.raises(ConnectionError):
                await peer.shake_hands()
                assert (await peer.ask(Code.GET, "api/v1/attributes")).code == Code.UNAUTHORIZED
