"""Thingstream's acceptance checks of CloudLocate, by their numbers (contract section 11), on each database."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from tests.integration.provisioning.fake_clock import FakeClock
from tests.integration.thingstream.fleet import IMEI, REFUSED, Fleet, fleet_of


async def test_check_1_a_device_with_its_code_gets_credentials_that_log_in(each_fleet: Fleet) -> None:
    profile = await each_fleet.profile(hardwareCodeMandatory=True)

    without = await each_fleet.refused({"token": profile.token, "givenName": "tracker"})
    told = await each_fleet.get(profile.token, givenName="tracker", hardwareId=IMEI)

    assert without == (400, "Hardware code is mandatory")
    assert re.fullmatch(r"device:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", told["clientId"])
    assert re.fullmatch(r"[A-Z0-9]{20}", told["userName"])
    assert re.fullmatch(r"[A-Za-z0-9+/]{40}", told["password"])
    assert told["brokerHost"] == "localhost"
    assert await each_fleet.login(told) == 0
    for wrong in (
        {"client_id": "device:6d1f0b9e-2f6c-4a39-8a0e-3f0c8f1f2b77"},
        {"client_id": "something-else"},
        {"client_id": told["clientId"].upper()},
        {"username": "A" * 20},
        {"password": "x" * 40},
    ):
        assert await each_fleet.login(told, **wrong) == REFUSED


async def test_check_2_a_device_that_asks_again_gets_another_thing_and_the_old_one_goes_on_until_deactivated(
    each_fleet: Fleet, clock: FakeClock
) -> None:
    profile = await each_fleet.profile()
    first = await each_fleet.get(profile.token, hardwareId=IMEI)
    second = await each_fleet.get(profile.token, hardwareId=IMEI)

    assert all(first[part] != second[part] for part in ("clientId", "userName", "password"))
    old, code = await each_fleet.open(first)
    assert (code, await each_fleet.login(second)) == (0, 0)
    record = await each_fleet.thing(first)
    assert (record["supersededBy"], record["state"]) == (second["clientId"], "active")
    assert (await each_fleet.thing(second))["supersedes"] == first["clientId"]

    await each_fleet.call("POST", f"/things/{first['clientId']}/deactivate")

    await old.expect_closed()
    await old.close()
    assert (await each_fleet.login(first), await each_fleet.login(second)) == (REFUSED, 0)


async def test_check_3_what_is_not_activated_logs_in_with_the_same_credentials_once_it_is(
    each_fleet: Fleet,
) -> None:
    profile = await each_fleet.profile(autoActivate=False)

    told = await each_fleet.get(profile.token, hardwareId=IMEI)

    assert told["status"] == "allocated"
    assert await each_fleet.login(told) == REFUSED
    activated = await each_fleet.call("POST", f"/things/{told['clientId']}/activate")
    assert (activated["state"], activated["activated"]) == ("active", activated["created"])
    assert await each_fleet.login(told) == 0


async def test_check_4_a_thing_has_the_name_and_the_tags_of_request_and_profile(each_fleet: Fleet) -> None:
    profile = await each_fleet.profile(tags=["eu", "beta"])

    told = await each_fleet.get(profile.token, givenName="Torch 1.1", tags=["ztp", "eu"])

    record = await each_fleet.thing(told)
    assert (record["name"], record["tags"]) == ("Torch 1.1", ["eu", "beta", "ztp"])


async def test_check_5_things_are_of_the_profile_whose_token_they_have_shown(each_fleet: Fleet) -> None:
    one, other = await each_fleet.profile("one", plan="cl"), await each_fleet.profile("other", plan="cl")

    told = [await each_fleet.get(profile.token, hardwareId=IMEI) for profile in (one, other)]

    records = [await each_fleet.thing(each) for each in told]
    assert [(each["profile"], each["plan"]) for each in records] == [("one", "cl"), ("other", "cl")]


async def test_check_5_a_token_that_is_replaced_is_good_for_its_grace_and_logins_go_on(
    each_fleet: Fleet, clock: FakeClock
) -> None:
    profile = await each_fleet.profile()
    told = await each_fleet.get(profile.token)

    new = (await each_fleet.call("POST", f"/profiles/{profile.name}/tokens/rotate", {"graceSeconds": 60}))["token"]

    assert new != profile.token
    await each_fleet.get(profile.token)
    await each_fleet.get(new)
    clock.advance(60.001)
    assert await each_fleet.refused({"token": profile.token}) == (403, "Invalid token")
    await each_fleet.get(new)
    assert await each_fleet.login(told) == 0


async def test_check_5_a_token_that_is_deleted_is_refused_and_logins_go_on(each_fleet: Fleet) -> None:
    profile = await each_fleet.profile()
    told = await each_fleet.get(profile.token)
    (token,) = profile.told["tokens"]

    await each_fleet.call("DELETE", f"/profiles/{profile.name}/tokens/{token['id']}", status=204)

    assert await each_fleet.refused({"token": profile.token}) == (403, "Invalid token")
    assert await each_fleet.login(told) == 0


async def test_check_10_fifty_devices_at_once_get_fifty_things(each_fleet: Fleet) -> None:
    profile = await each_fleet.profile(hardwareCodeMandatory=True)

    answers = await asyncio.gather(
        *(each_fleet.ask({"token": profile.token, "hardwareId": f"{IMEI}{number}"}) for number in range(50))
    )

    assert {answer.status_code for answer in answers} == {200}
    assert all(int(answer.headers["content-length"]) == len(answer.content) for answer in answers)
    assert all(answer.headers["content-type"] == "application/json" for answer in answers)
    assert len({answer.json()["clientId"] for answer in answers}) == 50
    assert len({answer.json()["userName"] for answer in answers}) == 50
    assert (await each_fleet.call("GET", f"/profiles/{profile.name}"))["things"] == 50


async def test_check_10_one_hardware_that_asks_fifty_times_at_once_leaves_one_chain(each_fleet: Fleet) -> None:
    profile = await each_fleet.profile()

    told = await asyncio.gather(
        *(each_fleet.get(profile.token, hardwareId=IMEI, tags=[f"t{number}"]) for number in range(50))
    )

    things = (await each_fleet.call("GET", "/things", hardwareId=IMEI))["things"]
    assert {each["id"] for each in things} == {each["clientId"] for each in told}
    assert [each["supersedes"] for each in things] == [None, *(each["id"] for each in things[:-1])]
    assert [each["supersededBy"] for each in things] == [*(each["id"] for each in things[1:]), None]


async def test_a_server_tells_the_broker_that_it_is_configured_with(tmp_path: Path) -> None:
    settings = {"broker_host": "iot.example.com", "broker_port": 8883, "cloudlocate_topic": "loc/answer"}
    async with fleet_of(tmp_path, thingstream=settings) as fleet:
        profile = await fleet.profile()

        told = await fleet.get(profile.token)

        assert told == {
            "clientId": told["clientId"],
            "brokerHost": "iot.example.com",
            "userName": told["userName"],
            "password": told["password"],
            "username": told["userName"],
            "hostname": "iot.example.com",
            "brokerPort": 8883,
            "supportsMqtt": True,
            "subscriptions": [
                {"description": "CloudLocate response topic", "path": f"{told['clientId']}/loc/answer"}
            ],
        }
