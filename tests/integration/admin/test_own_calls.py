"""Firstboot's own calls, as those see them who may use them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from tests.harness import login
from tests.integration.admin.world import PASSWORD, House, World

from firstboot import __version__
from firstboot.model import Authority

OURS = "/api/firstboot"


async def test_me_says_who_asks(house: House, admin: httpx2.AsyncClient) -> None:
    answer = await admin.get(f"{OURS}/me")

    assert answer.json() == {
        "kind": "user",
        "name": f"user:{house.admin.email}",
        "authority": "TENANT_ADMIN",
        "tenantId": str(house.tenant.public_id),
        "userId": str(house.admin.public_id),
        "email": house.admin.email,
        "mustChange": False,
        "scopes": None,
    }


async def test_me_tells_a_program_its_scopes(world: World, house: House) -> None:
    program = await world.program(house, "rpc", "devices:read")

    told = (await program.get(f"{OURS}/me")).json()

    assert (told["kind"], told["scopes"], told["userId"]) == ("api-token", ["devices:read", "rpc"], None)


async def test_changing_the_password_ends_the_sessions_and_opens_another(
    world: World, house: House, admin: httpx2.AsyncClient
) -> None:
    body = {"currentPassword": PASSWORD, "newPassword": "another-horse-9"}
    answer = await admin.post(f"{OURS}/me/password", json=body)

    renewed = {"X-Authorization": f"Bearer {answer.json()['token']}"}
    assert answer.status_code == 200
    assert (await admin.get(f"{OURS}/me")).status_code == 401
    assert (await world.nobody.get(f"{OURS}/me", headers=renewed)).status_code == 200


async def test_a_wrong_current_password_changes_nothing(admin: httpx2.AsyncClient) -> None:
    body = {"currentPassword": "wrong-horse-9", "newPassword": "another-horse-9"}
    answer = await admin.post(f"{OURS}/me/password", json=body)

    assert answer.status_code == 400
    assert "horse" not in answer.text
    assert (await admin.get(f"{OURS}/me")).status_code == 200


# -- profiles --------------------------------------------------------------------------------------


async def test_policy_and_limits_of_a_profile_are_changed_one_by_one(
    house: House, admin: httpx2.AsyncClient
) -> None:
    path = f"{OURS}/profiles/{house.profile.public_id}"
    change = {
        "strategy": "allow-create-new",
        "reprovision": "retry",
        "retryWindowMs": 60_000,
        "rotationGraceMs": 0,
        "enabled": False,
        "claimWithGateway": True,
        "releaseByDevice": True,
        "limits": {"maxDevices": 5, "namePattern": "m-.*", "allowedNetworks": ["192.0.2.0/24"]},
    }

    changed = (await admin.patch(path, json=change)).json()
    cleared = (await admin.patch(path, json={"limits": {"maxDevices": None}})).json()

    assert changed == (await admin.get(path)).json() | {
        "version": changed["version"],
        "limits": changed["limits"],
    }
    limits = {
        "expiresAtMs": None,
        "maxDevices": 5,
        "maxPerMinute": None,
        "namePattern": "m-.*",
        "allowedNetworks": ["192.0.2.0/24"],
    }
    expected = {key: value for key, value in change.items() if key != "limits"}
    assert {key: changed[key] for key in expected} == expected
    assert changed["limits"] == limits
    assert cleared["limits"] == {**limits, "maxDevices": None}
    assert (changed["name"], changed["deviceCount"]) == (house.profile.name, 1)


async def test_the_profiles_of_the_tenant_are_listed(house: House, admin: httpx2.AsyncClient) -> None:
    items = (await admin.get(f"{OURS}/profiles")).json()["items"]

    (own,) = [each for each in items if each["id"] == str(house.profile.public_id)]
    assert (own["name"], own["strategy"]) == (house.profile.name, house.profile.strategy)


async def test_a_profile_without_a_key_gets_one_with_its_new_secret(admin: httpx2.AsyncClient) -> None:
    """A secret without a key would open nothing."""
    keyless = {
        "name": "keyless", "type": "DEFAULT", "transportType": "DEFAULT",
        "profileData": {"configuration": {"type": "DEFAULT"}, "transportConfiguration": {"type": "DEFAULT"}},
    }  # fmt: skip
    profile_id = (await admin.post("/api/deviceProfile", json=keyless)).json()["id"]["id"]

    first = (await admin.post(f"{OURS}/profiles/{profile_id}/rotate-secret")).json()
    second = (await admin.post(f"{OURS}/profiles/{profile_id}/rotate-secret")).json()

    assert first["provisionKey"]
    assert second["provisionKey"] == first["provisionKey"]
    assert second["provisionSecret"] != first["provisionSecret"]


async def test_a_change_of_another_version_is_refused_with_409(house: House, admin: httpx2.AsyncClient) -> None:
    path = f"{OURS}/profiles/{house.profile.public_id}"
    version = (await admin.get(path)).json()["version"]

    first = await admin.patch(path, json={"version": version, "enabled": False})
    second = await admin.patch(path, json={"version": version, "enabled": True})

    assert (first.status_code, second.status_code) == (200, 409)
    assert second.json()["code"] == "version-conflict"
    assert (await admin.get(path)).json()["enabled"] is False


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"tenantId": "x"}, "$.tenantId"),
        ({"id": "x"}, "$.id"),
        ({"provisionKey": "x"}, "$.provisionKey"),
        ({"limits": {"devices": 1}}, "$.limits.devices"),
        ({"limits": {"maxDevices": 0}}, "$.limits.maxDevices"),
        ({"limits": {"allowedNetworks": [1]}}, "$.limits.allowedNetworks[0]"),
        ({"enabled": "yes"}, "$.enabled"),
        ({"reprovision": "never"}, "$.reprovision"),
        ({"retryWindowMs": 1.5}, "$.retryWindowMs"),
        ([], "$"),
    ],
)
async def test_lg_8_what_is_not_to_be_set_is_refused_by_its_path(
    house: House, admin: httpx2.AsyncClient, change: Any, path: str
) -> None:
    answer = await admin.patch(f"{OURS}/profiles/{house.profile.public_id}", json=change)

    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["path"] for error in answer.json()["errors"]] == [path]


async def test_a_slow_or_broken_name_pattern_and_an_unknown_strategy_are_refused(
    house: House, admin: httpx2.AsyncClient
) -> None:
    path = f"{OURS}/profiles/{house.profile.public_id}"

    for change in (
        {"limits": {"namePattern": "("}},
        {"limits": {"allowedNetworks": ["192.0.2.1/24"]}},
        {"strategy": "no-such"},
    ):
        assert (await admin.patch(path, json=change)).status_code == 400


async def test_a_new_secret_is_shown_once_and_the_old_one_has_its_grace(
    world: World, house: House, admin: httpx2.AsyncClient
) -> None:
    path = f"{OURS}/profiles/{house.profile.public_id}"

    first = (await admin.post(f"{path}/rotate-secret")).json()
    second = (await admin.post(f"{path}/rotate-secret", json={"graceMs": 60_000})).json()

    shown = (await admin.get(path)).text
    assert first["previousSecretUntilMs"] is None
    assert second["previousSecretUntilMs"] is not None
    assert first["provisionSecret"] != second["provisionSecret"]
    assert first["provisionSecret"] not in shown
    assert second["provisionSecret"] not in shown


# -- devices ---------------------------------------------------------------------------------------


async def test_devices_are_listed_with_where_they_stand(
    world: World, house: House, admin: httpx2.AsyncClient
) -> None:
    token = f"{house.mark}-access-token"
    listed = await admin.get(f"{OURS}/devices")
    assert await login(world.server, username=token) == 0
    await world.server.core.commits.drain()  # the first login is written when it has been answered
    later = await admin.get(f"{OURS}/devices", params={"state": "in-use"})

    device = listed.json()["devices"][0]
    assert (device["id"], device["name"]) == (str(house.device.public_id), house.device.name)
    assert (device["state"], device["connected"], device["enabled"]) == ("waiting", False, True)
    assert [each["id"] for each in later.json()["devices"]] == [device["id"]]


async def test_filters_of_devices_hold_together(world: World, house: House, admin: httpx2.AsyncClient) -> None:
    async def names(**filters: str) -> list[str]:
        answer = await admin.get(f"{OURS}/devices", params=filters)
        assert answer.status_code == 200, answer.text
        return [each["name"] for each in answer.json()["devices"]]

    mine = [house.device.name]
    assert await names(text="DEVICE", state="waiting", connected="false", enabled="true") == mine
    assert await names(profileId=str(house.profile.public_id)) == mine
    assert await names(text="no-such") == await names(connected="true") == await names(enabled="false") == []
    foreign = await admin.get(f"{OURS}/devices", params={"profileId": str(uuid4())})
    assert foreign.status_code == 404


async def test_a_list_goes_on_behind_its_cursor(world: World, house: House, admin: httpx2.AsyncClient) -> None:
    from firstboot.devices import DeviceDraft
    from firstboot.model import Credentials

    for number in range(4):
        draft = DeviceDraft(name=f"d{number}", credentials=Credentials("ACCESS_TOKEN", f"token-{number}"))
        await world.services.devices.create(house.profile, draft, actor="test")

    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (
            await admin.get(f"{OURS}/devices", params={"limit": 2, **({"cursor": cursor} if cursor else {})})
        ).json()
        seen += [each["name"] for each in page["devices"]]
        cursor = page["cursor"]

    assert seen == [house.device.name, "d0", "d1", "d2", "d3"]


async def test_tn_3_a_cursor_is_opaque_and_belongs_to_its_list(
    world: World, house: House, admin: httpx2.AsyncClient
) -> None:
    cursor = (await admin.get(f"{OURS}/audit", params={"limit": 1})).json()["cursor"]

    for made_up in (cursor, "", "x", "AAAA", cursor[:-4] + "AAAA"):
        answer = await admin.get(f"{OURS}/devices", params={"cursor": made_up})
        assert answer.status_code == 400, made_up
    assert (await admin.get(f"{OURS}/audit", params={"limit": 1, "cursor": cursor})).status_code == 200


async def test_a_disabled_device_is_refused_and_an_enabled_one_let_in(
    world: World, house: House, admin: httpx2.AsyncClient
) -> None:
    path = f"{OURS}/devices/{house.device.public_id}"
    token = f"{house.mark}-access-token"

    disabled = await admin.post(f"{path}/disable")
    assert await login(world.server, username=token) != 0
    enabled = await admin.post(f"{path}/enable")
    assert await login(world.server, username=token) == 0

    assert (disabled.json()["enabled"], enabled.json()["enabled"]) == (False, True)


async def test_pv_6_a_device_is_re_opened(house: House, admin: httpx2.AsyncClient) -> None:
    answer = await admin.post(f"{OURS}/devices/{house.device.public_id}/reopen")

    assert answer.json()["state"] == "re-opened"


# -- audit and refusals ----------------------------------------------------------------------------


async def test_a_refused_device_is_seen_with_its_reason_and_only_by_its_tenant(
    world: World, house: House, admin: httpx2.AsyncClient
) -> None:
    await world.house("baboon", "default")
    demo = await world.server.profile("demo")
    await world.server.post({**demo.request("meter"), "provisionDeviceSecret": "wrong-wrong-wrong"})
    default_admin = await world.user(
        "default@example.com", Authority.TENANT_ADMIN, await world.server.core.tenant("default")
    )
    theirs = await world.person(default_admin)

    seen = (await theirs.get(f"{OURS}/refusals", params={"device": "meter"})).json()["entries"]
    elsewhere = (await admin.get(f"{OURS}/refusals")).json()["entries"]

    assert [(each["code"], each["device"], each["profile"]) for each in seen] == [
        ("wrong-secret", "meter", "demo")
    ]
    assert elsewhere == []


async def test_the_audit_log_has_who_did_what_newest_first(house: House, admin: httpx2.AsyncClient) -> None:
    await admin.post(f"{OURS}/devices/{house.device.public_id}/disable")
    await admin.post(f"{OURS}/devices/{house.device.public_id}/enable")

    mine = {"actor": f"user:{house.admin.email}", "deviceId": str(house.device.public_id)}
    entries = (await admin.get(f"{OURS}/audit", params=mine)).json()["entries"]
    one = (await admin.get(f"{OURS}/audit", params={**mine, "event": "device-disabled"})).json()["entries"]

    assert [each["event"] for each in entries] == ["device-enabled", "device-disabled"]
    assert [each["event"] for each in one] == ["device-disabled"]


# -- tokens ----------------------------------------------------------------------------------------


async def test_lg_9_a_token_is_shown_once_works_and_ends_at_once_when_it_is_revoked(
    world: World, house: House, admin: httpx2.AsyncClient
) -> None:
    made = await admin.post(f"{OURS}/tokens", json={"name": "ci", "scopes": ["devices:read"]})
    token = made.json()
    asking = {"Authorization": f"Bearer {token['token']}"}

    listed = await admin.get(f"{OURS}/tokens")
    works = await world.nobody.get(f"{OURS}/devices", headers=asking)
    revoked = await admin.delete(f"{OURS}/tokens/{token['id']}")
    ended = await world.nobody.get(f"{OURS}/devices", headers=asking)

    assert (made.status_code, works.status_code, revoked.status_code, ended.status_code) == (201, 200, 204, 401)
    assert token["id"] in listed.text
    assert token["token"] not in listed.text
    assert revoked.content == b""


async def test_lg_9_a_token_says_whether_it_is_enabled_and_opens_nothing_when_it_is_not(
    world: World, house: House, admin: httpx2.AsyncClient
) -> None:
    made = await admin.post(f"{OURS}/tokens", json={"name": "ci", "scopes": ["devices:read"]})
    token = await world.services.api_tokens.by_name(house.tenant.id, "ci")

    await world.services.api_tokens.update(replace(token, enabled=False), actor="test")

    listed = (await admin.get(f"{OURS}/tokens")).json()["tokens"]
    assert made.json()["enabled"] is True
    assert {each["name"]: each["enabled"] for each in listed} == {house.token.name: True, "ci": False}
    asking = {"Authorization": f"Bearer {made.json()['token']}"}
    assert (await world.nobody.get(f"{OURS}/devices", headers=asking)).status_code == 401


async def test_lg_9_a_token_passes_on_no_more_than_it_has(world: World, house: House) -> None:
    program = await world.program(house, "tokens:write", "devices:read")

    more = await program.post(f"{OURS}/tokens", json={"name": "more", "scopes": ["devices:write"]})
    same = await program.post(f"{OURS}/tokens", json={"name": "same", "scopes": ["devices:read"]})

    assert (more.status_code, more.json()["code"]) == (403, "not-allowed")
    assert same.status_code == 201


async def test_an_unknown_scope_and_a_name_that_is_taken_are_refused(admin: httpx2.AsyncClient) -> None:
    unknown = await admin.post(f"{OURS}/tokens", json={"name": "ci", "scopes": ["device:read"]})
    first = await admin.post(f"{OURS}/tokens", json={"name": "ci", "scopes": ["devices:read"]})
    second = await admin.post(f"{OURS}/tokens", json={"name": "ci", "scopes": ["devices:read"]})

    assert (unknown.status_code, first.status_code, second.status_code) == (400, 201, 409)
    assert "devices:read" in unknown.json()["detail"]


# -- tenants ---------------------------------------------------------------------------------------


async def test_a_system_administrator_makes_a_tenant_and_its_administrator_who_chooses_a_password(
    world: World,
) -> None:
    root = await world.sys_admin()

    tenant = (await root.post(f"{OURS}/tenants", json={"name": "acme"})).json()
    users = f"{OURS}/tenants/{tenant['id']}/users"
    made = (await root.post(users, json={"email": "boss@acme.example.com", "firstName": "B"})).json()
    link = made.pop("activationLink")
    token = link.partition("activateToken=")[2]
    activated = await world.nobody.post(
        "/api/noauth/activate", json={"activateToken": token, "password": "boss-horse-9"}
    )
    boss = {"X-Authorization": f"Bearer {activated.json()['token']}"}
    me = (await world.nobody.get(f"{OURS}/me", headers=boss)).json()
    listed = (await root.get(users)).json()

    assert link.startswith(f"http://localhost:{world.server.http_port}/api/noauth/activate?")
    assert (me["authority"], me["tenantId"]) == ("TENANT_ADMIN", tenant["id"])
    assert listed == {"users": [{**made, "active": True}], "total": 1}
    assert tenant in (await root.get(f"{OURS}/tenants")).json()["tenants"]
    assert (await root.delete(f"{users}/{made['id']}")).status_code == 204
    assert (await world.nobody.get(f"{OURS}/me", headers=boss)).status_code == 401


async def test_a_user_of_another_tenant_is_not_found_there(world: World, house: House) -> None:
    root = await world.sys_admin()
    other = await world.services.tenants.create("other", actor="test")

    answer = await root.delete(f"{OURS}/tenants/{other.public_id}/users/{house.user.public_id}")

    assert answer.status_code == 404


# -- the server ------------------------------------------------------------------------------------


async def test_the_server_says_what_it_is_to_those_who_may_know(world: World, admin: httpx2.AsyncClient) -> None:
    told = (await admin.get(f"{OURS}/server")).json()
    health = (await admin.get(f"{OURS}/health")).json()

    assert told["version"] == __version__
    assert {"name": "http", "host": "127.0.0.1", "port": world.server.http_port} in told["listeners"]
    assert "admin" in [plugin["name"] for plugin in told["plugins"]]
    assert told["limits"]["maxAdminBody"] == 1_048_576
    assert health == {"status": "ok", "reasons": [], "warnings": []}


async def test_health_without_a_login_is_one_word(world: World) -> None:
    for path in ("/health", "/health/ready"):
        answer = await world.nobody.get(path)

        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
