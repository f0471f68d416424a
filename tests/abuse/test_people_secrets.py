"""No secret of a person or program anywhere but where it belongs (SE-2 to SE-5, SE-7, HT-6; invariant I5).

A server runs at DEBUG through everything that administrators do over REST with secrets: rightly, wrongly, and in
the wrong fields. Then everything that was written is searched.
"""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

import httpx2
from tests.abuse.test_secrets import Scenario, assert_nothing_leaked, more_of, settings
from tests.harness import ServerProcess, environment, server_process

EMAIL = "admin@example.com"
NO_MAIL = {"sendActivationMail": "false"}


class Asker:
    """Somebody who asks over REST; keeps answers that refuse, which must repeat no secret."""

    def __init__(self, scene: Scenario, client: httpx2.AsyncClient) -> None:
        self.scene = scene
        self.client = client

    async def ok(self, method: str, path: str, bearer: str = "", **more: Any) -> httpx2.Response:
        answer = await self._ask(method, path, bearer, **more)
        assert answer.status_code in (200, 201, 204), answer.text
        return answer

    async def refused(self, method: str, path: str, bearer: str = "", **more: Any) -> None:
        answer = await self._ask(method, path, bearer, **more)
        assert 400 <= answer.status_code < 500, (path, answer.status_code)
        written = self.scene.written
        written["refusals"] = written.get("refusals", b"") + answer.content + str(answer.headers).encode()

    async def _ask(self, method: str, path: str, bearer: str, **more: Any) -> httpx2.Response:
        headers = {"X-Authorization": f"Bearer {bearer}"} if bearer else {}
        return await self.client.request(method, path, headers=headers, **more)


