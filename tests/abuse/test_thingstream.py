"""What devices, leaked tokens and other tenants may try over Thingstream's API (threats, sections 3, 5, 7-9)."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from tests.harness import login
from tests.integration.thingstream.fleet import CLOUDLOCATE, IMEI, SCOPES, Fleet, fleet_of
from tests.integration.thingstream.rovers import ASSISTNOW, MAC, POINTPERFECT, UNIQUE_ID, VERSION, corrections, got

from firstboot_plugins.dialects.thingstream.operator_api import OPERATIONS

PATHS = (CLOUDLOCATE, POINTPERFECT, ASSISTNOW)


@pytest.fixture
async def fleet(tmp_path: Path) -> Any:
    """Run a server with an operator."""
    async with fleet_of(tmp_path) as made:
        yield made


async def at_once(fleet: Fleet, count: int, body: dict[str, Any], **each: Any) -> list[httpx2.Response]:
    return await asyncio.gather(
        *(fleet.ask(body | {name: make(number) for name, make in each.items()}) for number in range(count))
    )


# -- leaked tokens ---------------------------------------------------------------------------------


class TestLeakedTokens:
    @pytest.mark.parametrize("linked", [True, False])
    async def test_pv_3_of_many_at_once_exactly_as_many_get_a_thing_as_the_profile_may_have(
        self, fleet: Fleet, linked: bool
    ) -> None:
        """PV-3, PV-5: with hardware codes and without."""
        profile = await fleet.profile(maxThings=5)
        codes = {"hardwareId": lambda number: f"hw{number}"} if linked else {}
        answers = await at_once(fleet, 20, {"token": profile.token}, **codes)

        assert (
            sorted((each.status_code, each.text) for each in answers if each.status_code != 200)
            == [(403, "Device limit reached")] * 15
        )
        assert len((await fleet.call("GET", "/things"))["things"]) == 5

    @pytest.mark.parametrize("old", ["immediate", "on_first_connect"])
    async def test_pv_5_of_many_renewals_of_one_hardware_at_once_the_last_one_counts(
        self, fleet: Fleet, old: str
    ) -> None:
        profile = await fleet.profile(renewal={"oldThing": old, "graceSeconds": 3600})
        body = {"token": profile.token, "hardwareId": IMEI}
        answers = await at_once(fleet, 10, body, givenName=lambda number: f"unit {number}")

        assert [each.status_code for each in answers] == [200] * 10
        told = [each.json() for each in answers]
        things = (await fleet.call("GET", "/things", hardwareId=IMEI))["things"]
        (newest,) = [each for each in things if each["supersededBy"] is None]
        (credentials,) = [each for each in told if each["clientId"] == newest["id"]]
        assert await fleet.login(credentials) == 0
        others = [await fleet.login(each) for each in told if each is not credentials]
        assert others == [5] * 9
        states = sorted(each["state"] for each in (await fleet.call("GET", "/things", hardwareId=IMEI))["things"])
        assert states == ["active"] + ["deactivated"] * 9

    async def test_pv_4_a_token_changes_no_thing_of_other_profiles_and_tenants(self, fleet: Fleet) -> None:
        mine, other = await fleet.profile(), await fleet.profile("other", renewal={"oldThing": "immediate"})
        mallory = await fleet.server.services.tenants.create("mallory", actor="test")
        _, secret = await fleet.server.services.api_tokens.create(mallory.id, "o", SCOPES, actor="test")
        headers = {"authorization": f"Bearer {secret.reveal()}"}
        sent = {"profile": "trackers-eu", "renewal": {"oldThing": "immediate"}}
        theirs = (
            await fleet.device.post("/thingstream/v1/profiles", json=sent, headers=headers)
        ).json()["tokens"][0]["token"]  # fmt: skip
        credentials = await fleet.get(mine.token, hardwareId=IMEI)

        await fleet.get(other.token, hardwareId=IMEI)
        await fleet.get(theirs, hardwareId=IMEI)

        assert await fleet.login(credentials) == 0
        assert (await fleet.thing(credentials))["supersededBy"] is None

    async def test_ht_5_a_forged_forwarding_header_is_no_way_around_the_limit_of_wrong_tokens(
        self, tmp_path: Path
    ) -> None:
        """HT-5, section 10 of the contract."""
        async with fleet_of(tmp_path, thingstream={"bad_tokens_per_minute": 5}) as fleet:
            answers = [
                await fleet.ask({"token": str(uuid4())}, **{"x-forwarded-for": f"10.0.0.{number}"})
                for number in range(8)
            ]

        assert [each.status_code for each in answers] == [403] * 5 + [429] * 3


# -- other tenants and dialects --------------------------------------------------------------------


async def test_tn_1_no_operation_answers_an_operator_of_another_tenant(fleet: Fleet) -> None:
    profile = await fleet.profile()
    credentials = await fleet.get(profile.token)
    mallory = await fleet.server.services.tenants.create("mallory", actor="test")
    _, secret = await fleet.server.services.api_tokens.create(mallory.id, "o", SCOPES, actor="test")
    wrong = []
    for operation in OPERATIONS:
        if "{" in operation.path:
            path = operation.path.replace("{profile}", profile.name).replace("{thing}", credentials["clientId"])
            answer = await fleet.device.request(
                operation.method,
                path.replace("{token}", profile.token),
                headers={"authorization": f"Bearer {secret.reveal()}"},
                json={"hardwareCodes": ["x"]} if path.endswith("hardware-codes") else {},
            )
            if operation.path.endswith("/keys"):  # of a plan, of which each tenant has its own
                own = await fleet.operator.request(operation.method, path)
                assert own.status_code == 200
                if own.json()["current"]["value"] == answer.json()["current"]["value"]:
                    wrong.append((operation.method, path, answer.status_code, answer.text))
            elif answer.status_code != 404:
                wrong.append((operation.method, path, answer.status_code, answer.text))

    assert wrong == []
    assert await fleet.login(credentials) == 0


async def test_lg_9_what_things_and_profiles_have_opens_nothing_of_other_dialects(fleet: Fleet) -> None:
    profile = await fleet.profile()
    told = await fleet.get(profile.token)
    rover = await got(fleet, (await corrections(fleet)).token, hardwareId=MAC)
    opened = []
    for secret in (profile.token, told["clientId"], told["userName"], told["password"], rover["clientId"]):
        answers = [
            await fleet.device.post(f"/api/v1/{secret}/telemetry", json={"a": 1}),
            await fleet.device.get("/v1/users/default/devices", headers={"authorization": f"Bearer {secret}"}),
            await fleet.device.get("/thingstream/v1/things", headers={"authorization": f"Bearer {secret}"}),
        ]
        request = {"deviceName": "x", "provisionDeviceKey": secret, "provisionDeviceSecret": secret}
        provisioned = await fleet.server.post(request)
        logins = [
            await login(fleet.server, client_id="", username=secret),
            await login(fleet.server, client_id=told["clientId"], username=told["userName"]),
            await login(fleet.server, client_id=told["clientId"]),
            await login(fleet.server, client_id=secret, username=secret, password=secret.encode()),
        ]
        if {each.status_code for each in answers} != {401} or 0 in logins or provisioned["status"] == "SUCCESS":
            opened.append((secret, answers, logins, provisioned))
    assert opened == []
    assert await fleet.login(told) == 0


# -- bytes -----------------------------------------------------------------------------------------

_FRAMES = {"UBX-SEC-UNIQID": UNIQUE_ID, "UBX-MON-VER": VERSION}
ODD: tuple[Any, ...] = (
    b"", b"null", b"[]", b'"x"', b"{", b"{}", b"[" * 10_000, b'{"token":"a","token":"b"}', b"\xff\xfe{}", b"\x00",
    b'{"token":"\\ud800"}', b'{"token":1e999}', b'{"token":' + b"9" * 5000 + b"}",
    {"token": None}, {"token": []}, {"token": {}}, {"token": True}, {"token": ""}, {"token": "x" * 10_000},
    {"givenName": 5}, {"givenName": "x" * 51}, {"givenName": "\u202e"}, {"givenName": "<script>"},
    {"givenName": "{{x}}"}, {"hardwareId": 5}, {"hardwareId": "x" * 65}, {"hardwareId": "\u0000"},
    {"hardwareId": "\n"}, {"hardwareId": " "}, {"tags": "x"}, {"tags": [5]}, {"tags": ["x" * 65]}, {"tags": {}},
    {"tags": [f"t{number}" for number in range(51)]}, {"messages": []}, {"messages": {"UBX-MON-VER": []}},
    {"messages": {**_FRAMES, "UBX-MON-VER": VERSION[:-2] + "00"}},
    {"messages": {**_FRAMES, "UBX-SEC-UNIQID": "B562270304000200000032D5"}},
    {"messages": {**_FRAMES, "UBX-SEC-UNIQID": "zz"}}, {"messages": {**_FRAMES, "UBX-SEC-UNIQID": "B5" * 5000}},
)  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
async def test_ht_2_whatever_is_sent_is_refused_and_nothing_of_it_is_repeated(fleet: Fleet, path: str) -> None:
    kind = {CLOUDLOCATE: "CloudLocate", POINTPERFECT: "PointPerfect", ASSISTNOW: "AssistNow"}[path]
    profile = await fleet.profile(deviceType=kind)
    wrong = []
    for odd in ODD:
        body = odd if isinstance(odd, bytes) else json.dumps({"token": profile.token, **odd}).encode()
        answer = await fleet.ask(body, path=path)
        reads_it = path == ASSISTNOW or not isinstance(odd, dict) or "messages" not in odd
        if answer.status_code not in ((400, 403) if reads_it else (200,)) or (len(answer.text) > 40 and reads_it):
            wrong.append((odd, answer.status_code, answer.text))
        if profile.token in answer.text:
            wrong.append((odd, answer.status_code, answer.text))

    assert wrong == []


# -- secrets ---------------------------------------------------------------------------------------


async def test_se_5_no_token_password_or_key_is_written_or_shown_a_second_time(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    profile = await fleet.profile(renewal={"oldThing": "immediate"})
    first = await fleet.get(profile.token, hardwareId=IMEI)
    again = await fleet.get(profile.token, hardwareId=IMEI)
    rover = await got(fleet, (await corrections(fleet)).token, hardwareId=MAC)
    assert await fleet.login(again) == 0
    assert await fleet.login(first) == 5
    wrong = str(uuid4())
    assert (await fleet.ask({"token": wrong})).status_code == 403
    rotated = await fleet.call("POST", f"/profiles/{profile.name}/tokens/rotate", {"graceSeconds": 60})
    await fleet.call("DELETE", f"/profiles/{profile.name}/tokens/{profile.token}", status=204)
    key_line = rover["privateKey"].splitlines()[5]
    secrets = [profile.token, wrong, rotated["token"], first["password"], again["password"], key_line]

    shown = [json.dumps(await fleet.call("GET", path)) for path in ("/profiles", "/things")]
    for thing in (await fleet.call("GET", "/things"))["things"]:
        device = await fleet.server.device(thing["id"])
        shown.append(repr(device))
    ours = [record for record in caplog.records if not record.name.startswith("httpx")]
    written = "\n".join([*(str(vars(record)) for record in ours), *map(repr, await fleet.server.audit()), *shown])
    assert [secret for secret in secrets if secret in written] == []
