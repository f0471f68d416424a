"""Node-RED's nodes for thinger.io: the requests that they make, in their order (acceptance check 6)."""

from __future__ import annotations

from typing import Any

import httpx2
from tests.integration.thinger.account import Account

NODE_RED = {
    "Device": {"*": ["ReadDeviceStatus", "CreateDevice", "UpdateDevice"]},
    "Bucket": {"*": ["CreateBucket", "ReadBucketConfig", "UpdateBucket", "WriteBucket"]},
}
ITERATOR = {"Device": {"*": ["ListDevices"]}}
PAGE = 50


class Nodes:
    """A flow with a token; it reads the status of an answer, and its body only if it is said to be JSON."""

    def __init__(self, account: Account, token: str) -> None:
        self._account = account
        self._token = token
        self.requests: list[tuple[str, int]] = []
        """Method and status of each."""

    async def send(self, method: str, path: str, body: Any = None, *, version: int = 1) -> httpx2.Response:
        answer = await self._account.client.request(
            method,
            f"{self._account.server.url}/v{version}/users/{self._account.name}/{path}",
            json=body,
            headers={"Authorization": f"Bearer {self._token}"},
        )
        assert answer.headers["content-type"].startswith("application/json")
        self.requests.append((method, answer.status_code))
        return answer

    async def put_device(self, fields: dict[str, Any]) -> bool:
        """Do what the device node does each time that it gets a message."""
        known = await self.send("GET", f"devices/{fields['device']}")
        if known.status_code not in (200, 404):
            raise AssertionError(known.json()["error"]["message"])
        if known.status_code == 404:
            return (await self.send("POST", "devices", fields)).status_code == 200
        rest = {key: value for key, value in fields.items() if key not in ("device", "type")}
        return (await self.send("PUT", f"devices/{fields['device']}", rest)).status_code == 200

    async def iterate(self, text: str) -> list[str]:
        """Do what the iterator node does: go on while a page is full."""
        await self.send("GET", "../../server/assets")
        found: list[str] = []
        while True:
            page = await self.send("GET", f"devices?name={text}&count={PAGE}&index={len(found)}")
            found += [each["device"] for each in page.json()]
            if len(page.json()) != PAGE:
                return found

    async def report(self, device: str, data: Any) -> list[int]:
        """Do what the callback node does: send, and make what is needed when that does not work."""
        path = f"devices/{device}/callback/data"
        first = await self.send("POST", path, data, version=3)
        if first.status_code == 200:
            return [200]
        made = [
            await self.send(
                "POST",
                "buckets",
                {
                    "bucket": device,
                    "name": "sensor1",
                    "description": "Auto provisioned Node-RED Bucket",
                    "enabled": True,
                    "config": {"source": "api"},
                    "asset_type": "sensors",
                    "asset_group": "lab",
                },
            ),
            await self.send(
                "POST",
                "devices",
                {
                    "type": "HTTP",
                    "device": device,
                    "name": "sensor1",
                    "description": "Auto provisioned Node-RED Device",
                    "asset_type": "sensors",
                    "asset_group": "lab",
                    "product": "th1",
                },
            ),
            await self.send("PUT", f"devices/{device}/callback", {"actions": {"write_bucket": device}}, version=3),
            await self.send("POST", path, data, version=3),
        ]
        return [first.status_code, *(answer.status_code for answer in made)]


async def test_tg_14_6_the_device_node_creates_and_then_updates(thinger: Account) -> None:
    nodes = Nodes(thinger, await thinger.token(NODE_RED))
    fields = {"device": "NR_1", "type": "MQTT", "name": "One", "credentials": "a credential", "asset_group": "lab"}

    assert await nodes.put_device(fields)
    assert await nodes.put_device({**fields, "name": "Two"})

    assert nodes.requests == [("GET", 404), ("POST", 200), ("GET", 200), ("PUT", 200)]
    device = (await thinger.call("GET", "/devices/NR_1", await thinger.token(name="other"))).json()
    assert (device["name"], device["type"], device["asset_group"]) == ("Two", "MQTT", "lab")


async def test_tg_14_6_an_iterator_over_101_devices_ends_after_3_pages(thinger: Account) -> None:
    maker = await thinger.token(name="maker")
    for number in range(101):
        made = await thinger.call(
            "POST", "/devices", maker, {"device": f"meter{number:03}", "credentials": "a credential"}
        )
        assert made.status_code == 200
    await thinger.call("POST", "/devices", maker, {"device": "lamp", "credentials": "a credential"})
    nodes = Nodes(thinger, await thinger.token(ITERATOR))

    found = await nodes.iterate("meter")

    assert sorted(found) == [f"meter{number:03}" for number in range(101)]
    assert nodes.requests == [("GET", 200)] * 4


async def test_tg_14_6_a_full_last_page_is_followed_by_an_empty_one(sqlite_thinger: Account) -> None:
    maker = await sqlite_thinger.token(name="maker")
    for number in range(PAGE):
        await sqlite_thinger.call("POST", "/devices", maker, {"device": f"meter{number}", "type": "HTTP"})
    nodes = Nodes(sqlite_thinger, await sqlite_thinger.token(ITERATOR))

    assert len(await nodes.iterate("")) == PAGE
    assert nodes.requests == [("GET", 200)] * 3


async def test_tg_14_6_the_callback_sequence_leaves_one_row_in_the_bucket(thinger: Account) -> None:
    nodes = Nodes(thinger, await thinger.token(NODE_RED))

    statuses = await nodes.report("NR_sensor1", {"temperature": 21.5})

    assert statuses == [404, 200, 200, 200, 200]
    rows = await thinger.call("GET", "/buckets/NR_sensor1/data", await thinger.token(name="reader"))
    assert [row["val"] for row in rows.json()] == [{"temperature": 21.5}]
    assert await nodes.report("NR_sensor1", {"temperature": 22}) == [200]


async def test_tg_11_the_sequence_goes_on_when_the_bucket_is_there_already(sqlite_thinger: Account) -> None:
    nodes = Nodes(sqlite_thinger, await sqlite_thinger.token(NODE_RED))
    bucket = {"bucket": "NR_1", "name": "", "enabled": True, "config": {"source": "api"}}
    await nodes.send("POST", "buckets", bucket)

    assert await nodes.report("NR_1", [1, 2]) == [404, 400, 200, 200, 200]
