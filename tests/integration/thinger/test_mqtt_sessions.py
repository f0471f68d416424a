"""Provisioning sessions over MQTT (contract 12.2): check and create without an HTTP library."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.harness import running
from tests.integration.provisioning.fake_clock import FakeClock
from tests.integration.thinger.account import Account
from tests.integration.thinger.sessions import (
    CLAIM,
    ENSURE,
    PROVISION,
    REPLY,
    SECRET,
    account_on,
    ask,
    code_of,
    heard,
    opened,
    short_key,
    subscribed,
)
from tests.services import require_tool

from firstboot_plugins.transports.mqtt.packets import Connack, Connect, Disconnect, Puback, Publish

METER = {"id": 1, "device": "meter1", "credentials": SECRET, "type": "MQTT"}


@pytest.mark.parametrize("qos", [0, 1])
async def test_tg_12_2_a_device_creates_itself_and_then_logs_in(thinger: Account, qos: int) -> None:
    peer = await opened(thinger, "prov-AABBCC", await short_key(thinger))
    assert await subscribed(peer, REPLY) == 0

    reply = await ask(peer, {**METER, "name": "Meter 1", "asset_type": "meter", "asset_group": "lab"}, qos=qos)
    await peer.close()

    assert reply == {"id": 1, "status": 200, "result": "created", "device": "meter1"}
    assert await code_of(thinger, "meter1", SECRET) == 0


async def test_tg_12_2_an_access_token_opens_a_session_too(sqlite_thinger: Account) -> None:
    token = await sqlite_thinger.token(PROVISION)

    assert await code_of(sqlite_thinger, "anything", token) == 0
    assert await code_of(sqlite_thinger, "anything", token, level=5) == 0


@pytest.mark.parametrize(
    "allow", [{"Device": {"*": ["ListDevices", "ReadDeviceStatus"]}}, {"Bucket": {"*": "*"}}, {}], ids=str
)
async def test_tg_12_2_a_token_without_a_provisioning_action_opens_none(
    sqlite_thinger: Account, allow: dict[str, Any]
) -> None:
    assert await code_of(sqlite_thinger, "prov", await short_key(sqlite_thinger, allow)) == 4


async def test_tg_12_2_a_key_that_has_expired_opens_no_session_and_serves_none(tmp_path: Path) -> None:
    clock = FakeClock()
    async with account_on(tmp_path, clock=clock.clock) as account:
        key = await short_key(account, expires_at_ms=clock.now_ms + 1000)
        peer = await opened(account, "prov", key)
        await subscribed(peer, REPLY)

        clock.advance(2)

        assert await ask(peer, METER) == {"id": 1, "status": 401, "device": "meter1", "message": "unauthorized"}
        assert await code_of(account, "prov", key) == 4
        await peer.close()


async def test_tg_12_2_keys_that_are_wrong_of_others_or_off_open_none(sqlite_thinger: Account) -> None:
    bob = await sqlite_thinger.server.services.tenants.create("bob", actor="test")
    of_bob = await short_key(Account(sqlite_thinger.server, bob, sqlite_thinger.client))
    off = await short_key(sqlite_thinger, name="off", enabled=False)
    good = await short_key(sqlite_thinger)

    for key in (of_bob, off, "pk_" + "a" * 24, good[:-1], good.lower()):
        assert await code_of(sqlite_thinger, "prov", key) == 4
    assert await code_of(sqlite_thinger, "prov", good, username="bob") == 4
    assert await code_of(sqlite_thinger, "prov", good) == 0


async def test_tg_12_2_the_id_is_echoed_as_it_came(sqlite_thinger: Account) -> None:
    peer = await opened(sqlite_thinger, "prov", await short_key(sqlite_thinger))
    await subscribed(peer, REPLY)

    replies = [await ask(peer, {**METER, "id": id_}) for id_ in (7, "seven", -1)]
    replies.append(await ask(peer, {key: value for key, value in METER.items() if key != "id"}))

    assert [reply.get("id") for reply in replies] == [7, "seven", -1, None]
    assert "id" not in replies[3]
    assert [reply["result"] for reply in replies] == ["created", "exists", "exists", "exists"]
    await peer.close()


@pytest.mark.parametrize("id_", [True, 1.5, None, [], {}, "x" * 63], ids=str)
async def test_tg_12_2_no_other_id_is_echoed(sqlite_thinger: Account, id_: Any) -> None:
    peer = await opened(sqlite_thinger, "prov", await short_key(sqlite_thinger))
    await subscribed(peer, REPLY)

    assert await ask(peer, {**METER, "id": id_}) == {"status": 400, "message": "invalid field: id"}
    await peer.close()


BAD: dict[str, tuple[bytes, dict[str, Any]]] = {
    "no JSON": (b"{", {"status": 400, "message": "invalid JSON"}),
    "no UTF-8": (b'{"id":"\xff"}', {"status": 400, "message": "invalid JSON"}),
    "empty": (b"", {"status": 400, "message": "invalid JSON"}),
    "no object": (b"[1]", {"status": 400, "message": "invalid JSON: not an object"}),
    "no device": (b'{"id":1}', {"id": 1, "status": 400, "message": "missing field: device"}),
    "no credentials": (
        b'{"id":1,"device":"meter1"}',
        {"id": 1, "status": 400, "device": "meter1", "message": "missing field: credentials"},
    ),
    "bad id": (b'{"id":1,"device":"m 1","credentials":"secret1"}',
               {"id": 1, "status": 400, "message": "invalid device id"}),
    "too large": (b'{"id":1,"x":"' + b"x" * 16_384 + b'"}',
                  {"status": 413, "message": "the payload has more than 16384 bytes"}),
}  # fmt: skip


@pytest.mark.parametrize(("payload", "reply"), BAD.values(), ids=BAD)
async def test_tg_12_2_what_cannot_be_served_is_answered(
    sqlite_thinger: Account, payload: bytes, reply: dict[str, Any]
) -> None:
    peer = await opened(sqlite_thinger, "prov", await short_key(sqlite_thinger))
    await subscribed(peer, REPLY)

    assert await ask(peer, payload) == reply
    await peer.close()


async def test_tg_12_2_check_says_what_is_there_and_changes_nothing(thinger: Account) -> None:
    peer = await opened(thinger, "prov", await short_key(thinger))
    await subscribed(peer, REPLY)
    check = {**METER, "check": True}

    absent = await ask(peer, check)
    await ask(peer, METER)
    exists = await ask(peer, check)
    conflict = await ask(peer, {**check, "credentials": "another secret"})

    assert absent == {"id": 1, "status": 200, "result": "absent", "device": "meter1"}
    assert exists == {"id": 1, "status": 200, "result": "exists", "device": "meter1"}
    assert conflict == {
        "id": 1, "status": 409, "result": "conflict", "device": "meter1", "message": "credentials mismatch",
    }  # fmt: skip
    await peer.close()


async def test_tg_12_2_a_brief_reply_has_less_than_200_bytes_and_a_verbose_one_says_where_to_connect(
    sqlite_thinger: Account,
) -> None:
    peer = await opened(sqlite_thinger, "prov", await short_key(sqlite_thinger, {"*": {"*": "*"}}))
    await subscribed(peer, REPLY)
    longest = {**METER, "id": "\u00e4" * 31, "device": "d" * 32, "buckets": ["telemetry", "events"]}

    await peer.send(Publish(ENSURE, json.dumps(longest).encode()))
    brief = await peer.expect(Publish)
    verbose = await ask(peer, {**longest, "verbose": True})

    assert len(brief.payload) < 200
    assert "buckets" not in json.loads(brief.payload)
    assert verbose["mqtt"]["client_id"] == "d" * 32
    assert [bucket["status"] for bucket in verbose["buckets"]] == [200, 200]
    await peer.close()


async def test_tg_12_2_a_refused_action_is_answered_with_403(sqlite_thinger: Account) -> None:
    peer = await opened(sqlite_thinger, "prov", await short_key(sqlite_thinger, CLAIM))
    await subscribed(peer, REPLY)

    assert await ask(peer, METER) == {
        "id": 1, "status": 403, "device": "meter1", "message": "forbidden: CreateDevice",
    }  # fmt: skip
    await peer.close()


@pytest.mark.parametrize("topic", ["#", "provision/#", "provision/+", "provision/ensure", "telemetry", "$SYS/#"])
async def test_tg_12_2_a_session_subscribes_to_nothing_else(sqlite_thinger: Account, topic: str) -> None:
    peer = await opened(sqlite_thinger, "prov", await short_key(sqlite_thinger))

    assert await subscribed(peer, topic) == 0x80
    await peer.close()


@pytest.mark.parametrize("topic", ["telemetry", "provision/reply", "provision/pool/meters/AA", "$SYS/x"])
async def test_tg_12_2_a_session_publishes_nothing_else(sqlite_thinger: Account, topic: str) -> None:
    peer = await opened(sqlite_thinger, "prov", await short_key(sqlite_thinger))

    await peer.send(Publish(topic, b"{}", 1, packet_id=1))

    assert all(isinstance(packet, Puback) for packet in await peer.expect_closed())
    await peer.close()


async def test_tg_12_2_an_answer_waits_a_little_for_its_subscription(sqlite_thinger: Account) -> None:
    peer = await opened(sqlite_thinger, "prov", await short_key(sqlite_thinger))

    await peer.send(Publish(ENSURE, json.dumps(METER).encode(), 1, packet_id=1))
    await peer.expect(Puback)
    assert await subscribed(peer, REPLY, 1) == 1

    assert (await heard(peer, REPLY))["result"] == "created"
    await peer.close()


async def test_tg_12_2_an_answer_does_not_wait_longer(tmp_path: Path) -> None:
    async with account_on(tmp_path, answer_wait="1ms") as account:
        peer = await opened(account, "prov", await short_key(account))
        await peer.send(Publish(ENSURE, json.dumps(METER).encode(), 1, packet_id=1))
        await peer.expect(Puback)

        loop = asyncio.get_running_loop()
        over = loop.time() + 0.002
        while loop.time() < over:  # noqa: ASYNC110  the server's clock is this one
            await asyncio.sleep(0)
        await subscribed(peer, REPLY)

        assert (await ask(peer, METER))["result"] == "exists"  # and not what was created
        await peer.close()


async def test_tg_12_2_after_ten_requests_the_server_disconnects(sqlite_thinger: Account) -> None:
    peer = await opened(sqlite_thinger, "prov", await short_key(sqlite_thinger), level=5)
    await subscribed(peer, REPLY)

    for _ in range(10):
        assert (await ask(peer, METER))["status"] == 200
    await peer.send(Publish(ENSURE, json.dumps(METER).encode()))

    (last,) = await peer.expect_closed()
    assert isinstance(last, Disconnect)
    assert last.reason == 0x97
    await peer.close()


async def test_tg_12_2_after_its_time_the_server_disconnects(tmp_path: Path) -> None:
    async with account_on(tmp_path, session_time="50ms") as account:
        peer = await opened(account, "prov", await short_key(account), level=5)

        (last,) = await peer.expect_closed()

        assert isinstance(last, Disconnect)
        assert last.reason == 0xA0
        await peer.close()


async def test_many_units_have_one_key_and_one_client_id_at_once(thinger: Account) -> None:
    key = await short_key(thinger)
    peers = [await opened(thinger, "prov", key) for _ in range(5)]
    for peer in peers:
        await subscribed(peer, REPLY)

    replies = await asyncio.gather(
        *(ask(peer, {**METER, "id": number, "device": f"meter{number}"}) for number, peer in enumerate(peers))
    )

    assert replies == [
        {"id": number, "status": 200, "result": "created", "device": f"meter{number}"} for number in range(5)
    ]
    for peer in peers:
        await peer.close()


async def test_a_session_is_not_kept_for_who_comes_back(sqlite_thinger: Account) -> None:
    key = await short_key(sqlite_thinger)
    for level, properties in ((4, {}), (5, {17: 3600})):
        connect = Connect(level, "prov", False, 60, username="alice", password=key.encode(), properties=properties)
        for _ in range(2):
            peer = await sqlite_thinger.server.peer(connect)
            connack = await peer.expect(Connack)
            assert (connack.reason, connack.session_present) == (0, False)
            assert connack.properties.get(17, 0) == 0
            await subscribed(peer, REPLY)
            await peer.close()


@pytest.mark.parametrize("how", ["disabled", "deleted"])
async def test_a_session_ends_with_its_token(thinger: Account, how: str) -> None:
    peer = await opened(thinger, "prov", await short_key(thinger))
    other = await opened(thinger, "prov", await short_key(thinger, name="other"))
    admin = await thinger.token()

    if how == "deleted":
        await thinger.call("DELETE", "/tokens/factory", admin)
    else:
        await thinger.call("PUT", "/tokens/factory", admin, {"enabled": False})

    await peer.expect_closed()
    await subscribed(other, REPLY)
    assert (await ask(other, METER))["result"] == "created"
    for each in (peer, other):
        await each.close()


async def test_tg_13_too_many_requests_are_answered_with_429(tmp_path: Path) -> None:
    async with account_on(tmp_path, provisioning_burst=3) as account:
        peer = await opened(account, "prov", await short_key(account))
        await subscribed(peer, REPLY)

        replies = [await ask(peer, METER) for _ in range(4)]

        assert [reply["status"] for reply in replies] == [200, 200, 200, 429]
        assert replies[3] == {"id": 1, "status": 429, "device": "meter1", "message": "too many requests"}
        await peer.close()


async def test_a_provisioning_session_is_no_failed_login(tmp_path: Path) -> None:
    """With one failure a minute allowed, the next one would be held back, and none would be logged."""
    async with running(tmp_path, provisioning={"failures_per_minute": 1, "failure_delay": "10s"}) as server:
        import httpx2

        async with httpx2.AsyncClient() as client:
            account = Account(server, await server.services.tenants.create("alice", actor="test"), client)
            key = await short_key(account)
            for _ in range(5):
                assert await code_of(account, "prov", key) == 0

            async with asyncio.timeout(5):
                assert await code_of(account, "prov", "wrong") == 4


async def test_tg_12_2_mosquitto_rr_is_a_whole_device(thinger: Account) -> None:
    process = await asyncio.create_subprocess_exec(
        require_tool("mosquitto_rr"), "-h", "127.0.0.1", "-p", str(thinger.server.mqtt_port), "-i", "prov-1",
        "-u", "alice", "-P", await short_key(thinger), "-t", ENSURE, "-e", REPLY, "-m", json.dumps(METER),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip

    async with asyncio.timeout(10):
        out, _ = await process.communicate()

    assert json.loads(out) == {"id": 1, "status": 200, "result": "created", "device": "meter1"}
