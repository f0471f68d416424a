"""A Thing's password is stored hashed, and shown only in the answer that has it (contract section 5)."""

from __future__ import annotations

from pathlib import Path

from tests.integration.opened_database import opened_credentials, raw_bytes
from tests.integration.thingstream.fleet import IMEI, REFUSED, Fleet

from firstboot_plugins.dialects.thingsboard.login import match_of


async def test_ts_5_not_even_the_servers_key_opens_a_password(each_fleet: Fleet, tmp_path: Path) -> None:
    profile = await each_fleet.profile()

    things = [await each_fleet.get(profile.token, hardwareId=IMEI) for _ in range(3)]

    opened = await opened_credentials(each_fleet.server)
    for told in things:
        assert not [text for text in opened if told["password"] in text]
        assert told["password"].encode() not in raw_bytes(tmp_path)


async def test_ts_5_the_matching_triple_alone_opens_a_session(fleet: Fleet) -> None:
    told = await fleet.get((await fleet.profile()).token, hardwareId=IMEI)
    (opened,) = await opened_credentials(fleet.server)

    for password in ("", told["password"][:-1], told["password"].lower(), opened):
        assert await fleet.login({**told, "password": password}) == REFUSED
    assert await fleet.login(told) == 0


async def test_ts_9_an_answer_that_was_lost_is_repeated_with_a_fresh_password(fleet: Fleet) -> None:
    profile = await fleet.profile()
    await fleet.get(profile.token, hardwareId=IMEI)

    lost, again = [await fleet.get(profile.token, hardwareId=IMEI) for _ in range(2)]

    assert (lost["clientId"], lost["userName"]) == (again["clientId"], again["userName"])
    assert await fleet.login(lost) == REFUSED
    assert await fleet.login(again) == 0
    assert not [text for text in await opened_credentials(fleet.server) if again["password"] in text]


async def test_a_thing_is_no_thingsboard_device_without_its_password(fleet: Fleet) -> None:
    told = await fleet.get((await fleet.profile()).token, hardwareId=IMEI)
    logins = fleet.server.services.logins

    for password in ("", "wrong", told["password"][1:]):
        assert await match_of(logins, told["clientId"], told["userName"], password) is None
