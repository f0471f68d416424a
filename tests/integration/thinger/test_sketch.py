"""The ESP32 sketch of thinger.io's community thread, byte for byte (contract 4.2, 4.3, 14.1 to 14.4)."""

from __future__ import annotations

import asyncio

import pytest
from tests.harness import login
from tests.integration.thinger.account import SKETCH, Account

DEVICE = "SelfProvisioningDevice"
CREDENTIALS = "deviceCredentials"
BODY = (
    '{"asset_group": "TestAssetGroup", "asset_type": "TestAssetGroup","credentials": "deviceCredentials",'
    '  "description": "TestDescription",  "device": "SelfProvisioningDevice",  "name": "TestName",'
    '  "type": "Generic"}'
)


class Sketch:
    """What the sketch does with a connection of its own for each request, and nothing to parse an answer with."""

    def __init__(self, account: Account, token: str) -> None:
        self._account = account
        self._token = token
        self.answers: list[tuple[int, str]] = []
        """Status and body of each answer."""

    async def check(self, device: str = DEVICE) -> bool:
        """Ask for the device, and look for its id between quotes behind the first character of whatever comes."""
        path = f"/v1/users/{self._account.name}/devices?name={device}&authorization={self._token}"
        await self._ask(f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\nConnection: close\r\n\r\n")
        return self.answers[-1][1].find(f'"{device}"') > 0

    async def create(self, body: str = BODY) -> bool:
        """Create the device; True is 200 and nothing else."""
        path = f"/v1/users/{self._account.name}/devices"
        await self._ask(
            f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nAuthorization: Bearer {self._token}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        )
        return self.answers[-1][0] == 200

    async def boot(self, device: str = DEVICE, body: str = BODY) -> bool:
        """Check, and create what is not there, as each turn of its loop does."""
        return await self.check(device) or await self.create(body)

    @property
    def _host(self) -> str:
        return f"127.0.0.1:{self._account.server.http_port}"

    async def _ask(self, request: str) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._account.server.http_port)
        writer.write(request.encode())
        head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
        writer.close()
        await writer.wait_closed()
        headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:])
        assert headers["content-type"].startswith("application/json")
        assert int(headers["content-length"]) == len(body.encode())
        self.answers.append((int(head.split()[1]), body))


@pytest.fixture
async def sketch(thinger: Account) -> Sketch:
    return Sketch(thinger, await thinger.token(SKETCH, "sketch"))


async def mqtt_login(account: Account, device: str = DEVICE, password: str = CREDENTIALS) -> int:
    return await login(account.server, client_id=device, username=account.name, password=password.encode())


async def test_tg_14_1_the_sketch_provisions_itself_and_its_device_logs_in(
    thinger: Account, sketch: Sketch
) -> None:
    assert not await sketch.check()
    assert await sketch.create()
    assert await sketch.check()

    assert [status for status, _ in sketch.answers] == [200, 200, 200]
    assert sketch.answers[0][1] == "[]"
    assert sketch.answers[2][1].startswith("[")
    assert await mqtt_login(thinger) == 0


async def test_tg_14_1_what_the_sketch_has_said_of_itself_is_kept(thinger: Account, sketch: Sketch) -> None:
    await sketch.boot()

    found = (await thinger.call("GET", f"/devices/{DEVICE}", await thinger.token())).json()

    assert {key: found[key] for key in ("device", "name", "description", "type", "asset_type", "asset_group")} == {
        "device": DEVICE,
        "name": "TestName",
        "description": "TestDescription",
        "type": "Generic",
        "asset_type": "TestAssetGroup",
        "asset_group": "TestAssetGroup",
    }


async def test_tg_4_3_a_sketch_with_no_asset_type_and_group_sends_them_empty(
    thinger: Account, sketch: Sketch
) -> None:
    assert await sketch.create(BODY.replace("TestAssetGroup", ""))

    found = (await thinger.call("GET", f"/devices/{DEVICE}", await thinger.token())).json()
    assert "asset_type" not in found
    assert "asset_group" not in found


