"""What becomes of the old Thing when a device asks again (contract section 9)."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.integration.provisioning.fake_clock import FakeClock
from tests.integration.thingstream.fleet import IMEI, REFUSED, Fleet, fleet_of

from firstboot_plugins.dialects.thingstream.endings import KIND
from firstboot_plugins.dialects.thingstream.services import Thingstream


async def state(fleet: Fleet, told: dict[str, str]) -> str:
    found: str = (await fleet.thing(told))["state"]
    return found


async def test_immediate_ends_the_old_thing_with_the_making_of_the_new_one(each_fleet: Fleet) -> None:
    profile = await each_fleet.profile(renewal={"oldThing": "immediate"})
    first = await each_fleet.get(profile.token, hardwareId=IMEI)
    session, _ = await each_fleet.open(first)

    second = await each_fleet.get(profile.token, hardwareId=IMEI)

    assert (await state(each_fleet, first), await state(each_fleet, second)) == ("deactivated", "active")
    await session.expect_closed()
    await session.close()
    assert (await each_fleet.login(first), await each_fleet.login(second)) == (REFUSED, 0)


async def test_on_first_connect_ends_the_old_thing_when_the_new_one_logs_in(each_fleet: Fleet) -> None:
    profile = await each_fleet.profile(renewal={"oldThing": "on_first_connect"})
    first = await each_fleet.get(profile.token, hardwareId=IMEI)
    session, _ = await each_fleet.open(first)
    second = await each_fleet.get(profile.token, hardwareId=IMEI)

    assert await state(each_fleet, first) == "active"
    assert await each_fleet.login(second) == 0

    await session.expect_closed()
    await session.close()
    assert await each_fleet.login(first) == REFUSED
    assert await each_fleet.server.core.storage.list_resources(KIND) == []


async def test_on_first_connect_ends_all_things_that_came_before(fleet: Fleet, clock: FakeClock) -> None:
    profile = await fleet.profile(renewal={"oldThing": "on_first_connect"})
    told = []
    for _ in range(3):
        told.append(await fleet.get(profile.token, hardwareId=IMEI))
        clock.advance(11)

    assert await fleet.login(told[2]) == 0

    assert [await state(fleet, each) for each in told] == ["deactivated", "deactivated", "active"]


async def test_on_first_connect_ends_the_old_thing_after_its_grace_though_nobody_logs_in(
    each_fleet: Fleet, clock: FakeClock
) -> None:
    profile = await each_fleet.profile(renewal={"oldThing": "on_first_connect", "graceSeconds": 60})
    first = await each_fleet.get(profile.token, hardwareId=IMEI)
    await each_fleet.get(profile.token, hardwareId=IMEI)
    await each_fleet.server.services.changes.catch_up()
    endings = Thingstream.of(each_fleet.server.services).endings

    clock.advance(59.999)
    await endings.sweep()
    before = await state(each_fleet, first)
    clock.advance(0.001)
    await endings.sweep()

    assert (before, await state(each_fleet, first)) == ("active", "deactivated")
    assert await each_fleet.login(first) == REFUSED


async def test_a_grace_outlives_the_server(tmp_path: Path, clock: FakeClock) -> None:
    async with fleet_of(tmp_path, clock=clock.clock) as fleet:
        profile = await fleet.profile(renewal={"oldThing": "on_first_connect", "graceSeconds": 60})
        first = await fleet.get(profile.token, hardwareId=IMEI)
        await fleet.get(profile.token, hardwareId=IMEI)
    clock.advance(60)

    async with fleet_of(tmp_path / "again", clock=clock.clock, server={"data_dir": tmp_path / "data"}) as fleet:
        await Thingstream.of(fleet.server.services).endings.sweep()

        assert await fleet.login(first) == REFUSED


async def test_the_running_server_sees_to_graces_by_itself(fleet: Fleet, clock: FakeClock) -> None:
    profile = await fleet.profile(renewal={"oldThing": "on_first_connect", "graceSeconds": 0})
    first = await fleet.get(profile.token, hardwareId=IMEI)
    session, _ = await fleet.open(first)

    await fleet.get(profile.token, hardwareId=IMEI)

    await session.expect_closed()
    await session.close()


async def test_a_renewal_whose_answer_was_lost_is_answered_with_the_same_thing_and_a_fresh_password(
    each_fleet: Fleet, clock: FakeClock
) -> None:
    profile = await each_fleet.profile()
    first = await each_fleet.get(profile.token, hardwareId=IMEI)
    second = await each_fleet.get(profile.token, hardwareId=IMEI)

    clock.advance(10)
    third = await each_fleet.get(profile.token, hardwareId=IMEI)

    assert (third["clientId"], third["userName"]) == (second["clientId"], second["userName"])
    assert third["password"] != second["password"]
    assert [await each_fleet.login(each) for each in (first, second, third)] == [0, REFUSED, 0]
    assert (await each_fleet.call("GET", f"/profiles/{profile.name}"))["things"] == 2


async def test_a_renewal_is_no_retry_once_the_time_is_over_or_the_words_differ_or_somebody_has_logged_in(
    fleet: Fleet, clock: FakeClock
) -> None:
    profile = await fleet.profile()
    told = [await fleet.get(profile.token, hardwareId=IMEI) for _ in range(2)]

    clock.advance(10.001)
    told.append(await fleet.get(profile.token, hardwareId=IMEI))
    told.append(await fleet.get(profile.token, hardwareId=IMEI, givenName="other"))
    assert await fleet.login(told[-1]) == 0
    await fleet.server.core.commits.drain()
    told.append(await fleet.get(profile.token, hardwareId=IMEI, givenName="other"))

    assert len({each["clientId"] for each in told}) == 5


async def test_without_a_hardware_code_every_request_makes_a_thing_of_its_own(fleet: Fleet) -> None:
    profile = await fleet.profile(renewal={"oldThing": "immediate"})

    told = [await fleet.get(profile.token) for _ in range(3)]

    records = [await fleet.thing(each) for each in told]
    assert [(each["state"], each["supersedes"]) for each in records] == [("active", None)] * 3
    assert [each["name"] for each in records] == [f"Thing {each['id'][-8:]}" for each in records]


async def test_a_thing_that_is_not_activated_yet_may_be_renewed(fleet: Fleet) -> None:
    profile = await fleet.profile(autoActivate=False)
    first = await fleet.get(profile.token, hardwareId=IMEI)

    second = await fleet.get(profile.token, hardwareId=IMEI)

    assert (second["status"], second["clientId"] != first["clientId"]) == ("allocated", True)


async def test_all_superseded_things_of_a_profile_are_deactivated_with_one_call(fleet: Fleet) -> None:
    profile, other = await fleet.profile(), await fleet.profile("other")
    told = [await fleet.get(profile.token, hardwareId=f"{IMEI}{number}") for number in (1, 2, 1, 2)]
    kept = [await fleet.get(other.token, hardwareId=IMEI) for _ in range(2)]

    answer = await fleet.call("POST", "/things/deactivate-superseded", {"profile": profile.name})

    assert answer == {"count": 2}
    states = await asyncio.gather(*(state(fleet, each) for each in (*told, *kept)))
    assert states == ["deactivated"] * 2 + ["active"] * 4
