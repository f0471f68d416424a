"""AssistNow (contract section 7; acceptance check 9)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tests.integration.provisioning.fake_clock import FakeClock
from tests.integration.thingstream.fleet import ROOM, Fleet, Made, fleet_of
from tests.integration.thingstream.rovers import ASSISTNOW, CHIP, UNIQUE_ID, VERSION, assist, corrections

from firstboot_plugins.dialects.thingstream.ubx import checksum


async def receivers(fleet: Fleet, name: str = "receivers", /, **options: Any) -> Made:
    """Make a profile of AssistNow."""
    return await fleet.profile(name, deviceType="AssistNow", **options)


def unique_id(chip: str) -> str:
    """Return the frame of another receiver."""
    inner = b"\x27\x03" + (4 + len(chip) // 2).to_bytes(2, "little") + b"\x02\0\0\0" + bytes.fromhex(chip)
    return (b"\xb5\x62" + inner + checksum(inner)).hex()


async def test_check_9_a_receiver_is_told_its_chipcode_and_the_same_one_again(each_fleet: Fleet) -> None:
    profile = await receivers(each_fleet)

    told = await assist(each_fleet, profile.token)
    again = await assist(each_fleet, profile.token.upper(), **{"UBX-SEC-UNIQID": UNIQUE_ID.lower()})

    assert set(told) == {"chipcode", "allowedData", "serviceUrl"}
    assert re.fullmatch(r"[A-Za-z0-9+/=_-]{1,512}", told["chipcode"])
    assert (type(told["allowedData"]), told["allowedData"]) == (str, "ulorb_l1,uporb_7,ualm")
    assert told["serviceUrl"] == f"http://localhost:{each_fleet.server.http_port}/GetAssistNowData.ashx"
    assert again == told
    other = await assist(each_fleet, profile.token, **{"UBX-SEC-UNIQID": unique_id("0A0B0C0D0E0F")})
    assert other["chipcode"] != told["chipcode"]
    (thing,) = (await each_fleet.call("GET", "/things", hardwareId=CHIP))["things"]
    assert (thing["profile"], thing["state"]) == (profile.name, "active")


@pytest.mark.parametrize(
    "messages",
    [
        None,
        [],
        {},
        {"UBX-SEC-UNIQID": UNIQUE_ID},
        {"UBX-MON-VER": VERSION},
        {"UBX-SEC-UNIQID": f"{UNIQUE_ID[:-2]}0E", "UBX-MON-VER": VERSION},
        {"UBX-SEC-UNIQID": UNIQUE_ID, "UBX-MON-VER": f"{VERSION[:-4]}0B2E"},
        {"UBX-SEC-UNIQID": VERSION, "UBX-MON-VER": UNIQUE_ID},
        {"UBX-SEC-UNIQID": 1, "UBX-MON-VER": VERSION},
    ],
)
async def test_check_9_frames_that_are_not_whole_are_refused(fleet: Fleet, messages: Any) -> None:
    profile = await receivers(fleet)

    answer = await fleet.ask({"token": profile.token, "messages": messages}, path=ASSISTNOW)

    assert (answer.status_code, answer.text) == (400, "Invalid request")
    assert (await fleet.call("GET", "/things"))["things"] == []


async def test_a_compromised_chipcode_is_replaced_and_does_not_come_back(
    each_fleet: Fleet, clock: FakeClock
) -> None:
    profile = await receivers(each_fleet)
    first = await assist(each_fleet, profile.token)
    (thing,) = (await each_fleet.call("GET", "/things"))["things"]

    await each_fleet.call("POST", f"/things/{thing['id']}/compromised")
    second = await assist(each_fleet, profile.token)

    assert second["chipcode"] != first["chipcode"]
    assert await assist(each_fleet, profile.token) == second
    await each_fleet.call("DELETE", f"/things/{thing['id']}", status=204)
    clock.advance(1)
    third = await assist(each_fleet, profile.token)
    assert len({each["chipcode"] for each in (first, second, third)}) == 3


async def test_only_a_receiver_of_assistnow_has_a_chipcode_to_replace(fleet: Fleet) -> None:
    profile = await fleet.profile()
    told = await fleet.get(profile.token)

    answer = await fleet.call("POST", f"/things/{told['clientId']}/compromised", status=400)

    assert "no chipcode" in str(answer)


async def test_a_receiver_that_is_not_active_yet_has_its_chipcode_and_a_deactivated_one_is_refused(
    fleet: Fleet,
) -> None:
    profile = await receivers(fleet, autoActivate=False)
    told = await assist(fleet, profile.token)
    (thing,) = (await fleet.call("GET", "/things", state="allocated"))["things"]

    await fleet.call("POST", f"/things/{thing['id']}/activate")
    assert await assist(fleet, profile.token) == told
    await fleet.call("POST", f"/things/{thing['id']}/deactivate")

    messages = {"UBX-SEC-UNIQID": UNIQUE_ID, "UBX-MON-VER": VERSION}
    answer = await fleet.ask({"token": profile.token, "messages": messages}, path=ASSISTNOW)
    assert (answer.status_code, answer.text) == (403, f"No plan for device {thing['id']}")


async def test_a_list_of_receivers_names_their_chips(fleet: Fleet) -> None:
    profile = await receivers(fleet, hardwareCodes=[CHIP])

    assert (await assist(fleet, profile.token))["chipcode"]
    frames = {"UBX-SEC-UNIQID": unique_id("0A0B0C0D0E0F"), "UBX-MON-VER": VERSION}
    answer = await fleet.ask({"token": profile.token, "messages": frames}, path=ASSISTNOW)
    assert (answer.status_code, answer.text) == (403, "Device hardware code not whitelisted")


async def test_the_token_of_another_service_is_none(fleet: Fleet) -> None:
    rover = await corrections(fleet)
    messages = {"UBX-SEC-UNIQID": UNIQUE_ID, "UBX-MON-VER": VERSION}

    answer = await fleet.ask({"token": rover.token, "messages": messages}, path=ASSISTNOW)

    assert (answer.status_code, answer.text) == (403, "Invalid token")


async def test_service_and_data_can_be_configured(tmp_path: Path, clock: FakeClock) -> None:
    settings = {**ROOM, "assistnow_url": "https://data.example.com/x", "assistnow_data": "ualm"}
    async with fleet_of(tmp_path, clock=clock.clock, thingstream=settings) as fleet:
        profile = await receivers(fleet)

        told = await assist(fleet, profile.token)

    assert (told["serviceUrl"], told["allowedData"]) == ("https://data.example.com/x", "ualm")
