"""Pools over HTTP and MQTT (contract 12.4): an uninitialised device is given one of the prepared ones."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.harness import MqttPeer
from tests.integration.mqtt.probe import until
from tests.integration.provisioning.fake_clock import FakeClock
from tests.integration.thinger.account import Account
from tests.integration.thinger.sessions import (
    CLAIM,
    account_on,
    code_of,
    heard,
    opened,
    short_key,
    subscribed,
)
from tests.services import require_tool

from firstboot_plugins.transports.mqtt.packets import Disconnect, Unsuback, Unsubscribe

METERS: dict[str, Any] = {
    "pool": "meters",
    "name": "Meters batch 7",
    "enabled": True,
    "strategy": "fifo",
    "lease": 600,
    "on_empty": "fail",
    "rebind": "until_confirmed",
    "hardware_ids": "any",
    "template": {"type": "MQTT", "asset_type": "meter", "asset_group": "batch7", "buckets": ["telemetry"]},
}
PATTERN = "meter-{seq:05d}"
TOPIC = "provision/pool/meters/AABBCC"


async def pool(account: Account, count: int = 0, **fields: Any) -> str:
    """Make a pool with so many devices; return a token that may do everything."""
    token = await account.token()
    made = await account.call("POST", "/pools", token, {**METERS, **fields})
    assert made.status_code == 200, made.text
    if count:
        await fill(account, token, count)
    return token


async def fill(account: Account, token: str, count: int) -> None:
    filled = await account.call("POST", "/pools/meters/devices", token, {"count": count, "id_pattern": PATTERN})
    assert filled.json()["added"] == count, filled.text


async def claim(account: Account, token: str, hardware_id: Any = "AABBCC") -> tuple[int, Any]:
    answer = await account.call("POST", "/pools/meters/claim", token, {"hardware_id": hardware_id})
    return answer.status_code, answer.json()


async def given(account: Account, token: str, hardware_id: str = "AABBCC") -> dict[str, Any]:
    status, body = await claim(account, token, hardware_id)
    assert status == 200, body
    answer: dict[str, Any] = body
    return answer


async def logs_in(account: Account, answer: dict[str, Any]) -> bool:
    return await code_of(account, answer["device"], answer["credentials"]) == 0


def message(status: int, text: str) -> tuple[int, Any]:
    return status, {"error": {"message": text}}


# -- REST ------------------------------------------------------------------------------------------


async def test_tg_12_4_a_pool_is_made_shown_changed_and_deleted(thinger: Account) -> None:
    token = await thinger.token()

    made = (await thinger.call("POST", "/pools", token, METERS)).json()
    shown = (await thinger.call("GET", "/pools/meters", token)).json()
    listed = (await thinger.call("GET", "/pools", token)).json()
    changed = (await thinger.call("PUT", "/pools/meters", token, {"strategy": "lowest", "name": "M"})).json()
    deleted = await thinger.call("DELETE", "/pools/meters", token)

    assert made == shown == listed[0]
    assert made == {**METERS, "description": "", "devices": 0, "ready": 0, "created": made["created"]}
    assert changed == {**made, "strategy": "lowest", "name": "M"}
    assert (deleted.status_code, deleted.json()) == (200, {})
    assert (await thinger.call("GET", "/pools/meters", token)).status_code == 404


async def test_tg_12_4_members_are_ordinary_devices_that_cannot_log_in_before_they_are_claimed(
    thinger: Account,
) -> None:
    token = await pool(thinger)

    counted = await thinger.call("POST", "/pools/meters/devices", token, {"count": 3, "id_pattern": PATTERN})
    named = await thinger.call(
        "POST", "/pools/meters/devices", token, [{"device": "special", "hardware_id": "AABBCC"}, {"device": "x"}]
    )
    devices = (await thinger.call("GET", "/devices", token)).json()

    assert (counted.json(), named.json()) == ({"added": 3, "ready": 3}, {"added": 2, "ready": 5})
    assert [device["device"] for device in devices] == [
        "meter-00001",
        "meter-00002",
        "meter-00003",
        "special",
        "x",
    ]
    assert {device["enabled"] for device in devices} == {False}
    assert {(device["asset_type"], device["asset_group"], device["type"]) for device in devices} == {
        ("meter", "batch7", "MQTT")
    }


async def test_tg_12_4_a_claim_gives_a_device_that_logs_in_with_what_it_was_given(thinger: Account) -> None:
    token = await pool(thinger, 1)
    claimer = await thinger.token(CLAIM, "claimer")

    answer = await given(thinger, claimer)

    assert answer == {
        "status": 200,
        "user": "alice",
        "device": "meter-00001",
        "credentials": answer["credentials"],
        "mqtt": {"host": "localhost", "port": thinger.server.mqtt_port},
    }
    assert await logs_in(thinger, answer)
    assert (await thinger.call("GET", "/devices/meter-00001", token)).json()["enabled"] is True
    bucket = (await thinger.call("GET", "/buckets/meter-00001_telemetry", token)).json()
    assert bucket["config"]["topic"] == "meter-00001/telemetry"
    assert (await thinger.call("GET", "/groups/batch7", token)).status_code == 200


async def test_tg_12_4_an_empty_pool_answers_404(sqlite_thinger: Account) -> None:
    token = await pool(sqlite_thinger)

    assert await claim(sqlite_thinger, token) == message(404, "pool empty")


async def test_tg_12_4_an_empty_pool_may_make_devices(sqlite_thinger: Account) -> None:
    token = await pool(sqlite_thinger, on_empty="create", id_pattern="meter-{hw}")

    answer = await given(sqlite_thinger, token)

    assert answer["device"] == "meter-AABBCC"
    assert await logs_in(sqlite_thinger, answer)
    device = (await sqlite_thinger.call("GET", "/devices/meter-AABBCC", token)).json()
    assert (device["asset_type"], device["type"]) == ("meter", "MQTT")


async def test_tg_12_4_until_it_connects_the_same_hardware_gets_the_same_device_with_a_fresh_credential(
    thinger: Account,
) -> None:
    """A lost answer never loses a member."""
    token = await pool(thinger, 2)

    first, second = await given(thinger, token), await given(thinger, token)

    assert first["device"] == second["device"]
    assert first["credentials"] != second["credentials"]
    assert not await logs_in(thinger, first)
    assert await logs_in(thinger, second)
    assert await claim(thinger, token) == message(409, "already claimed")
    assert await logs_in(thinger, second)


async def test_tg_12_4_rebind_always_gives_a_device_again_after_a_factory_reset(thinger: Account) -> None:
    token = await pool(thinger, 2, rebind="always")
    first = await given(thinger, token)
    assert await logs_in(thinger, first)

    second = await given(thinger, token)

    assert second["device"] == first["device"]
    assert not await logs_in(thinger, first)
    assert await logs_in(thinger, second)


async def test_tg_12_4_rebind_never_gives_a_device_once(sqlite_thinger: Account) -> None:
    token = await pool(sqlite_thinger, 2, rebind="never")
    await given(sqlite_thinger, token)

    assert await claim(sqlite_thinger, token) == message(409, "already claimed")


async def test_tg_12_4_a_lease_that_is_over_makes_the_device_ready_for_others(tmp_path: Path) -> None:
    clock = FakeClock()
    async with account_on(tmp_path, clock=clock.clock) as account:
        token = await pool(account, 1, lease=600)
        first = await given(account, token, "first")
        assert await claim(account, token, "second") == message(404, "pool empty")

        clock.advance(601)
        second = await given(account, token, "second")

        assert second["device"] == first["device"]
        assert not await logs_in(account, first)
        assert await logs_in(account, second)


async def test_tg_12_4_a_device_is_released_for_the_next_hardware(thinger: Account) -> None:
    token = await pool(thinger, 1)
    first = await given(thinger, token, "first")
    assert await logs_in(thinger, first)

    released = await thinger.call("POST", "/pools/meters/devices/meter-00001/release", token)

    assert released.json() == {"device": "meter-00001", "ready": 1}
    assert not await logs_in(thinger, first)
    assert await logs_in(thinger, await given(thinger, token, "second"))


async def test_tg_12_4_only_hardware_on_the_list_is_given_devices(sqlite_thinger: Account) -> None:
    token = await pool(sqlite_thinger, 2)

    answer = await sqlite_thinger.call("PUT", "/pools/meters/hardware", token, ["AABBCC"])

    assert answer.json() == ["AABBCC"]
    assert (await claim(sqlite_thinger, token, "DDEEFF"))[0] == 403
    await given(sqlite_thinger, token)
    await sqlite_thinger.call("PUT", "/pools/meters/hardware", token, "any")
    assert (await sqlite_thinger.call("GET", "/pools/meters/hardware", token)).json() == "any"
    await given(sqlite_thinger, token, "DDEEFF")


async def test_tg_12_4_with_match_only_reserved_devices_are_given(sqlite_thinger: Account) -> None:
    token = await pool(sqlite_thinger, 1, strategy="match")
    await sqlite_thinger.call(
        "POST", "/pools/meters/devices", token, [{"device": "mine", "hardware_id": "AABBCC"}]
    )

    assert (await given(sqlite_thinger, token))["device"] == "mine"
    assert await claim(sqlite_thinger, token, "DDEEFF") == message(404, "pool empty")


async def test_a_deleted_pool_leaves_the_devices_that_hardware_has(thinger: Account) -> None:
    token = await pool(thinger, 3)
    answer = await given(thinger, token)
    await fill(thinger, token, 1)

    await thinger.call("DELETE", "/pools/meters", token)

    devices = (await thinger.call("GET", "/devices", token)).json()
    assert [device["device"] for device in devices] == [answer["device"]]
    assert await logs_in(thinger, answer)
    assert await claim(thinger, token, "other") == message(404, "not found")
    assert (await thinger.call("POST", "/pools", token, METERS)).json()["devices"] == 1


async def test_a_pool_that_is_off_gives_nothing(sqlite_thinger: Account) -> None:
    token = await pool(sqlite_thinger, 1, enabled=False)

    assert await claim(sqlite_thinger, token) == message(403, "refused: profile-disabled")


@pytest.mark.parametrize("hardware_id", ["", "x" * 65, "a\n", 7, [], {}], ids=str)
async def test_tg_12_4_a_hardware_id_has_1_to_64_printable_characters(
    sqlite_thinger: Account, hardware_id: Any
) -> None:
    token = await pool(sqlite_thinger, 1)

    assert await claim(sqlite_thinger, token, hardware_id) == message(400, "invalid field: hardware_id")
    assert await claim(sqlite_thinger, token, None) == message(400, "missing field: hardware_id")
    await given(sqlite_thinger, token, "x" * 64)


BAD: dict[str, dict[str, Any]] = {
    "no id": {"pool": None},
    "strategy": {"strategy": "best"},
    "lease": {"lease": -1},
    "on_empty": {"on_empty": "panic"},
    "create without a pattern": {"on_empty": "create"},
    "rebind": {"rebind": "maybe"},
    "hardware": {"hardware_ids": "some"},
    "template": {"template": {"type": "HTTP"}},
    "unknown member": {"x": 1},
}


@pytest.mark.parametrize("fields", BAD.values(), ids=BAD)
async def test_tg_12_4_a_pool_that_makes_no_sense_is_refused(
    sqlite_thinger: Account, fields: dict[str, Any]
) -> None:
    answer = await sqlite_thinger.call("POST", "/pools", await sqlite_thinger.token(), {**METERS, **fields})

    assert (answer.status_code, list(answer.json())) == (400, ["error"])
    assert (await sqlite_thinger.call("GET", "/pools", await sqlite_thinger.token(name="t2"))).json() == []


@pytest.mark.parametrize(
    "body",
    [
        {}, {"count": 0, "id_pattern": PATTERN}, {"count": 1}, {"count": True, "id_pattern": PATTERN},
        {"count": 1, "id_pattern": "same"}, {"count": 1, "id_pattern": "m {seq}"}, [{"device": "a b"}],
        [{"hardware_id": "A"}], [1], "x", {"count": 10_001, "id_pattern": PATTERN},
    ],
    ids=str,
)  # fmt: skip
async def test_tg_12_4_a_filling_that_makes_no_sense_is_refused(sqlite_thinger: Account, body: Any) -> None:
    token = await pool(sqlite_thinger)

    answer = await sqlite_thinger.call("POST", "/pools/meters/devices", token, body)

    assert answer.status_code == 400
    assert (await sqlite_thinger.call("GET", "/devices", token)).json() == []


async def test_what_could_not_be_added_is_told_beside_what_was(sqlite_thinger: Account) -> None:
    token = await pool(sqlite_thinger)
    await sqlite_thinger.call("POST", "/pools/meters/devices", token, [{"device": "d1"}])

    mixed = await sqlite_thinger.call("POST", "/pools/meters/devices", token, [{"device": "d1"}, {"device": "d2"}])
    none = await sqlite_thinger.call("POST", "/pools/meters/devices", token, [{"device": "d1"}])

    assert (mixed.json()["added"], mixed.json()["ready"], len(mixed.json()["failed"])) == (1, 2, 1)
    assert (none.status_code, none.json()) == message(400, "already exists")


@pytest.mark.parametrize(
    ("method", "path", "body", "action"),
    [
        ("GET", "/pools", None, "ListPools"),
        ("POST", "/pools", {**METERS, "pool": "p2"}, "CreatePool"),
        ("GET", "/pools/meters", None, "ReadPoolConfig"),
        ("PUT", "/pools/meters", {}, "UpdatePool"),
        ("DELETE", "/pools/meters", None, "DeletePool"),
        ("GET", "/pools/meters/hardware", None, "ReadPoolConfig"),
        ("PUT", "/pools/meters/hardware", "any", "UpdatePool"),
        ("POST", "/pools/meters/devices", {"count": 1, "id_pattern": PATTERN}, "UpdatePool"),
        ("POST", "/pools/meters/devices/meter-00001/release", None, "ReleaseDevice"),
        ("POST", "/pools/meters/claim", {"hardware_id": "AA"}, "ClaimDevice"),
    ],
)
async def test_each_call_of_pools_needs_its_right(
    sqlite_thinger: Account, method: str, path: str, body: Any, action: str
) -> None:
    await pool(sqlite_thinger, 1)
    token = await sqlite_thinger.token({"Device": {"*": "*"}, "Pool": {"other": "*"}}, "others")

    answer = await sqlite_thinger.call(method, path, token, body)

    expected = [] if path == "/pools" and method == "GET" else {"error": {"message": f"forbidden: {action}"}}
    assert answer.json() == expected


async def test_a_filling_needs_the_right_to_make_each_of_the_devices(sqlite_thinger: Account) -> None:
    await pool(sqlite_thinger)
    token = await sqlite_thinger.token({"Pool": {"*": "*"}, "Device": {"d1": "CreateDevice"}}, "filler")

    allowed = await sqlite_thinger.call("POST", "/pools/meters/devices", token, [{"device": "d1"}])
    refused = await sqlite_thinger.call("POST", "/pools/meters/devices", token, [{"device": "d2"}])

    assert allowed.status_code == 200
    assert (refused.status_code, refused.json()) == message(403, "forbidden: CreateDevice")


# -- MQTT ------------------------------------------------------------------------------------------


async def claimer(account: Account, client_id: str = "new", **more: Any) -> MqttPeer:
    name = f"key_{client_id}"
    return await opened(account, client_id, await short_key(account, CLAIM, name), **more)


@pytest.mark.parametrize("full", [False, True])
async def test_tg_12_4_a_subscription_is_a_claim(thinger: Account, full: bool) -> None:
    await pool(thinger, 1)
    peer = await claimer(thinger)
    topic = f"{TOPIC}/full" if full else TOPIC

    assert await subscribed(peer, topic, 1) == 1
    answer = await heard(peer, topic)
    await peer.close()

    mqtt = {"mqtt": {"host": "localhost", "port": thinger.server.mqtt_port}} if full else {}
    secret = answer["credentials"]
    assert answer == {"status": 200, "user": "alice", "device": "meter-00001", "credentials": secret, **mqtt}
    assert await logs_in(thinger, answer)


async def test_tg_12_4_subscribing_again_gives_the_same_device_with_a_new_credential(
    sqlite_thinger: Account,
) -> None:
    await pool(sqlite_thinger, 2)
    peer = await claimer(sqlite_thinger)
    answers = []
    for _ in range(2):
        await subscribed(peer, TOPIC)
        answers.append(await heard(peer, TOPIC))
    await peer.close()

    assert answers[0]["device"] == answers[1]["device"]
    assert not await logs_in(sqlite_thinger, answers[0])
    assert await logs_in(sqlite_thinger, answers[1])


@pytest.mark.parametrize(
    "topic",
    [TOPIC, "provision/pool/none/AA", "provision/pool/meters", "provision/pool/meters/", "provision/pool/meters/+",
     "provision/pool/+/AA", "provision/pool/#", "provision/pool/meters/AA/half", "provision/pool/meters/AA/full/x",
     "provision/pool/meters/" + "x" * 65],
)  # fmt: skip
async def test_tg_12_4_refused_claims_are_refused_subscriptions(sqlite_thinger: Account, topic: str) -> None:
    await pool(sqlite_thinger)
    peer = await claimer(sqlite_thinger)

    assert await subscribed(peer, topic) == 0x80
    await peer.close()


async def test_tg_12_4_a_key_for_one_pool_claims_from_no_other(sqlite_thinger: Account) -> None:
    await pool(sqlite_thinger, 1)
    key = await short_key(sqlite_thinger, {"Pool": {"other": ["ClaimDevice"]}})
    peer = await opened(sqlite_thinger, "new", key)

    assert await subscribed(peer, TOPIC) == 0x80
    await peer.close()


async def test_tg_12_4_who_waits_is_told_when_a_device_is_added(thinger: Account) -> None:
    token = await pool(thinger, on_empty="wait")
    peer = await claimer(thinger)
    assert await subscribed(peer, TOPIC, 1) == 1

    await fill(thinger, token, 1)
    answer = await heard(peer, TOPIC)

    assert await logs_in(thinger, answer)
    await peer.close()


async def test_tg_12_4_who_waits_is_told_when_a_device_is_released(thinger: Account) -> None:
    token = await pool(thinger, 1, on_empty="wait")
    first = await given(thinger, token, "first")
    peer = await claimer(thinger)
    assert await subscribed(peer, TOPIC) == 0

    await thinger.call("POST", f"/pools/meters/devices/{first['device']}/release", token)

    assert (await heard(peer, TOPIC))["device"] == first["device"]
    await peer.close()


async def test_tg_12_4_of_those_who_wait_as_many_are_told_as_there_are_devices(sqlite_thinger: Account) -> None:
    token = await pool(sqlite_thinger, on_empty="wait")
    peers = [await claimer(sqlite_thinger, f"new{number}") for number in range(3)]
    for number, peer in enumerate(peers):
        assert await subscribed(peer, f"provision/pool/meters/hw{number}") == 0

    await fill(sqlite_thinger, token, 3)
    answers = [await heard(peer, f"provision/pool/meters/hw{number}") for number, peer in enumerate(peers)]

    assert len({answer["device"] for answer in answers}) == 3
    for peer in peers:
        await peer.close()


async def test_tg_12_4_a_session_that_waits_outlives_its_time(tmp_path: Path) -> None:
    async with account_on(tmp_path, session_time="200ms") as account:
        token = await pool(account, on_empty="wait")
        waiting, idle = await claimer(account), await claimer(account, "idle")
        await subscribed(waiting, TOPIC)

        await idle.expect_closed()
        await fill(account, token, 1)

        assert (await heard(waiting, TOPIC))["status"] == 200
        assert await waiting.expect_closed() == []  # its time has begun anew
        for peer in (waiting, idle):
            await peer.close()


async def test_tg_12_4_who_waits_too_long_is_told_so(tmp_path: Path) -> None:
    async with account_on(tmp_path, pool_wait="10ms") as account:
        await pool(account, on_empty="wait")
        peer = await claimer(account)
        await subscribed(peer, TOPIC)

        assert await heard(peer, TOPIC) == {"status": 404, "message": "pool empty"}
        await peer.close()


async def test_a_hardware_that_comes_back_is_the_only_one_that_waits_under_its_id(sqlite_thinger: Account) -> None:
    """Else the connection that it has forgotten would take away what the new one is given."""
    token = await pool(sqlite_thinger, on_empty="wait")
    forgotten, peer = await claimer(sqlite_thinger), await claimer(sqlite_thinger, "again")
    for each in (forgotten, peer):
        assert await subscribed(each, TOPIC) == 0

    await fill(sqlite_thinger, token, 2)
    answer = await heard(peer, TOPIC)

    assert await logs_in(sqlite_thinger, answer)
    await forgotten.send(Disconnect())
    assert await forgotten.expect_closed() == []
    for each in (forgotten, peer):
        await each.close()


async def test_who_unsubscribes_or_leaves_waits_no_longer(sqlite_thinger: Account) -> None:
    token = await pool(sqlite_thinger, on_empty="wait")
    left, stays = await claimer(sqlite_thinger), await claimer(sqlite_thinger, "stays")
    await subscribed(left, TOPIC)
    await subscribed(stays, "provision/pool/meters/DDEEFF")
    waiting = sqlite_thinger.parts.claims._waiting

    await left.close()
    await stays.send(Unsubscribe(3, ["provision/pool/meters/DDEEFF"]))
    await stays.expect(Unsuback)
    await until(lambda: not waiting)
    await fill(sqlite_thinger, token, 1)

    assert (await sqlite_thinger.call("GET", "/pools/meters", token)).json()["ready"] == 1
    await stays.close()


async def test_a_key_that_is_switched_off_waits_no_longer(sqlite_thinger: Account) -> None:
    token = await pool(sqlite_thinger, on_empty="wait")
    peer = await claimer(sqlite_thinger)
    await subscribed(peer, TOPIC)

    await sqlite_thinger.call("PUT", "/tokens/key_new", token, {"enabled": False})

    await peer.expect_closed()
    await fill(sqlite_thinger, token, 1)
    assert (await sqlite_thinger.call("GET", "/pools/meters", token)).json()["ready"] == 1
    await peer.close()


async def test_tg_12_4_mosquitto_sub_is_a_whole_uninitialised_device(thinger: Account) -> None:
    await pool(thinger, 1)
    process = await asyncio.create_subprocess_exec(
        require_tool("mosquitto_sub"), "-h", "127.0.0.1", "-p", str(thinger.server.mqtt_port), "-i", "new",
        "-u", "alice", "-P", await short_key(thinger, CLAIM), "-t", TOPIC, "-q", "1", "-C", "1",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip

    async with asyncio.timeout(10):
        out, _ = await process.communicate()

    assert await logs_in(thinger, json.loads(out))
