"""Products: devices whose ids match belong to one, and inherit from it (contract section 10)."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from tests.integration.thinger.account import Account


def product(product_id: str, *patterns: str, **profile: Any) -> dict[str, Any]:
    rules = {
        f"rule{number}": {"config": {"mode": "pattern", "pattern": pattern}, "enabled": True}
        for number, pattern in enumerate(patterns)
    }
    return {"product": product_id, "name": product_id, "profile": {"autoprovisions": rules, **profile}}


async def make(account: Account, token: str, *products: dict[str, Any]) -> None:
    for each in products:
        answer = await account.call("POST", "/products", token, each)
        assert answer.status_code == 200, answer.text


async def product_of(account: Account, token: str, device: str, **fields: Any) -> str | None:
    answer = await account.call("POST", "/devices", token, {"device": device, "type": "HTTP", **fields})
    assert answer.status_code == 200, answer.text
    found: str | None = answer.json().get("product")
    return found


def refusal(answer: httpx2.Response) -> tuple[int, str]:
    assert list(answer.json()) == ["error"]
    return answer.status_code, answer.json()["error"]["message"]


async def test_tg_10_a_device_whose_id_matches_belongs_to_the_product(thinger: Account) -> None:
    token = await thinger.token()
    await make(thinger, token, product("madrid", "madrid-sensor-.*"))

    assert await product_of(thinger, token, "madrid-sensor-1") == "madrid"
    assert await product_of(thinger, token, "sevilla-sensor-1") is None


async def test_tg_10_a_pattern_is_found_anywhere_unless_it_is_anchored(sqlite_thinger: Account) -> None:
    token = await sqlite_thinger.token()
    await make(sqlite_thinger, token, product("loose", "sensor"), product("strict", "^lamp-[0-9]$"))

    assert await product_of(sqlite_thinger, token, "a-sensor-1") == "loose"
    assert await product_of(sqlite_thinger, token, "lamp-1") == "strict"
    assert await product_of(sqlite_thinger, token, "lamp-12") is None


async def test_tg_10_the_first_product_in_the_order_of_ids_counts_and_one_that_is_named_before_all(
    sqlite_thinger: Account,
) -> None:
    token = await sqlite_thinger.token()
    await make(sqlite_thinger, token, product("b", "meter"), product("a", "lamp", "meter"), product("c", "x"))

    assert await product_of(sqlite_thinger, token, "meter1") == "a"
    assert await product_of(sqlite_thinger, token, "meter2", product="c") == "c"


async def test_tg_10_what_is_off_or_deleted_matches_nothing(sqlite_thinger: Account) -> None:
    token = await sqlite_thinger.token()
    off = product("b", "meter")
    off["profile"]["autoprovisions"]["rule0"]["enabled"] = False
    await make(sqlite_thinger, token, off, {**product("c", "meter"), "enabled": False}, product("d", "meter"))
    assert await product_of(sqlite_thinger, token, "meter1") == "d"

    await sqlite_thinger.call("PUT", "/products/c", token, {"enabled": True})
    assert await product_of(sqlite_thinger, token, "meter2") == "c"
    await sqlite_thinger.call("DELETE", "/products/c", token)
    await sqlite_thinger.call("DELETE", "/products/d", token)
    assert await product_of(sqlite_thinger, token, "meter3") is None


async def test_tg_10_products_of_another_account_match_nothing(sqlite_thinger: Account) -> None:
    bob = Account(
        sqlite_thinger.server,
        await sqlite_thinger.server.services.tenants.create("bob", actor="test"),
        sqlite_thinger.client,
    )
    await make(sqlite_thinger, await sqlite_thinger.token(), product("a", "."))

    assert await product_of(bob, await bob.token(), "meter1") is None


async def test_tg_10_a_device_gets_the_buckets_of_its_product(thinger: Account) -> None:
    token = await thinger.token()
    buckets = {
        "telemetry": {"enabled": True, "retention": {"period": 90, "unit": "days"}, "tags": ["site"]},
        "later": {"enabled": False},
    }
    await make(thinger, token, product("a", "meter", buckets=buckets), product("b", buckets={"other": {}}))
    devices_only = await thinger.token({"Device": {"*": "*"}}, "devices")

    await product_of(thinger, devices_only, "meter1")
    await product_of(thinger, devices_only, "lamp1")
    await thinger.call("PUT", "/devices/lamp1", devices_only, {"product": "b"})

    kept = await thinger.server.services.resources.list(thinger.tenant.id, "thinger-bucket")
    assert [each.name for each in kept] == ["meter1_telemetry", "lamp1_other"]
    assert kept[0].document["retention"] == {"period": 90, "unit": "days"}
    assert kept[0].document["config"]["tags"] == ["site"]


async def test_tg_10_a_device_has_the_properties_of_its_product_until_it_has_its_own(thinger: Account) -> None:
    token = await thinger.token()
    dashboard = {"tabs": [{"name": "Main", "widgets": []}]}
    properties = {"dashboard": {"value": dashboard}, "location": {"value": "Madrid"}}
    await make(thinger, token, product("a", "meter", properties=properties))
    await product_of(thinger, token, "meter1")
    v3 = f"{thinger.server.url}/v3/users/alice/devices/meter1/properties"

    async def of_device(method: str, path: str = "", body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        return (await thinger.client.request(method, v3 + path, headers=headers, json=body)).json()

    inherited = await of_device("GET")
    await of_device("PUT", "/location", {"property": "location", "value": {"lat": 1}})

    assert inherited == [
        {"property": "dashboard", "value": dashboard},
        {"property": "location", "value": "Madrid"},
    ]
    assert await of_device("GET", "/location") == {"property": "location", "value": {"lat": 1}}
    await of_device("DELETE", "/location")
    assert await of_device("GET", "/location") == {"property": "location", "value": "Madrid"}


BAD: dict[str, Any] = {
    "profile": [],
    "autoprovisions": {"autoprovisions": []},
    "rule": {"autoprovisions": {"r": 1}},
    "no config": {"autoprovisions": {"r": {"enabled": True}}},
    "mode": {"autoprovisions": {"r": {"config": {"mode": "list", "pattern": "x"}}}},
    "no pattern": {"autoprovisions": {"r": {"config": {"mode": "pattern"}}}},
    "backreference": {"autoprovisions": {"r": {"config": {"mode": "pattern", "pattern": r"(a)\1"}}}},
    "long pattern": {"autoprovisions": {"r": {"config": {"mode": "pattern", "pattern": "x" * 513}}}},
    "enabled": {"autoprovisions": {"r": {"config": {"mode": "pattern", "pattern": "x"}, "enabled": 1}}},
    "buckets": {"buckets": ["telemetry"]},
    "bucket id": {"buckets": {"a b": {}}},
    "long bucket id": {"buckets": {"x" * 30: {}}},
    "bucket": {"buckets": {"a": True}},
    "retention": {"buckets": {"a": {"retention": "for ever"}}},
    "tags": {"buckets": {"a": {"tags": "site"}}},
    "properties": {"properties": []},
}


@pytest.mark.parametrize("profile", BAD.values(), ids=BAD)
async def test_tg_10_a_product_that_no_device_could_belong_to_is_400(
    sqlite_thinger: Account, profile: Any
) -> None:
    token = await sqlite_thinger.token()

    answer = await sqlite_thinger.call("POST", "/products", token, {"product": "a", "profile": profile})

    assert refusal(answer)[0] == 400
    assert (await sqlite_thinger.call("GET", "/products", token)).json() == []


async def test_tg_10_what_the_server_does_not_know_in_a_profile_is_kept(sqlite_thinger: Account) -> None:
    token = await sqlite_thinger.token()
    profile = {"api": {"uplink": {"device_id_resolver": "return payload.id;"}}, "flows": {}}
    await make(sqlite_thinger, token, {"product": "a", "profile": profile})

    assert (await sqlite_thinger.call("GET", "/products/a", token)).json()["profile"] == profile
