"""The device API under abuse: HT-2, HT-6, MQ-7, MQ-8, MQ-17, PV-2."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from tests.harness import TestServer, running
from tests.integration.mqtt.probe import connected
from tests.integration.thingsboard_device.board import ME, Answers, Board

from firstboot.model import Scope
from firstboot.sessions import device_owner
from firstboot_plugins.transports.mqtt.packets import Connect, Disconnect, Publish

BAD_JSON = {
    "deep array": b"[" * 60_000,
    "deep object": b'{"a":' * 10_000,
    "deep value": b'{"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "long integer": b'{"a":' + b"1" * 60_000 + b"}",
    "large integer": b'{"a":9007199254740993}',
    "huge exponent": b'{"a":1e1000000000}',
    "duplicate key": b'{"a":1,"a":2}',
    "long key": b'{"%b":1}' % (b"k" * 300),
    "lone surrogate": rb'{"a":"\ud800"}',
    "U+0000": rb'{"a":"\u0000"}',
    "U+0000 in a key": rb'{"a\u0000":1}',
    "control character in a key": rb'{"a\u0007":1}',
    "blank key": b'{" ":1}',
    "not UTF-8": b'{"a":"\xff\xfe"}',
    "byte order mark": b'\xef\xbb\xbf{"a":1}',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "trailing data": b'{"a":1}{}',
    "cut off": b'{"a":1',
    "many values": b'{"a":[' + b"1," * 20_000 + b"1]}",
    "many members": b"{" + b",".join(b'"%d":1' % number for number in range(7000)) + b"}",
    "NUL bytes": b"\0" * 100,
    "root": b"7",
    "null": b"null",
}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[TestServer]:
    async with running(
        tmp_path,
        plugins={"answers": Answers()},
        mqtt={"messages_per_second": 10_000, "burst": 10_000, "max_queued_messages": 20},
        provisioning={"failures_per_minute": 3, "failure_delay": "400ms"},
    ) as started:
        yield started


def loud(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was logged above INFO, and every traceback."""
    return [record.getMessage() for record in caplog.records if record.levelno > logging.INFO or record.exc_info]


