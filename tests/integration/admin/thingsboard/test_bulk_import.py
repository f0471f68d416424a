"""Importing devices from a table over ThingsBoard's REST (contract 5.5)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.harness import login
from tests.integration.admin.thingsboard.buyers import FAILURE, buyer, claim
from tests.integration.admin.thingsboard.rest import Rest, other_tenant

from firstboot.model import Scope
from firstboot_plugins.admin.thingsboard import bulk_import

BASIC = ("NAME", "TYPE", "ACCESS_TOKEN")


def table(text: str, *types: str, **mapping: Any) -> dict[str, Any]:
    """Return the body of an import. ``TYPE:key`` is a column with a key."""
    columns = []
    for each in types:
        name, _, key = each.partition(":")
        columns.append({"type": name, "key": key} if key else {"type": name})
    return {
        "file": text,
        "mapping": {"columns": columns, "delimiter": ",", "header": True, "update": True, **mapping},
    }


async def imported(rest: Rest, text: str, *types: str, **mapping: Any) -> tuple[int, int, list[str]]:
    """Import; return how many were created and updated, and the errors."""
    answer = await rest.call("POST", "/api/device/bulk_import", table(text, *types, **mapping))
    assert answer.keys() == {"created", "updated", "errors", "errorsList"}
    assert answer["errors"] == len(answer["errorsList"])
    return answer["created"], answer["updated"], answer["errorsList"]


async def attributes(admin: Rest, name: str, scope: Scope) -> dict[str, Any]:
    device = await admin.server.device(name)
    assert device is not None
    return {each.key: each.value for each in await admin.server.services.attributes.read(device.id, scope)}


async def test_the_example_of_the_contract_opens_the_device_for_claiming(admin: Rest) -> None:
    """CL-6: the secret opens the device, and is shown to nobody (threat SE-2)."""
    text = 'NAME,TYPE,SECRET\nd1,default,"{""secretKey"":""s"",""expirationTime"":1999999999999}"\n'

    assert await imported(admin, text, "NAME", "TYPE", "SERVER_ATTRIBUTE:claimingData") == (1, 0, [])

    assert await attributes(admin, "d1", Scope.SERVER) == {
        "claimingData": {"secretKey": "***", "expirationTime": 1999999999999}
    }
    customer = await buyer(admin, "c")
    assert await claim(customer, "d1", "***") == FAILURE
    assert (await claim(customer, "d1", "s"))[0] == 200


async def test_an_imported_secret_is_replaced_by_importing_another_one(admin: Rest) -> None:
    columns = ("NAME", "SERVER_ATTRIBUTE:claimingData")
    secret = 'd1,"{{""secretKey"":""{}"",""expirationTime"":1999999999999}}"'
    customer = await buyer(admin, "c")

    assert await imported(admin, secret.format("first"), *columns, header=False) == (1, 0, [])
    assert await imported(admin, secret.format("second"), *columns, header=False) == (0, 1, [])

    assert await claim(customer, "d1", "first") == FAILURE
    assert (await claim(customer, "d1", "second"))[0] == 200


async def test_rows_of_one_commit_succeed_and_fail_alone_across_commits(
    admin: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HT-8."""
    monkeypatch.setattr(bulk_import, "ROWS_AT_A_TIME", 2)
    await imported(admin, "d3,,T3", *BASIC, header=False)

    created, updated, errors = await imported(
        admin, "d1,,T1\nd2,,T1\nd3,,T3\nd4,,T4\n,,T5\nd6,,T3\nd1,,T7", *BASIC, header=False
    )

    assert (created, updated) == (2, 2)
    assert [error.partition(":")[0] for error in errors] == ["Line 2", "Line 5", "Line 6"]
    assert await login(admin.server, username="T7") == 0


async def test_every_kind_of_column_reaches_the_device(admin: Rest) -> None:
    text = "n,meter,Cellar,Behind the door,true,7,on,1.5\n"
    types = ("NAME", "TYPE", "LABEL", "DESCRIPTION", "IS_GATEWAY", "SERVER_ATTRIBUTE:a", "SHARED_ATTRIBUTE:b",
             "TIMESERIES:t")  # fmt: skip

    assert await imported(admin, text, *types, header=False) == (1, 0, [])

    device = await admin.call("GET", "/api/tenant/device?deviceName=n")
    assert (device["type"], device["label"]) == ("meter", "Cellar")
    assert device["additionalInfo"] == {"description": "Behind the door", "gateway": True}
    assert await attributes(admin, "n", Scope.SERVER) == {"a": 7}
    assert await attributes(admin, "n", Scope.SHARED) == {"b": "on"}
    where = f"/api/plugins/telemetry/DEVICE/{device['id']['id']}/values/timeseries?keys=t"
    assert [each["value"] for each in (await admin.call("GET", where))["t"]] == ["1.5"]


async def test_devices_log_in_with_the_credentials_of_their_row(admin: Rest) -> None:
    text = "name,token,client,user,password\nd1,T1,,,\nd2,T2,c,u,p\nd3,,,,\n"
    types = ("NAME", "ACCESS_TOKEN", "MQTT_CLIENT_ID", "MQTT_USER_NAME", "MQTT_PASSWORD")

    assert await imported(admin, text, *types) == (3, 0, [])

    assert await login(admin.server, username="T1") == 0
    assert await login(admin.server, client_id="c", username="u", password=b"p") == 0
    assert await login(admin.server, username="T2") == 5
    device = await admin.call("GET", "/api/tenant/device?deviceName=d3")
    record = await admin.call("GET", f"/api/device/{device['id']['id']}/credentials")
    assert record["credentialsType"] == "ACCESS_TOKEN"
    assert len(record["credentialsId"]) == 20


