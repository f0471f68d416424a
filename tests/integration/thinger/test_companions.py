"""Buckets and dashboards that come with a device collect from its first message on (contract 12.5)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.harness import MqttPeer
from tests.integration.thinger.account import Account
from tests.integration.thinger.sessions import SECRET, account_on, opened

from firstboot_plugins.transports.mqtt.packets import Puback, Publish

DEVICE = {"credentials": SECRET, "type": "MQTT", "name": "Meter 1"}
OBJECT: dict[str, Any] = {
    "bucket": "{device}_all",
    "name": "All of {name}",
    "enabled": True,
    "config": {"source": "mqtt", "topic": "{device}/#"},
}
BOARD = {"dashboard": "{device}", "name": "{name} of {user}", "widgets": [{"bucket": "{device}_all"}]}


async def ensure(account: Account, token: str, device: str = "meter1", **more: Any) -> httpx2.Response:
    return await account.call("POST", f"/devices/{device}/ensure", token, {**DEVICE, **more})


async def publish(peer: MqttPeer, topic: str, value: Any) -> None:
    await peer.send(Publish(topic, json.dumps(value).encode(), 1, packet_id=1))
    await peer.expect(Puback)


async def collected(account: Account, token: str, bucket: str) -> list[Any]:
    answer = await account.call("GET", f"/buckets/{bucket}/data", token)
    assert answer.status_code == 200, answer.text
    return [row["val"] for row in answer.json()]


@pytest.mark.parametrize("atomic", [True, False])
async def test_tg_12_5_the_first_message_of_a_device_is_in_its_buckets(thinger: Account, atomic: bool) -> None:
    token = await thinger.token()

    answer = await ensure(thinger, token, buckets=["telemetry", OBJECT], dashboards=[BOARD], atomic=atomic)
    peer = await opened(thinger, "meter1", SECRET)
    await publish(peer, "meter1/telemetry", {"t": 1})

    assert [(each["bucket"], each["result"]) for each in answer.json()["buckets"]] == [
        ("meter1_telemetry", "created"),
        ("meter1_all", "created"),
    ]
    assert await collected(thinger, token, "meter1_telemetry") == [{"t": 1}]
    assert await collected(thinger, token, "meter1_all") == [{"t": 1}]
    board = (await thinger.call("GET", "/dashboards/meter1", token)).json()
    assert (board["name"], board["widgets"]) == ("Meter 1 of alice", [{"bucket": "meter1_all"}])
    await peer.close()


async def test_tg_12_5_a_rules_device_is_collected_from_its_first_message_on(sqlite_thinger: Account) -> None:
    token = await sqlite_thinger.token()
    rule = {
        "rule": "meters",
        "config": {"mode": "pattern", "pattern": "^meter"},
        "credential": "shared",
        "template": {"buckets": ["telemetry", OBJECT]},
        "enabled": True,
    }
    made = await sqlite_thinger.call("POST", "/autoprovisions", token, rule)
    assert made.status_code == 200, made.text

    peer = await opened(sqlite_thinger, "meter-of-thirty-two-characters-1", made.json()["secret"])
    await publish(peer, "meter-of-thirty-two-characters-1/telemetry", 5)

    buckets = [each["bucket"] for each in (await sqlite_thinger.call("GET", "/buckets", token)).json()]
    assert len(buckets) == 2
    assert [await collected(sqlite_thinger, token, bucket) for bucket in buckets] == [[5], [5]]
    await peer.close()


async def test_tg_12_5_the_bucket_of_a_product_collects_from_the_first_message_on(sqlite_thinger: Account) -> None:
    token = await sqlite_thinger.token()
    product = {"product": "meters", "name": "", "profile": {"buckets": {"telemetry": {"enabled": True}}}}
    assert (await sqlite_thinger.call("POST", "/products", token, product)).status_code == 200

    await sqlite_thinger.call("POST", "/devices", token, {**DEVICE, "device": "meter1", "product": "meters"})
    peer = await opened(sqlite_thinger, "meter1", SECRET)
    await publish(peer, "meter1/telemetry", 5)

    assert await collected(sqlite_thinger, token, "meter1_telemetry") == [5]
    await peer.close()


async def test_tg_10_the_bucket_of_a_product_may_have_a_topic_of_its_own(sqlite_thinger: Account) -> None:
    token = await sqlite_thinger.token()
    resource = {"source": "resource", "resource": "uplink", "update": "events"}
    buckets = {
        "own": {"enabled": True, "tags": ["site"], "data": {"source": "mqtt", "topic": "up/{device}/+"}},
        "usual": {"enabled": True, "data": resource},
    }
    product = {"product": "meters", "name": "", "profile": {"buckets": buckets}}
    assert (await sqlite_thinger.call("POST", "/products", token, product)).status_code == 200

    await sqlite_thinger.call("POST", "/devices", token, {**DEVICE, "device": "meter1", "product": "meters"})
    peer = await opened(sqlite_thinger, "meter1", SECRET)
    await publish(peer, "up/meter1/a", 1)
    await publish(peer, "up/meter2/a", 2)
    await publish(peer, "meter1/usual", 3)

    assert await collected(sqlite_thinger, token, "meter1_own") == [1]
    assert await collected(sqlite_thinger, token, "meter1_usual") == [3]
    shown = (await sqlite_thinger.call("GET", "/buckets/meter1_own", token)).json()
    assert shown["config"] == {"source": "mqtt", "topic": "up/meter1/+", "tags": ["site"]}
    await peer.close()


@pytest.mark.parametrize("topic", ["a/#/b", "", 1, "x" * 600])
async def test_tg_10_a_product_whose_bucket_listens_to_no_topic_is_400(
    sqlite_thinger: Account, topic: Any
) -> None:
    buckets = {"own": {"enabled": True, "data": {"source": "mqtt", "topic": topic}}}
    product = {"product": "meters", "name": "", "profile": {"buckets": buckets}}

    answer = await sqlite_thinger.call("POST", "/products", await sqlite_thinger.token(), product)

    assert answer.status_code == 400


async def test_tg_12_5_a_bucket_that_exists_is_left_as_it_is(thinger: Account) -> None:
    token = await thinger.token()
    mine = {"bucket": "meter1_telemetry", "name": "Mine", "enabled": False, "config": {"source": "api"}}
    await thinger.call("POST", "/buckets", token, mine)

    answer = await ensure(thinger, token, buckets=["telemetry", "telemetry"])

    exists = {"bucket": "meter1_telemetry", "status": 200, "result": "exists"}
    assert answer.json()["buckets"] == [exists, exists]
    shown = (await thinger.call("GET", "/buckets/meter1_telemetry", token)).json()
    assert shown == shown | mine


async def test_tg_12_5_one_that_is_wanted_twice_is_made_once(thinger: Account) -> None:
    answer = await ensure(thinger, await thinger.token(), buckets=["telemetry", "telemetry"])

    assert [each["result"] for each in answer.json()["buckets"]] == ["created", "exists"]


@pytest.mark.parametrize("atomic", [True, False])
async def test_tg_12_5_a_name_with_quotes_breaks_nothing(sqlite_thinger: Account, atomic: bool) -> None:
    token, name = await sqlite_thinger.token(), '"},"enabled":false,{"x":"{user}'

    answer = await ensure(sqlite_thinger, token, name=name, buckets=[OBJECT], atomic=atomic)

    assert answer.json()["buckets"][0]["status"] == 200
    shown = (await sqlite_thinger.call("GET", "/buckets/meter1_all", token)).json()
    assert (shown["name"], shown["enabled"]) == (f"All of {name}", True)


async def test_tg_12_5_more_buckets_than_an_account_may_have_are_left_out_and_said_to_be(tmp_path: Path) -> None:
    async with account_on(tmp_path, max_buckets=2) as account:
        token = await account.token()

        answer = await ensure(account, token, buckets=["a", "a", "b", "c"], dashboards=[BOARD])
        again = await ensure(account, token, buckets=["c", "a", "a"])
        atomic = await ensure(account, token, "meter2", buckets=["a"], atomic=True)

        limit = {"status": 400, "message": "bucket limit reached"}
        assert answer.json()["buckets"] == [
            {"bucket": "meter1_a", "status": 200, "result": "created"},
            {"bucket": "meter1_a", "status": 200, "result": "exists"},
            {"bucket": "meter1_b", "status": 200, "result": "created"},
            {"bucket": "meter1_c", **limit},
        ]
        assert answer.json()["dashboards"] == [{"dashboard": "meter1", "status": 200, "result": "created"}]
        assert again.json()["buckets"] == [
            {"bucket": "meter1_c", **limit},
            *[{"bucket": "meter1_a", "status": 200, "result": "exists"}] * 2,
        ]
        assert (atomic.status_code, atomic.json()["error"]["message"]) == (400, "bucket limit reached")
        assert (await account.call("GET", "/devices/meter2", token)).status_code == 404


async def test_tg_12_5_a_device_is_made_even_where_its_product_has_no_room_for_a_bucket(tmp_path: Path) -> None:
    async with account_on(tmp_path, max_buckets=1) as account:
        token = await account.token()
        profile = {"buckets": {"a": {"enabled": True}, "b": {"enabled": True}}}
        await account.call("POST", "/products", token, {"product": "p", "name": "", "profile": profile})

        made = await account.call("POST", "/devices", token, {**DEVICE, "device": "meter1", "product": "p"})

        assert made.status_code == 200
        buckets = [each["bucket"] for each in (await account.call("GET", "/buckets", token)).json()]
        assert buckets == ["meter1_a"]


async def test_tg_12_5_a_token_for_one_bucket_makes_no_other(sqlite_thinger: Account) -> None:
    token = await sqlite_thinger.token({"Device": {"*": "*"}, "Bucket": {"meter1_a": "CreateBucket"}}, "some")

    answer = await ensure(sqlite_thinger, token, buckets=["a", "b"], dashboards=[BOARD])

    assert answer.json()["buckets"] == [
        {"bucket": "meter1_a", "status": 200, "result": "created"},
        {"bucket": "meter1_b", "status": 403, "message": "forbidden: CreateBucket"},
    ]
    assert answer.json()["dashboards"] == [
        {"dashboard": "meter1", "status": 403, "message": "forbidden: CreateDashboard"}
    ]
