"""The device API over CoAP (ThingsBoard contract 3.5, 4.2, section 6)."""

from __future__ import annotations

import json

import pytest
from tests.harness import Profile, TestServer
from tests.integration.coap.raw_coap import CoapPeer, block, block2_of, whole
from tests.integration.thingsboard_device.board import Board

from firstboot.model import Scope
from firstboot_plugins.transports.coap.messages import Code, Option

FEATURES = ("telemetry", "attributes", "claim", "release", "rpc")


def path(board: Board, feature: str) -> str:
    return f"api/v1/{board.token}/{feature}"


async def test_telemetry_is_2_01_and_stored(board: Board, peer: CoapPeer) -> None:
    answer = await peer.post(
        path(board, "telemetry"), {"ts": 1_700_000_000_000, "values": {"t": 21.5, "on": True}}
    )

    assert (answer.code, answer.payload) == (Code.CREATED, b"")
    assert await board.latest() == {"t": (1_700_000_000_000, 21.5), "on": (1_700_000_000_000, True)}


async def test_attributes_are_2_01_and_stored(board: Board, peer: CoapPeer) -> None:
    answer = await peer.post(path(board, "attributes"), {"fw": "1.2"})

    assert (answer.code, answer.payload) == (Code.CREATED, b"")
    assert await board.stored(Scope.CLIENT) == {"fw": 1.2}


async def test_attributes_are_read_by_their_keys(board: Board, peer: CoapPeer) -> None:
    await peer.post(path(board, "attributes"), {"a": 1, "b": 2})
    await board.set(Scope.SHARED, {"c": 3, "d": 4})

    some = await peer.ask(Code.GET, path(board, "attributes"), query=("clientKeys=a,x", "sharedKeys=c"))
    everything = await peer.ask(Code.GET, path(board, "attributes"))

    assert (some.code, json.loads(some.payload)) == (Code.CONTENT, {"client": {"a": 1}, "shared": {"c": 3}})
    assert json.loads(everything.payload) == {"client": {"a": 1, "b": 2}, "shared": {"c": 3, "d": 4}}


async def test_attributes_that_do_not_exist_are_4_04(board: Board, peer: CoapPeer) -> None:
    nothing = await peer.ask(Code.GET, path(board, "attributes"))
    unknown = await peer.ask(Code.GET, path(board, "attributes"), query=("clientKeys=x",))

    assert (nothing.code, nothing.payload) == (unknown.code, unknown.payload) == (Code.NOT_FOUND, b"")


async def test_many_attributes_come_in_blocks(board: Board, peer: CoapPeer) -> None:
    values = {f"key-{number}": "v" * 100 for number in range(50)}
    await board.set(Scope.SHARED, values)

    code, payload = await whole(peer, path(board, "attributes"))

    assert (code, json.loads(payload)) == (Code.CONTENT, {"shared": values})


async def test_a_block_of_the_size_that_the_device_wants(board: Board, peer: CoapPeer) -> None:
    values = {f"key-{number}": "v" * 100 for number in range(5)}
    await board.set(Scope.SHARED, values)

    answer = await peer.ask(Code.GET, path(board, "attributes"), options=((Option.BLOCK2, block(0, False, 2)),))

    assert len(answer.payload) == 64
    part = block2_of(answer)
    assert part is not None
    assert (part.number, part.more, part.size_exponent) == (0, True, 2)


async def test_a_device_calls_the_server(board: Board, peer: CoapPeer) -> None:
    answer = await peer.post(path(board, "rpc"), {"method": "nobody knows it", "params": {}})

    assert (answer.code, answer.payload) == (Code.CONTENT, b'{"error":"timeout"}')


@pytest.mark.parametrize("feature", FEATURES)
async def test_an_unknown_token_is_4_01(server: TestServer, peer: CoapPeer, feature: str) -> None:
    for where in (f"api/v1/nobody/{feature}", f"api/v1/{feature}"):
        answer = await peer.post(where, {})

        assert (answer.code, answer.payload) == (Code.UNAUTHORIZED, b"")


