"""Rules: devices that are made as they connect (contract 12.2)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from pathlib import Path
from typing import Any

import pytest
from tests.integration.provisioning.fake_clock import FakeClock
from tests.integration.thinger.account import Account
from tests.integration.thinger.sessions import SECRET, account_on, code_of

METERS: dict[str, Any] = {
    "rule": "meters",
    "enabled": True,
    "config": {"mode": "pattern", "pattern": "^meter-[0-9A-F]{6}$"},
    "credential": "derived",
    "template": {"type": "MQTT", "asset_type": "meter", "buckets": ["telemetry"]},
}
ID = "meter-00A1B2"


def derived(secret: str, device_id: str) -> str:
    """Compute a password as firmware does: contract 12.2."""
    digest = hmac.new(secret.encode(), device_id.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()[:32]


async def made(account: Account, by: str = "maker", **fields: Any) -> str:
    """Make a rule; return its secret, which is empty where it has none."""
    answer = await account.call("POST", "/autoprovisions", await account.token(name=by), {**METERS, **fields})
    assert answer.status_code == 200, answer.text
    secret: str = answer.json().get("secret", "")
    return secret


async def ids(account: Account) -> list[str]:
    listed = await account.call("GET", "/devices", await account.token(name="lister"))
    return [device["device"] for device in listed.json()]


# -- connecting ------------------------------------------------------------------------------------


async def test_tg_12_2_a_device_with_a_derived_password_is_made_with_all_that_belongs_to_it(
    thinger: Account,
) -> None:
    secret = await made(thinger)

    assert await code_of(thinger, ID, derived(secret, ID)) == 0
    assert await code_of(thinger, ID, derived(secret, ID)) == 0  # now as an ordinary device

    token = await thinger.token(name="reader")
    device = (await thinger.call("GET", f"/devices/{ID}", token)).json()
    bucket = (await thinger.call("GET", f"/buckets/{ID}_telemetry", token)).json()
    assert (device["type"], device["asset_type"], device["enabled"]) == ("MQTT", "meter", True)
    assert bucket["config"] == {"source": "mqtt", "topic": f"{ID}/telemetry"}
    assert (await thinger.call("GET", "/types/meter", token)).status_code == 200


async def test_tg_12_2_the_known_answer_of_a_derived_password() -> None:
    """Computed with ``openssl dgst -sha256 -hmac key -binary | basenc --base64url``."""
    from firstboot_plugins.dialects.thinger.autoprovision import derived_password

    assert (
        derived_password("key", "The quick brown fox jumps over the lazy dog")
        == "97yD9DBThCSxMpjmqm-xQ-9NWaFJRhdZ"
    )


@pytest.mark.parametrize("device_id", ["meter-00A1B2C", "meter-00a1b2", "x-meter-00A1B2", "meter-", "other"])
async def test_tg_12_2_ids_that_do_not_match_make_no_device(sqlite_thinger: Account, device_id: str) -> None:
    secret = await made(sqlite_thinger)

    assert await code_of(sqlite_thinger, device_id, derived(secret, device_id)) == 4
    assert await ids(sqlite_thinger) == []


async def test_tg_12_2_patterns_are_looked_for_anywhere_in_the_id(sqlite_thinger: Account) -> None:
    secret = await made(sqlite_thinger, config={"pattern": "eter"})

    assert await code_of(sqlite_thinger, "my-meter-7", derived(secret, "my-meter-7")) == 0


async def test_tg_12_2_ids_that_no_device_may_have_make_none(sqlite_thinger: Account) -> None:
    secret = await made(sqlite_thinger, config={"pattern": "."})

    for device_id in ("m 1", "m/1", "m\u00fc", "m" * 33, "m."):
        assert await code_of(sqlite_thinger, device_id, derived(secret, device_id)) == 4
    assert await ids(sqlite_thinger) == []


async def test_tg_12_2_wrong_passwords_make_no_device(sqlite_thinger: Account) -> None:
    secret = await made(sqlite_thinger)
    right = derived(secret, ID)

    for password in (secret, right[:-1], right + "x", right.swapcase(), derived(secret, "meter-FFFFFF"), "x"):
        assert await code_of(sqlite_thinger, ID, password) == 4
    assert await ids(sqlite_thinger) == []


async def test_tg_12_2_a_shared_secret_makes_devices_that_have_it_as_their_password(
    sqlite_thinger: Account,
) -> None:
    secret = await made(sqlite_thinger, credential="shared")

    assert await code_of(sqlite_thinger, ID, derived(secret, ID)) == 4
    assert await code_of(sqlite_thinger, ID, secret) == 0

    token = await sqlite_thinger.token()
    changed = await sqlite_thinger.call("PUT", f"/devices/{ID}", token, {"credentials": "its own secret"})
    assert changed.status_code == 200
    assert await code_of(sqlite_thinger, ID, secret) == 4
    assert await code_of(sqlite_thinger, ID, "its own secret") == 0


async def test_tg_12_2_a_rule_makes_no_other_device_of_one_that_exists(sqlite_thinger: Account) -> None:
    secret = await made(sqlite_thinger)
    body = {"device": ID, "credentials": SECRET, "type": "MQTT"}
    await sqlite_thinger.call("POST", "/devices", await sqlite_thinger.token(), body)

    assert await code_of(sqlite_thinger, ID, derived(secret, ID)) == 4
    assert await code_of(sqlite_thinger, ID, SECRET) == 0


async def test_tg_12_2_many_connections_of_one_new_device_make_it_once(thinger: Account) -> None:
    secret = await made(thinger)

    codes = await asyncio.gather(*(code_of(thinger, ID, derived(secret, ID)) for _ in range(8)))

    assert codes == [0] * 8
    assert await ids(thinger) == [ID]


async def test_tg_12_2_a_rule_that_is_off_deleted_or_of_others_makes_none(sqlite_thinger: Account) -> None:
    secret = await made(sqlite_thinger)
    token = await sqlite_thinger.token()
    await sqlite_thinger.server.services.tenants.create("bob", actor="test")
    assert await code_of(sqlite_thinger, ID, derived(secret, ID), username="bob") == 4

    await sqlite_thinger.call("PUT", "/autoprovisions/meters", token, {"enabled": False})
    assert await code_of(sqlite_thinger, ID, derived(secret, ID)) == 4
    await sqlite_thinger.call("PUT", "/autoprovisions/meters", token, {"enabled": True})
    assert await code_of(sqlite_thinger, "meter-111111", derived(secret, "meter-111111")) == 0
    await sqlite_thinger.call("DELETE", "/autoprovisions/meters", token)
    assert await code_of(sqlite_thinger, ID, derived(secret, ID)) == 4
    assert await ids(sqlite_thinger) == ["meter-111111"]


async def test_tg_12_2_no_more_devices_than_the_rule_allows(thinger: Account) -> None:
    secret = await made(thinger, max_devices=2)
    names = [f"meter-00000{number}" for number in range(4)]

    codes = [await code_of(thinger, name, derived(secret, name)) for name in names]

    assert codes == [0, 0, 4, 4]
    assert [row.entry.code for row in await thinger.server.audit() if row.entry.code not in (None, "", "ok")] == [
        "device-limit"
    ] * 2


async def test_tg_12_2_no_device_after_the_rule_has_expired(tmp_path: Path) -> None:
    clock = FakeClock()
    async with account_on(tmp_path, clock=clock.clock) as account:
        secret = await made(account, expires=clock.now_ms + 60_000)
        assert await code_of(account, ID, derived(secret, ID)) == 0

        clock.advance(61)

        assert await code_of(account, "meter-FFFFFF", derived(secret, "meter-FFFFFF")) == 4
        assert await code_of(account, ID, derived(secret, ID)) == 0


async def test_tg_12_2_first_use_is_off_until_the_server_allows_it(sqlite_thinger: Account) -> None:
    answer = await sqlite_thinger.call(
        "POST", "/autoprovisions", await sqlite_thinger.token(),
        {**METERS, "credential": "first_use", "max_devices": 5},
    )  # fmt: skip

    assert answer.status_code == 400
    assert answer.json() == {"error": {"message": "first_use is not allowed on this server"}}


async def test_tg_12_2_first_use_takes_whatever_password_comes_first(tmp_path: Path) -> None:
    async with account_on(tmp_path, allow_first_use=True) as account:
        token = await account.token()
        unbounded = await account.call("POST", "/autoprovisions", token, {**METERS, "credential": "first_use"})
        assert unbounded.json() == {"error": {"message": "missing field: max_devices"}}
        assert await made(account, credential="first_use", max_devices=1) == ""

        assert await code_of(account, ID, "short") == 4
        assert await code_of(account, ID, "my own secret") == 0
        assert await code_of(account, ID, "another secret") == 4
        assert await code_of(account, ID, "my own secret") == 0
        assert await code_of(account, "meter-FFFFFF", "my own secret") == 4


async def test_tg_12_2_a_wrong_password_never_gets_as_far_as_a_less_strict_rule(tmp_path: Path) -> None:
    async with account_on(tmp_path, allow_first_use=True) as account:
        secret = await made(account, rule="a")
        await made(account, "maker2", rule="b", credential="first_use", max_devices=5, config={"pattern": "."})

        assert await code_of(account, ID, "any password") == 4
        assert await code_of(account, ID, derived(secret, ID)) == 0
        assert await code_of(account, "other-1", "any password") == 0


async def test_tg_13_devices_that_come_too_fast_are_told_to_come_again(tmp_path: Path) -> None:
    async with account_on(tmp_path, provisioning_burst=2) as account:
        secret = await made(account)
        names = [f"meter-00000{number}" for number in range(3)]

        codes = [await code_of(account, name, derived(secret, name)) for name in names]

        assert codes == [0, 0, 3]


# -- REST ------------------------------------------------------------------------------------------


async def test_tg_12_2_the_secret_of_a_rule_is_shown_once(thinger: Account) -> None:
    token = await thinger.token()

    answer = (await thinger.call("POST", "/autoprovisions", token, METERS)).json()
    shown = (await thinger.call("GET", "/autoprovisions/meters", token)).json()
    listed = (await thinger.call("GET", "/autoprovisions", token)).json()

    assert len(answer.pop("secret")) == 26
    assert answer == shown == listed[0]
    assert shown == {**METERS, "created": shown["created"]}


async def test_a_rule_is_changed_and_gets_another_secret_only_when_that_is_asked_for(thinger: Account) -> None:
    secret, token = await made(thinger), await thinger.token()

    changed = await thinger.call("PUT", "/autoprovisions/meters", token, {"max_devices": 7, "rule": "meters"})
    assert (changed.json()["max_devices"], "secret" in changed.json()) == (7, False)
    assert await code_of(thinger, ID, derived(secret, ID)) == 0
    unbound = await thinger.call("PUT", "/autoprovisions/meters", token, {"max_devices": None, "new_secret": True})
    assert "max_devices" not in unbound.json()

    assert await code_of(thinger, "meter-FFFFFF", derived(secret, "meter-FFFFFF")) == 4
    assert await code_of(thinger, "meter-FFFFFF", derived(unbound.json()["secret"], "meter-FFFFFF")) == 0
    assert await code_of(thinger, ID, derived(secret, ID)) == 0


async def test_a_deleted_rule_leaves_its_devices_and_its_name_may_be_used_again(thinger: Account) -> None:
    secret, token = await made(thinger), await thinger.token()
    assert await code_of(thinger, ID, derived(secret, ID)) == 0

    assert (await thinger.call("DELETE", "/autoprovisions/meters", token)).json() == {}
    assert (await thinger.call("GET", "/autoprovisions/meters", token)).status_code == 404
    assert await code_of(thinger, ID, derived(secret, ID)) == 0
    again = await made(thinger, "maker2")

    assert again != secret
    assert await code_of(thinger, "meter-FFFFFF", derived(again, "meter-FFFFFF")) == 0


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no rule": ({"rule": None}, "invalid rule id"),
    "bad id": ({"rule": "a b"}, "invalid rule id"),
    "no pattern": ({"config": {}}, "invalid field: config"),
    "bad mode": ({"config": {"mode": "exact", "pattern": "a"}}, "invalid field: config"),
    "no RE2": ({"config": {"pattern": "(?=a)"}}, "invalid pattern: not a regular expression of RE2"),
    "long pattern": ({"config": {"pattern": "a" * 513}}, "invalid field: pattern"),
    "bad credential": ({"credential": "none"}, "invalid field: credential"),
    "bad bound": ({"max_devices": 0}, "invalid field: max_devices"),
    "bound is a truth": ({"max_devices": True}, "invalid field: max_devices"),
    "bad moment": ({"expires": "tomorrow"}, "invalid field: expires"),
    "unknown member": ({"x": 1}, "unknown field: x"),
    "template is no object": ({"template": []}, "the body is not a JSON object"),
    "template with an id": ({"template": {"device": "m1"}}, "unknown field: device"),
    "template that does not connect": ({"template": {"type": "HTTP"}}, "invalid field: template.type"),
    "template with a bad bucket": ({"template": {"buckets": ["a b"]}}, "invalid bucket id"),
}


@pytest.mark.parametrize(("fields", "message"), BAD.values(), ids=BAD)
async def test_tg_12_2_a_rule_that_makes_no_sense_is_refused(
    sqlite_thinger: Account, fields: dict[str, Any], message: str
) -> None:
    answer = await sqlite_thinger.call(
        "POST", "/autoprovisions", await sqlite_thinger.token(), {**METERS, **fields}
    )

    assert (answer.status_code, answer.json()) == (400, {"error": {"message": message}})


async def test_tg_12_2_no_two_rules_or_profiles_have_one_name(sqlite_thinger: Account) -> None:
    await made(sqlite_thinger)
    token = await sqlite_thinger.token()
    await sqlite_thinger.call("POST", "/devices", token, {"device": "d1", "credentials": SECRET})

    for name in ("meters", "thinger"):
        answer = await sqlite_thinger.call("POST", "/autoprovisions", token, {**METERS, "rule": name})
        assert (answer.status_code, answer.json()) == (400, {"error": {"message": "already exists"}})


RIGHTS: dict[str, tuple[dict[str, list[str]], str]] = {
    "no right": ({"Autoprovision": ["ListAutoprovisions"], "Device": ["*"]}, "CreateAutoprovision"),
    "no devices": ({"Autoprovision": ["*"]}, "CreateDevice"),
    "no buckets": ({"Autoprovision": ["*"], "Device": ["*"]}, "CreateBucket"),
}


@pytest.mark.parametrize(("rights", "missing"), RIGHTS.values(), ids=RIGHTS)
async def test_who_makes_a_rule_may_do_all_that_it_does(
    sqlite_thinger: Account, rights: dict[str, list[str]], missing: str
) -> None:
    token = await sqlite_thinger.token({type_: {"*": actions} for type_, actions in rights.items()})

    answer = await sqlite_thinger.call("POST", "/autoprovisions", token, METERS)

    assert (answer.status_code, answer.json()) == (403, {"error": {"message": f"forbidden: {missing}"}})


@pytest.mark.parametrize(
    ("method", "path", "action"),
    [
        ("GET", "/autoprovisions", "ListAutoprovisions"),
        ("GET", "/autoprovisions/meters", "ReadAutoprovisionConfig"),
        ("PUT", "/autoprovisions/meters", "UpdateAutoprovision"),
        ("DELETE", "/autoprovisions/meters", "DeleteAutoprovision"),
    ],
)
async def test_each_call_of_rules_needs_its_right(
    sqlite_thinger: Account, method: str, path: str, action: str
) -> None:
    await made(sqlite_thinger)
    token = await sqlite_thinger.token({"Device": {"*": "*"}}, "devices")

    answer = await sqlite_thinger.call(method, path, token, {} if method == "PUT" else None)

    assert (answer.status_code, answer.json()) == (403, {"error": {"message": f"forbidden: {action}"}})


async def test_profiles_of_others_kinds_are_no_rules(sqlite_thinger: Account) -> None:
    token = await sqlite_thinger.token()
    await sqlite_thinger.call("POST", "/devices", token, {"device": "d1", "credentials": SECRET})

    for method in ("GET", "PUT", "DELETE"):
        answer = await sqlite_thinger.call(
            method, "/autoprovisions/thinger", token, {} if method == "PUT" else None
        )
        assert answer.status_code == 404
