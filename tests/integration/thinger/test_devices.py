"""Devices over thinger.io's REST (contract sections 3, 4, 5)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from tests.harness import MqttPeer, TestServer, login
from tests.integration.thinger.account import Account

from firstboot.devices import DeviceDraft
from firstboot.model import DIALECT, Credentials, DeviceProfile
from firstboot_plugins.transports.mqtt.packets import Connack, Connect

SECRET = "a good secret"


def body(device: str = "meter1", **more: Any) -> dict[str, Any]:
    return {"device": device, "credentials": SECRET, **more}


def refusal(answer: httpx2.Response) -> tuple[int, str]:
    """Return status and message of an error, which has nothing beside it."""
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json()) == ["error"]
    return answer.status_code, answer.json()["error"]["message"]


async def connected(account: Account, device: str = "meter1", password: str = SECRET) -> MqttPeer:
    peer = await account.server.peer(
        Connect(4, device, True, 60, username=account.name, password=password.encode())
    )
    assert (await peer.expect(Connack)).reason == 0
    return peer


async def logs_in(account: Account, password: str, device: str = "meter1") -> bool:
    return await login(account.server, client_id=device, username=account.name, password=password.encode()) == 0


# -- creating --------------------------------------------------------------------------------------


async def test_tg_4_3_a_created_device_is_answered_with_200_and_shown_as_in_the_list(thinger: Account) -> None:
    token = await thinger.token()

    created = await thinger.call("POST", "/devices", token, body(name="Meter 1", product="th1", type="MQTT"))

    shown = await thinger.call("GET", "/devices/meter1", token)
    assert (created.status_code, shown.status_code) == (200, 200)
    assert created.json() == shown.json() == (await thinger.call("GET", "/devices", token)).json()[0]
    device = await thinger.server.services.storage.find_device(thinger.tenant.id, "meter1")
    assert device is not None
    assert created.json() == {
        "device": "meter1",
        "name": "Meter 1",
        "description": "",
        "type": "MQTT",
        "product": "th1",
        "enabled": True,
        "created": device.created_at_ms,
        "modified": device.created_at_ms,
        "connection": {"active": False, "ts": device.created_at_ms},
    }


async def test_tg_a_device_is_an_ordinary_one_of_its_tenant_in_a_profile_that_nobody_else_can_use(
    thinger: Account,
) -> None:
    await thinger.call("POST", "/devices", await thinger.token(), body(description="In the cellar"))

    services = thinger.server.services
    device = await services.devices.get(thinger.tenant.id, "meter1")
    profile = await services.profiles.get(thinger.tenant.id, "thinger")
    assert device.profile_id == profile.id
    assert device.additional_info == {"description": "In the cellar"}
    assert (profile.strategy, profile.provision_key, profile.details) == (
        "allow-create-new",
        None,
        {DIALECT: "thinger"},
    )
    audited = [row.entry for row in await thinger.server.audit() if row.entry.event == "device-provisioned"]
    assert [(entry.device, entry.dialect, entry.transport) for entry in audited] == [("meter1", "thinger", "http")]


async def test_tg_first_uses_of_an_account_at_the_same_time_make_one_profile(thinger: Account) -> None:
    token = await thinger.token()

    answers = await asyncio.gather(
        *(thinger.call("POST", "/devices", token, body(f"meter{number}")) for number in range(20))
    )

    assert {answer.status_code for answer in answers} == {200}
    profiles = await thinger.server.services.profiles.all(thinger.tenant.id)
    assert [profile.name for profile in profiles] == ["thinger"]


async def test_tg_14_7_the_old_names_of_members_are_understood(sqlite_thinger: Account) -> None:
    old = {"device_id": "old-1", "device_description": "An old one", "device_credentials": "old secret"}

    answer = await sqlite_thinger.call("POST", "/devices", await sqlite_thinger.token(), old)

    assert answer.status_code == 200
    assert answer.json()["description"] == "An old one"
    assert await logs_in(sqlite_thinger, "old secret", "old-1")


@pytest.mark.parametrize("type_", ["HTTP", "Virtual"])
async def test_tg_4_3_a_device_that_does_not_connect_needs_no_credentials_and_has_none_that_work(
    sqlite_thinger: Account, type_: str
) -> None:
    token = await sqlite_thinger.token()

    without = await sqlite_thinger.call("POST", "/devices", token, {"device": "http1", "type": type_})
    given = await sqlite_thinger.call("POST", "/devices", token, body("http2", type=type_))

    assert (without.status_code, given.status_code) == (200, 200)
    assert not await logs_in(sqlite_thinger, SECRET, "http2")
    assert not await logs_in(sqlite_thinger, "", "http1")


async def test_tg_14_6_the_device_of_node_red_is_made_as_it_is_sent(sqlite_thinger: Account) -> None:
    sent = {
        "type": "HTTP",
        "device": "NR_sensor1",
        "name": "sensor1",
        "description": "Auto provisioned Node-RED Device",
        "asset_type": "sensors",
        "asset_group": "lab",
        "product": "th1",
    }

    answer = await sqlite_thinger.call("POST", "/devices", await sqlite_thinger.token(), sent)

    assert {key: answer.json()[key] for key in sent} == sent


REFUSED: dict[str, tuple[Any, str]] = {
    "no body": (None, "the body is not a JSON object"),
    "list": ([body()], "the body is not a JSON object"),
    "no id": ({"credentials": SECRET}, "missing field: device"),
    "empty id": (body(""), "invalid device id"),
    "id with a space": (body("meter 1"), "invalid device id"),
    "long id": (body("m" * 33), "invalid device id"),
    "number as id": (body(device=1), "invalid device id"),
    "no credentials": ({"device": "meter1"}, "missing field: credentials"),
    "short credentials": (body(credentials="12345"), "invalid field: credentials"),
    "long credentials": (body(credentials="x" * 256), "invalid field: credentials"),
    "control characters": (body(credentials="secret\n"), "invalid field: credentials"),
    "unknown type": (body(type="IOTMP"), "invalid field: type"),
    "long name": (body(name="x" * 256), "invalid field: name"),
    "markup as name": (body(name="<script>"), "invalid field: name"),
    "number as description": (body(description=1), "invalid field: description"),
    "text as enabled": (body(enabled="yes"), "invalid field: enabled"),
    "null": (body(product=None), "invalid product id"),
    "bad group": (body(asset_group="a/b"), "invalid asset_group id"),
    "unknown": (body(colour="red"), "unknown field: colour"),
    "twice": (body(device_id="meter1"), "field given twice: device"),
}


@pytest.mark.parametrize(("sent", "message"), REFUSED.values(), ids=REFUSED)
async def test_tg_3_what_breaks_a_rule_is_400_and_makes_nothing(
    sqlite_thinger: Account, sent: Any, message: str
) -> None:
    token = await sqlite_thinger.token()

    answer = await sqlite_thinger.call("POST", "/devices", token, sent)

    assert refusal(answer) == (400, message)
    assert (await sqlite_thinger.call("GET", "/devices", token)).json() == []


async def test_tg_5_a_full_account_is_400_with_the_limit(thinger: Account) -> None:
    profile = await thinger.parts.devices.profiles.get(thinger.tenant)
    await _limit(thinger.server, profile, max_devices=1)
    token = await thinger.token()

    first = await thinger.call("POST", "/devices", token, body())
    second = await thinger.call("POST", "/devices", token, body("meter2"))

    assert first.status_code == 200
    assert refusal(second) == (400, "device limit reached")


async def _limit(server: TestServer, profile: DeviceProfile, **limits: Any) -> None:
    limited = replace(profile, limits=replace(profile.limits, **limits))
    await server.services.profiles.update(limited, actor="test")
    await server.services.provisioning.reload_profiles()


async def test_tg_4_a_device_of_another_dialect_counts_as_existing(sqlite_thinger: Account) -> None:
    profile = await sqlite_thinger.server.services.profiles.default(sqlite_thinger.tenant.id)
    draft = DeviceDraft(name="meter1", credentials=Credentials("ACCESS_TOKEN", "token-of-meter1"))
    await sqlite_thinger.server.services.devices.create(profile, draft, actor="test")
    token = await sqlite_thinger.token()

    answer = await sqlite_thinger.call("POST", "/devices", token, body())

    assert refusal(answer) == (400, "device 'meter1' already exists")
    assert (await sqlite_thinger.call("GET", "/devices/meter1", token)).json()["type"] == "Generic"


async def test_tg_two_accounts_have_a_device_of_the_same_id_each(sqlite_thinger: Account) -> None:
    bob = Account(
        sqlite_thinger.server,
        await sqlite_thinger.server.services.tenants.create("bob", actor="test"),
        sqlite_thinger.client,
    )

    await sqlite_thinger.call("POST", "/devices", await sqlite_thinger.token(), body())
    answer = await bob.call("POST", "/devices", await bob.token(), body(credentials="the secret of bob"))

    assert answer.status_code == 200
    assert await logs_in(sqlite_thinger, SECRET)
    assert await logs_in(bob, "the secret of bob")
    assert not await logs_in(bob, SECRET)


# -- looking ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["ReadDeviceStatus", "ListDevices", "GetDeviceStats"])
async def test_tg_2_6_each_right_to_look_shows_a_device_and_404_for_none(
    sqlite_thinger: Account, action: str
) -> None:
    await sqlite_thinger.call("POST", "/devices", await sqlite_thinger.token(), body())
    token = await sqlite_thinger.token({"Device": {"*": action}}, "looker")

    shown = await sqlite_thinger.call("GET", "/devices/meter1", token)
    absent = await sqlite_thinger.call("GET", "/devices/meter2", token)

    assert shown.json()["device"] == "meter1"
    assert refusal(absent) == (404, "not found")


async def test_tg_4_each_call_needs_its_right(sqlite_thinger: Account) -> None:
    await sqlite_thinger.call("POST", "/devices", await sqlite_thinger.token(), body())
    nothing = await sqlite_thinger.token({"Device": {"*": ["NoSuchThing"]}}, "nothing")
    calls: list[tuple[str, str, Any, str]] = [
        ("GET", "/devices", None, "ListDevices"),
        ("POST", "/devices", body("meter2"), "CreateDevice"),
        ("GET", "/devices/meter1", None, "ReadDeviceStatus"),
        ("PUT", "/devices/meter1", {"name": "x"}, "UpdateDevice"),
        ("POST", "/devices/meter1", {"name": "x"}, "UpdateDevice"),
        ("DELETE", "/devices/meter1", None, "DeleteDevice"),
        ("GET", "/devices/meter1/stats", None, "GetDeviceStats"),
        ("POST", "/devices/meter1/ensure", body(), "CreateDevice"),
    ]

    for method, path, sent, action in calls:
        answer = await sqlite_thinger.call(method, path, nothing, sent)

        assert refusal(answer) == (403, f"forbidden: {action}"), path


async def test_tg_4_1_a_list_has_what_contains_the_text_in_its_id_or_name_whatever_the_case(
    thinger: Account,
) -> None:
    token = await thinger.token()
    for device, name in [("meter1", "Kitchen"), ("other", "the METER there"), ("lamp", "Hall")]:
        await thinger.call("POST", "/devices", token, body(device, name=name))

    async def listed(**query: str) -> list[str]:
        answer = await thinger.call("GET", "/devices", token, params=query)
        return [each["device"] for each in answer.json()]

    assert await listed(name="Meter") == ["meter1", "other"]
    assert await listed(id="METER") == ["meter1"]
    assert await listed(name="hall", id="lam") == ["lamp"]
    assert await listed(name="hall", id="meter") == []
    assert await listed(name="%") == []
    assert await listed(name="") == await listed() == ["meter1", "other", "lamp"]
    assert await listed(count="0") == []
    assert await listed(count="2", index="1") == ["other", "lamp"]
    assert await listed(index="99") == []


async def test_tg_4_1_a_token_that_may_not_list_some_devices_pages_over_the_others(thinger: Account) -> None:
    full = await thinger.token(name="full")
    for number in range(6):
        await thinger.call("POST", "/devices", full, body(f"meter{number}"))
    rights = {"Device": {"*": "ListDevices"}}
    token = await thinger.token(rights, "all but some", deny={"Device": {"meter0": "*", "meter3": "*"}})

    pages = [
        [each["device"] for each in (await thinger.call("GET", "/devices", token, params=query)).json()]
        for query in ({"count": "2"}, {"count": "2", "index": "2"}, {"count": "2", "index": "4"})
    ]

    assert pages == [["meter1", "meter2"], ["meter4", "meter5"], []]


@pytest.mark.parametrize(
    "query", [{"count": "-1"}, {"count": "ten"}, {"index": "1.5"}, {"index": "9" * 20}, {"name": "x" * 256}]
)
async def test_tg_4_1_a_bad_search_value_is_400(sqlite_thinger: Account, query: dict[str, str]) -> None:
    answer = await sqlite_thinger.call("GET", "/devices", await sqlite_thinger.token(), params=query)

    assert refusal(answer) == (400, f"invalid parameter: {next(iter(query))}")


async def test_tg_6_1_a_device_is_active_while_it_is_connected(sqlite_thinger: Account) -> None:
    token = await sqlite_thinger.token()
    await sqlite_thinger.call("POST", "/devices", token, body())
    peer = await connected(sqlite_thinger)

    during = (await sqlite_thinger.call("GET", "/devices/meter1", token)).json()
    stats = (await sqlite_thinger.call("GET", "/devices/meter1/stats", token)).json()
    await peer.close()

    assert during["connection"]["active"] is True
    assert stats == {"connected": True, "enabled": True, "type": "Generic"}


# -- changing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_tg_4_4_an_update_changes_what_it_names_and_ignores_id_and_type(
    sqlite_thinger: Account, method: str
) -> None:
    token = await sqlite_thinger.token()
    await sqlite_thinger.call(
        "POST", "/devices", token, body(name="Old", description="Kept", product="p1", asset_type="t1")
    )

    answer = await sqlite_thinger.call(
        method,
        "/devices/meter1",
        token,
        {"device": "meter1", "type": "HTTP", "name": "New", "product": "", "asset_type": "t2"},
    )

    assert answer.status_code == 200
    changed = (await sqlite_thinger.call("GET", "/devices/meter1", token)).json()
    assert changed == answer.json()
    assert (changed["name"], changed["description"], changed["type"]) == ("New", "Kept", "Generic")
    assert changed["asset_type"] == "t2"
    assert "product" not in changed
    assert changed["modified"] >= changed["created"]
    assert await logs_in(sqlite_thinger, SECRET)


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({"device": "meter2"}, "the body names another device than the path"),
        ({"credentials": ""}, "invalid field: credentials"),
        ({"credentials": "x" * 256}, "invalid field: credentials"),
        ({"enabled": None}, "invalid field: enabled"),
        ({"asset_group": "a b"}, "invalid asset_group id"),
        ({"buckets": []}, "unknown field: buckets"),
        (None, "the body is not a JSON object"),
    ],
)
async def test_tg_4_4_an_update_that_breaks_a_rule_changes_nothing(
    sqlite_thinger: Account, sent: Any, message: str
) -> None:
    token = await sqlite_thinger.token()
    created = (await sqlite_thinger.call("POST", "/devices", token, body())).json()

    answer = await sqlite_thinger.call("PUT", "/devices/meter1", token, sent)

    assert refusal(answer) == (400, message)
    assert (await sqlite_thinger.call("GET", "/devices/meter1", token)).json() == created


async def test_tg_4_4_an_update_of_no_device_is_404(sqlite_thinger: Account) -> None:
    answer = await sqlite_thinger.call("PUT", "/devices/meter1", await sqlite_thinger.token(), {"name": "x"})

    assert refusal(answer) == (404, "not found")


async def test_tg_4_4_other_credentials_end_the_session_and_the_old_ones_open_nothing(
    sqlite_thinger: Account,
) -> None:
    token = await sqlite_thinger.token()
    await sqlite_thinger.call("POST", "/devices", token, body())
    peer = await connected(sqlite_thinger)

    answer = await sqlite_thinger.call("PUT", "/devices/meter1", token, {"credentials": "n"})

    assert answer.status_code == 200
    await peer.expect_closed()
    await peer.close()
    assert not await logs_in(sqlite_thinger, SECRET)
    assert await logs_in(sqlite_thinger, "n")


async def test_tg_4_4_the_same_credentials_once_more_leave_the_session_alone(sqlite_thinger: Account) -> None:
    token = await sqlite_thinger.token()
    await sqlite_thinger.call("POST", "/devices", token, body())
    peer = await connected(sqlite_thinger)

    await sqlite_thinger.call("PUT", "/devices/meter1", token, {"credentials": SECRET, "name": "The same"})
    await sqlite_thinger.server.services.changes.catch_up()

    assert (await sqlite_thinger.call("GET", "/devices/meter1", token)).json()["connection"]["active"] is True
    await peer.close()


async def test_tg_4_4_switching_a_device_off_ends_its_session_until_it_is_on_again(
    sqlite_thinger: Account,
) -> None:
    token = await sqlite_thinger.token()
    await sqlite_thinger.call("POST", "/devices", token, body())
    peer = await connected(sqlite_thinger)

    off = await sqlite_thinger.call("PUT", "/devices/meter1", token, {"enabled": False})

    assert off.json()["enabled"] is False
    await peer.expect_closed()
    await peer.close()
    assert not await logs_in(sqlite_thinger, SECRET)
    await sqlite_thinger.call("PUT", "/devices/meter1", token, {"enabled": True})
    assert await logs_in(sqlite_thinger, SECRET)


async def test_tg_4_3_a_device_that_is_created_switched_off_does_not_log_in(sqlite_thinger: Account) -> None:
    await sqlite_thinger.call("POST", "/devices", await sqlite_thinger.token(), body(enabled=False))

    assert not await logs_in(sqlite_thinger, SECRET)


async def test_tg_4_a_connected_device_is_not_deleted_and_another_is_with_its_login(
    sqlite_thinger: Account,
) -> None:
    token = await sqlite_thinger.token()
    await sqlite_thinger.call("POST", "/devices", token, body())
    peer = await connected(sqlite_thinger)

    during = await sqlite_thinger.call("DELETE", "/devices/meter1", token)

    assert refusal(during) == (400, "device is connected")
    gone = sqlite_thinger.server.services.live_events.subscribe(sqlite_thinger.tenant.id, ["device-disconnected"])
    await peer.close()
    await anext(gone)
    assert (await sqlite_thinger.call("DELETE", "/devices/meter1", token)).status_code == 200
    assert refusal(await sqlite_thinger.call("DELETE", "/devices/meter1", token)) == (404, "not found")
    assert not await logs_in(sqlite_thinger, SECRET)
    assert (await sqlite_thinger.call("POST", "/devices", token, body())).status_code == 200


async def test_tg_4_updates_at_the_same_time_are_all_done(thinger: Account) -> None:
    token = await thinger.token()
    await thinger.call("POST", "/devices", token, body())

    answers = await asyncio.gather(
        *(
            thinger.call("PUT", "/devices/meter1", token, {field: value})
            for field, value in [("name", "N"), ("description", "D"), ("product", "P"), ("asset_group", "G")]
        )
    )

    assert {answer.status_code for answer in answers} == {200}
    device = (await thinger.call("GET", "/devices/meter1", token)).json()
    assert [device[key] for key in ("name", "description", "product", "asset_group")] == ["N", "D", "P", "G"]
