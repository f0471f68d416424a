"""Observing over CoAP (RFC 7641; ThingsBoard contract section 6): shared attributes, and calls."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest
from tests.harness import WAIT_S, TestServer, running
from tests.integration.coap.raw_coap import (
    OBSERVE,
    STOP_OBSERVING,
    CoapPeer,
    block,
    block2_of,
    coap_peer,
    coap_request,
    observe_number,
)
from tests.integration.mqtt.probe import until
from tests.integration.thingsboard_device.board import Board

from firstboot.model import Scope
from firstboot.sessions import SessionEnd, device_owner
from firstboot_plugins.transports.coap.messages import Code, Message, Option, Type, empty

TOKEN = b"obs"


async def observe(peer: CoapPeer, board: Board, feature: str, token: bytes = TOKEN) -> Message:
    """Begin to observe; return the first answer, which is acknowledged."""
    request = coap_request(
        Code.GET, f"api/v1/{board.token}/{feature}", message_id=peer.next_id(), token=token, options=OBSERVE
    )
    peer.send(request)
    return await peer.answer(token)


async def test_shared_attributes_are_told_at_first_and_when_they_change(board: Board, peer: CoapPeer) -> None:
    downlinks = board.server.services.downlinks
    noticed = asyncio.create_task(downlinks.next_update(board.device.id, WAIT_S))
    await board.waits()
    await board.set(Scope.SHARED, {"a": 1, "b": 2})
    await noticed  # else it may be told a second time

    first = await observe(peer, board, "attributes")
    await board.set(Scope.SHARED, {"a": 10})
    changed = await peer.answer(TOKEN)
    await board.delete(Scope.SHARED, "b")
    deleted = await peer.answer(TOKEN)

    assert [json.loads(each.payload) for each in (first, changed, deleted)] == [
        {"a": 1, "b": 2}, {"a": 10}, {"deleted": ["b"]},
    ]  # fmt: skip
    assert [observe_number(each) for each in (first, changed, deleted)] == [0, 1, 2]
    assert {each.code for each in (first, changed, deleted)} == {Code.CONTENT}
    assert changed.type is Type.CON


async def test_without_any_shared_attribute_the_first_answer_is_an_empty_object(
    board: Board, peer: CoapPeer
) -> None:
    first = await observe(peer, board, "attributes")

    assert (first.code, first.payload) == (Code.CONTENT, b"{}")


async def test_a_device_that_observes_calls_is_called_and_answers(board: Board, peer: CoapPeer) -> None:
    first = await observe(peer, board, "rpc")
    calling = asyncio.create_task(board.called("setGpio", {"pin": 3}))
    call = await peer.answer(TOKEN)
    asked = json.loads(call.payload)

    answer = await peer.post(f"api/v1/{board.token}/rpc/{asked.pop('id')}", {"done": True})

    assert (first.code, first.payload, observe_number(first)) == (Code.VALID, b"", 0)
    assert asked == {"method": "setGpio", "params": {"pin": 3}}
    assert (answer.code, await calling) == (Code.CREATED, {"done": True})


async def test_a_call_waits_until_the_device_observes(board: Board, peer: CoapPeer) -> None:
    calling = asyncio.create_task(board.called("reboot", None))
    first = await observe(peer, board, "rpc")

    call = await peer.answer(TOKEN)
    await peer.post(f"api/v1/{board.token}/rpc/{json.loads(call.payload)['id']}", None)
    await calling

    assert first.code == Code.VALID


async def test_the_next_news_wait_until_the_device_has_acknowledged(board: Board, peer: CoapPeer) -> None:
    await observe(peer, board, "attributes")
    for number in range(3):
        await board.set(Scope.SHARED, {f"key-{number}": number})
    first = await peer.hear()
    await peer.ping()

    peer.send(empty(Type.ACK, first.id))
    second, third = await peer.answer(TOKEN), await peer.answer(TOKEN)

    assert [json.loads(each.payload) for each in (first, second, third)] == [
        {"key-0": 0}, {"key-1": 1}, {"key-2": 2},
    ]  # fmt: skip


async def test_large_news_come_in_blocks(board: Board, peer: CoapPeer) -> None:
    await observe(peer, board, "attributes")
    values = {f"key-{number}": "v" * 100 for number in range(20)}

    await board.set(Scope.SHARED, values)
    answer = await peer.answer(TOKEN)
    payload = answer.payload
    while (part := block2_of(answer)) is not None and part.more:
        wanted = ((Option.BLOCK2, block(part.number + 1, False, part.size_exponent)),)
        answer = await peer.ask(Code.GET, f"api/v1/{board.token}/attributes", options=wanted)
        payload += answer.payload

    assert json.loads(payload) == values
    assert observe_number(answer) is None


@pytest.mark.parametrize("feature", ["attributes", "rpc"])
class TestTheEnd:
    """Whatever ends an observation, nothing of it is left."""

    @pytest.fixture
    async def observing(self, board: Board, peer: CoapPeer, feature: str) -> None:
        await observe(peer, board, feature)

    @pytest.fixture(autouse=True)
    async def _is_a_session(self, server: TestServer, board: Board, observing: None) -> None:
        assert server.services.sessions.is_open(device_owner(board.device.id))

    def is_over(self, server: TestServer, board: Board) -> bool:
        return not server.services.sessions.is_open(
            device_owner(board.device.id)
        ) and not server.services.downlinks.is_listening(board.device.id)

    async def test_the_device_says_so(
        self, server: TestServer, board: Board, peer: CoapPeer, feature: str
    ) -> None:
        peer.send(coap_request(
            Code.GET, f"api/v1/{board.token}/{feature}", message_id=peer.next_id(), token=TOKEN,
            options=STOP_OBSERVING,
        ))  # fmt: skip
        answer = await peer.answer(TOKEN)

        assert observe_number(answer) is None
        assert self.is_over(server, board)

    async def test_the_device_rejects_what_it_is_told(
        self, server: TestServer, board: Board, peer: CoapPeer, feature: str
    ) -> None:
        calling = asyncio.create_task(board.called("m", None)) if feature == "rpc" else None
        await board.set(Scope.SHARED, {"a": 1})
        news = await peer.hear()

        peer.send(empty(Type.RST, news.id))

        await until(lambda: self.is_over(server, board))
        if calling is not None:
            calling.cancel()

    @pytest.mark.parametrize("why", [SessionEnd.CREDENTIALS_CHANGED, SessionEnd.DEVICE_DELETED, SessionEnd.KICKED])
    async def test_its_credentials_end(
        self, server: TestServer, board: Board, peer: CoapPeer, feature: str, why: SessionEnd
    ) -> None:
        server.services.sessions.end(device_owner(board.device.id), why)
        last = await peer.answer(TOKEN)

        assert (last.code, observe_number(last)) == (Code.UNAUTHORIZED, None)
        assert self.is_over(server, board)

    async def test_the_server_stops(self, server: TestServer, board: Board, peer: CoapPeer, feature: str) -> None:
        server.services.sessions.end_all(SessionEnd.SERVER_STOPS)

        assert (await peer.answer(TOKEN)).code == Code.SERVICE_UNAVAILABLE

    async def test_the_device_comes_back_from_elsewhere(
        self, server: TestServer, board: Board, peer: CoapPeer, feature: str
    ) -> None:
        async with coap_peer(server.coap_port) as rebooted:
            await observe(rebooted, board, feature)
            calling = asyncio.create_task(board.called("m", None)) if feature == "rpc" else None
            await board.set(Scope.SHARED, {"a": 1})
            news = await rebooted.answer(TOKEN)
            await peer.ping()
            if calling is not None:
                calling.cancel()

        assert observe_number(news) == 1
        assert peer.unread() == []

    async def test_the_device_registers_again_under_the_same_token(
        self, server: TestServer, board: Board, peer: CoapPeer, feature: str
    ) -> None:
        again = await observe(peer, board, feature)

        assert observe_number(again) == 0
        assert len(server.services.sessions.of(device_owner(board.device.id))) == 1

    async def test_the_device_observes_something_else_under_the_same_token(
        self, server: TestServer, board: Board, peer: CoapPeer, feature: str
    ) -> None:
        await observe(peer, board, "rpc" if feature == "attributes" else "attributes")

        assert len(server.services.sessions.of(device_owner(board.device.id))) == 1


async def test_an_unknown_token_observes_nothing(server: TestServer, peer: CoapPeer) -> None:
    for feature in ("attributes", "rpc"):
        answer = await peer.ask(Code.GET, f"api/v1/nobody/{feature}", options=OBSERVE)

        assert (answer.code, observe_number(answer)) == (Code.UNAUTHORIZED, None)


async def test_what_cannot_be_observed_is_answered_without_a_number(board: Board, peer: CoapPeer) -> None:
    answer = await peer.ask(Code.POST, f"api/v1/{board.token}/telemetry", b"{}", options=OBSERVE)

    assert (answer.code, observe_number(answer)) == (Code.CREATED, None)


@pytest.mark.parametrize(
    ("feature", "nothing"), [("attributes", (Code.CONTENT, b"{}")), ("rpc", (Code.VALID, b""))]
)
async def test_a_device_that_heard_nothing_for_long_is_asked_whether_it_listens(
    tmp_path: Path, feature: str, nothing: tuple[Code, bytes]
) -> None:
    async with (
        running(tmp_path, coap={"observation_check": timedelta(milliseconds=20)}) as server,
        coap_peer(server.coap_port) as peer,
    ):
        board = await Board.make(server)
        await observe(peer, board, feature)

        for number in (1, 2):
            asked = await peer.answer(TOKEN)

            assert ((asked.code, asked.payload), observe_number(asked)) == (nothing, number)


async def test_more_than_may_observe_are_answered_without_a_number(tmp_path: Path) -> None:
    async with running(tmp_path, coap={"max_observations": 1}) as server, coap_peer(server.coap_port) as peer:
        board = await Board.make(server)
        await board.set(Scope.SHARED, {"a": 1})
        first = await observe(peer, board, "rpc")
        second = await observe(peer, board, "attributes", b"two")

    assert observe_number(first) == 0
    assert (second.code, observe_number(second)) == (Code.CONTENT, None)