async def test_tg_14_2_a_device_with_another_credential_is_found_not_created_and_not_let_in(
    thinger: Account, sketch: Sketch
) -> None:
    await sketch.boot()

    assert await sketch.check()
    assert not await sketch.create(BODY.replace(CREDENTIALS, "another credential"))
    assert sketch.answers[-1] == (400, '{"error":{"message":"device \'SelfProvisioningDevice\' already exists"}}')
    assert await mqtt_login(thinger, password="another credential") != 0
    assert await mqtt_login(thinger) == 0


async def test_tg_14_3_a_bad_token_is_401_and_not_taken_for_a_device_that_exists(thinger: Account) -> None:
    sketch = Sketch(thinger, "no-such-token")

    assert not await sketch.check()
    assert not await sketch.create()
    assert [status for status, _ in sketch.answers] == [401, 401]


REFUSED_BODIES = {
    "exists": BODY,
    "short credentials": BODY.replace(CREDENTIALS, "short"),
    "no credentials": '{"device": "SelfProvisioningDevice"}',
    "unknown member": '{"device": "SelfProvisioningDevice", "credentials": "secret", "SelfProvisioningDevice": 1}',
    "unknown type": BODY.replace("Generic", DEVICE),
    "asset with a space": BODY.replace("TestAssetGroup", f"{DEVICE} 1"),
    "given twice": f'{{"device": "{DEVICE}", "device_id": "{DEVICE}", "credentials": "secret"}}',
    "no object": f'["{DEVICE}"]',
    "no JSON": f'{{"{DEVICE}"',
    "too large": f'{{"device": "{DEVICE}", "name": "{"x" * 20_000}"}}',
}


@pytest.mark.parametrize("body", REFUSED_BODIES.values(), ids=REFUSED_BODIES)
async def test_tg_4_2_no_refusal_reads_like_a_device_that_exists(sqlite_thinger: Account, body: str) -> None:
    sketch = Sketch(sqlite_thinger, await sqlite_thinger.token(SKETCH))
    await sketch.create()

    await sketch.create(body)

    status, answer = sketch.answers[-1]
    assert status in (400, 413)
    assert f'"{DEVICE}"' not in answer


async def test_tg_14_4_a_token_that_may_only_list_creates_nothing(thinger: Account) -> None:
    sketch = Sketch(thinger, await thinger.token({"Device": {"*": ["ListDevices"]}}))

    assert not await sketch.check()
    assert not await sketch.create()

    assert sketch.answers == [(200, "[]"), (403, '{"error":{"message":"forbidden: CreateDevice"}}')]


async def test_tg_14_4_a_token_for_one_device_creates_and_lists_no_other(thinger: Account) -> None:
    one = {"Device": {"meter-17": ["CreateDevice", "ListDevices"]}}
    sketch = Sketch(thinger, await thinger.token(one))
    await Sketch(thinger, await thinger.token(SKETCH, "another")).create()

    assert not await sketch.create(BODY.replace(DEVICE, "meter-18"))
    assert not await sketch.check()
    assert await sketch.boot("meter-17", BODY.replace(DEVICE, "meter-17"))
    assert await sketch.check("meter-17")
    assert not await sketch.check("meter")


async def test_tg_4_1_an_exact_match_stands_first_when_more_are_found_than_are_shown(thinger: Account) -> None:
    sketch = Sketch(thinger, await thinger.token(SKETCH))
    for device in ("ameter", "meter-1", "METER", "meter"):
        await sketch.create(BODY.replace(DEVICE, device))

    answer = await thinger.call(
        "GET", "/devices", await thinger.token(name="other"), params={"name": "meter", "count": "2"}
    )

    assert {each["device"] for each in answer.json()} == {"meter", "METER"}
