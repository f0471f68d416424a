"""Device credentials over ThingsBoard's REST (contract 3.1, 3.2, 5.4)."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from tests.harness import login
from tests.integration.admin.thingsboard.rest import Rest

from firstboot_plugins.credentials.lookup_ids import certificate_hash
from firstboot_plugins.transports.mqtt.packets import Connack, Connect


async def device(rest: Rest, name: str = "d1", token: str = "T1") -> dict[str, Any]:
    made: dict[str, Any] = await rest.call("POST", f"/api/device?accessToken={token}", {"name": name})
    return made


async def record_of(rest: Rest, made: dict[str, Any]) -> dict[str, Any]:
    record: dict[str, Any] = await rest.call("GET", f"/api/device/{made['id']['id']}/credentials")
    return record


async def test_the_record_has_the_fields_of_the_contract_and_an_id_without_type(admin: Rest) -> None:
    made = await device(admin)

    record = await record_of(admin, made)

    assert record.pop("id").keys() == {"id"}
    assert record == {
        "createdTime": made["createdTime"],
        "deviceId": made["id"],
        "credentialsType": "ACCESS_TOKEN",
        "credentialsId": "T1",
        "credentialsValue": None,
        "version": 1,
    }


async def test_changed_credentials_count_at_once_and_end_the_session(admin: Rest) -> None:
    """AU-6."""
    record = await record_of(admin, await device(admin))
    peer = await admin.server.peer(Connect(5, "c", True, 60, username="T1"))
    assert (await peer.expect(Connack)).reason == 0

    answer = await admin.call("POST", "/api/device/credentials", {**record, "credentialsId": "T2"})

    assert answer == {**record, "credentialsId": "T2"}
    assert [getattr(packet, "reason", None) for packet in await peer.expect_closed()] == [0x98]
    await peer.close()
    assert await login(admin.server, username="T1") == 5
    assert await login(admin.server, username="T2") == 0


async def test_the_type_may_change_and_the_server_computes_the_id(admin: Rest) -> None:
    made = await device(admin)
    record = await record_of(admin, made)
    value = '{"clientId":"c","userName":"u","password":"p"}'

    basic = await admin.call(
        "POST", "/api/device/credentials",
        {**record, "credentialsType": "MQTT_BASIC", "credentialsId": "x", "credentialsValue": value},
    )  # fmt: skip

    assert (basic["credentialsId"], basic["credentialsValue"]) == (certificate_hash("c|u"), value)
    assert await login(admin.server, client_id="c", username="u", password=b"p") == 0
    assert await login(admin.server, client_id="c", username="u", password=b"q") == 5
    certificate = await admin.call(
        "POST", "/api/device/credentials",
        {**basic, "credentialsType": "X509_CERTIFICATE", "credentialsValue": "AAAA\nBBBB"},
    )  # fmt: skip
    assert (certificate["credentialsId"], certificate["credentialsValue"]) == (
        certificate_hash("AAAABBBB"),
        "AAAABBBB",
    )
    assert await record_of(admin, made) == certificate


async def test_refused_changes_leave_the_device_as_it_was(admin: Rest) -> None:
    made = await device(admin)
    record = await record_of(admin, made)
    await device(admin, "d2", "TAKEN")
    missing = str(uuid4())

    for changes, refusal in (
        ({"id": None}, (400, 31, "Credentials for this device are already specified!")),
        ({"id": {"id": missing}}, (400, 31, "Unable to update non-existent device credentials!")),
        ({"deviceId": {"id": missing}}, (404, 32, f"Device with id [{missing}] is not found")),
        ({"credentialsId": "TAKEN"}, (400, 31, "Device credentials are already assigned to another device!")),
        ({"credentialsId": ""}, (400, 31, "Device credentials id should be specified!")),
        (
            {"credentialsType": "MQTT_BASIC", "credentialsValue": '{"clientId":"c","password":"p"}'},
            (400, 31, "Password cannot be specified along with client id"),
        ),
        (
            {"credentialsType": "MQTT_BASIC", "credentialsValue": "{}"},
            (400, 31, "Both mqtt client id and user name are empty!"),
        ),
    ):
        assert await admin.refused("POST", "/api/device/credentials", {**record, **changes}) == refusal
    assert await record_of(admin, made) == record
    assert await login(admin.server, username="T1") == 0


async def test_saving_the_same_record_again_changes_nothing(admin: Rest) -> None:
    made = await device(admin)
    record = await record_of(admin, made)

    assert await admin.call("POST", "/api/device/credentials", record) == record
    assert await login(admin.server, username="T1") == 0
