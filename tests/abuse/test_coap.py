"""What strangers may try over UDP (threats, section 6)."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from tests.abuse.gate import Gate
from tests.harness import WAIT_S, Profile, TestServer, running
from tests.integration.coap.raw_coap import (
    OBSERVE,
    PROVISION,
    CoapPeer,
    block,
    block2_of,
    coap_peer,
    coap_request,
    whole,
)
from tests.integration.thingsboard_device.board import Board

from firstboot.errors import PluginError, StartRefused
from firstboot.hookspecs import hookimpl
from firstboot.model import ReprovisionPolicy, Scope
from firstboot_plugins.transports.coap.messages import Code, Message, Option, Type, empty
from firstboot_plugins.transports.coap.resources import Answer, CoapResource, Request

EVERYTHING_GOES = {"messages_per_second": 1_000_000, "burst": 1_000_000}


@asynccontextmanager
async def bound_peer(port: int, source: str, target: str = "127.0.0.1") -> AsyncIterator[CoapPeer]:
    """Open a socket with this source address."""
    _, peer = await asyncio.get_running_loop().create_datagram_endpoint(
        CoapPeer, local_addr=(source, 0), remote_addr=(target, port)
    )
    try:
        yield peer
    finally:
        await peer.close()


# -- CO-1: amplification ---------------------------------------------------------------------------


class TestAmplification:
    """The first datagram of an address that never answers us: its owner may never have sent it."""

    @pytest.fixture
    async def board(self, server: TestServer) -> Board:
        board = await Board.make(server)
        await board.set(Scope.SHARED, {f"key-{number}": "v" * 100 for number in range(100)})
        return board

    async def _ratio(self, server: TestServer, request: Message) -> float:
        async with coap_peer(server.coap_port) as victim:
            sent = victim.send(request)
            got = 0
            while True:
                data = await victim.receive()
                got += len(data)
                if data[1] != Code.EMPTY:  # not the acknowledgement before an answer that comes later
                    return got / sent

    @pytest.mark.parametrize("type_", [Type.CON, Type.NON])
    async def test_co_1_no_answer_has_more_than_three_times_the_bytes_of_the_request(
        self, server: TestServer, board: Board, type_: Type, subtests: pytest.Subtests
    ) -> None:
        own = f"api/v1/{board.token}"
        profile = await server.profile("retry", reprovision=ReprovisionPolicy.RETRY)
        provisioning = json.dumps(profile.request("m")).encode()
        cases = [
            (Code.GET, f"{own}/attributes", b"", ()),
            (Code.GET, f"{own}/attributes", b"", ((Option.BLOCK2, block(0, False, 6)),)),
            (Code.GET, f"{own}/attributes", b"", ((Option.BLOCK2, block(3, False, 6)),)),
            (Code.GET, f"{own}/attributes", b"", OBSERVE),
            (Code.GET, f"{own}/rpc", b"", OBSERVE),
            (Code.GET, f"{own}/telemetry", b"", ()),
            (Code.POST, f"{own}/telemetry", b'{"t":1}', ()),
            (Code.POST, f"{own}/rpc", b'{"method":"m"}', ()),
            (Code.POST, f"{own}/claim", b"", ()),
            (Code.POST, f"{own}/release", b"", ()),
            (Code.POST, "api/v1/x/telemetry", b"{}", ()),
            (Code.POST, PROVISION, provisioning, ()),
            (Code.POST, PROVISION, b"{", ()),
            (Code.POST, PROVISION, b'{"provisionDeviceKey":"k","provisionDeviceSecret":"s"}', ()),
            (Code.GET, PROVISION, b"", ()),
            (Code.GET, ".well-known/core", b"", ()),
            (Code.PUT, "x", b"", ()),
            (Code.POST, PROVISION, b"x" * 16, ((Option.BLOCK1, block(0, True, 0)),)),
            (Code.POST, PROVISION, b"x" * 16, ((Option.BLOCK1, block(5, True, 0)),)),
        ]
        for code, path, payload, options in cases:
            with subtests.test(f"{code.name} {path} {options}"):
                request = coap_request(code, path, payload, type_=type_, options=options)

                assert await self._ratio(server, request) <= 3

    async def test_co_1_whoever_knows_nothing_of_echo_gets_all_of_it_in_small_blocks(
        self, server: TestServer, board: Board
    ) -> None:
        path = f"api/v1/{board.token}/attributes"
        async with coap_peer(server.coap_port) as peer:
            first = block2_of(await peer.ask(Code.GET, path))
            _, payload = await whole(peer, path)

        assert first is not None
        assert first.size <= 64
        assert json.loads(payload) == {"shared": await board.stored(Scope.SHARED)}

    async def test_co_1_where_nobody_can_lie_about_addresses_the_bound_can_be_raised(self, tmp_path: Path) -> None:
        generous = {"max_amplification": 1000}
        async with running(tmp_path, coap=generous) as server, coap_peer(server.coap_port) as peer:
            board = await Board.make(server)
            await board.set(Scope.SHARED, {"key": "v" * 1000})
            answer = await peer.ask(Code.GET, f"api/v1/{board.token}/attributes")

        assert json.loads(answer.payload) == {"shared": {"key": "v" * 1000}}

    async def test_co_1_whoever_sends_the_echo_back_gets_large_blocks(
        self, server: TestServer, board: Board
    ) -> None:
        path = f"api/v1/{board.token}/attributes"
        async with coap_peer(server.coap_port) as peer:
            peer.send(coap_request(Code.GET, path, message_id=1))
            while (first := await peer.hear()).code == Code.EMPTY:
                pass
            large = (Option.BLOCK2, block(1, False, 6))
            challenged = await peer.ask(Code.GET, path, options=(large,))
            echo = challenged.first(Option.ECHO)
            assert echo is not None
            answer = await peer.ask(Code.GET, path, options=(large, (Option.ECHO, echo)))

        part = block2_of(first)
        assert part is not None
        assert (part.more, part.size <= 64, first.first(Option.ECHO) is not None) == (True, True, True)
        assert (challenged.code, challenged.payload) == (Code.UNAUTHORIZED, b"")
        assert (answer.code, len(answer.payload)) == (Code.CONTENT, 1024)

    async def test_co_1_a_made_up_echo_is_worth_nothing(self, server: TestServer, board: Board) -> None:
        path = f"api/v1/{board.token}/attributes"
        options = ((Option.BLOCK2, block(1, False, 6)), (Option.ECHO, bytes(16)))

        async with coap_peer(server.coap_port) as peer:
            peer.send(coap_request(Code.GET, path, options=options))
            while (answer := await peer.hear()).code == Code.EMPTY:
                pass

        assert answer.code == Code.UNAUTHORIZED

    async def test_co_1_news_are_sent_only_to_who_has_acknowledged_the_first_answer(
        self, server: TestServer, board: Board
    ) -> None:
        async with coap_peer(server.coap_port) as victim:
            victim.send(coap_request(Code.GET, f"api/v1/{board.token}/rpc", token=b"o", options=OBSERVE))
            while (first := await victim.hear()).code == Code.EMPTY:
                pass
            calling = asyncio.create_task(board.called("m", None))
            await victim.ping()
            unasked = victim.unread()
            victim.send(empty(Type.ACK, first.id))
            call = await victim.answer(b"o")
            calling.cancel()

        assert first.type is Type.CON
        assert [message for message in unasked if message.payload] == []
        assert json.loads(call.payload)["method"] == "m"

    @pytest.mark.parametrize("target", ["127.255.255.255", "224.0.0.1"])
    async def test_co_1_what_was_sent_to_everybody_is_not_answered(self, tmp_path: Path, target: str) -> None:
        async with running(tmp_path, coap={"bind": "0.0.0.0:0"}) as server:
            loop = asyncio.get_running_loop()
            with socket.socket(type=socket.SOCK_DGRAM) as everybody:
                everybody.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                everybody.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
                everybody.bind(("127.0.0.1", 0))
                everybody.setblocking(False)
                everybody.sendto(empty(Type.CON, 1), (target, server.coap_port))
                everybody.sendto(empty(Type.CON, 2), ("127.0.0.1", server.coap_port))
                async with asyncio.timeout(WAIT_S):
                    answered = await loop.sock_recv(everybody, 100)

        assert answered == empty(Type.RST, 2)

    async def test_an_answer_comes_from_the_address_that_was_asked(self, tmp_path: Path) -> None:
        async with (
            running(tmp_path, coap={"bind": "0.0.0.0:0"}) as server,
            bound_peer(server.coap_port, "127.0.0.1", "127.0.0.2") as peer,
        ):
            answer = await peer.ask(Code.GET, "x")  # a connected socket hears nothing from another address

        assert answer.code == Code.NOT_FOUND

    async def test_a_socket_for_both_kinds_of_addresses_serves_both(self, tmp_path: Path) -> None:
        async with running(tmp_path, coap={"bind": "[::]:0"}) as server:
            for source, target in (("127.0.0.1", "127.0.0.2"), ("::1", "::1")):
                async with bound_peer(server.coap_port, source, target) as peer:
                    assert (await peer.ask(Code.GET, "x")).code == Code.NOT_FOUND


# -- CO-2, CO-3: floods ----------------------------------------------------------------------------


async def test_co_2_an_address_that_sends_too_much_is_not_heard_and_the_others_are(
    server: TestServer, demo: Profile
) -> None:
    async with coap_peer(server.coap_port) as flooding, bound_peer(server.coap_port, "127.0.0.2") as other:
        for number in range(1000):
            flooding.send(empty(Type.CON, number))
        made = await other.provision(demo.request("m"))
        heard = [await flooding.hear() for _ in range(200)]
        await asyncio.sleep(0)
        more = flooding.unread()

    assert made.code == Code.CREATED
    assert {message.type for message in heard} == {Type.RST}
    assert len(more) < 400


async def test_co_2_requests_beyond_those_that_may_be_under_way_are_told_to_come_again(tmp_path: Path) -> None:
    gate = Gate()
    async with (
        running(tmp_path, plugins={"gate": gate}, coap={"max_in_flight": 2}) as server,
        coap_peer(server.coap_port) as peer,
    ):
        demo = await server.profile()
        for number in range(2):
            body = json.dumps(demo.request(f"m{number}")).encode()
            peer.send(coap_request(Code.POST, PROVISION, body, message_id=number, token=b"%d" % number))
        await gate.entered(2)
        refused = await peer.provision(demo.request("m2"))
        gate.open()
        answers = {(await peer.answer(token)).code for token in (b"0", b"1")}
        later = await peer.provision(demo.request("m2"))

    assert (refused.code, refused.first(Option.MAX_AGE)) == (Code.SERVICE_UNAVAILABLE, b"\x01")
    assert answers == {Code.CREATED}
    assert later.code == Code.CREATED


async def test_co_3_an_upload_without_end_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path, coap={"max_body": 8192}) as server, coap_peer(server.coap_port) as peer:
        codes = []
        for number in range(9):
            options = ((Option.BLOCK1, block(number, True, 6)),)
            codes.append((await peer.ask(Code.POST, PROVISION, b"x" * 1024, options=options)).code)

    assert codes == [Code.CONTINUE] * 8 + [Code.REQUEST_ENTITY_TOO_LARGE]


async def test_co_3_nobody_uploads_to_where_nothing_is(server: TestServer) -> None:
    async with coap_peer(server.coap_port) as peer:
        options = ((Option.BLOCK1, block(0, True, 6)),)

        assert (await peer.ask(Code.POST, "x", b"x" * 1024, options=options)).code == Code.NOT_FOUND


# -- CO-4: garbage ---------------------------------------------------------------------------------


def mutations(valid: bytes, count: int) -> Iterable[bytes]:
    chance = random.Random(4)
    for number in range(count):
        if number % 2:
            yield chance.randbytes(chance.randrange(60))
        else:
            broken = bytearray(valid)
            for _ in range(chance.randrange(1, 6)):
                broken[chance.randrange(len(broken))] = chance.randrange(256)
            yield bytes(broken[: chance.randrange(len(broken) + 1)])


async def test_co_4_garbage_harms_nobody_and_fills_no_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path, coap=EVERYTHING_GOES) as server, coap_peer(server.coap_port) as peer:
        demo = await server.profile()
        caplog.clear()
        valid = coap_request(Code.GET, "api/v1/x/attributes", token=b"tok", options=OBSERVE).encode()
        for number, data in enumerate(mutations(valid, 20_000)):
            peer.send(data)
            if number % 100 == 0:
                await peer.ping()
        await peer.ping()
        async with coap_peer(server.coap_port) as other:
            made = await other.provision(demo.request("m"))

    assert made.code == Code.CREATED
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert len(caplog.records) < 100


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (((9, b"oscore"),), Code.BAD_OPTION),
        (((2049, b""),), Code.BAD_OPTION),
        (((Option.BLOCK1, b"\x07"),), Code.BAD_OPTION),
        (((Option.BLOCK2, b"\x07"),), Code.BAD_OPTION),
        (((Option.BLOCK1, b""), (Option.BLOCK1, b"")), Code.BAD_OPTION),
        (((Option.PROXY_URI, b"coap://192.0.2.1/"),), Code.PROXYING_NOT_SUPPORTED),
        (((Option.URI_PATH, b"\xff"),), Code.BAD_REQUEST),
        (((Option.URI_QUERY, b"\xff"),), Code.BAD_REQUEST),
        (((2048, b"may be ignored"),), Code.BAD_REQUEST),
    ],
)  # fmt: skip
async def test_co_4_options_that_may_not_be_ignored_are_refused(
    server: TestServer, options: tuple[tuple[int, bytes], ...], code: Code
) -> None:
    async with coap_peer(server.coap_port) as peer:
        assert (await peer.ask(Code.POST, PROVISION, options=options)).code == code


@pytest.mark.parametrize(
    "data",
    [empty(Type.CON, 7), b"\x49\x01\x00\x07123456789", b"\x40\x45\x00\x07", b"\x40\x01\x00\x07\xff"],
    ids=["a ping", "a token of 9 bytes", "a response", "no payload"],
)
async def test_co_4_what_cannot_be_answered_is_rejected_if_it_wants_an_answer(
    server: TestServer, data: bytes
) -> None:
    as_non = bytes([data[0] | 0x10]) + data[1:]
    async with coap_peer(server.coap_port) as peer:
        peer.send(as_non)
        peer.send(data)

        assert await peer.receive() == empty(Type.RST, 7)
        await peer.ping()
        assert peer.unread() == []


# -- CO-5, CO-6, CO-7 ------------------------------------------------------------------------------


async def test_co_5_a_host_that_uses_its_numbers_again_keeps_being_served(tmp_path: Path) -> None:
    async with running(tmp_path, coap=EVERYTHING_GOES) as server, coap_peer(server.coap_port) as peer:
        for number in range(2000):
            token = number.to_bytes(4)
            peer.send(coap_request(Code.GET, "x", message_id=number % 50, token=token))
            assert (await peer.hear()).token == token


async def test_co_6_a_listener_that_is_open_to_the_network_is_named_at_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path, coap={"bind": "0.0.0.0:0"}) as server:
        warnings = (await server.services.health()).warnings

    assert any("'coap'" in warning for warning in warnings)
    assert [
        record.__dict__["listener"] for record in caplog.records if "open to the network" in record.message
    ] == ["coap"]


async def test_co_7_a_port_that_is_taken_stops_the_start(tmp_path: Path) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]

        with pytest.raises(StartRefused, match=rf"coap\.bind: 127\.0\.0\.1:{port} is taken"):
            async with running(tmp_path, coap={"bind": f"127.0.0.1:{port}"}):
                pass


# -- dialects that fail ----------------------------------------------------------------------------


class Offering:
    """A plugin that offers CoAP resources."""

    FIRSTBOOT_API = 1

    def __init__(self, *resources: object) -> None:
        self._resources = resources

    @hookimpl
    def firstboot_coap_resources(self) -> list[object]:
        return list(self._resources)


async def _crash(request: Request) -> Answer:
    raise ZeroDivisionError(request.payload)


async def test_a_request_that_fails_is_5_00_and_costs_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plugin = Offering(CoapResource("crash", {Code.GET: _crash}))
    async with running(tmp_path, plugins={"bad": plugin}) as server, coap_peer(server.coap_port) as peer:
        codes = [(await peer.ask(Code.GET, path, options=OBSERVE)).code for path in ("crash", "x", "crash")]

    assert codes == [Code.INTERNAL_SERVER_ERROR, Code.NOT_FOUND, Code.INTERNAL_SERVER_ERROR]
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    ("resource", "complaint"),
    [("api/v1", "offers str as a CoAP resource"), (CoapResource(PROVISION, {}), "which 'thingsboard' offers too")],
)
async def test_a_wrong_offer_stops_the_start(tmp_path: Path, resource: object, complaint: str) -> None:
    with pytest.raises(PluginError, match=complaint):
        async with running(tmp_path, plugins={"bad": Offering(resource)}):
            pass


async def test_a_request_under_way_is_answered_when_the_server_stops(tmp_path: Path) -> None:
    gate = Gate()
    stack = AsyncExitStack()
    server = await stack.enter_async_context(running(tmp_path, plugins={"gate": gate}))
    demo = await server.profile()
    async with coap_peer(server.coap_port) as peer:
        asking = asyncio.create_task(peer.provision(demo.request("m")))
        await gate.entered(1)
        stopping = asyncio.create_task(stack.aclose())
        async with coap_peer(server.coap_port) as late:
            while (await late.ask(Code.GET, "x")).code != Code.SERVICE_UNAVAILABLE:
                pass
        gate.open()
        answer = await asking
        await stopping

    assert answer.code == Code.CREATED


async def test_se_5_no_secret_is_in_the_log(
    server: TestServer, demo: Profile, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        async with coap_peer(server.coap_port) as peer:
            made = json.loads((await peer.provision(demo.request("m"))).payload)
            token = made["credentialsValue"]
            await peer.post(f"api/v1/{token}/telemetry", {"t": 1})
            await peer.ask(Code.POST, f"api/v1/{token}/telemetry", b"{")
            await peer.post("api/v1/some-wrong-token/telemetry", {"t": 1})

    told = caplog.text + "".join(str(record.__dict__) for record in caplog.records)
    assert [secret for secret in (token, demo.secret, demo.key, "some-wrong-token") if secret in told] == []


@pytest.fixture
async def demo(server: TestServer) -> Profile:
    return await server.profile()