async def test_only_access_tokens_count(server: TestServer, demo: Profile, peer: CoapPeer) -> None:
    await server.post(demo.request("m", credentialsType="MQTT_BASIC", username="u"))

    assert (await peer.post("api/v1/u/telemetry", {"t": 1})).code == Code.UNAUTHORIZED


@pytest.mark.parametrize(
    ("feature", "body"),
    [("telemetry", b"[1]"), ("telemetry", b""), ("attributes", b"[]"), ("rpc", b"{}"), ("rpc/x", b"1"),
     ("rpc/1", b"{"), ("claim", b"[]"), ("claim", b"nonsense"), ("release", b'{"a":1}')],
)  # fmt: skip
async def test_what_cannot_be_read_is_4_00(board: Board, peer: CoapPeer, feature: str, body: bytes) -> None:
    answer = await peer.ask(Code.POST, path(board, feature), body)

    assert (answer.code, answer.payload) == (Code.BAD_REQUEST, b"")


@pytest.mark.parametrize("feature", ["telemetry", "claim", "release", "rpc", "rpc/1"])
async def test_what_cannot_be_fetched_is_4_00(board: Board, peer: CoapPeer, feature: str) -> None:
    assert (await peer.ask(Code.GET, path(board, feature))).code == Code.BAD_REQUEST


async def test_unknown_paths_and_methods(board: Board, peer: CoapPeer) -> None:
    assert (await peer.ask(Code.GET, ".well-known/core")).code == Code.NOT_FOUND
    assert (await peer.post(path(board, "nothing"), {})).code == Code.NOT_FOUND
    assert (await peer.ask(Code.DELETE, path(board, "attributes"))).code == Code.METHOD_NOT_ALLOWED


async def test_a_profile_of_another_transport_is_5_00(server: TestServer, peer: CoapPeer) -> None:
    """Contract 3.5."""
    profile = await server.profile("mqtt only", details={"transportType": "MQTT"})
    board = await Board.make(server, "m", profile)

    assert (await peer.post(path(board, "telemetry"), {"t": 1})).code == Code.INTERNAL_SERVER_ERROR


class TestOwners:
    """Contract 4.2, and our own release."""

    @pytest.mark.parametrize("body", [b"", b"{}", b'{"secretKey":"value","durationMs":60000}'])
    async def test_cl_1_a_claim_message_is_2_01(
        self, server: TestServer, board: Board, peer: CoapPeer, body: bytes
    ) -> None:
        answer = await peer.ask(Code.POST, path(board, "claim"), body)

        assert (answer.code, answer.payload) == (Code.CREATED, b"")
        assert len(await server.services.claim_windows.list(board.device)) == 1

    async def test_cl_1_a_claim_message_of_which_a_field_cannot_be_read_is_5_00(
        self, board: Board, peer: CoapPeer
    ) -> None:
        answer = await peer.post(path(board, "claim"), {"durationMs": "soon"})

        assert answer.code == Code.INTERNAL_SERVER_ERROR

    async def test_a_profile_says_that_claims_are_protobuf(self, server: TestServer, peer: CoapPeer) -> None:
        payloads = {"transportPayloadTypeConfiguration": {"transportPayloadType": "PROTOBUF"}}
        details = {
            "transportType": "COAP",
            "transportConfiguration": {"type": "COAP", "coapDeviceTypeConfiguration": payloads},
        }
        board = await Board.make(server, "m", await server.profile("protobuf", details=details))

        made = await peer.ask(Code.POST, path(board, "claim"), bytes.fromhex("0a0576616c756510e0d403"))
        refused = await peer.ask(Code.POST, path(board, "claim"), b'{"secretKey":"value"}')

        assert (made.code, refused.code) == (Code.CREATED, Code.BAD_REQUEST)

    async def test_a_release_is_4_03_where_the_profile_does_not_allow_it(
        self, board: Board, peer: CoapPeer
    ) -> None:
        assert (await peer.ask(Code.POST, path(board, "release"))).code == Code.FORBIDDEN

    async def test_a_release_is_2_01_where_the_profile_allows_it(self, server: TestServer, peer: CoapPeer) -> None:
        board = await Board.make(server, "m", await server.profile("own", release_by_device=True))

        assert (await peer.ask(Code.POST, path(board, "release"))).code == Code.CREATED
