"""Devices over ThingsBoard's REST (contract 5.3, 5.4), as each kind of person."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

from tests.harness import MqttPeer, login
from tests.integration.admin.thingsboard.rest import Rest, other_tenant

from firstboot.model import ProfileLimits
from firstboot_plugins.transports.mqtt.packets import Connack, Connect

NOBODY = {"entityType": "CUSTOMER", "id": "13814000-1dd2-11b2-8080-808080808080"}


async def saved(rest: Rest, name: str, **fields: Any) -> dict[str, Any]:
    device: dict[str, Any] = await rest.call("POST", "/api/device", {"name": name, **fields})
    return device


def path(device: dict[str, Any], more: str = "") -> str:
    return f"/api/device/{device['id']['id']}{more}"


async def connected(rest: Rest, token: str) -> MqttPeer:
    """Log in as a device over MQTT, and stay."""
    peer = await rest.server.peer(Connect(5, "c", True, 60, username=token))
    assert (await peer.expect(Connack)).reason == 0
    return peer


async def owned(admin: Rest, name: str, title: str) -> tuple[Rest, dict[str, Any]]:
    """Make a customer with a device and a user; return the user and the device."""
    customer = await admin.customer(title)
    user = await admin.active_user(f"{title}@example.com", customer)
    device = await saved(admin, name)
    assigned = await admin.call("POST", f"/api/customer/{customer['id']['id']}/device/{device['id']['id']}")
    return user, assigned


class TestSaving:
    async def test_a_new_device_has_exactly_the_fields_of_the_contract(self, admin: Rest) -> None:
        device = await saved(admin, " d1 ", label="Cellar", additionalInfo={"gateway": True})

        assert UUID(device["id"]["id"]).version == 7
        assert isinstance(device["createdTime"], int)
        assert device["tenantId"]["entityType"] == "TENANT"
        assert device["deviceProfileId"]["entityType"] == "DEVICE_PROFILE"
        assert device == {
            "id": {"entityType": "DEVICE", "id": device["id"]["id"]},
            "createdTime": device["createdTime"],
            "tenantId": device["tenantId"],
            "customerId": NOBODY,
            "name": "d1",
            "type": "default",
            "label": "Cellar",
            "deviceProfileId": device["deviceProfileId"],
            "firmwareId": None,
            "softwareId": None,
            "externalId": None,
            "version": 1,
            "additionalInfo": {"gateway": True},
            "deviceData": {"configuration": {"type": "DEFAULT"}, "transportConfiguration": {"type": "DEFAULT"}},
        }
        assert await admin.call("GET", path(device)) == device

    async def test_type_picks_a_profile_by_name_or_makes_it(self, admin: Rest) -> None:
        first = await saved(admin, "d1", type="meter")
        second = await saved(admin, "d2", type="meter")
        third = await saved(admin, "d3", type="ignored", deviceProfileId=first["deviceProfileId"])

        assert first["type"] == second["type"] == third["type"] == "meter"
        assert first["deviceProfileId"] == second["deviceProfileId"] == third["deviceProfileId"]
        profile = await admin.call("GET", f"/api/deviceProfile/{first['deviceProfileId']['id']}")
        assert (profile["name"], profile["provisionType"]) == ("meter", "DISABLED")

    async def test_a_profile_that_is_not_there_is_an_error(self, admin: Rest) -> None:
        missing = str(uuid4())

        refused = await admin.refused("POST", "/api/device", {"name": "d", "deviceProfileId": {"id": missing}})

        assert refused == (404, 32, f"Device profile with id [{missing}] is not found")

    async def test_the_access_token_of_the_query_counts_for_a_new_device_only(self, admin: Rest) -> None:
        device = await admin.call("POST", "/api/device?accessToken=A1_TEST_TOKEN", {"name": "d1"})
        await admin.call("POST", "/api/device?accessToken=OTHER", device)

        assert (await admin.call("GET", path(device, "/credentials")))["credentialsId"] == "A1_TEST_TOKEN"
        refused = await admin.refused("POST", "/api/device?accessToken=A1_TEST_TOKEN", {"name": "d2"})
        assert refused == (400, 31, "Device credentials are already assigned to another device!")
        assert await login(admin.server, username="A1_TEST_TOKEN") == 0

    async def test_a_device_that_breaks_a_rule_is_refused(self, sqlite_admin: Rest) -> None:
        """HT-7."""
        admin = sqlite_admin
        await saved(admin, "d1")
        bodies: tuple[tuple[dict[str, Any], str | None], ...] = (
            ({"name": "d1"}, "Device with such name already exists!"),
            ({"name": "  "}, "Device name should be specified!"),
            ({}, "Device name should be specified!"),
            ({"name": "d", "label": "<script>alert(1)</script>"}, None),
            ({"name": "a\u202eb"}, None),
            ({"name": "a\nb"}, None),
            ({"name": "x" * 256}, None),
            ({"name": 5}, None),
            ({"name": "d", "additionalInfo": []}, None),
            ({"name": "d", "customerId": {"id": "no uuid"}}, None),
        )

        for body, message in bodies:
            status, code, told = await admin.refused("POST", "/api/device", body)
            assert (status, code) == (400, 31), body
            assert message in (None, told), body

    async def test_names_that_look_alike_in_unicode_are_one_name(self, admin: Rest) -> None:
        """HT-7: compared in NFC."""
        await saved(admin, "caf\u00e9")

        refused = await admin.refused("POST", "/api/device", {"name": "cafe\u0301"})

        assert refused == (400, 31, "Device with such name already exists!")

    async def test_what_the_server_alone_decides_is_ignored(self, admin: Rest) -> None:
        """LG-8."""
        other = await other_tenant(admin.server)
        theirs = await saved(other, "theirs")

        device = await saved(admin, "d1", tenantId=theirs["tenantId"], createdTime=1, version=9, enabled=False)

        assert device["tenantId"] != theirs["tenantId"]
        assert (device["version"], device["createdTime"] == 1) == (1, False)
        assert (await other.refused("GET", path(device)))[0] == 404

    async def test_a_stale_version_is_a_conflict_and_none_overwrites(self, admin: Rest) -> None:
        first = await saved(admin, "d1")
        second = await admin.call("POST", "/api/device", {**first, "label": "second"})

        assert second["version"] == first["version"] + 1
        status, code, _ = await admin.refused("POST", "/api/device", {**first, "label": "third"})
        assert (status, code) == (409, 35)
        third = await admin.call("POST", "/api/device", {**first, "label": "third", "version": None})
        assert (third["label"], third["version"]) == ("third", second["version"] + 1)

    async def test_saving_without_a_version_does_not_undo_what_the_body_does_not_say(self, admin: Rest) -> None:
        device = await saved(admin, "d1")
        stored = await admin.server.device("d1")
        assert stored is not None
        saves = [
            admin.call("POST", "/api/device", {**device, "version": None, "label": str(number)})
            for number in range(10)
        ]

        await asyncio.gather(*saves, admin.server.services.devices.set_enabled(stored, False, actor="test"))

        after = await admin.server.device("d1")
        assert after is not None
        assert (after.enabled, after.version) == (False, device["version"] + 11)

    async def test_a_device_is_renamed_and_moved_to_another_profile(self, admin: Rest) -> None:
        device = await saved(
            admin, "d1", type="meter", firmwareId={"entityType": "OTA_PACKAGE", "id": str(uuid4())}
        )
        other = await saved(admin, "other", type="pump")

        renamed = await admin.call(
            "POST", "/api/device", {**device, "name": "d2", "deviceProfileId": other["deviceProfileId"]}
        )

        assert (renamed["id"], renamed["name"], renamed["type"]) == (device["id"], "d2", "pump")
        assert renamed["firmwareId"] == device["firmwareId"]
        taken = await admin.refused("POST", "/api/device", {**renamed, "name": "other"})
        assert taken == (400, 31, "Device with such name already exists!")

    async def test_a_profile_that_is_full_takes_no_more(self, admin: Rest) -> None:
        await admin.server.profile("full", limits=ProfileLimits(max_devices=1))
        await saved(admin, "d1", type="full")

        status, code, _ = await admin.refused("POST", "/api/device", {"name": "d2", "type": "full"})

        assert (status, code) == (403, 41)

    async def test_a_device_is_saved_with_credentials_of_a_type_of_choice(self, admin: Rest) -> None:
        device = await admin.call(
            "POST",
            "/api/device-with-credentials",
            {
                "device": {"name": "d1", "type": "meter"},
                "credentials": {
                    "credentialsType": "MQTT_BASIC",
                    "credentialsValue": '{"clientId":"c","userName":"u","password":"p"}',
                },
            },
        )

        assert device["type"] == "meter"
        assert await login(admin.server, client_id="c", username="u", password=b"p") == 0

    async def test_a_new_device_may_be_a_customers_at_once(self, admin: Rest) -> None:
        customer = await admin.customer()

        device = await saved(admin, "d1", customerId=customer["id"])

        assert device["customerId"] == customer["id"]
        missing = str(uuid4())
        refused = await admin.refused("POST", "/api/device", {"name": "d2", "customerId": {"id": missing}})
        assert refused == (404, 32, f"Customer with id [{missing}] is not found")


class TestFinding:
    async def test_tenant_devices_with_a_name_is_one_device_and_with_pages_a_page(self, admin: Rest) -> None:
        device = await saved(admin, "d 1/x")

        assert await admin.call("GET", "/api/tenant/devices?deviceName=d+1%2Fx") == device
        assert await admin.call("GET", "/api/tenant/device?deviceName=d%201/x") == device
        page = await admin.call("GET", "/api/tenant/devices?pageSize=10&page=0")
        assert page == {"data": [device], "totalPages": 1, "totalElements": 1, "hasNext": False}
        for name in ("devices", "device"):
            status, code, _ = await admin.refused("GET", f"/api/tenant/{name}?deviceName=nobody")
            assert (status, code) == (404, 32)

    async def test_a_page_that_does_not_exist_is_refused(self, sqlite_admin: Rest) -> None:
        for query in (
            "", "?pageSize=1", "?page=0", "?pageSize=0&page=0", "?pageSize=1&page=-1", "?pageSize=x&page=0",
            "?pageSize=1&page=0&sortProperty=secret", "?pageSize=1&page=0&sortOrder=UP",
        ):  # fmt: skip
            status, code, _ = await sqlite_admin.refused("GET", f"/api/tenant/devices{query}")
            assert (status, code) == (400, 31), query

    async def test_pages_are_cut_sorted_and_searched_by_name_or_label(self, admin: Rest) -> None:
        for name, label in (("b", "Kitchen"), ("a", None), ("c", "kit")):
            await saved(admin, name, label=label, type="meter" if name == "c" else None)

        async def names(query: str) -> list[str]:
            page = await admin.call("GET", f"/api/tenant/devices?{query}")
            return [device["name"] for device in page["data"]]

        assert await names("pageSize=2&page=0&sortProperty=name&sortOrder=ASC") == ["a", "b"]
        assert await names("pageSize=2&page=1&sortProperty=name&sortOrder=ASC") == ["c"]
        assert await names("pageSize=9&page=0&sortProperty=name&sortOrder=DESC") == ["c", "b", "a"]
        assert await names("pageSize=9&page=0&textSearch=KIT&sortProperty=name") == ["b", "c"]
        assert await names("pageSize=9&page=0&type=meter") == ["c"]
        assert await names("pageSize=9&page=0&type=nothing") == []
        first = await admin.call("GET", "/api/tenant/devices?pageSize=2&page=0")
        assert (first["totalPages"], first["totalElements"], first["hasNext"]) == (2, 3, True)

    async def test_infos_tell_the_customer_and_who_is_connected(self, admin: Rest) -> None:
        _, device = await owned(admin, "d1", "c1")
        await saved(admin, "d2")
        token = (await admin.call("GET", path(device, "/credentials")))["credentialsId"]
        peer = await connected(admin, token)

        page = await admin.call("GET", "/api/tenant/deviceInfos?pageSize=9&page=0&sortProperty=name")

        fields = ("name", "customerTitle", "customerIsPublic", "deviceProfileName", "active")
        assert [tuple(info[field] for field in fields) for info in page["data"]] == [
            ("d1", "c1", False, "default", True),
            ("d2", None, False, "default", False),
        ]
        assert page["data"][0] == await admin.call("GET", f"/api/device/info/{device['id']['id']}")
        active = await admin.call("GET", "/api/tenant/deviceInfos?pageSize=9&page=0&active=true")
        assert [info["name"] for info in active["data"]] == ["d1"]
        others = await admin.call("GET", "/api/tenant/deviceInfos?pageSize=9&page=0&active=false")
        assert [info["name"] for info in others["data"]] == ["d2"]
        profile = device["deviceProfileId"]["id"]
        query = f"pageSize=9&page=0&deviceProfileId={profile}"
        assert (await admin.call("GET", f"/api/tenant/deviceInfos?{query}"))["totalElements"] == 2
        await peer.close()

    async def test_a_device_that_is_not_there_is_not_found(self, admin: Rest) -> None:
        missing = str(uuid4())

        for method in ("GET", "DELETE"):
            refused = await admin.refused(method, f"/api/device/{missing}")
            assert refused == (404, 32, f"Device with id [{missing}] is not found")
        assert (await admin.refused("GET", "/api/device/no-uuid"))[:2] == (400, 31)


class TestCustomers:
    async def test_a_device_is_given_to_a_customer_and_taken_back(self, admin: Rest) -> None:
        customer = await admin.customer()
        device = await saved(admin, "d1")

        given = await admin.call("POST", f"/api/customer/{customer['id']['id']}/device/{device['id']['id']}")
        page = await admin.call("GET", f"/api/customer/{customer['id']['id']}/devices?pageSize=9&page=0")
        taken = await admin.call("DELETE", f"/api/customer/device/{device['id']['id']}")

        assert given["customerId"] == customer["id"]
        assert page["data"] == [given]
        assert taken["customerId"] == NOBODY
        refused = await admin.refused("DELETE", f"/api/customer/device/{device['id']['id']}")
        assert refused == (400, 31, "Device isn't assigned to any customer!")

    async def test_a_customer_sees_and_changes_its_own_devices_only(self, admin: Rest) -> None:
        """TN-1, LG-8."""
        user, own = await owned(admin, "own", "c1")
        _, foreign = await owned(admin, "foreign", "c2")
        unowned = await saved(admin, "unowned")

        assert await user.call("GET", path(own)) == own
        assert (await user.call("GET", path(own, "/credentials")))["credentialsType"] == "ACCESS_TOKEN"
        for device in (foreign, unowned):
            for call in (
                ("GET", path(device)),
                ("GET", path(device, "/credentials")),
                ("POST", "/api/device", device),
            ):
                status, code, _ = await user.refused(*call)
                assert (status, code) == (403, 20), call
        page = await user.call("GET", f"/api/customer/{own['customerId']['id']}/devices?pageSize=9&page=0")
        assert [device["name"] for device in page["data"]] == ["own"]
        listing = f"/api/customer/{foreign['customerId']['id']}/deviceInfos?pageSize=9&page=0"
        assert (await user.refused("GET", listing))[:2] == (403, 20)

        changed = await user.call(
            "POST", "/api/device", {**own, "label": "mine", "customerId": foreign["customerId"], "type": "other"}
        )
        assert (changed["label"], changed["customerId"], changed["type"]) == ("mine", own["customerId"], "default")

    async def test_what_is_the_tenants_alone_is_refused_to_customers(self, admin: Rest) -> None:
        user, own = await owned(admin, "own", "c1")
        customer = own["customerId"]["id"]

        for method, where, body in (
            ("POST", "/api/device", {"name": "new"}),
            ("POST", "/api/device-with-credentials", {"device": {"name": "new"}}),
            ("DELETE", path(own), None),
            ("POST", "/api/device/credentials", await user.call("GET", path(own, "/credentials"))),
            ("GET", "/api/tenant/devices?pageSize=1&page=0", None),
            ("GET", "/api/tenant/device?deviceName=own", None),
            ("DELETE", f"/api/customer/device/{own['id']['id']}", None),
            ("POST", f"/api/customer/{customer}/device/{own['id']['id']}", None),
        ):
            status, code, _ = await user.refused(method, where, body)
            assert (status, code) == (403, 20), where

    async def test_another_tenant_finds_nothing(self, admin: Rest) -> None:
        """TN-1."""
        user, own = await owned(admin, "own", "c1")
        other = await other_tenant(admin.server)
        device, customer = own["id"]["id"], own["customerId"]["id"]

        for method, where, body in (
            ("GET", path(own), None),
            ("DELETE", path(own), None),
            ("GET", path(own, "/credentials"), None),
            ("POST", "/api/device", own),
            ("POST", "/api/device/credentials", await admin.call("GET", path(own, "/credentials"))),
            ("GET", f"/api/customer/{customer}/devices?pageSize=1&page=0", None),
            ("POST", f"/api/customer/{customer}/device/{device}", None),
            ("GET", "/api/tenant/device?deviceName=own", None),
        ):
            status, code, _ = await other.refused(method, where, body)
            assert (status, code) == (404, 32), where
        assert (await other.call("GET", "/api/tenant/devices?pageSize=1&page=0"))["totalElements"] == 0
        assert await user.call("GET", path(own)) == own


class TestEnding:
    async def test_a_deleted_device_is_gone_and_its_session_ends(self, admin: Rest) -> None:
        """AU-6."""
        device = await saved(admin, "d1")
        token = (await admin.call("GET", path(device, "/credentials")))["credentialsId"]
        peer = await connected(admin, token)

        await admin.call("DELETE", path(device))

        last = await peer.expect_closed()
        await peer.close()
        assert [getattr(packet, "reason", None) for packet in last] == [0x98]
        assert (await admin.refused("GET", path(device)))[0] == 404
        assert await login(admin.server, username=token) == 5


class TestPrograms:
    async def test_a_token_that_creates_cannot_list_read_or_change(self, admin: Rest) -> None:
        """LG-9."""
        program = await admin.program("devices:create")
        device = await saved(program, "d1")

        for method, where, body in (
            ("GET", "/api/tenant/devices?pageSize=1&page=0", None),
            ("GET", path(device), None),
            ("GET", path(device, "/credentials"), None),
            ("POST", "/api/device", {**device, "label": "changed"}),
            ("POST", "/api/device", {"name": "d2", "type": "a profile that is not there"}),
            ("DELETE", path(device), None),
        ):
            status, code, _ = await program.refused(method, where, body)
            assert (status, code) == (403, 20), where
