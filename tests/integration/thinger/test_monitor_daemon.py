"""The Linux monitor daemon: its requests, and what it makes of the answers (acceptance check 5)."""

from __future__ import annotations

import base64
import json

import httpx2
from tests.harness import login
from tests.integration.thinger.account import Account

MONITOR = {"Device": {"*": ["ReadDeviceStatus", "CreateDevice", "UpdateDevice"]}}
HEADERS = {"Content-Type": "application/json;charset=UTF-8"}


class Daemon:
    """Is given nothing but a token, and reads in it which server and which account it belongs to."""

    def __init__(self, token: str, client: httpx2.AsyncClient, device: str = "host1") -> None:
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        self._devices = f"http://{claims['svr']}/v1/users/{claims['usr']}/devices"
        self._headers = {**HEADERS, "Authorization": f"Bearer {token}"}
        self._client = client
        self._device = device
        self.statuses: list[int] = []

    async def provision(self, credential: str) -> bool:
        """Look for the device; create it, or overwrite the credential of the one that is there."""
        if await self._ask("GET", f"/{self._device}") == 200:
            return await self._ask("POST", f"/{self._device}", f'{{"credentials":"{credential}"}}') == 200
        body = (
            f'{{"credentials":"{credential}","description":"Linux Monitoring autoprovision",'
            f'"device":"{self._device}","name":"{self._device}","type":"Generic"}}'
        )
        return await self._ask("POST", "", body) == 200

    async def _ask(self, method: str, path: str, body: str | None = None) -> int:
        answer = await self._client.request(method, f"{self._devices}{path}", content=body, headers=self._headers)
        self.statuses.append(answer.status_code)
        return answer.status_code


async def mqtt_login(account: Account, password: str) -> int:
    return await login(account.server, client_id="host1", username=account.name, password=password.encode())


async def test_tg_14_5_the_daemon_makes_its_device_and_overwrites_the_credential_later(thinger: Account) -> None:
    daemon = Daemon(await thinger.token(MONITOR), thinger.client)

    assert await daemon.provision("first credential")
    assert await mqtt_login(thinger, "first credential") == 0
    assert await daemon.provision("second credential")

    assert daemon.statuses == [404, 200, 200, 200]
    assert await mqtt_login(thinger, "first credential") != 0
    assert await mqtt_login(thinger, "second credential") == 0


async def test_tg_14_5_without_the_right_to_update_the_credential_stays(sqlite_thinger: Account) -> None:
    await Daemon(await sqlite_thinger.token(MONITOR), sqlite_thinger.client).provision("first credential")
    rights = {"Device": {"*": ["ReadDeviceStatus", "CreateDevice"]}}
    daemon = Daemon(await sqlite_thinger.token(rights, "less"), sqlite_thinger.client)

    assert not await daemon.provision("second credential")

    assert daemon.statuses == [200, 403]
    assert await mqtt_login(sqlite_thinger, "first credential") == 0
