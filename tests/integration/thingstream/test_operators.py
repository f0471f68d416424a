"""``/thingstream/v1``: profiles, tokens and Things for operators (contract sections 3, 4, 8)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.integration.provisioning.fake_clock import FakeClock
from tests.integration.thingstream.fleet import IMEI, SCOPES, Fleet

from firstboot.secret import Secret
from firstboot_plugins.dialects.thingstream import uses, whitelist
from firstboot_plugins.dialects.thingstream.services import Thingstream

OPTIONS: dict[str, Any] = {
    "name": "Trackers EU",
    "autoActivate": False,
    "plan": "cl-dev",
    "tags": ["eu"],
    "hardwareCodeMandatory": True,
    "hardwareCodes": [IMEI, "A"],
    "renewal": {"oldThing": "immediate", "graceSeconds": 60},
    "maxThings": 7,
    "answer": {"aliases": False, "brokerPort": True, "supportsMqtt": False, "subscriptions": True},
}


async def test_a_profile_has_the_options_that_it_was_made_with(each_fleet: Fleet, clock: FakeClock) -> None:
    made = await each_fleet.profile(**OPTIONS)

    shown = await each_fleet.call("GET", "/profiles/trackers-eu")

    (token,) = shown.pop("tokens")
    assert shown == {
        **OPTIONS,
        "profile": "trackers-eu",
        "deviceType": "CloudLocate",
        "format": None,
        "things": 0,
        "url": f"http://localhost:{each_fleet.server.http_port}/ztp/cloudlocate/credentials",
    }
    assert token == {
        "id": made.told["tokens"][0]["id"],
        "token": f"********-****-****-****-********{made.token[-4:]}",
        "state": "active",
        "created": clock.now_ms,
        "expires": None,
        "uses": 0,
    }
    assert (await each_fleet.call("GET", "/profiles"))["profiles"] == [{**shown, "tokens": [token]}]


async def test_a_profile_that_was_read_can_be_sent_back_changed(each_fleet: Fleet) -> None:
    await each_fleet.profile(**OPTIONS)
    shown = await each_fleet.call("GET", "/profiles/trackers-eu")

    changed = await each_fleet.call(
        "PUT", "/profiles/trackers-eu", {**shown, "plan": "cl-big", "hardwareCodes": None, "maxThings": 0}
    )

    assert changed == {**shown, "plan": "cl-big", "hardwareCodes": None, "maxThings": 0}
    assert await each_fleet.server.core.storage.list_resources(whitelist.KIND) == []


async def test_what_a_change_leaves_out_stays(fleet: Fleet) -> None:
    made = await fleet.profile(**OPTIONS)

    changed = await fleet.call("PUT", "/profiles/trackers-eu", {"autoActivate": True})

    tokens = [{**each, "token": changed["tokens"][0]["token"]} for each in made.told["tokens"]]
    assert changed == {**made.told, "autoActivate": True, "tokens": tokens}


async def test_a_change_is_for_new_things_only(fleet: Fleet) -> None:
    profile = await fleet.profile(plan="old", tags=["old"], autoActivate=False)
    first = await fleet.get(profile.token, hardwareId=IMEI)
    before = await fleet.thing(first)

    await fleet.call("PUT", "/profiles/trackers-eu", {"plan": "new", "tags": ["new"], "autoActivate": True})
    second = await fleet.thing(await fleet.get(profile.token))

    assert await fleet.thing(first) == before
    assert (second["plan"], second["tags"], second["state"]) == ("new", ["new"], "active")


async def test_the_list_of_hardware_codes_can_be_replaced(fleet: Fleet) -> None:
    profile = await fleet.profile(hardwareCodes=["A", "B"])

    changed = await fleet.call("PUT", "/profiles/trackers-eu/hardware-codes", {"hardwareCodes": ["B", "C"]})

    assert changed["hardwareCodes"] == ["B", "C"]
    codes = {code: (await fleet.ask({"token": profile.token, "hardwareId": code})).status_code for code in "ABC"}
    assert codes == {"A": 403, "B": 200, "C": 200}
    await fleet.call("PUT", "/profiles/trackers-eu/hardware-codes", {"hardwareCodes": []})
    assert (await fleet.ask({"token": profile.token, "hardwareId": "B"})).status_code == 403
    await fleet.call("PUT", "/profiles/trackers-eu/hardware-codes", {"hardwareCodes": None})
    await fleet.get(profile.token, hardwareId="A")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"profile": "with/slash"},
        {"profile": "a b"},
        {"profile": "a~b"},
        {"profile": "ok", "plan": ""},
        {"profile": "ok", "plan": " "},
        {"profile": "ok", "deviceType": "Nothing"},
        {"profile": "ok", "maxThings": -1},
        {"profile": "ok", "tags": ["x" * 65]},
        {"profile": "ok", "hardwareCodes": [""]},
        {"profile": "ok", "hardwareCodes": ["a\u0007"]},
        {"profile": "ok", "renewal": {"oldThing": "never"}},
        {"profile": "ok", "renewal": {"graceSeconds": -1}},
        {"profile": "ok", "unknown": 1},
        {"profile": "ok", "tokens": []},
    ],
)
async def test_a_profile_that_cannot_be_is_refused_with_the_reason(fleet: Fleet, body: dict[str, Any]) -> None:
    refusal = await fleet.call("POST", "/profiles", body, status=400)

    assert (refusal["status"], refusal["code"]) == (400, "invalid-value")


async def test_a_profile_of_the_name_of_another_is_refused(fleet: Fleet) -> None:
    await fleet.server.profile("demo")

    for _ in range(2):
        await fleet.call("POST", "/profiles", {"profile": "demo"}, status=409)
        await fleet.call("GET", "/profiles/demo", status=404)


async def test_a_profile_stays_with_its_service(fleet: Fleet) -> None:
    await fleet.profile()

    await fleet.call("PUT", "/profiles/trackers-eu", {"deviceType": "AssistNow"}, status=400)


async def test_a_profile_with_things_can_be_deleted_and_they_go_on(each_fleet: Fleet) -> None:
    profile = await each_fleet.profile(hardwareCodes=[IMEI])
    told = await each_fleet.get(profile.token, hardwareId=IMEI)
    await Thingstream.of(each_fleet.server.services).uses.write()

    await each_fleet.call("DELETE", "/profiles/trackers-eu", status=204)

    await each_fleet.call("GET", "/profiles/trackers-eu", status=404)
    assert await each_fleet.refused({"token": profile.token}) == (403, "Invalid token")
    assert await each_fleet.login(told) == 0
    (thing,) = (await each_fleet.call("GET", "/things"))["things"]
    assert thing["id"] == told["clientId"]
    for kind in (whitelist.KIND, uses.KIND):
        assert await each_fleet.server.core.storage.list_resources(kind) == []
    again = await each_fleet.profile()
    await each_fleet.get(again.token)


async def test_a_profile_without_things_is_deleted_wholly(fleet: Fleet) -> None:
    await fleet.profile()

    await fleet.call("DELETE", "/profiles/trackers-eu", status=204)

    assert [each.name for each in await fleet.server.core.profiles.all(1)] == []


# -- tokens ----------------------------------------------------------------------------------------


async def test_uses_of_each_token_are_counted_and_written_down(each_fleet: Fleet) -> None:
    profile = await each_fleet.profile()
    thingstream = Thingstream.of(each_fleet.server.services)
    for _ in range(2):
        await each_fleet.get(profile.token)
        await thingstream.uses.write()
    new = await each_fleet.call("POST", "/profiles/trackers-eu/tokens/rotate", {"graceSeconds": 9})
    await each_fleet.get(profile.token)
    await each_fleet.get(new["token"])
    await each_fleet.refused({"token": profile.token, "givenName": 7})

    shown = await each_fleet.call("GET", "/profiles/trackers-eu")

    assert [(each["state"], each["uses"]) for each in shown["tokens"]] == [("retiring", 3), ("active", 1)]
    await thingstream.uses.write()
    (stored,) = await each_fleet.server.core.storage.list_resources(uses.KIND)
    assert sorted(stored.document.values()) == [1, 3]


async def test_a_token_is_rotated_at_once_or_with_grace(fleet: Fleet, clock: FakeClock) -> None:
    await fleet.profile()
    await fleet.call("POST", "/profiles/trackers-eu/tokens/rotate")
    usual = await fleet.call("GET", "/profiles/trackers-eu")

    await fleet.call("POST", "/profiles/trackers-eu/tokens/rotate", {"graceSeconds": 0})
    at_once = await fleet.call("GET", "/profiles/trackers-eu")

    assert [(each["state"], each["expires"]) for each in usual["tokens"]] == [
        ("retiring", clock.now_ms + 7 * 86_400_000),
        ("active", None),
    ]
    assert [each["state"] for each in at_once["tokens"]] == ["revoked", "revoked", "active"]


async def test_what_was_rotated_often_does_not_pile_up(fleet: Fleet) -> None:
    await fleet.profile()
    for _ in range(30):
        await fleet.call("POST", "/profiles/trackers-eu/tokens/rotate", {"graceSeconds": 0})

    assert len((await fleet.call("GET", "/profiles/trackers-eu"))["tokens"]) == 20


async def test_a_token_is_named_by_its_id_or_by_its_text(fleet: Fleet) -> None:
    profile = await fleet.profile()

    disabled = await fleet.call(
        "PUT", f"/profiles/trackers-eu/tokens/{profile.token.upper()}", {"state": "disabled"}
    )
    await fleet.call("DELETE", f"/profiles/trackers-eu/tokens/{disabled['id']}", status=204)

    assert disabled["state"] == "disabled"
    await fleet.call("DELETE", f"/profiles/trackers-eu/tokens/{profile.token}", status=404)


async def test_a_token_can_be_given_an_end(fleet: Fleet, clock: FakeClock) -> None:
    profile = await fleet.profile()
    (token,) = profile.told["tokens"]

    await fleet.call("PUT", f"/profiles/trackers-eu/tokens/{token['id']}", {"expires": clock.now_ms})

    await fleet.get(profile.token)
    clock.advance(0.001)
    assert await fleet.refused({"token": profile.token}) == (403, "Invalid token")
    await fleet.call("PUT", f"/profiles/trackers-eu/tokens/{token['id']}", {"expires": None})
    await fleet.get(profile.token)


# -- Things ----------------------------------------------------------------------------------------


async def test_things_are_found_by_profile_state_hardware_and_tag(fleet: Fleet) -> None:
    one = await fleet.profile("one", tags=["eu"])
    other = await fleet.profile("other", autoActivate=False)
    told = [
        await fleet.get(one.token, hardwareId=IMEI),
        await fleet.get(one.token, hardwareId="B", tags=["beta"]),
        await fleet.get(other.token, hardwareId=IMEI),
    ]
    await fleet.call("POST", f"/things/{told[1]['clientId']}/deactivate")
    await fleet.server.profile("demo")

    async def found(**query: str) -> list[int]:
        things = (await fleet.call("GET", "/things", **query))["things"]
        ids = [each["clientId"] for each in told]
        return [ids.index(thing["id"]) for thing in things]

    assert await found() == [0, 1, 2]
    assert await found(profile="one") == [0, 1]
    assert await found(state="allocated") == [2]
    assert await found(state="deactivated") == [1]
    assert await found(hardwareId=IMEI) == [0, 2]
    assert await found(hardwareId=IMEI, profile="other") == [2]
    assert await found(tag="beta") == [1]
    assert await found(tag="eu", state="active") == [0]
    await fleet.call("GET", "/things", status=404, profile="demo")


async def test_a_long_list_of_things_goes_on_where_it_ended(fleet: Fleet) -> None:
    profile = await fleet.profile()
    ids = [(await fleet.get(profile.token, hardwareId=IMEI))["clientId"] for _ in range(2)]
    ids.append((await fleet.get(profile.token))["clientId"])

    first = await fleet.call("GET", "/things", limit="2")
    rest = await fleet.call("GET", "/things", limit="2", cursor=first["cursor"])

    assert [each["id"] for each in (*first["things"], *rest["things"])] == ids
    assert rest["cursor"] is None
    await fleet.call("GET", "/things", status=400, cursor="made-up")


async def test_a_thing_is_named_by_its_id_with_and_without_the_prefix(fleet: Fleet) -> None:
    profile = await fleet.profile()
    told = await fleet.get(profile.token)
    uuid = told["clientId"].removeprefix("device:")

    assert await fleet.call("GET", f"/things/{uuid}") == await fleet.call("GET", f"/things/device:{uuid}")
    for other in ("nothing", "device:", "device:6d1f0b9e-2f6c-4a39-8a0e-3f0c8f1f2b77"):
        await fleet.call("GET", f"/things/{other}", status=404)


async def test_a_device_of_another_dialect_is_no_thing(fleet: Fleet) -> None:
    demo = await fleet.server.profile()
    await fleet.server.post(demo.request("meter"))
    device = await fleet.server.device("meter")
    assert device is not None

    await fleet.call("GET", f"/things/device:{device.public_id}", status=404)
    await fleet.call("DELETE", f"/things/device:{device.public_id}", status=404)


async def test_a_thing_goes_from_allocated_to_active_and_back_and_forth(each_fleet: Fleet) -> None:
    profile = await each_fleet.profile(autoActivate=False)
    told = await each_fleet.get(profile.token)
    path = f"/things/{told['clientId']}"

    states = [(await each_fleet.call("GET", path))["state"]]
    for step in ("activate", "activate", "deactivate", "deactivate", "activate"):
        states.append((await each_fleet.call("POST", f"{path}/{step}"))["state"])

    assert states == ["allocated", "active", "active", "deactivated", "deactivated", "active"]
    rows = [row.entry for row in await each_fleet.server.audit()]
    assert [row.event for row in rows if row.event in ("device-enabled", "device-disabled")] == [
        "device-enabled",
        "device-disabled",
        "device-enabled",
    ]


async def test_all_allocated_things_of_a_profile_are_activated_with_one_call(fleet: Fleet) -> None:
    profile, other = await fleet.profile(autoActivate=False), await fleet.profile("other", autoActivate=False)
    told = [await fleet.get(each.token) for each in (profile, profile, profile, other)]
    await fleet.call("POST", f"/things/{told[2]['clientId']}/deactivate")

    assert await fleet.call("POST", "/things/activate", {"profile": profile.name}) == {"count": 2}

    assert [(await fleet.thing(each))["state"] for each in told] == [
        "active",
        "active",
        "deactivated",
        "allocated",
    ]


async def test_a_thing_that_is_deleted_is_gone_with_its_session(each_fleet: Fleet) -> None:
    profile = await each_fleet.profile()
    told = await each_fleet.get(profile.token)
    session, _ = await each_fleet.open(told)

    await each_fleet.call("DELETE", f"/things/{told['clientId']}", status=204)

    await session.expect_closed()
    await session.close()
    await each_fleet.call("GET", f"/things/{told['clientId']}", status=404)


# -- one model underneath --------------------------------------------------------------------------


async def test_a_thing_is_an_ordinary_device_for_administrators(fleet: Fleet) -> None:
    profile = await fleet.profile()
    told = await fleet.get(profile.token, givenName="Torch")
    listed = (await fleet.operator.get("/api/firstboot/devices")).json()["devices"]
    (device,) = listed

    assert (device["name"], device["label"], device["profile"]) == (told["clientId"], "Torch", profile.name)
    assert (await fleet.operator.post(f"/api/firstboot/devices/{device['id']}/disable")).status_code == 200
    assert (await fleet.thing(told))["state"] == "deactivated"
    assert await fleet.login(told) == 5


async def test_without_rights_nothing_is_told_and_errors_have_their_form(fleet: Fleet) -> None:
    _, secret = await fleet.server.services.api_tokens.create(1, "reader", ["profiles:read"], actor="test")
    reader = {"authorization": f"Bearer {secret.reveal()}"}

    nobody = await fleet.device.get("/thingstream/v1/profiles")
    answers = [
        (await fleet.device.request(method, f"/thingstream/v1{path}", headers=reader, json=body)).status_code
        for method, path, body in (
            ("GET", "/profiles", None),
            ("POST", "/profiles", {"profile": "x"}),
            ("GET", "/things", None),
        )
    ]
    unknown = await fleet.device.get("/thingstream/v1/nothing")

    assert (nobody.status_code, answers, unknown.status_code) == (401, [200, 403, 403], 404)
    assert {each.headers["content-type"] for each in (nobody, unknown)} == {"application/problem+json"}


async def test_tn_1_another_tenant_finds_nothing_and_a_token_of_it_makes_nothing_here(each_fleet: Fleet) -> None:
    services = each_fleet.server.services
    profile = await each_fleet.profile()
    told = await each_fleet.get(profile.token, hardwareId=IMEI)
    before = await each_fleet.thing(told)
    other = await services.tenants.create("other", actor="test")
    _, secret = await services.api_tokens.create(other.id, "operator", SCOPES, actor="test")
    token, thing = profile.told["tokens"][0]["id"], told["clientId"]
    of_profile = {"profile": profile.name}

    statuses = {}
    for method, path, body in (
        ("GET", f"/profiles/{profile.name}", None),
        ("PUT", f"/profiles/{profile.name}", {"plan": "other"}),
        ("PUT", f"/profiles/{profile.name}/hardware-codes", {"hardwareCodes": []}),
        ("DELETE", f"/profiles/{profile.name}", None),
        ("POST", f"/profiles/{profile.name}/tokens/rotate", None),
        ("PUT", f"/profiles/{profile.name}/tokens/{token}", {"state": "disabled"}),
        ("DELETE", f"/profiles/{profile.name}/tokens/{token}", None),
        ("GET", f"/things/{thing}", None),
        ("POST", f"/things/{thing}/activate", None),
        ("POST", f"/things/{thing}/deactivate", None),
        ("DELETE", f"/things/{thing}", None),
        ("POST", "/things/activate", of_profile),
        ("POST", "/things/deactivate-superseded", of_profile),
    ):
        headers = {"authorization": f"Bearer {secret.reveal()}"}
        answer = await each_fleet.device.request(method, f"/thingstream/v1{path}", headers=headers, json=body)
        statuses[method, path] = answer.status_code

    assert set(statuses.values()) == {404}, statuses
    for path in ("/profiles", "/things"):
        answer = await each_fleet.device.get(f"/thingstream/v1{path}", headers=headers)
        assert answer.json() in ({"profiles": []}, {"things": [], "cursor": None})
    assert await each_fleet.thing(told) == before
    assert (await each_fleet.call("GET", f"/profiles/{profile.name}"))["plan"] == "default"


async def test_a_token_shows_nowhere(fleet: Fleet) -> None:
    from firstboot_plugins.dialects.thingstream.settings import DeviceType

    profile = await fleet.profile()

    proven = Thingstream.of(fleet.server.services).tokens.prove(Secret(profile.token), DeviceType.CLOUDLOCATE)

    assert profile.token not in repr(proven)
    assert proven.token.digest not in repr(proven.token)
