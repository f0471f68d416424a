"""Contract 4.2 over HTTP: a device opens itself for claiming, and takes itself back."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from tests.harness import TestServer
from tests.integration.claiming.buyers import Buyer, codes, owner, windows
from tests.integration.thingsboard_device.board import Board

from firstboot.model import ClaimOpener, Scope

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient() as opened:
        yield opened


async def resettable(server: TestServer, name: str) -> Board:
    return await Board.make(server, name, await server.profile(f"profile of {name}", release_by_device=True))


# -- what is accepted ------------------------------------------------------------------------------


@pytest.mark.asyncio(loop_scope="function")
async def test_4_5_a_device_is_claimed_with_what_it_said_and_takes_itself_back(stored: TestServer) -> None:
    board, buyer = await resettable(stored, "d"), await Buyer.make(stored)
    async with httpx2.AsyncClient() as client:
        answer = await client.post(f"{board.url}/claim", json={"secretKey": "value", "durationMs": 60000})

        assert (answer.status_code, answer.content) == (200, b"")
        (window,) = await windows(board)
        assert window.opened_by is ClaimOpener.DEVICE
        assert window.expires_at_ms - window.opened_at_ms == 60_000
        assert (await buyer.claim(board, "value")).customer_id == buyer.user.customer_id
        assert await board.stored(Scope.SHARED) == {"claimed": True}

        answer = await client.post(f"{board.url}/release")

        assert (answer.status_code, answer.content) == (200, b"")
        assert await owner(board) is None
        assert await board.stored(Scope.SHARED) == {"claimed": False}
        assert await codes(board, "device-released") == ["ok"]


@pytest.mark.parametrize(
    "body", [None, b"", b"{}", b'{"secretKey":null}', b'{"secretKey":""}'], ids=lambda body: repr(body)
)
async def test_7_the_body_is_optional(
    board: Board, buyer: Buyer, client: httpx2.AsyncClient, body: bytes | None
) -> None:
    answer = await client.post(f"{board.url}/claim", content=body)

    assert (answer.status_code, answer.content) == (200, b"")
    (window,) = await windows(board)
    assert window.expires_at_ms - window.opened_at_ms == 5 * 60_000
    assert (await buyer.claim(board, "")).customer_id == buyer.user.customer_id


@pytest.mark.parametrize(
    "content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded", None]
)
async def test_ph_3_the_type_of_the_body_does_not_matter(
    board: Board, buyer: Buyer, client: httpx2.AsyncClient, content_type: str | None
) -> None:
    headers = {"content-type": content_type} if content_type else {}

    answer = await client.post(f"{board.url}/claim", content=b'{"secretKey":7}', headers=headers)

    assert answer.status_code == 200
    assert (await buyer.claim(board, "7")).customer_id == buyer.user.customer_id


async def test_cl_1_a_device_that_has_an_owner_is_not_told_that_it_is_not_opened(
    board: Board, buyer: Buyer, client: httpx2.AsyncClient
) -> None:
    """CL-2 too."""
    await client.post(f"{board.url}/claim", json={"secretKey": "s"})
    await buyer.claim(board, "s")

    answer = await client.post(f"{board.url}/claim", json={"secretKey": "t"})

    assert (answer.status_code, answer.content) == (200, b"")
    assert await windows(board) == []
    assert await codes(board, "claim-window-refused") == ["already-claimed"]


async def test_7_the_latest_message_replaces_the_one_before_over_whichever_transport(
    board: Board, buyer: Buyer, client: httpx2.AsyncClient
) -> None:
    """CL-4, corrected."""
    async with board.session():
        await board.publish("v1/devices/me/claim", {"secretKey": "first"})
    await client.post(f"{board.url}/claim", json={"secretKey": "second"})

    assert await buyer.is_refused(board, "first") == "wrong-secret"
    assert (await buyer.claim(board, "second")).customer_id == buyer.user.customer_id


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [b"[]", b"null", b'"PRIVATE"', b"PRIVATE", b'{"secretKey":"PRIVATE"', b'{"secretKey":"PRIVATE"} x', b"\xff",
     b'{"secretKey":["PRIVATE"]}', b'{"secretKey":"PRIVATE","durationMs":"soon"}',
     b'{"secretKey":"PRIVATE","secretKey":"PRIVATE"}', b"[" * 50_000],
    ids=["list", "null", "text", "bare", "cut", "trailing", "bytes", "fields", "duration", "twice", "deep"],
)  # fmt: skip
async def test_4_2_and_ht_2_what_cannot_be_read_is_refused_without_being_repeated(
    board: Board, client: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    caplog.set_level(logging.DEBUG)

    answer = await client.post(f"{board.url}/claim", content=body)

    told = answer.json()
    assert (answer.status_code, told["status"], told["errorCode"]) == (500, 500, 2)
    assert "PRIVATE" not in answer.text + caplog.text + repr([vars(record) for record in caplog.records])
    assert "a message of a device was refused" in caplog.messages
    assert await windows(board) == []


async def test_a_secret_that_is_too_long_is_refused(board: Board, client: httpx2.AsyncClient) -> None:
    answers = [await client.post(f"{board.url}/claim", json={"secretKey": "s" * length}) for length in (256, 255)]

    assert [answer.status_code for answer in answers] == [400, 200]
    assert "sss" not in answers[0].text
    assert len(await windows(board)) == 1


@pytest.mark.parametrize("operation", ["claim", "release"])
async def test_3_5_an_unknown_token_is_401_whatever_the_body(
    shared: TestServer, client: httpx2.AsyncClient, operation: str
) -> None:
    for body in (None, b"{}", b"[]"):
        answer = await client.post(f"{shared.url}/api/v1/nobodys-token/{operation}", content=body)

        assert (answer.status_code, answer.content) == (401, b"")


@pytest.mark.parametrize("operation", ["claim", "release"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_ht_10_nothing_but_post_changes_anything(
    board: Board, client: httpx2.AsyncClient, method: str, operation: str
) -> None:
    answer = await client.request(method, f"{board.url}/{operation}")

    assert answer.status_code == 405
    assert await windows(board) == []


async def test_a_body_that_is_too_large_is_413(board: Board, client: httpx2.AsyncClient) -> None:
    answer = await client.post(f"{board.url}/claim", content=b" " * 65_537)

    assert answer.status_code == 413


# -- release ---------------------------------------------------------------------------------------


async def test_a_release_that_the_profile_does_not_allow_is_403_and_the_owner_stays(
    board: Board, buyer: Buyer, client: httpx2.AsyncClient
) -> None:
    await client.post(f"{board.url}/claim", json={"secretKey": "s"})
    await buyer.claim(board, "s")

    answer = await client.post(f"{board.url}/release", json={})

    told = answer.json()
    assert told.keys() == {"status", "message", "errorCode", "timestamp"}
    assert (answer.status_code, told["status"], told["errorCode"]) == (403, 403, 20)
    assert await owner(board) == buyer.user.customer_id


@pytest.mark.parametrize("body", [{"secretKey": "PRIVATE"}, [], "PRIVATE"], ids=repr)
async def test_a_release_that_says_something_is_400_and_the_owner_stays(
    shared: TestServer, buyer: Buyer, client: httpx2.AsyncClient, body: Any, request: pytest.FixtureRequest
) -> None:
    board = await resettable(shared, request.node.name)
    await client.post(f"{board.url}/claim", json={"secretKey": "s"})
    await buyer.claim(board, "s")

    answer = await client.post(f"{board.url}/release", json=body)

    assert answer.status_code == 400
    assert "PRIVATE" not in answer.text
    assert await owner(board) == buyer.user.customer_id


async def test_a_release_without_an_owner_is_as_good(shared: TestServer, client: httpx2.AsyncClient) -> None:
    board = await resettable(shared, "unowned")

    answers = [await client.post(f"{board.url}/release", content=body) for body in (b"", b"{}")]

    assert [answer.status_code for answer in answers] == [200, 200]
