"""HTTP devices: data that is sent for them, and their properties (contract section 11)."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from tests.integration.thinger.account import Account

from firstboot.model import ResourceDraft
from firstboot.storage import RowQuery

DEVICES = {"Device": {"*": ["CreateDevice", "UpdateDevice"]}}


class HttpDevice:
    """A device of type HTTP, and calls of the third version of the API about it."""

    def __init__(self, account: Account, token: str, id_: str = "hook1") -> None:
        self.account = account
        self.token = token
        self._url = f"{account.server.url}/v3/users/{account.name}/devices/{id_}"

    async def call(
        self, method: str, path: str, body: Any = None, token: str | None = None, **query: str
    ) -> httpx2.Response:
        return await self.account.client.request(
            method,
            f"{self._url}{path}",
            json=body,
            params=query,
            headers={"Authorization": f"Bearer {token or self.token}"},
        )

    async def rows(self, bucket: str = "b1") -> list[tuple[int, Any]]:
        resources = self.account.server.services.resources
        found = await resources.get(self.account.tenant.id, "thinger-bucket", bucket)
        rows = await resources.rows(RowQuery(resource_id=found.id, oldest_first=True))
        return [(row.at_ms, row.value) for row in rows]


def refusal(answer: httpx2.Response) -> tuple[int, str]:
    assert list(answer.json()) == ["error"]
    return answer.status_code, answer.json()["error"]["message"]


@pytest.fixture
async def device(sqlite_thinger: Account) -> HttpDevice:
    return await _made(sqlite_thinger)


@pytest.fixture
async def stored_device(thinger: Account) -> HttpDevice:
    return await _made(thinger)


async def _made(account: Account) -> HttpDevice:
    token = await account.token()
    await account.call("POST", "/devices", token, {"device": "hook1", "type": "HTTP"})
    document = {"name": "", "enabled": True, "config": {"source": "api"}}
    bucket = ResourceDraft(kind="thinger-bucket", name="b1", document=document)
    await account.server.services.resources.create(account.tenant.id, bucket, actor="test")
    return HttpDevice(account, token)


async def test_tg_11_data_is_in_the_bucket_with_its_moment(stored_device: HttpDevice) -> None:
    set_ = await stored_device.call("PUT", "/callback", {"actions": {"write_bucket": "b1"}})

    first = await stored_device.call("POST", "/callback/data", {"t": 21.5}, ts="1761659844655", ip="192.0.2.1")
    await stored_device.call("POST", "/callback/data", [1, "two"], ts="1761659844656")

    assert (set_.status_code, set_.json()) == (200, {"actions": {"write_bucket": "b1"}})
    assert (first.status_code, first.json()) == (200, {})
    assert await stored_device.rows() == [(1761659844655, {"t": 21.5}), (1761659844656, [1, "two"])]


async def test_tg_11_a_device_without_a_bucket_is_known_and_its_data_goes_nowhere(device: HttpDevice) -> None:
    shown = await device.call("GET", "/callback")
    sent = await device.call("POST", "/callback/data", {"t": 1})

    assert shown.json() == {"actions": {}}
    assert sent.status_code == 200
    assert await device.rows() == []


async def test_tg_11_a_get_without_data_says_that_the_device_is_known_and_writes_nothing(
    device: HttpDevice,
) -> None:
    await device.call("PUT", "/callback", {"actions": {"write_bucket": "b1"}, "properties": {"a": 1}})

    assert (await device.call("GET", "/callback/data", ip="192.0.2.1")).status_code == 200
    assert (await device.call("HEAD", "/callback/data")).status_code == 405
    assert await device.rows() == []
    assert (await device.call("GET", "/callback")).json()["properties"] == {"a": 1}


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_tg_11_a_device_that_is_not_there_is_404(sqlite_thinger: Account, method: str) -> None:
    absent = HttpDevice(sqlite_thinger, await sqlite_thinger.token())

    assert refusal(await absent.call(method, "/callback/data")) == (404, "not found")
    assert refusal(await absent.call("GET", "/callback")) == (404, "not found")
    assert refusal(await absent.call("PUT", "/callback", {})) == (404, "not found")
    assert refusal(await absent.call("GET", "/properties")) == (404, "not found")
    assert refusal(await absent.call("PUT", "/properties/a", {"value": 1})) == (404, "not found")


async def test_tg_11_a_device_that_is_switched_off_sends_nothing(device: HttpDevice) -> None:
    await device.account.call("PUT", "/devices/hook1", device.token, {"enabled": False})

    assert refusal(await device.call("POST", "/callback/data", 1)) == (403, "device is disabled")


async def test_tg_11_the_right_to_reach_a_device_is_enough_to_send_for_it(device: HttpDevice) -> None:
    await device.call("PUT", "/callback", {"actions": {"write_bucket": "b1"}})
    sender = await device.account.token({"Device": {"hook1": "AccessDeviceResources"}}, "sender")
    stranger = await device.account.token({"Device": {"hook2": "*"}}, "stranger")

    assert (await device.call("POST", "/callback/data", 1, sender)).status_code == 200
    assert refusal(await device.call("PUT", "/callback", {}, sender)) == (403, "forbidden: UpdateDevice")
    assert refusal(await device.call("POST", "/callback/data", 1, stranger)) == (
        403,
        "forbidden: AccessDeviceResources",
    )


async def test_tg_11_nobody_lets_a_device_write_where_he_may_not_write_himself(device: HttpDevice) -> None:
    devices_only = await device.account.token(DEVICES, "devices only")

    answer = await device.call("PUT", "/callback", {"actions": {"write_bucket": "b1"}}, devices_only)

    assert refusal(answer) == (403, "forbidden: WriteBucket")
    assert (await device.call("GET", "/callback")).json() == {"actions": {}}


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ([], "the body is not a JSON object"),
        ({"actions": []}, "the body is not a JSON object"),
        ({"actions": {"write_bucket": "a b"}}, "invalid write_bucket id"),
        ({"actions": {"call_endpoint": "e"}}, "unknown field: call_endpoint"),
        ({"properties": 1}, "invalid field: properties"),
        ({"action": {}}, "unknown field: action"),
    ],
)
async def test_tg_11_a_callback_that_breaks_a_rule_is_400(device: HttpDevice, sent: Any, message: str) -> None:
    assert refusal(await device.call("PUT", "/callback", sent)) == (400, message)


@pytest.mark.parametrize("ts", ["now", "-1", "1.5", "9" * 17])
async def test_tg_11_a_moment_that_is_none_is_400(device: HttpDevice, ts: str) -> None:
    assert refusal(await device.call("POST", "/callback/data", 1, ts=ts)) == (400, "invalid parameter: ts")


async def test_tg_11_properties_are_made_shown_changed_and_deleted(stored_device: HttpDevice) -> None:
    made = await stored_device.call("POST", "/properties", {"property": "location", "value": {"lat": 1}})
    await stored_device.call("PUT", "/properties/owner", {"value": "me"})
    changed = await stored_device.call("PUT", "/properties/location", {"property": "location", "value": [2]})

    listed = await stored_device.call("GET", "/properties")
    await stored_device.call("DELETE", "/properties/owner")

    assert made.json() == {"property": "location", "value": {"lat": 1}}
    assert changed.json() == {"property": "location", "value": [2]}
    assert listed.json() == [{"property": "location", "value": [2]}, {"property": "owner", "value": "me"}]
    assert refusal(await stored_device.call("GET", "/properties/owner")) == (404, "not found")
    assert refusal(await stored_device.call("DELETE", "/properties/owner")) == (404, "not found")


@pytest.mark.parametrize(
    ("path", "sent", "message"),
    [
        ("/a", {"property": "b", "value": 1}, "the body names another property than the path"),
        ("/a", {}, "missing field: value"),
        ("/a", {"value": 1, "colour": 2}, "unknown field: colour"),
        ("/a%20b", {"value": 1}, "invalid property id"),
        ("/a", {"value": "x" * 16_200}, "the properties of the device are too large"),
    ],
)
async def test_tg_11_a_property_that_breaks_a_rule_is_400(
    device: HttpDevice, path: str, sent: Any, message: str
) -> None:
    await device.call("PUT", "/properties/kept", {"value": "y" * 200})

    assert refusal(await device.call("PUT", f"/properties{path}", sent)) == (400, message)
    assert len((await device.call("GET", "/properties")).json()) == 1
