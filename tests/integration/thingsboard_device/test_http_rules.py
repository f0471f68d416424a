"""Contract 3.5 and section 6 over HTTP: who is let in, what is refused, and with which status."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx2
import pytest
import pytest_asyncio
from tests.harness import TestServer
from tests.integration.mqtt.probe import basic_device
from tests.integration.thingsboard_device.board import Board, failing

from firstboot.errors import NotFound, Unavailable

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient() as opened:
        yield opened


@pytest.mark.parametrize("path", ["rpc", "attributes/updates"])
async def test_6_without_news_the_answer_is_408(board: Board, client: httpx2.AsyncClient, path: str) -> None:
    answer = await client.get(f"{board.url}/{path}?timeout=1")

    assert (answer.status_code, answer.content) == (408, b"")
    assert not board.server.services.downlinks.is_listening(board.device.id)


async def test_6_a_call_that_nobody_answers_is_told_so_at_once(board: Board, client: httpx2.AsyncClient) -> None:
    answer = await client.post(f"{board.url}/rpc", json={"method": "unknown", "params": {}})

    assert (answer.status_code, answer.json()) == (200, {"error": "timeout"})


async def test_6_a_call_that_waits_is_taken_by_the_next_poll(board: Board, client: httpx2.AsyncClient) -> None:
    call = asyncio.create_task(board.called("m", None))

    got = (await client.get(f"{board.url}/rpc?timeout=20000")).json()
    await client.post(f"{board.url}/rpc/{got['id']}", json=5)

    assert await call == 5


# -- 3.5 -------------------------------------------------------------------------------------------

CALLS = [("POST", "telemetry"), ("POST", "attributes"), ("GET", "attributes"), ("GET", "attributes/updates"),
         ("GET", "rpc"), ("POST", "rpc"), ("POST", "rpc/1")]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_3_5_only_access_tokens_open_it(
    shared: TestServer, client: httpx2.AsyncClient, method: str, path: str
) -> None:
    profile = await shared.profile(f"{method} {path}")
    await basic_device(shared, profile, f"{method} {path}", u=f"user-{method}-{path.replace('/', '-')}")

    for token in ("nobodys-token", f"user-{method}-{path.replace('/', '-')}", "%00", "a%2Fb", "\N{SNOWMAN}"):
        answer = await client.request(method, f"{shared.url}/api/v1/{token}/{path}")
        if token == "a%2Fb":
            assert answer.status_code in (401, 404)  # a slash in a token makes another path of it
            continue
        assert (answer.status_code, answer.content) == (401, b"")


async def test_3_5_a_device_that_is_switched_off_is_not_let_in(board: Board, client: httpx2.AsyncClient) -> None:
    await board.server.services.devices.set_enabled(board.device, False, actor="test")

    answer = await client.post(f"{board.url}/telemetry", json={"t": 1})

    assert (answer.status_code, answer.content) == (401, b"")
    assert await board.latest() == {}


async def test_the_first_use_counts_as_the_first_login(board: Board, client: httpx2.AsyncClient) -> None:
    await client.post(f"{board.url}/telemetry", json={"t": 1})

    device = await board.server.device(board.device.name)
    assert device is not None
    assert device.first_login_at_ms is not None


# -- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("telemetry", b""), ("telemetry", b"x y"), ("telemetry", b"5"), ("attributes", b"[]"),
        ("attributes", b"{"),
        ("rpc", b"{}"), ("rpc/1", b""), ("rpc/x", b"{}"), ("rpc/99999999999", b"{}"), ("rpc/-1", b"{}"),
        ("telemetry", b'{"S3CRET":NaN'),
    ],
)  # fmt: skip
async def test_da_2_a_bad_body_is_a_bad_request(
    board: Board, client: httpx2.AsyncClient, path: str, body: bytes
) -> None:
    answer = await client.post(f"{board.url}/{path}", content=body)

    assert answer.status_code == 400
    assert list(answer.json()) == ["status", "message", "errorCode", "timestamp"]
    assert answer.json()["errorCode"] == 31
    assert "S3CRET" not in answer.text
    assert board.token not in answer.text


@pytest.mark.parametrize("query", ["timeout=x", "timeout=-1", "timeout=1.5", "timeout=99999999999", "timeout=%00"])
async def test_a_time_out_is_a_number(board: Board, client: httpx2.AsyncClient, query: str) -> None:
    assert (await client.get(f"{board.url}/rpc?{query}")).status_code == 400


@pytest.mark.parametrize("query", ["clientKeys=%00", "sharedKeys=" + "k" * 256, "clientKeys=" + "a," * 5 + "%0A"])
async def test_ht_2_keys_that_cannot_be_are_a_bad_request(
    board: Board, client: httpx2.AsyncClient, query: str
) -> None:
    assert (await client.get(f"{board.url}/attributes?{query}")).status_code == 400


async def test_ht_4_a_body_that_is_too_large_or_packed_is_not_read(
    board: Board, client: httpx2.AsyncClient
) -> None:
    large = await client.post(f"{board.url}/telemetry", content=b"x" * 70_000)
    packed = await client.post(f"{board.url}/telemetry", content=b"x", headers={"content-encoding": "gzip"})

    assert (large.status_code, packed.status_code) == (413, 415)


@pytest.mark.parametrize(
    ("method", "path"),
    [("HEAD", "rpc"), ("HEAD", "attributes/updates"), ("PUT", "telemetry"), ("GET", "telemetry"), ("GET", "rpc/1"),
     ("DELETE", "attributes")],
)  # fmt: skip
async def test_other_methods_are_refused_and_take_nothing_from_the_device(
    board: Board, client: httpx2.AsyncClient, method: str, path: str
) -> None:
    call = asyncio.create_task(board.called("m", None))
    try:
        assert (await client.request(method, f"{board.url}/{path}")).status_code == 405
        assert (await client.get(f"{board.url}/rpc?timeout=20000")).json()["method"] == "m"
    finally:
        call.cancel()


@pytest.mark.parametrize(
    ("error", "status"), [(Unavailable("away", 7), 503), (NotFound("deleted meanwhile"), 401)]
)
async def test_what_cannot_be_stored_is_not_acknowledged(
    board: Board, client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    with failing(monkeypatch, board.server.services.telemetry, error):
        answer = await client.post(f"{board.url}/telemetry", json={"t": 1})

    assert answer.status_code == status
    assert answer.headers.get("retry-after") == ("7" if status == 503 else None)