async def test_ht_2_bad_json_is_refused_on_every_topic_and_path_without_a_trace(
    server: TestServer, subtests: pytest.Subtests, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    board = await Board.make(server)

    async with board.session(5), httpx2.AsyncClient() as client:
        for name, payload in BAD_JSON.items():
            for what in ("telemetry", "attributes"):
                with subtests.test(f"{what}: {name}"):
                    began_at = time.monotonic()
                    assert await board.publish(f"{ME}/{what}", payload) == 0x99
                    assert (await client.post(f"{board.url}/{what}", content=payload)).status_code == 400
                    assert time.monotonic() - began_at < 1

    assert await board.latest() == {}
    assert await board.stored(Scope.CLIENT) == {}
    assert loud(caplog) == []


async def test_mq_7_and_mq_8_a_device_neither_sees_nor_touches_what_is_another_ones(server: TestServer) -> None:
    victim, spy = await Board.make(server, "victim"), await Board.make(server, "spy")
    filters = ["#", "+/#", "v1/#", "v1/devices/#", "v1/devices/+/attributes", f"{ME}/#", "v2/#", "v2/+",
               f"v1/devices/{victim.device.public_id}/attributes", "$share/g/v1/devices/me/attributes",
               f"{ME}/attributes", f"{ME}/attributes/response/+", f"{ME}/rpc/request/+",
               f"{ME}/rpc/response/+"]  # fmt: skip

    async with spy.session(5), victim.session(5):
        granted = await spy.subscribe_all(*((each, 1) for each in filters))
        assert [code for code in granted if code < 0x80] == granted[-4:] == [1] * 4
        await victim.subscribe(f"{ME}/attributes")

        # What the spy says is its own, whatever it calls itself, retained or not.
        await spy.peer.send(Publish(f"{ME}/attributes", b'{"forged":1}', qos=0, retain=True))
        await spy.publish(f"v1/devices/{victim.device.public_id}/telemetry", {"forged": 1})
        await victim.publish(f"{ME}/telemetry", {"t": 1})
        await victim.publish(f"{ME}/attributes/request/1", {})
        assert await victim.told() == (f"{ME}/attributes/response/1", {}, 1)
        await victim.set(Scope.SHARED, {"c": 1})
        assert await victim.told() == (f"{ME}/attributes", {"c": 1}, 1)

        await spy.hears_nothing()
        assert await spy.stored(Scope.CLIENT) == {"forged": 1}

    assert set(await victim.latest()) == {"t"}
    assert await victim.stored(Scope.CLIENT) == {}


async def test_ht_6_no_token_is_written_anywhere(
    server: TestServer, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    board = await Board.make(server)
    secrets = [board.token, "a-guess-of-somebody"]

    async with httpx2.AsyncClient() as client:
        for token in secrets:
            for method, path in (
                ("POST", "telemetry"), ("POST", "attributes"), ("GET", "attributes"), ("GET", "nowhere"),
                ("GET", "attributes/updates?timeout=1"), ("GET", "rpc?timeout=1"), ("GET", "rpc?timeout=x"),
                ("POST", "rpc"), ("POST", "rpc/1"), ("POST", "rpc/x"), ("PUT", "telemetry"),
            ):  # fmt: skip
                answer = await client.request(method, f"{server.url}/api/v1/{token}/{path}", content=b"no json")
                assert token not in answer.text + str(answer.headers)
    async with board.session(5):
        await board.publish(f"{ME}/telemetry", b"no json")

    out, err = capfd.readouterr()
    lines = [record for record in caplog.records if record.name.startswith(("firstboot", "uvicorn", "starlette"))]
    written = out + err + "".join(str(vars(record)) for record in lines)
    assert lines
    assert [token for token in secrets if token in written] == []


async def test_pv_2_guessing_tokens_becomes_slow_and_hinders_nobody(tmp_path: Path) -> None:
    async with running(
        tmp_path,
        http={"max_in_flight": 2},
        provisioning={"failures_per_minute": 3, "failure_delay": "400ms"},
    ) as server, httpx2.AsyncClient() as client:  # fmt: skip
        board = await Board.make(server)
        for number in range(6):
            answer = await client.get(f"{server.url}/api/v1/guess-{number}/attributes")
            assert answer.status_code == 401

        began_at = time.monotonic()
        guesses = [
            asyncio.create_task(client.get(f"{server.url}/api/v1/guess-again-{number}/attributes"))
            for number in range(2)
        ]
        await asyncio.sleep(0)
        # More are held back than may be worked on; whoever has a token comes through meanwhile.
        good = await client.post(f"{board.url}/telemetry", json={"t": 1})
        assert good.status_code in (200, 503)
        assert [(await guess).status_code for guess in guesses] == [401, 401]
        assert time.monotonic() - began_at >= 0.4
        assert (await client.post(f"{board.url}/telemetry", json={"t": 1})).status_code == 200


async def test_mq_17_a_device_that_makes_up_keys_is_stopped(server: TestServer) -> None:
    board = await Board.make(server)

    async with board.session(5):
        for start in range(0, 1000, 100):
            keys = {f"k{start + number}": 1 for number in range(100)}
            assert await board.publish(f"{ME}/telemetry", keys) == 0
        assert await board.publish(f"{ME}/telemetry", {"one-more": 1}) == 0x99
        assert await board.publish(f"{ME}/telemetry", {"k5": 2}) == 0

    assert len(await board.latest()) == 1000
    assert (await board.latest())["k5"][1] == 2


async def test_mq_17_a_device_that_acknowledges_nothing_is_dropped(server: TestServer) -> None:
    board = await Board.make(server)

    async with board.session(5):
        await board.subscribe(f"{ME}/attributes")
        for number in range(1000):
            await board.set(Scope.SHARED, {"c": number})
            if not server.services.sessions.is_open(device_owner(board.device.id)):
                break

        *told, last = await board.peer.expect_closed()
        assert last == Disconnect(0x97)
        assert len(told) <= 20
        assert not server.services.downlinks.is_listening(board.device.id)


async def test_mq_17_a_device_that_reads_nothing_is_dropped_and_hinders_nobody(server: TestServer) -> None:
    deaf, other = await Board.make(server, "deaf"), await Board.make(server, "other")
    await deaf.set(Scope.SHARED, {"k": "x" * 60_000, "l": "x" * 60_000})

    async with other.session(5):
        peer = await connected(server, Connect(5, "deaf", True, 60, username=deaf.token))
        peer.reader._transport.pause_reading()  # type: ignore[attr-defined]
        asked = 0
        while server.services.sessions.is_open(device_owner(deaf.device.id)):
            assert asked < 1000
            asked += 1
            with contextlib.suppress(ConnectionError):
                await peer.send(Publish(f"{ME}/attributes/request/{asked}", b"{}", qos=0))
            assert await other.publish(f"{ME}/telemetry", {"t": asked}) == 0
        peer.writer.transport.abort()


async def test_a_device_that_reads_is_not_dropped_for_having_many_attributes(server: TestServer) -> None:
    board = await Board.make(server)

    async with board.session(5):
        await board.subscribe(f"{ME}/attributes")
        await board.set(Scope.SHARED, {f"k{number}": "x" * 60_000 for number in range(3)})
        assert await board.publish(f"{ME}/attributes/request/1", {}) == 0x97
        assert await board.publish(f"{ME}/attributes/request/2", {"sharedKeys": "k0,k1"}) == 0
        assert set((await board.told())[1]["shared"]) == {"k0", "k1"}


async def test_a_device_cannot_ask_for_limits_in_a_way_that_hurts(server: TestServer) -> None:
    board = await Board.make(server)

    async with board.session(5):
        for params in (None, {}, [], {"timeout": "x"}, {"timeout": -1}, {"timeout": [[[]]]}, "x" * 60_000):
            body = json.dumps({"method": "getSessionLimits", "params": params}).encode()
            assert await board.publish(f"{ME}/rpc/request/1", body) == 0
            assert (await board.told())[1]["maxInflightMessages"] == 20
