"""Device profiles over ThingsBoard's REST (contract section 1)."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from tests.integration.admin.thingsboard.rest import Rest, administered, other_tenant

from firstboot.model import ReprovisionPolicy

PATH = "/api/deviceProfile"
KEY = "u7piawkboq8v32dmcmpp"
SECRET = "jpmwdn8ptlswmf4m29bw"
REQUEST = {"deviceName": "d1", "provisionDeviceKey": KEY, "provisionDeviceSecret": SECRET}
CA_DER = base64.b64encode(bytes(range(0x60))).decode()
CA_HASH = "6a977a09985faef39a53f093d2506facfab33949fe6587231fbc2734c917c366"
"""Of `CA_DER` (contract 2.5)."""


def a_body(name: str = "Sensor v2", provision_type: str = "DISABLED", **fields: Any) -> dict[str, Any]:
    """Return the least that a profile needs, and ``fields``."""
    provision = {
        "type": provision_type,
        "provisionDeviceSecret": fields.pop("secret", None),
        **fields.pop("provision", {}),
    }
    return {
        "name": name,
        "type": "DEFAULT",
        "transportType": "DEFAULT",
        "provisionType": provision_type,
        "profileData": {
            "configuration": {"type": "DEFAULT"},
            "transportConfiguration": {"type": "DEFAULT"},
            "provisionConfiguration": provision,
        },
        **fields,
    }


def creating(name: str = "Sensor v2", key: str | None = KEY, secret: str | None = SECRET) -> dict[str, Any]:
    return a_body(name, "ALLOW_CREATE_NEW_DEVICES", provisionDeviceKey=key, secret=secret)


def pem() -> str:
    return f"-----BEGIN CERTIFICATE-----\r\n{CA_DER[:64]}\r\n{CA_DER[64:]}\r\n-----END CERTIFICATE-----\r\n"


async def test_a_saved_profile_has_exactly_the_fields_of_the_contract(admin: Rest) -> None:
    saved = await admin.call("POST", PATH, creating())

    me = await admin.call("GET", "/api/auth/user")
    assert saved == {
        "id": {"entityType": "DEVICE_PROFILE", "id": saved["id"]["id"]},
        "createdTime": saved["createdTime"],
        "tenantId": me["tenantId"],
        "name": "Sensor v2",
        "description": None,
        "image": None,
        "default": False,
        "type": "DEFAULT",
        "transportType": "DEFAULT",
        "provisionType": "ALLOW_CREATE_NEW_DEVICES",
        "provisionDeviceKey": KEY,
        "defaultRuleChainId": None,
        "defaultDashboardId": None,
        "defaultQueueName": None,
        "firmwareId": None,
        "softwareId": None,
        "defaultEdgeRuleChainId": None,
        "externalId": None,
        "version": 1,
        "profileData": {
            "configuration": {"type": "DEFAULT"},
            "transportConfiguration": {"type": "DEFAULT"},
            "provisionConfiguration": {"type": "ALLOW_CREATE_NEW_DEVICES", "provisionDeviceSecret": SECRET},
            "alarms": None,
        },
    }
    assert await admin.call("GET", f"{PATH}/{saved['id']['id']}") == saved


async def test_a_device_provisions_itself_with_a_profile_as_soon_as_it_is_saved(admin: Rest) -> None:
    saved = await admin.call("POST", PATH, creating())

    assert (await admin.server.post(REQUEST))["status"] == "SUCCESS"

    await admin.call("POST", PATH, {**saved, "provisionType": "DISABLED"})
    assert (await admin.server.post({**REQUEST, "deviceName": "d2"}))["status"] == "NOT_FOUND"


async def test_what_the_server_does_not_use_comes_back(admin: Rest) -> None:
    kept = {
        "description": "A sensor",
        "image": "data:image/png;base64,AAAA",
        "defaultRuleChainId": {"entityType": "RULE_CHAIN", "id": str(uuid4())},
        "defaultQueueName": "Main",
        "firmwareId": {"entityType": "OTA_PACKAGE", "id": str(uuid4())},
        "transportType": "MQTT",
    }
    body = a_body(**kept)
    transport = {"type": "MQTT", "deviceTelemetryTopic": "v1/devices/me/telemetry"}
    body["profileData"] |= {"transportConfiguration": transport, "alarms": [{"id": "high"}]}
    body["profileData"]["provisionConfiguration"]["certificateValue"] = None  # as ThingsBoard's own pages do

    saved = await admin.call("POST", PATH, body)

    assert {name: saved[name] for name in kept} == kept
    assert saved["profileData"]["transportConfiguration"] == transport
    assert saved["profileData"]["alarms"] == [{"id": "high"}]
    assert saved["profileData"]["provisionConfiguration"] == {"type": "DISABLED", "provisionDeviceSecret": None}


async def test_neither_key_nor_secret_is_drawn(admin: Rest) -> None:
    """DP-1, contract 1.2."""
    first = await admin.call("POST", PATH, creating("first", key=None, secret=None))
    second = await admin.call("POST", PATH, creating("second", key="", secret=""))

    for saved in (first, second):
        assert saved["provisionDeviceKey"] is None
        assert saved["profileData"]["provisionConfiguration"]["provisionDeviceSecret"] is None


async def test_a_profile_without_secret_matches_nobody(admin: Rest) -> None:
    """PR-4."""
    await admin.call("POST", PATH, creating(secret=None))

    answer = await admin.server.post(
        {"provisionDeviceKey": KEY, "provisionDeviceSecret": SECRET, "deviceName": "d"}
    )

    assert answer["status"] == "NOT_FOUND"


async def test_a_missing_provision_type_is_disabled_and_key_and_secret_are_left_over(admin: Rest) -> None:
    body = creating()
    del body["provisionType"]

    saved = await admin.call("POST", PATH, body)

    assert (saved["provisionType"], saved["provisionDeviceKey"]) == ("DISABLED", KEY)
    answer = await admin.server.post(
        {"provisionDeviceKey": KEY, "provisionDeviceSecret": SECRET, "deviceName": "d"}
    )
    assert answer["status"] == "NOT_FOUND"


async def test_the_type_of_the_provision_configuration_decides_nothing(admin: Rest) -> None:
    body = creating()
    body["profileData"]["provisionConfiguration"]["type"] = "DISABLED"

    await admin.call("POST", PATH, body)

    answer = await admin.server.post(
        {"provisionDeviceKey": KEY, "provisionDeviceSecret": SECRET, "deviceName": "d"}
    )
    assert answer["status"] == "SUCCESS"


# -- refusals --------------------------------------------------------------------------------------


def without(name: str) -> dict[str, Any]:
    body = creating("other", key="another key")
    del body[name]
    return body


async def test_a_profile_that_cannot_be_is_refused(admin: Rest) -> None:
    """DP-4: ThingsBoard answers 500 where profileData is missing; nothing depends on it."""
    await admin.call("POST", PATH, creating())
    cases = [
        (creating(), "Device profile with such name already exists!"),
        (creating("other"), "Device profile with such provision device key already exists!"),
        (a_body("  "), "Device profile name should be specified!"),
        (without("name"), "Device profile name should be specified!"),
        (without("type"), "Device profile type should be specified!"),
        (without("transportType"), "Device profile transport type should be specified!"),
        (without("profileData"), "Device profile data should be specified!"),
    ]

    refusals = [await admin.refused("POST", PATH, body) for body, _ in cases]

    assert refusals == [(400, 31, message) for _, message in cases]


async def test_a_profile_of_another_form_is_refused(sqlite_admin: Rest) -> None:
    bodies: list[Any] = [
        {**creating(), "type": "KING"},
        {**creating(), "provisionType": "KING"},
        {**creating(), "name": 5},
        {**creating(), "name": "<script>"},
        {**creating(), "provisionDeviceKey": " key"},
        {**creating(), "profileData": []},
        [],
        "text",
    ]

    for body in bodies:
        status, code, message = await sqlite_admin.refused("POST", PATH, body)
        assert (status, code) == (400, 31), body
        assert SECRET not in message


async def test_dp_2_a_key_is_taken_in_every_tenant_and_it_is_not_said_whose(admin: Rest) -> None:
    """TN-2."""
    await admin.call("POST", PATH, creating("of the first tenant"))
    other = await other_tenant(admin.server)

    refusal = await other.refused("POST", PATH, creating("mine"))

    assert refusal == (400, 31, "Device profile with such provision device key already exists!")
    assert (await other.call("POST", PATH, creating("of the first tenant", key="mine")))[
        "provisionDeviceKey"
    ] == "mine"


async def test_pv_1_a_short_secret_is_refused_unless_it_is_allowed(tmp_path: Path) -> None:
    async with administered(tmp_path / "strict") as admin:
        status, code, message = await admin.refused("POST", PATH, creating(secret="fifteen-letters"))
    async with administered(tmp_path / "lenient", provisioning={"allow_weak_secrets": True}) as lenient:
        saved = await lenient.call("POST", PATH, creating(secret="short"))

    assert (status, code) == (400, 31)
    assert "16 characters" in message
    assert "allow_weak_secrets" in message
    assert saved["profileData"]["provisionConfiguration"]["provisionDeviceSecret"] == "short"


# -- updates ---------------------------------------------------------------------------------------


async def test_an_update_replaces_and_counts_the_version(admin: Rest) -> None:
    saved = await admin.call("POST", PATH, creating())

    updated = await admin.call("POST", PATH, {**saved, "name": "Sensor v3", "description": "new"})

    assert updated == {**saved, "name": "Sensor v3", "description": "new", "version": 2}


async def test_a_stale_version_is_refused_and_none_overwrites(admin: Rest) -> None:
    saved = await admin.call("POST", PATH, creating())
    await admin.call("POST", PATH, {**saved, "description": "2"})

    status, code, _ = await admin.refused("POST", PATH, {**saved, "description": "3"})
    overwritten = await admin.call("POST", PATH, {**saved, "description": "4", "version": None})

    assert (status, code) == (409, 35)
    assert (overwritten["description"], overwritten["version"]) == ("4", 3)


async def test_another_secret_replaces_the_old_one_at_once(admin: Rest) -> None:
    saved = await admin.call("POST", PATH, creating())
    saved["profileData"]["provisionConfiguration"]["provisionDeviceSecret"] = "another good secret"

    await admin.call("POST", PATH, saved)

    assert (await admin.server.post(REQUEST))["status"] == "NOT_FOUND"
    new = {**REQUEST, "provisionDeviceSecret": "another good secret"}
    assert (await admin.server.post(new))["status"] == "SUCCESS"


async def test_what_thingsboard_does_not_know_survives_an_update(admin: Rest) -> None:
    saved = await admin.call("POST", PATH, creating())
    profiles = admin.server.services.profiles
    stored = await profiles.by_public_id(1, UUID(saved["id"]["id"]))
    await profiles.update(replace(stored, reprovision=ReprovisionPolicy.ROTATE, enabled=False), actor="test")

    await admin.call("POST", PATH, {**saved, "version": None, "description": "new"})

    after = await profiles.by_public_id(1, UUID(saved["id"]["id"]))
    assert (after.reprovision, after.enabled, after.description) == (ReprovisionPolicy.ROTATE, False, "new")


async def test_an_unknown_profile_is_not_found(admin: Rest) -> None:
    nobody = str(uuid4())
    gone = (404, 32, f"Device profile with id [{nobody}] is not found")

    assert await admin.refused("GET", f"{PATH}/{nobody}") == gone
    assert await admin.refused("DELETE", f"{PATH}/{nobody}") == gone
    body = {**creating(), "id": {"entityType": "DEVICE_PROFILE", "id": nobody}}
    assert await admin.refused("POST", PATH, body) == gone


async def test_the_type_of_a_profile_with_devices_stays(admin: Rest) -> None:
    saved = await admin.call("POST", PATH, creating())
    moved = await admin.call("POST", PATH, {**saved, "transportType": "MQTT"})
    await admin.server.post(REQUEST)

    by_transport = await admin.refused("POST", PATH, {**moved, "transportType": "COAP"})
    by_type = await admin.refused("POST", PATH, {**moved, "type": "SNMP"})

    assert by_transport == (
        400, 31, "Can't change device profile transport type because devices referenced it!"
    )  # fmt: skip
    assert by_type == (400, 31, "Can't change device profile type because devices referenced it!")


# -- default, deletion, lists ----------------------------------------------------------------------


async def test_dp_3_a_profile_is_deleted_unless_it_has_devices_or_is_the_default(admin: Rest) -> None:
    used = await admin.call("POST", PATH, creating("used"))
    unused = await admin.call("POST", PATH, a_body("unused"))
    default = await admin.call("GET", "/api/deviceProfileInfo/default")
    await admin.server.post(REQUEST)

    response = await admin.send("DELETE", f"{PATH}/{unused['id']['id']}")

    assert (response.status_code, response.content) == (200, b"")
    referenced = await admin.refused("DELETE", f"{PATH}/{used['id']['id']}")
    assert referenced == (400, 31, "The device profile referenced by the devices cannot be deleted!")
    prohibited = await admin.refused("DELETE", f"{PATH}/{default['id']['id']}")
    assert prohibited == (400, 31, "Deletion of Default Device Profile is prohibited!")
    assert (await admin.refused("GET", f"{PATH}/{unused['id']['id']}"))[:2] == (404, 32)


async def test_there_is_one_default_profile(admin: Rest) -> None:
    default = await admin.call("GET", "/api/deviceProfileInfo/default")
    assert default["name"] == "default"
    second = await admin.refused("POST", PATH, a_body("second", default=True))
    assert second == (400, 31, "Another default device profile is present in scope of current tenant!")
    other = await admin.call("POST", PATH, a_body("other"))

    moved = await admin.call("POST", f"{PATH}/{other['id']['id']}/default")

    assert moved == {**other, "default": True, "version": 2}
    assert (await admin.call("GET", "/api/deviceProfileInfo/default"))["id"] == other["id"]
    assert (await admin.call("GET", f"{PATH}/{default['id']['id']}"))["default"] is False


async def test_profiles_are_listed_by_page(admin: Rest) -> None:
    saved = [await admin.call("POST", PATH, a_body(name)) for name in ("beta", "Alpha", "gamma")]

    first = await admin.call("GET", "/api/deviceProfiles?pageSize=2&page=0&sortProperty=name&sortOrder=ASC")
    last = await admin.call("GET", "/api/deviceProfiles?pageSize=2&page=1&sortProperty=name&sortOrder=ASC")
    found = await admin.call("GET", "/api/deviceProfiles?pageSize=10&page=0&textSearch=ALP")

    assert first == {"data": [saved[1], saved[0]], "totalPages": 2, "totalElements": 3, "hasNext": True}
    assert last == {"data": [saved[2]], "totalPages": 2, "totalElements": 3, "hasNext": False}
    assert [each["name"] for each in found["data"]] == ["Alpha"]
    assert (await admin.refused("GET", "/api/deviceProfiles?pageSize=2&page=0&sortProperty=secret"))[:2] == (
        400,
        31,
    )
    assert (await admin.refused("GET", "/api/deviceProfiles"))[:2] == (400, 31)


async def test_infos_have_what_everybody_of_the_tenant_may_know(admin: Rest) -> None:
    saved = await admin.call("POST", PATH, {**creating(), "transportType": "MQTT"})
    await admin.call("POST", PATH, a_body("other"))
    info = {name: saved[name] for name in ("id", "name", "image", "type", "transportType", "tenantId")}
    info["defaultDashboardId"] = None
    person = await admin.active_user("u@example.com", await admin.customer())

    page = await person.call("GET", "/api/deviceProfileInfos?pageSize=10&page=0&transportType=MQTT")

    assert page["data"] == [info]
    assert await person.call("GET", f"/api/deviceProfileInfo/{saved['id']['id']}") == info
    names = await person.call("GET", "/api/deviceProfile/names")
    assert [each["name"] for each in names] == ["other", "Sensor v2"]
    assert await person.call("GET", "/api/deviceProfile/names?activeOnly=true") == []


async def test_secrets_are_shown_to_administrators_only(admin: Rest) -> None:
    """TN-1."""
    saved = await admin.call("POST", PATH, creating())
    path = f"{PATH}/{saved['id']['id']}"
    person = await admin.active_user("u@example.com", await admin.customer())
    other = await other_tenant(admin.server)
    program = await admin.program("devices:read")

    refusals = [
        await who.refused(method, at, body)
        for who in (person, program)
        for method, at, body in (
            ("GET", path, None),
            ("GET", "/api/deviceProfiles?pageSize=1&page=0", None),
            ("POST", PATH, saved),
            ("POST", f"{path}/default", None),
            ("DELETE", path, None),
        )
    ]
    assert {refusal[:2] for refusal in refusals} == {(403, 20)}
    for method, at in (("GET", path), ("DELETE", path), ("POST", f"{path}/default")):
        assert (await other.refused(method, at))[:2] == (404, 32)
    assert (await other.refused("POST", PATH, saved))[:2] == (404, 32)
    assert (await other.refused("GET", f"/api/deviceProfileInfo/{saved['id']['id']}"))[:2] == (404, 32)
    assert (await other.call("GET", "/api/deviceProfiles?pageSize=9&page=0"))["data"] == []
    reader = await admin.program("profiles:read")
    assert await reader.call("GET", path) == saved
    assert (await reader.refused("POST", PATH, saved))[:2] == (403, 20)


async def test_no_provision_secret_reaches_log_or_audit(admin: Rest, caplog: pytest.LogCaptureFixture) -> None:
    """SE-5."""
    caplog.set_level("DEBUG")
    saved = await admin.call("POST", PATH, creating())
    await admin.call("POST", PATH, {**saved, "description": "x"})
    await admin.refused("POST", PATH, {**saved, "version": 1})

    assert SECRET not in repr(await admin.server.audit()) + caplog.text


# -- X.509 certificate chain -----------------------------------------------------------------------


def chain_body(name: str, certificate: str | None, **provision: Any) -> dict[str, Any]:
    return a_body(
        name, "X509_CERTIFICATE_CHAIN", secret=certificate, provision=provision, provisionDeviceKey="ours"
    )


async def test_a_certificate_is_kept_as_one_line_and_its_hash_is_the_key(admin: Rest) -> None:
    """Contract 1.2, 2.5."""
    more = {"certificateRegExPattern": "(.*)", "allowCreateNewDevicesByX509Certificate": True}

    saved = await admin.call("POST", PATH, chain_body("ca", pem(), **more))
    again = await admin.call("POST", PATH, saved)

    assert saved["provisionDeviceKey"] == CA_HASH
    assert saved["profileData"]["provisionConfiguration"] == {
        "type": "X509_CERTIFICATE_CHAIN",
        "provisionDeviceSecret": CA_DER,
        "certificateRegExPattern": "(.*)",
        "allowCreateNewDevicesByX509Certificate": True,
    }
    assert again == {**saved, "version": 2}


async def test_several_certificates_are_kept_as_pem_and_the_first_is_the_key(admin: Rest) -> None:
    saved = await admin.call("POST", PATH, chain_body("ca", f"\n{pem()}{pem().replace('AAEC', 'BBEC')}\n"))

    block = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----"
    expected = "\n".join(block.format(each) for each in (CA_DER, CA_DER.replace("AAEC", "BBEC")))
    assert saved["profileData"]["provisionConfiguration"]["provisionDeviceSecret"] == expected
    assert saved["provisionDeviceKey"] == CA_HASH


async def test_a_certificate_that_is_taken_or_missing_or_a_pattern_that_is_none_is_refused(admin: Rest) -> None:
    await admin.call("POST", PATH, chain_body("ca", pem()))

    taken = await admin.refused("POST", PATH, chain_body("other", pem()))
    missing = await admin.refused("POST", PATH, chain_body("other", None))
    pattern = await admin.refused("POST", PATH, chain_body("other", "CERT" * 9, certificateRegExPattern="(("))

    assert taken == (400, 31, "Device profile with such certificate already exists!")
    assert missing == (400, 31, "Device profile certificate should be specified!")
    assert pattern[:2] == (400, 31)


async def test_pr_6_a_request_by_key_is_not_found_at_once(admin: Rest) -> None:
    """Contract section 7: neither key nor secret of a certificate profile is a secret."""
    await admin.call("POST", PATH, chain_body("ca", pem(), allowCreateNewDevicesByX509Certificate=True))

    answer = await admin.server.post(
        {"provisionDeviceKey": CA_HASH, "provisionDeviceSecret": CA_DER, "deviceName": "d1"}
    )

    assert answer == {"errorMsg": "Provision data was not found!", "status": "NOT_FOUND"}
    assert await admin.server.device("d1") is None
