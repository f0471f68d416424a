"""Logging in with a password and with refresh tokens (contract 2.2, 2.3)."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.harness import running
from tests.integration.provisioning.fake_clock import FakeClock
from tests.integration.thinger.account import FULL, PASSWORD, Account

from firstboot.model import Authority

WRONG_PASSWORD = '{"error":{"message":"invalid username or password"}}'
WRONG_TOKEN = '{"error":{"message":"invalid refresh token"}}'


async def log_in(account: Account, name: str = "alice@example.com", password: str = PASSWORD) -> httpx2.Response:
    form = {"grant_type": "password", "username": name, "password": password}
    return await account.client.post(f"{account.server.url}/oauth/token", data=form)


async def refresh(account: Account, token: str) -> httpx2.Response:
    form = {"grant_type": "refresh_token", "refresh_token": token}
    return await account.client.post(f"{account.server.url}/oauth/token", data=form)


def claims_of(jwt: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(base64.urlsafe_b64decode(jwt.split(".")[1] + "=="))
    return read


async def status(account: Account, token: str) -> int:
    return (await account.call("GET", "/tokens", token)).status_code


async def test_tg_2_2_an_administrator_logs_in_and_may_do_everything_in_the_account(thinger: Account) -> None:
    await thinger.person()

    answer = await log_in(thinger)

    told = answer.json()
    assert answer.status_code == 200
    assert list(told) == ["access_token", "expires_in", "refresh_token", "scope", "token_type"]
    assert (told["scope"], told["token_type"]) == (None, "bearer")
    assert await status(thinger, told["access_token"]) == 200
    made = {"token": "factory", "name": "Line", "enabled": True, "allow": FULL}
    assert (await thinger.call("POST", "/tokens", told["access_token"], made)).status_code == 200


async def test_tg_2_3_the_tokens_of_a_login_have_the_claims_that_clients_look_for(thinger: Account) -> None:
    await thinger.person()

    told = (await log_in(thinger)).json()

    access, renew = claims_of(told["access_token"]), claims_of(told["refresh_token"])
    assert {"exp", "iat", "usr", "role"} <= access.keys()
    assert (access["usr"], access["role"]) == ("alice", "user")
    assert access["exp"] - access["iat"] == told["expires_in"]
    assert {"exp", "iat", "jti"} <= renew.keys()
    for token in (told["access_token"], told["refresh_token"]):
        header = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
        assert header == {"alg": "HS256", "typ": "JWT"}


async def test_tg_2_2_newer_clients_send_json(thinger: Account) -> None:
    await thinger.person()
    sent = {"grant_type": "password", "username": "alice@example.com", "password": PASSWORD}

    answer = await thinger.client.post(f"{thinger.server.url}/oauth/token", json=sent)

    assert answer.status_code == 200


async def test_tg_2_2_the_account_s_name_is_enough_where_it_has_one_administrator(thinger: Account) -> None:
    await thinger.person()
    assert (await log_in(thinger, "alice")).status_code == 200

    await thinger.person("second@example.com")
    assert (await log_in(thinger, "alice")).text == WRONG_PASSWORD


@pytest.mark.parametrize("name", ["alice@example.com", "nobody@example.com", "alice", "nobody", "", "a\x00b"])
async def test_tg_2_2_a_wrong_password_and_an_unknown_name_are_told_alike(thinger: Account, name: str) -> None:
    await thinger.person()

    answer = await log_in(thinger, name, "wrong horse battery")

    assert (answer.status_code, answer.text) == (401, WRONG_PASSWORD)


@pytest.mark.parametrize("authority", [Authority.SYS_ADMIN, Authority.CUSTOMER_USER])
async def test_tg_2_2_nobody_but_an_administrator_of_a_tenant_gets_in(
    thinger: Account, authority: Authority
) -> None:
    more: dict[str, Any] = {}
    if authority is Authority.CUSTOMER_USER:
        customers = thinger.server.services.customers
        more = {"customer_id": (await customers.create(thinger.tenant.id, "Eve", actor="test")).id}
    await thinger.person("eve@example.com", authority=authority, **more)

    answer = await log_in(thinger, "eve@example.com")

    assert (answer.status_code, answer.text) == (401, WRONG_PASSWORD)


async def test_tg_2_2_a_refresh_token_is_good_once_and_twice_ends_the_session(thinger: Account) -> None:
    await thinger.person()
    first = (await log_in(thinger)).json()

    second = (await refresh(thinger, first["refresh_token"])).json()
    assert await status(thinger, second["access_token"]) == 200
    again = await refresh(thinger, first["refresh_token"])

    assert (again.status_code, again.text) == (401, WRONG_TOKEN)
    assert await status(thinger, second["access_token"]) == 401
    assert (await refresh(thinger, second["refresh_token"])).status_code == 401


async def test_tg_2_2_one_kind_of_token_does_not_pass_for_another(thinger: Account) -> None:
    await thinger.person()
    told = (await log_in(thinger)).json()
    program = await thinger.token()

    assert await status(thinger, told["refresh_token"]) == 401
    for token in (told["access_token"], program, "", "x", "a.b.c", "é"):
        answer = await refresh(thinger, token)
        assert (answer.status_code, answer.text) == (401, WRONG_TOKEN)


async def test_tg_2_3_a_login_s_token_whose_signature_is_not_ours_opens_nothing(thinger: Account) -> None:
    await thinger.person()
    told = (await log_in(thinger)).json()
    header, claims, signature = told["access_token"].split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    other = base64.urlsafe_b64encode(json.dumps(claims_of(told["access_token"]) | {"usr": "default"}).encode())

    changed = other.rstrip(b"=").decode()
    for text in (f"{none}.{claims}.", f"{header}.{changed}.{signature}", f"{header}.{claims}."):
        assert await status(thinger, text) == 401


async def test_tg_2_2_a_disabled_administrator_is_401_at_once(thinger: Account) -> None:
    user = await thinger.person()
    told = (await log_in(thinger)).json()
    assert await status(thinger, told["access_token"]) == 200

    await thinger.server.services.users.disable(user, actor="test")

    assert await status(thinger, told["access_token"]) == 401
    assert (await refresh(thinger, told["refresh_token"])).status_code == 401


async def test_tg_2_2_a_login_ends_with_its_time(tmp_path: Path) -> None:
    time = FakeClock()
    async with running(tmp_path, clock=time.clock) as server, httpx2.AsyncClient() as client:
        account = Account(server, await server.services.tenants.create("alice", actor="test"), client)
        await account.person()
        told = (await log_in(account)).json()

        time.advance(told["expires_in"] - 1)
        assert await status(account, told["access_token"]) == 200
        time.advance(62)  # clocks of other servers may differ by a minute
        assert await status(account, told["access_token"]) == 401


async def test_tg_13_who_guesses_passwords_is_told_to_wait(tmp_path: Path) -> None:
    settings = {"failures": 3, "password_memory_kib": 8, "password_passes": 1}
    async with running(tmp_path, login=settings) as server, httpx2.AsyncClient() as client:
        account = Account(server, await server.services.tenants.create("alice", actor="test"), client)
        await account.person()

        answers = [await log_in(account, password="wrong horse battery") for _ in range(4)]

    assert [each.status_code for each in answers] == [401, 401, 401, 429]
    assert answers[3].json() == {"error": {"message": "too many requests"}}
    assert int(answers[3].headers["retry-after"]) > 0


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded", b""),
        ("application/x-www-form-urlencoded", b"grant_type=client_credentials"),
        ("application/x-www-form-urlencoded", b"grant_type=password&username=a"),
        ("application/x-www-form-urlencoded", b"grant_type=password&password=a"),
        ("application/x-www-form-urlencoded", b"grant_type=refresh_token"),
        ("application/x-www-form-urlencoded", "grant_type=pässword".encode()),
        ("application/x-www-form-urlencoded", b"grant_type=password&username=%ff&password=a"),
        ("application/x-www-form-urlencoded", b"&".join(b"a=b" for _ in range(100))),
        ("application/json", b"{"),
        ("application/json", b"[]"),
        ("application/json; charset=utf-8", b'{"grant_type":"password","username":1,"password":"a"}'),
        ("application/json", b'{"grant_type":["password"]}'),
    ],
)
async def test_tg_2_2_a_body_that_is_no_grant_is_400_in_thingers_form(
    sqlite_thinger: Account, content_type: str, body: bytes
) -> None:
    url = f"{sqlite_thinger.server.url}/oauth/token"

    answer = await sqlite_thinger.client.post(url, content=body, headers={"content-type": content_type})

    assert answer.status_code == 400
    assert list(answer.json()) == ["error"]
    assert list(answer.json()["error"]) == ["message"]