async def use_secrets(scene: Scenario, server: ServerProcess, password: str) -> None:
    add = scene.secrets.add
    url = f"http://127.0.0.1:{server.http_port}"
    async with httpx2.AsyncClient(base_url=url, timeout=10) as client:
        ask = Asker(scene, client)

        def signature(pair: dict[str, str]) -> dict[str, str]:
            for name, text in pair.items():
                add(name, text.rpartition(".")[2])  # the rest of a token tells names
            return pair

        async def log_in(username: str, given: str) -> dict[str, str]:
            body = {"username": username, "password": given}
            return signature((await ask.ok("POST", "/api/auth/login", json=body)).json())

        # Logging in, rightly and wrongly, and with the password in the wrong field.
        pair = await log_in(EMAIL, password)
        for body in (
            {"username": EMAIL, "password": add("wrong password", "wrong-password-0815")},
            {"username": password, "password": EMAIL},
            {"username": EMAIL, "password": [password]},
        ):
            await ask.refused("POST", "/api/auth/login", json=body)
        await ask.refused("POST", "/api/auth/login", content=f'{{"password":"{password}"'.encode())
        token = pair["token"]
        await ask.refused("GET", "/api/auth/user", token[:-4] + "AAAA")
        await ask.refused("GET", f"/api/auth/user/{token}")
        await ask.refused("GET", "/api/auth/user", params={"token": token})
        spent = pair["refreshToken"]
        other = await log_in(EMAIL, password)
        signature((await ask.ok("POST", "/api/auth/token", json={"refreshToken": other["refreshToken"]})).json())
        await ask.refused("POST", "/api/auth/token", json={"refreshToken": other["refreshToken"]})
        await ask.refused("POST", "/api/auth/token", json={"refreshToken": spent + "x"})

        # People.
        customer = (await ask.ok("POST", "/api/customer", token, json={"title": "c"})).json()["id"]
        user = {"email": "u@example.com", "authority": "CUSTOMER_USER", "customerId": customer}
        user_id = (await ask.ok("POST", "/api/user", token, json=user, params=NO_MAIL)).json()["id"]["id"]
        link = (await ask.ok("GET", f"/api/user/{user_id}/activationLink", token)).text
        activation = add("activation token", link.rpartition("=")[2])
        first = add("first password", "first-password-4711")
        await ask.refused("POST", "/api/noauth/activate", json={"activateToken": activation, "password": "short"})
        chosen = {"activateToken": activation, "password": first}
        signature((await ask.ok("POST", "/api/noauth/activate", json=chosen)).json())
        await ask.refused("POST", "/api/noauth/activate", json=chosen)
        signature((await ask.ok("GET", f"/api/user/{user_id}/token", token)).json())
        await ask.refused("POST", "/api/user", token, json={**user, "password": first}, params=NO_MAIL)

        # Programs.
        made = await ask.ok("POST", "/api/firstboot/tokens", token, json={"name": "p", "scopes": ["rpc"]})
        program = add("API token", made.json()["token"])
        await ask.refused("GET", "/api/customers?page=0&pageSize=1", program)
        await ask.refused("GET", "/api/firstboot/me", program[:-1] + "_x")
        await ask.refused("POST", "/api/firstboot/tokens", token, json={"name": "p", "scopes": [program]})
        await ask.ok("DELETE", f"/api/firstboot/tokens/{made.json()['id']}", token)
        await ask.refused("GET", "/api/firstboot/me", program)

        # Devices and profiles.
        of_query = add("token of the query", "token-of-the-query-1")
        device = (
            await ask.ok("POST", "/api/device", token, params={"accessToken": of_query}, json={"name": "d"})
        ).json()
        await ask.refused("POST", "/api/device", token, params={"accessToken": of_query}, json={"name": "d2"})
        path = f"/api/device/{device['id']['id']}/credentials"
        record = (await ask.ok("GET", path, token)).json()
        of_body = add("token of a body", "token-of-a-body-12345")
        await ask.ok("POST", "/api/device/credentials", token, json={**record, "credentialsId": of_body})
        wrong_type = {**record, "credentialsType": of_body, "credentialsId": of_body, "credentialsValue": of_body}
        await ask.refused("POST", "/api/device/credentials", token, json=wrong_type)
        await ask.refused("POST", "/api/device/credentials", token, json={**record, "credentialsId": {of_body: 1}})
        secret = add("provision secret", "provision-secret-of-rest")
        profile = {
            "name": "p", "type": "DEFAULT", "transportType": "DEFAULT",
            "provisionType": "ALLOW_CREATE_NEW_DEVICES", "provisionDeviceKey": "key-of-rest",
            "profileData": {"provisionConfiguration": {"provisionDeviceSecret": secret}},
        }  # fmt: skip
        profile_id = (await ask.ok("POST", "/api/deviceProfile", token, json=profile)).json()["id"]["id"]
        await ask.refused("POST", "/api/deviceProfile", token, json={**profile, "name": "p2"})
        await ask.refused("POST", "/api/deviceProfile", token, json={**profile, "provisionType": secret})
        boot = {"deviceName": "b", "provisionDeviceKey": "key-of-rest", "provisionDeviceSecret": secret}
        add("generated token", (await ask.ok("POST", "/api/v1/provision", json=boot)).json()["credentialsValue"])
        rotate = f"/api/firstboot/profiles/{profile_id}/rotate-secret"
        add("rotated secret", (await ask.ok("POST", rotate, token)).json()["provisionSecret"])
        imported = add("imported token", "token-of-an-import-77")
        columns = [{"type": "NAME"}, {"type": "ACCESS_TOKEN"}]
        table = {"file": f"i1,{imported}\ni2,{imported}\ni3,{imported},x\n", "mapping": {"columns": columns}}
        result = (await ask.ok("POST", "/api/device/bulk_import", token, json=table)).json()
        assert (result["created"], result["errors"]) == (1, 2)
        scene.written["import result"] = str(result).encode()
        wrong_column = {**table, "mapping": {"columns": [{"type": imported}]}}
        await ask.refused("POST", "/api/device/bulk_import", token, json=wrong_column)

        # The password last: it ends the sessions.
        new = add("new password", "new-password-of-admin-3")
        change = {"currentPassword": add("mistyped password", "mistyped-password-1"), "newPassword": new}
        await ask.refused("POST", "/api/auth/changePassword", token, json=change)
        change["currentPassword"] = password
        signature((await ask.ok("POST", "/api/auth/changePassword", token, json=change)).json())
        await ask.refused("GET", "/api/auth/user", token)
        looks = (
            await ask.ok("GET", "/api/firstboot/audit?limit=1000", (await log_in(EMAIL, new))["token"])
        ).content
        scene.written["audit over REST"] = looks


async def test_no_secret_of_people_or_programs_is_written_anywhere(tmp_path: Path) -> None:
    """SE-5: on SQLite, with its write-ahead log, killed."""
    scene = Scenario(tmp_path, environment(tmp_path, **settings(tmp_path)))
    password = scene.secrets.add("administrator's password", "password-of-administrator-1")
    scene.env |= {"FIRSTBOOT_ADMIN__EMAIL": EMAIL, "FIRSTBOOT_ADMIN__PASSWORD": password}
    with server_process(tmp_path, **more_of(scene.env)) as server:
        await use_secrets(scene, server, password)
        for command in (["token", "list"], ["audit", "list", "--limit", "10000", "--json"]):
            await asyncio.to_thread(scene.cli, *command)
        server.process.send_signal(signal.SIGKILL)
        server.process.wait(30)

    for file in (tmp_path / "data").iterdir():
        if file.name != "server.key":
            scene.written[file.name] = file.read_bytes()
    scene.written["log"] = (tmp_path / "server.log").read_bytes()
    assert b"talkative" in scene.written["log"], "the log is at DEBUG"
    assert_nothing_leaked(scene)