async def test_a_bad_row_fails_alone_with_its_line(admin: Rest) -> None:
    """HT-8."""
    text = "\n".join(
        ["NAME,TYPE,TOKEN", "d1,,T1", ",,T2", 'd3"x,"y"z,T3', "d4,,T1", "d5,,,,,", "d6,<script>x,T6", "d7,,T7"]
    )

    created, updated, errors = await imported(admin, text, *BASIC)

    assert (created, updated) == (2, 0)
    assert [error.partition(":")[0] for error in errors] == [f"Line {line}" for line in (3, 4, 5, 6, 7)]
    assert errors[2] == "Line 5: Device credentials are already assigned to another device!"
    page = await admin.call("GET", "/api/tenant/devices?pageSize=9&page=0&sortProperty=name")
    assert [device["name"] for device in page["data"]] == ["d1", "d7"]


async def test_a_device_that_exists_is_always_updated_and_counted(admin: Rest) -> None:
    types = ("NAME", "LABEL", "ACCESS_TOKEN", "SHARED_ATTRIBUTE:a", "TYPE")
    await imported(admin, "d1,old,T1,1,meter", *types, header=False)

    kept = await imported(admin, "d1,new,,2,", *types, header=False, update=False)
    first = await admin.call("GET", "/api/tenant/device?deviceName=d1")
    shared_first = await attributes(admin, "d1", Scope.SHARED)
    again = await imported(admin, "d1,,T2,3,pump", *types, header=False, update=True)
    second = await admin.call("GET", "/api/tenant/device?deviceName=d1")

    assert kept == again == (0, 1, [])
    assert (first["label"], first["type"], shared_first) == ("new", "meter", {"a": 1})
    assert (second["label"], second["type"]) == ("new", "pump")
    assert await attributes(admin, "d1", Scope.SHARED) == {"a": 3}
    assert await login(admin.server, username="T1") == 5
    assert await login(admin.server, username="T2") == 0


async def test_rows_of_one_name_make_one_device(admin: Rest) -> None:
    created, updated, errors = await imported(admin, "d1\n" * 20, "NAME", header=False)

    assert (created, updated, errors) == (1, 19, [])


async def test_cells_that_look_like_formulas_are_plain_text(admin: Rest) -> None:
    """HT-8."""
    assert await imported(admin, "=1+1,@SUM(A1)", "NAME", "LABEL", header=False) == (1, 0, [])

    assert (await admin.call("GET", "/api/tenant/device?deviceName=%3D1%2B1"))["label"] == "@SUM(A1)"


async def test_a_table_of_some_hundred_kilobytes_is_one_text_in_the_json(admin: Rest) -> None:
    text = "".join(f'd{number},"{"x" * 2000}"\n' for number in range(200))

    assert await imported(admin, text, "NAME", "DESCRIPTION", header=False) == (200, 0, [])


async def test_an_import_that_no_row_could_follow_is_refused(sqlite_admin: Rest) -> None:
    bodies: tuple[dict[str, Any], ...] = (
        {},
        {"file": "d1", "mapping": {"columns": []}},
        table("d1", "TYPE"),
        table("d1", "NAME", "COLOUR"),
        table("d1", "NAME", delimiter=""),
        table("d1", "NAME", delimiter=";;"),
        table("d1", "NAME", delimiter='"'),
        table("d1\0", "NAME"),
        {**table("d1", "NAME"), "file": ["d1"]},
    )

    for body in bodies:
        refused = await sqlite_admin.refused("POST", "/api/device/bulk_import", body)
        assert refused[:2] == (400, 31), body


async def test_what_is_not_the_asker_s_is_not_touched(admin: Rest) -> None:
    """TN-1, LG-9."""
    await imported(admin, "d1,,T1", *BASIC, header=False)
    other = await other_tenant(admin.server)
    user = await admin.active_user("u@example.com", await admin.customer())
    program = await admin.program("devices:create")

    theirs = await imported(other, "d1,,T2", *BASIC, header=False)
    stolen = await imported(other, "d2,,T1", *BASIC, header=False)
    by_program = await imported(program, "d1,,T3\nd3,,T4", *BASIC, header=False)

    assert theirs == (1, 0, [])
    assert stolen == (0, 0, ["Line 1: Device credentials are already assigned to another device!"])
    assert by_program[:2] == (1, 0)
    assert by_program[2][0].startswith("Line 1: You don't have permission")
    assert (await user.refused("POST", "/api/device/bulk_import", table("d4", "NAME")))[:2] == (403, 20)
    assert await login(admin.server, username="T1") == 0


async def test_a_table_that_is_too_long_is_done_up_to_the_bound(
    sqlite_admin: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HT-8."""
    monkeypatch.setattr(bulk_import, "MAX_ROWS", 3)

    created, _, errors = await imported(sqlite_admin, "d1\nd2\nd3\nd4\nd5\n", "NAME", header=False)

    assert (created, len(errors)) == (3, 1)
    assert errors[0].startswith("Line 4: The table has more than 3 rows")
