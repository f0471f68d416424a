"""PointPerfect from an NTRIP server (contract section 6.2; acceptance check 8)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.integration.provisioning.fake_clock import FakeClock
from tests.integration.thingstream.fleet import REFUSED, ROOM, Fleet, fleet_of
from tests.integration.thingstream.rovers import MAC, corrections, got, refused

PARTS = ("endpoint", "httpPort", "mountPoint", "userName", "password")


def text_of(credentials: dict[str, Any], part: str) -> str:
    """Read a part as the one client found does: what is no text reads as empty."""
    value = credentials.get(part)
    return value if isinstance(value, str) else ""


async def test_check_8_all_five_parts_are_texts_the_port_too(each_fleet: Fleet) -> None:
    profile = await corrections(each_fleet, format="RTCM")

    told = await got(each_fleet, profile.token, hardwareId=MAC)

    credentials = told["rtcmCredentials"]
    assert set(told) == {"clientId", "rtcmCredentials"}
    assert all(text_of(credentials, part) for part in PARTS)
    assert (credentials["endpoint"], credentials["httpPort"], credentials["mountPoint"]) == (
        "localhost", "2101", "NEAR-RTCM",
    )  # fmt: skip
    assert profile.told["format"] == "RTCM"


async def test_where_the_ntrip_server_is_can_be_configured(tmp_path: Path, clock: FakeClock) -> None:
    settings = {**ROOM, "rtcm_host": "ntrip.example.com", "rtcm_port": 2102, "rtcm_mount_point": "MOUNT"}
    async with fleet_of(tmp_path, clock=clock.clock, thingstream=settings) as fleet:
        profile = await corrections(fleet, format="RTCM")

        credentials = (await got(fleet, profile.token))["rtcmCredentials"]

    assert [credentials[part] for part in PARTS[:3]] == ["ntrip.example.com", "2102", "MOUNT"]


async def test_check_8_a_device_that_was_refused_by_the_ntrip_server_asks_again_and_gets_the_same(
    each_fleet: Fleet,
) -> None:
    profile = await corrections(each_fleet, format="RTCM")
    first = await got(each_fleet, profile.token, hardwareId=MAC)

    assert await got(each_fleet, profile.token, hardwareId=MAC) == first
    other = await got(each_fleet, profile.token, hardwareId="other")

    assert all(other["rtcmCredentials"][part] != first["rtcmCredentials"][part] for part in PARTS[3:])


async def test_operators_read_the_credentials_and_revoke_them(fleet: Fleet) -> None:
    profile = await corrections(fleet, format="RTCM")
    first = await got(fleet, profile.token, hardwareId=MAC)
    devices = fleet.server.services.devices
    device = await devices.get(1, f"device:{first['clientId']}")
    kept = (await devices.credentials(device)).value or ""
    assert first["rtcmCredentials"]["password"] in kept

    await devices.revoke_credentials(device, actor="test")
    second = await got(fleet, profile.token, hardwareId=MAC)

    assert second["clientId"] == first["clientId"]
    assert all(second["rtcmCredentials"][part] != first["rtcmCredentials"][part] for part in PARTS[3:])
    assert await got(fleet, profile.token, hardwareId=MAC) == second


async def test_the_credentials_open_nothing_here(fleet: Fleet) -> None:
    profile = await corrections(fleet, format="RTCM")
    told = await got(fleet, profile.token, hardwareId=MAC)

    for client_id in (told["clientId"], f"device:{told['clientId']}", "c"):
        assert await fleet.login({**told["rtcmCredentials"], "clientId": client_id}) == REFUSED


async def test_what_was_not_activated_gets_credentials_once_it_is(fleet: Fleet) -> None:
    profile = await corrections(fleet, format="RTCM", autoActivate=False)

    status, text = await refused(fleet, profile.token)

    assert (status, text[:19]) == (403, "No plan for device ")
    await fleet.call("POST", "/things/activate", {"profile": profile.name})
    told = await got(fleet, profile.token, hardwareId=MAC)
    assert f"device:{told['clientId']}" == text[19:]
    assert await got(fleet, profile.token, hardwareId=MAC) == told


async def test_a_thing_keeps_the_form_in_which_it_was_made(fleet: Fleet) -> None:
    profile = await corrections(fleet)
    first = await got(fleet, profile.token, hardwareId=MAC)

    await fleet.call("PUT", f"/profiles/{profile.name}", {"format": "RTCM"})

    assert (await got(fleet, profile.token, hardwareId=MAC))["dynamickeys"] == first["dynamickeys"]
    assert "rtcmCredentials" in await got(fleet, profile.token, hardwareId="new")
