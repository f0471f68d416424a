"""``ensure``: check and create in one request (contract 12.1)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.harness import TestServer, login, running
from tests.integration.provisioning.fake_clock import FakeClock
from tests.integration.thinger.account import Account

from firstboot.storage import AuditEntry

SECRET, OTHER = "a good secret", "another secret"
CONFLICT = {"result": "conflict", "error": {"message": "credentials mismatch"}}
CREATE, LIST, UPDATE = ("CreateDevice", "ListDevices", "UpdateDevice")


async def ensure(account: Account, token: str, device: str = "meter1", **fields: Any) -> httpx2.Response:
    sent = {"credentials": SECRET, "type": "MQTT", **fields}
    return await account.call("POST", f"/devices/{device}/ensure", token, sent)


async def logs_in(account: Account, password: str, device: str = "meter1") -> bool:
    return await login(account.server, client_id=device, username=account.name, password=password.encode()) == 0


async def with_rights(account: Account, *actions: str) -> str:
    """Return a token with these rights, after somebody else has made the device."""
    made = await ensure(account, await account.token({"Device": {"*": [CREATE]}}, "maker"))
    assert made.json()["result"] == "created"
    return await account.token({"Device": {"*": [*actions]}}, "asker")


async def conflicts(server: TestServer) -> list[AuditEntry]:
    return [row.entry for row in await server.audit() if row.entry.code == "credentials-mismatch"]


async def test_tg_12_1_a_device_is_created_and_told_where_to_connect(thinger: Account) -> None:
    answer = await ensure(thinger, await thinger.token({"Device": {"*": [CREATE]}}), name="Meter 1")

    assert answer.status_code == 200
    assert answer.json() == {
        "result": "created",
        "device": "meter1",
        "user": "alice",
        "enabled": True,
        "mqtt": {
            "host": "localhost",
            "port": thinger.server.mqtt_port,
            "username": "alice",
            "client_id": "meter1",
        },
    }
    assert await logs_in(thinger, SECRET)


async def test_tg_12_1_a_device_that_does_not_connect_is_not_told_where(sqlite_thinger: Account) -> None:
    token = await sqlite_thinger.token()

    answers = [
        await sqlite_thinger.call("POST", "/devices/hook1/ensure", token, {"type": "HTTP"}) for _ in range(2)
    ]

    shown = {"device": "hook1", "user": "alice", "enabled": True}
    assert [answer.json() for answer in answers] == [{"result": "created", **shown}, {"result": "exists", **shown}]


TABLE: Mapping[str, tuple[tuple[str, ...], dict[str, Any], int, str]] = {
    "equal, may create": ((CREATE,), {}, 200, "exists"),
    "equal, may list": ((LIST,), {}, 200, "exists"),
    "equal, replace": ((CREATE,), {"on_conflict": "replace"}, 200, "exists"),
    "equal, may update": ((UPDATE,), {"on_conflict": "replace"}, 200, "exists"),
    "equal, may update, fail": ((UPDATE,), {}, 403, "forbidden: CreateDevice"),
    "different": ((CREATE, LIST, UPDATE), {"credentials": OTHER}, 409, "conflict"),
    "different, fail": ((CREATE,), {"credentials": OTHER, "on_conflict": "fail"}, 409, "conflict"),
    "different, replace": ((UPDATE,), {"credentials": OTHER, "on_conflict": "replace"}, 200, "updated"),
    "different, replace, may not": (
        (CREATE, LIST),
        {"credentials": OTHER, "on_conflict": "replace"},
        403,
        "forbidden: UpdateDevice",
    ),
    "other type": ((CREATE, LIST, UPDATE), {"type": "HTTP", "on_conflict": "replace"}, 409, "conflict"),
    "other type of the same class": ((CREATE,), {"type": "Generic"}, 200, "exists"),
    "no right": (("ReadDeviceStatus",), {}, 403, "forbidden: CreateDevice"),
}


@pytest.mark.parametrize(("rights", "sent", "status", "result"), TABLE.values(), ids=TABLE)
async def test_tg_12_1_what_becomes_of_a_device_that_exists(
    sqlite_thinger: Account, rights: tuple[str, ...], sent: dict[str, Any], status: int, result: str
) -> None:
    token = await with_rights(sqlite_thinger, *rights)

    answer = await ensure(sqlite_thinger, token, **sent)

    assert answer.status_code == status
    if status == 403:
        assert answer.json() == {"error": {"message": result}}
    elif status == 409:
        assert answer.json() == CONFLICT
    else:
        assert answer.json()["result"] == result
    assert await logs_in(sqlite_thinger, OTHER if result == "updated" else SECRET)
    assert await logs_in(sqlite_thinger, SECRET) == (result != "updated")


async def test_tg_14_2_ensure_refuses_another_credential_and_replaces_it_when_told_to(thinger: Account) -> None:
    token = await with_rights(thinger, CREATE, UPDATE)

    refused = await ensure(thinger, token, credentials=OTHER)
    replaced = await ensure(thinger, token, credentials=OTHER, on_conflict="replace")

    assert (refused.status_code, refused.json()) == (409, CONFLICT)
    assert (replaced.status_code, replaced.json()["result"]) == (200, "updated")
    assert await logs_in(thinger, OTHER)
    assert not await logs_in(thinger, SECRET)


@pytest.mark.parametrize("right", [LIST, UPDATE])
async def test_tg_12_1_no_device_is_made_without_the_right_to(sqlite_thinger: Account, right: str) -> None:
    token = await sqlite_thinger.token({"Device": {"*": [right]}})

    answer = await ensure(sqlite_thinger, token, on_conflict="replace")

    assert (answer.status_code, answer.json()) == (403, {"error": {"message": "forbidden: CreateDevice"}})
    assert await sqlite_thinger.server.services.storage.find_device(sqlite_thinger.tenant.id, "meter1") is None


async def test_tg_12_1_what_is_known_of_a_device_that_exists_stays(sqlite_thinger: Account) -> None:
    token = await sqlite_thinger.token()
    await ensure(sqlite_thinger, token, name="First", asset_type="t1")

    await ensure(sqlite_thinger, token, name="Second", asset_type="t2", on_conflict="replace", credentials=OTHER)

    device = (await sqlite_thinger.call("GET", "/devices/meter1", token)).json()
    assert (device["name"], device["asset_type"]) == ("First", "t1")


BAD: Mapping[str, tuple[str, dict[str, Any], str]] = {
    "another id": ("meter1", {"device": "meter2"}, "the body names another device than the path"),
    "no id": ("meter%201", {}, "invalid device id"),
    "on_conflict": ("meter1", {"on_conflict": "ignore"}, "invalid field: on_conflict"),
    "atomic": ("meter1", {"atomic": "yes"}, "invalid field: atomic"),
    "check": ("meter1", {"check": 1}, "invalid field: check"),
    "credentials": ("meter1", {"credentials": "12345"}, "invalid field: credentials"),
    "unknown": ("meter1", {"password": SECRET}, "unknown field: password"),
}


@pytest.mark.parametrize(("device", "sent", "message"), BAD.values(), ids=BAD)
async def test_tg_12_1_what_breaks_a_rule_is_400(
    sqlite_thinger: Account, device: str, sent: dict[str, Any], message: str
) -> None:
    sent = {"credentials": SECRET, **sent}

    answer = await sqlite_thinger.call("POST", f"/devices/{device}/ensure", await sqlite_thinger.token(), sent)

    assert (answer.status_code, answer.json()) == (400, {"error": {"message": message}})


async def test_tg_12_2_check_says_what_is_there_and_changes_nothing(sqlite_thinger: Account) -> None:
    token = await sqlite_thinger.token({"Device": {"*": [LIST]}})
    absent = await ensure(sqlite_thinger, token, check=True)
    await ensure(sqlite_thinger, await sqlite_thinger.token(name="maker"))

    exists = await ensure(sqlite_thinger, token, check=True, on_conflict="replace")
    differs = await ensure(sqlite_thinger, token, check=True, on_conflict="replace", credentials=OTHER)
    no_credentials = await sqlite_thinger.call("POST", "/devices/meter1/ensure", token, {"check": True})

    assert absent.json() == {"result": "absent"}
    assert exists.json() == no_credentials.json() == {"result": "exists"}
    assert (differs.status_code, differs.json()) == (409, CONFLICT)
    assert await logs_in(sqlite_thinger, SECRET)


async def test_tg_12_1_of_two_that_create_one_id_at_a_time_one_has_created_it(thinger: Account) -> None:
    token = await thinger.token()

    answers = await asyncio.gather(
        *(ensure(thinger, token, credentials=secret) for secret in [SECRET] * 4 + [OTHER] * 4)
    )

    results = [answer.json()["result"] for answer in answers]
    with_secret, with_other = results[:4], results[4:]
    same, others = (with_secret, with_other) if await logs_in(thinger, SECRET) else (with_other, with_secret)
    assert sorted(set(same)) == ["created", "exists"]
    assert same.count("created") == 1
    assert set(others) == {"conflict"}


async def test_tg_12_1_a_device_that_was_opened_again_gets_what_it_offers(sqlite_thinger: Account) -> None:
    token = await with_rights(sqlite_thinger, CREATE)
    services = sqlite_thinger.server.services
    await services.devices.reopen(await services.devices.get(sqlite_thinger.tenant.id, "meter1"), actor="test")

    answer = await ensure(sqlite_thinger, token, credentials=OTHER)

    assert answer.json()["result"] == "created"
    assert await logs_in(sqlite_thinger, OTHER)
    assert not await logs_in(sqlite_thinger, SECRET)


# -- buckets and dashboards ------------------------------------------------------------------------

BOTH = {"Device": {"*": [CREATE]}, "Bucket": {"*": ["CreateBucket"]}, "Dashboard": {"*": ["CreateDashboard"]}}
BOARD = {"dashboard": "{device}", "name": "{name} of {user}", "widgets": []}


async def resources(account: Account, kind: str) -> list[str]:
    return [each.name for each in await account.server.services.resources.list(account.tenant.id, kind)]


@pytest.mark.parametrize("atomic", [False, True])
async def test_tg_12_5_buckets_and_dashboards_are_made_with_the_device_and_exist_afterwards(
    thinger: Account, atomic: bool
) -> None:
    token = await thinger.token(BOTH)
    wanted = {"buckets": ["telemetry"], "dashboards": [BOARD], "atomic": atomic}

    created = await ensure(thinger, token, **wanted)
    again = await ensure(thinger, token, **wanted)

    assert created.json()["result"] == "created"
    assert created.json()["buckets"] == [{"bucket": "meter1_telemetry", "status": 200, "result": "created"}]
    assert created.json()["dashboards"] == [{"dashboard": "meter1", "status": 200, "result": "created"}]
    assert again.json()["result"] == "exists"
    assert again.json()["buckets"] == [{"bucket": "meter1_telemetry", "status": 200, "result": "exists"}]
    assert await resources(thinger, "thinger-bucket") == ["meter1_telemetry"]
    assert await resources(thinger, "thinger-dashboard") == ["meter1"]


async def test_tg_12_5_the_device_does_not_depend_on_what_is_refused_beside_it(sqlite_thinger: Account) -> None:
    token = await sqlite_thinger.token({"Device": {"*": [CREATE]}, "Bucket": {"meter1_a": ["CreateBucket"]}})

    answer = await ensure(sqlite_thinger, token, buckets=["a", "b"])

    assert answer.json()["result"] == "created"
    assert answer.json()["buckets"] == [
        {"bucket": "meter1_a", "status": 200, "result": "created"},
        {"bucket": "meter1_b", "status": 403, "message": "forbidden: CreateBucket"},
    ]


async def test_tg_12_5_of_what_is_atomic_nothing_is_made_when_a_part_is_refused(sqlite_thinger: Account) -> None:
    token = await sqlite_thinger.token({"Device": {"*": [CREATE]}, "Bucket": {"meter1_a": ["CreateBucket"]}})

    answer = await ensure(sqlite_thinger, token, buckets=["a", "b"], atomic=True)

    assert (answer.status_code, answer.json()) == (403, {"error": {"message": "forbidden: CreateBucket"}})
    assert await resources(sqlite_thinger, "thinger-bucket") == []
    assert await sqlite_thinger.server.services.storage.find_device(sqlite_thinger.tenant.id, "meter1") is None


async def test_tg_12_5_what_is_atomic_is_made_beside_a_device_that_exists_as_well(sqlite_thinger: Account) -> None:
    token = await sqlite_thinger.token(BOTH)
    await ensure(sqlite_thinger, token)
    await ensure(sqlite_thinger, token, buckets=["a"])

    answer = await ensure(sqlite_thinger, token, buckets=["a", "b"], atomic=True)

    assert [each["result"] for each in answer.json()["buckets"]] == ["exists", "created"]
    assert await resources(sqlite_thinger, "thinger-bucket") == ["meter1_a", "meter1_b"]


async def test_tg_12_5_a_conflict_makes_nothing_beside_the_device(sqlite_thinger: Account) -> None:
    token = await sqlite_thinger.token(BOTH)
    await ensure(sqlite_thinger, token)

    answer = await ensure(sqlite_thinger, token, credentials=OTHER, buckets=["a"])

    assert (answer.status_code, answer.json()) == (409, CONFLICT)
    assert await resources(sqlite_thinger, "thinger-bucket") == []


# -- guessing --------------------------------------------------------------------------------------


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def guessed(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Account]:
    """Run a server with a clock that stands, and a device."""
    settings = {"provisioning_burst": 1000}
    async with (
        running(tmp_path, clock=clock.clock, thinger=settings) as server,
        httpx2.AsyncClient() as client,
    ):
        account = Account(server, await server.services.tenants.create("alice", actor="test"), client)
        yield account


async def test_tg_12_1_after_five_wrong_credentials_the_right_ones_are_not_told_either(
    guessed: Account, clock: FakeClock
) -> None:
    token = await with_rights(guessed, CREATE)
    await ensure(guessed, token, "meter2")
    wrong = [await ensure(guessed, token, credentials=f"wrong secret {number}") for number in range(5)]

    right = await ensure(guessed, token)
    checked = await ensure(guessed, token, check=True)

    assert {answer.status_code for answer in wrong} == {409}
    for answer in (right, checked):
        assert (answer.status_code, answer.json()) == (429, {"error": {"message": "too many requests"}})
        assert answer.headers["retry-after"] == "600"
    assert (await ensure(guessed, token, "meter2")).json()["result"] == "exists"
    clock.advance(600)
    assert (await ensure(guessed, token)).json()["result"] == "exists"


async def test_tg_12_1_guesses_at_the_same_time_are_counted_as_well(guessed: Account) -> None:
    token = await with_rights(guessed, CREATE)

    answers = await asyncio.gather(
        *(ensure(guessed, token, credentials=f"wrong secret {number}") for number in range(12))
    )

    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(409), statuses.count(429)) == (5, 7)


async def test_tg_12_1_what_is_refused_with_403_is_no_way_to_guess_either(guessed: Account) -> None:
    token = await with_rights(guessed, CREATE)
    for number in range(5):
        await ensure(guessed, token, credentials=f"wrong secret {number}", on_conflict="replace")

    assert (await ensure(guessed, token, on_conflict="replace")).status_code == 429


async def test_tg_12_1_whoever_may_update_the_device_gets_it_out_again(guessed: Account) -> None:
    token = await with_rights(guessed, CREATE, UPDATE)
    for _ in range(6):
        await ensure(guessed, token, credentials=OTHER)

    replaced = await ensure(guessed, token, credentials=OTHER, on_conflict="replace")

    assert replaced.json()["result"] == "updated"


async def test_tg_12_1_operators_see_each_conflict_with_how_often_and_from_where(thinger: Account) -> None:
    token = await with_rights(thinger, CREATE)
    seen = thinger.server.services.live_events.subscribe(thinger.tenant.id, ["provisioning-refused"])

    await ensure(thinger, token, credentials=OTHER)
    await ensure(thinger, token, credentials=OTHER)

    audited = await conflicts(thinger.server)
    live = [(await anext(seen)).data for _ in audited]
    seen.close()
    assert (
        [entry.detail for entry in audited]
        == [event["reason"] for event in live]
        == [
            "Device 'meter1' exists already. Wrong credentials offered for it: 1.",
            "Device 'meter1' exists already. Wrong credentials offered for it: 2.",
        ]
    )
    assert {(entry.device, entry.address, entry.dialect, entry.profile) for entry in audited} == {
        ("meter1", "127.0.0.1", "thinger", "thinger")
    }
    assert {(event["code"], event["device"]) for event in live} == {("credentials-mismatch", "meter1")}
    assert not any(OTHER in repr(entry) for entry in audited)


# -- how often -------------------------------------------------------------------------------------


async def test_tg_13_a_sketch_that_loops_is_slowed_down_and_served_again_later(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with running(tmp_path, clock=clock.clock) as server, httpx2.AsyncClient() as client:
        account = Account(server, await server.services.tenants.create("alice", actor="test"), client)
        token = await account.token()
        answers = [await ensure(account, token, f"meter{number}") for number in range(12)]
        clock.advance(1)
        later = await ensure(account, token, "meter20")

    assert [answer.status_code for answer in answers] == [200] * 10 + [429] * 2
    assert answers[-1].json() == {"error": {"message": "too many requests"}}
    assert answers[-1].headers["retry-after"] == "1"
    assert later.status_code == 200
