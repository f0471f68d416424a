"""MQTT passwords of which a digest is kept, where ThingsBoard's rules meet them (contract 3.1 to 3.3)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.harness import Profile, TestServer, environment, firstboot, login, running
from tests.integration.admin.thingsboard.rest import Rest
from tests.integration.opened_database import opened_credentials

from firstboot.devices import DeviceDraft
from firstboot.model import Credentials, Device, ReprovisionPolicy, WantedCredentials
from firstboot.mqtt_passwords import with_digest
from firstboot_plugins.credentials.mqtt_basic import MqttBasic

PASSWORD, NEXT = "a good secret", "the next secret"
SHOWN = '{"clientId":"c","userName":"u","password":null}'


def basic(password: str = PASSWORD) -> Credentials:
    return MqttBasic().issue(WantedCredentials(type="MQTT_BASIC", client_id="c", username="u", password=password))


async def device(server: TestServer, profile: Profile | None = None) -> Device:
    """Make a device with such credentials."""
    demo = profile or await server.profile()
    draft = DeviceDraft(name="d1", credentials=with_digest(basic()))
    return await server.core.devices.create(demo.profile, draft, actor="test")


async def logs_in(server: TestServer, password: str | None = PASSWORD) -> bool:
    sent = {} if password is None else {"password": password.encode()}
    return await login(server, client_id="c", username="u", **sent) == 0


async def test_au_4_a_login_needs_the_password_whose_digest_is_kept(admin: Rest) -> None:
    await device(admin.server)
    (opened,) = await opened_credentials(admin.server)

    assert await logs_in(admin.server)
    for wrong in (None, "", PASSWORD[:-1], PASSWORD.upper(), opened):
        assert not await logs_in(admin.server, wrong)
    assert await login(admin.server, client_id="c") != 0
    assert await login(admin.server, client_id="d", username="u", password=PASSWORD.encode()) != 0


async def test_a_record_shows_neither_password_nor_digest_and_may_be_saved_as_it_is(sqlite_admin: Rest) -> None:
    made = await device(sqlite_admin.server)
    record = await sqlite_admin.call("GET", f"/api/device/{made.public_id}/credentials")

    saved = await sqlite_admin.call("POST", "/api/device/credentials", record)

    assert record["credentialsValue"] == SHOWN
    assert saved == record
    assert await logs_in(sqlite_admin.server)
    assert not await logs_in(sqlite_admin.server, "")


async def test_a_password_that_is_saved_in_its_place_is_not_readable_either(sqlite_admin: Rest) -> None:
    made = await device(sqlite_admin.server)
    record = await sqlite_admin.call("GET", f"/api/device/{made.public_id}/credentials")
    value = json.dumps({"clientId": "c", "userName": "u", "password": NEXT})

    saved = await sqlite_admin.call("POST", "/api/device/credentials", {**record, "credentialsValue": value})

    assert saved["credentialsValue"] == SHOWN
    assert (await logs_in(sqlite_admin.server), await logs_in(sqlite_admin.server, NEXT)) == (False, True)
    (opened,) = await opened_credentials(sqlite_admin.server)
    assert NEXT not in opened


async def test_other_names_are_saved_without_giving_the_password_away(sqlite_admin: Rest) -> None:
    made = await device(sqlite_admin.server)
    record = await sqlite_admin.call("GET", f"/api/device/{made.public_id}/credentials")

    await sqlite_admin.call(
        "POST", "/api/device/credentials", {**record, "credentialsValue": '{"clientId":"c","userName":"v"}'}
    )

    assert await login(sqlite_admin.server, client_id="c", username="v", password=PASSWORD.encode()) == 0
    assert await login(sqlite_admin.server, client_id="c", username="v") != 0


async def test_an_access_token_may_take_its_place(sqlite_admin: Rest) -> None:
    made = await device(sqlite_admin.server)
    record = await sqlite_admin.call("GET", f"/api/device/{made.public_id}/credentials")
    wanted = {**record, "credentialsType": "ACCESS_TOKEN", "credentialsId": "T1", "credentialsValue": None}

    await sqlite_admin.call("POST", "/api/device/credentials", wanted)

    assert await login(sqlite_admin.server, username="T1") == 0
    assert not await logs_in(sqlite_admin.server)


async def test_pr_7_a_password_that_nobody_knows_is_not_handed_out(admin: Rest) -> None:
    profile = await admin.server.profile(strategy="check-pre-provisioned")
    await device(admin.server, profile)

    answer = await admin.server.post(profile.request("d1"))

    assert answer["status"] == "FAILURE"
    assert (await admin.server.audit())[-1].entry.code == "cannot-be-told"
    found = await admin.server.device("d1")
    assert found is not None
    assert found.provision_state is None
    assert await logs_in(admin.server)


@pytest.mark.parametrize("policy", [ReprovisionPolicy.RETRY, ReprovisionPolicy.ROTATE])
async def test_pv_6_asking_again_tells_nobody_a_password(sqlite_admin: Rest, policy: ReprovisionPolicy) -> None:
    server = sqlite_admin.server
    demo = await server.profile(reprovision=policy)
    request = demo.request("d1", credentialsType="MQTT_BASIC", clientId="c", username="u", password=PASSWORD)
    assert (await server.post(request))["status"] == "SUCCESS"
    made = await server.device("d1")
    assert made is not None
    await server.core.devices.change_credentials(made, with_digest(basic()), actor="test")

    assert (await server.post(request))["status"] == "FAILURE"

    assert await logs_in(server)


async def test_the_command_line_shows_neither_password_nor_digest(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        await device(server)

    shown = firstboot(environment(tmp_path), "device", "show", "d1", "--show-credentials", "--json").stdout

    assert json.loads(shown)["credentials"] == SHOWN


async def test_an_import_leaves_a_password_that_it_knows_and_makes_none_readable(tmp_path: Path) -> None:
    env, rows = environment(tmp_path), tmp_path / "rows.csv"

    def imported(password: str) -> None:
        rows.write_text(f"name,client-id,username,password\nd1,c,u,{password}\n")
        firstboot(env, "import", str(rows), "--profile", "demo", "--update")

    async with running(tmp_path) as server:
        await device(server)
        before = await opened_credentials(server)
    imported(PASSWORD)
    async with running(tmp_path) as server:
        assert await opened_credentials(server) == before
    imported(NEXT)
    async with running(tmp_path) as server:
        assert (await logs_in(server), await logs_in(server, NEXT)) == (False, True)
        (opened,) = await opened_credentials(server)
        assert NEXT not in opened
