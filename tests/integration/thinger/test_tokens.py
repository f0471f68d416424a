"""Access tokens of an account over REST (contract 2.1 to 2.5), and on the command line."""

from __future__ import annotations

import base64
import hmac
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.harness import running
from tests.integration.provisioning.fake_clock import FakeClock
from tests.integration.thinger.account import FULL, PASSWORD, SKETCH, Account

from firstboot.credentials import nobodys_credentials
from firstboot.devices import DeviceDraft

DAY_MS = 86_400_000
TOKENS: dict[str, Any] = {
    "Token": {"*": ["ListTokens", "CreateToken", "ReadTokenConfig", "UpdateToken", "DeleteToken"]}
}


def body(token: str = "factory", **more: Any) -> dict[str, Any]:
    return {"token": token, "name": "Factory line 1", "enabled": True, **more}


def decoded(jwt: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read a token as clients do: without a look at the signature."""
    header, claims, _ = (json.loads(base64.urlsafe_b64decode(part + "==") or "{}") for part in _parts(jwt))
    return header, claims


def _parts(jwt: str) -> list[str]:
    header, claims, _ = jwt.split(".")
    return [header, claims, ""]


async def status(account: Account, token: str, path: str = "/tokens") -> int:
    return (await account.call("GET", path, token)).status_code


def message(response: httpx2.Response) -> str:
    assert list(response.json()) == ["error"]
    text: str = response.json()["error"]["message"]
    return text


# -- presenting a token ----------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_tg_2_1_a_token_counts_in_the_header_whatever_the_case_of_its_scheme(
    thinger: Account, scheme: str
) -> None:
    token = await thinger.token()

    answer = await thinger.call("GET", "/tokens", headers={"Authorization": f"{scheme} {token}"})

    assert answer.status_code == 200


async def test_tg_2_1_a_token_counts_in_the_query_and_the_name_is_case_sensitive(thinger: Account) -> None:
    token = await thinger.token()

    assert (await thinger.call("GET", f"/tokens?authorization={token}")).status_code == 200
    assert (await thinger.call("GET", f"/tokens?Authorization={token}")).status_code == 401
    assert (await thinger.call("GET", f"/tokens?authorization=Bearer%20{token}")).status_code == 401


async def test_tg_2_1_the_header_wins_over_the_query(thinger: Account) -> None:
    token = await thinger.token()

    assert (await thinger.call("GET", "/tokens?authorization=wrong", token)).status_code == 200
    assert (await thinger.call("GET", f"/tokens?authorization={token}", "wrong")).status_code == 401


@pytest.mark.parametrize("token", [None, "", "x", "a.b.c", "pk_" + "a" * 24, "é", "x" * 5000, "fbt_" + "a" * 43])
async def test_tg_2_1_no_token_and_nobodys_token_are_401_in_thingers_form(
    thinger: Account, token: str | None
) -> None:
    await thinger.token()

    answer = await thinger.client.get(
        f"{thinger.url}/tokens", params={} if token is None else {"authorization": token}
    )

    assert (answer.status_code, answer.text) == (401, '{"error":{"message":"unauthorized"}}')
    assert answer.headers["content-type"] == "application/json"


async def test_tg_2_1_a_token_of_another_account_is_403_and_learns_not_whether_there_is_such_an_account(
    thinger: Account,
) -> None:
    await thinger.server.services.tenants.create("bob", actor="test")
    token = await thinger.token()

    answers = [
        await thinger.client.get(
            f"{thinger.server.url}/v1/users/{name}/tokens", headers={"Authorization": f"Bearer {token}"}
        )
        for name in ("bob", "nobody")
    ]

    assert [(each.status_code, message(each)) for each in answers] == [(403, "forbidden")] * 2


async def test_tg_2_1_an_api_token_of_our_own_rest_opens_nothing_here_nor_the_other_way_round(
    thinger: Account,
) -> None:
    services = thinger.server.services
    _, own = await services.api_tokens.create(thinger.tenant.id, "own", ["tokens:write"], actor="test")
    token = await thinger.token()

    assert await status(thinger, own.reveal()) == 401
    answer = await thinger.client.get(
        f"{thinger.server.url}/api/firstboot/tokens", headers={"Authorization": f"Bearer {token}"}
    )
    assert answer.status_code == 401


async def test_tg_2_3_a_forged_token_is_just_unknown(thinger: Account) -> None:
    token = await thinger.token()
    header, claims, signature = token.split(".")

    def forged(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    none = forged({"alg": "none", "typ": "JWT"})
    digest = hmac.digest(b"", f"{header}.{claims}".encode(), "sha256")
    guessed = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    for text in (
        f"{none}.{claims}.", f"{none}.{claims}.{signature}", f"{header}.{claims}.", f"{header}.{claims}.{guessed}",
        f"{header}.{forged({'jti': 'tests', 'usr': 'default'})}.{signature}", f"{token}=", token[:-1],
    ):  # fmt: skip
        assert await status(thinger, text) == 401, text
    assert await status(thinger, token) == 200


# -- the resource ----------------------------------------------------------------------------------


async def test_tg_2_4_a_token_is_made_and_its_jwt_says_what_clients_look_for(thinger: Account) -> None:
    admin = await thinger.token()

    made = await thinger.call("POST", "/tokens", admin, body(allow=SKETCH, description="line"))

    assert made.status_code == 200
    told = made.json()
    header, claims = decoded(told.pop("access_token"))
    assert header == {"alg": "HS256", "typ": "JWT"}
    assert claims == {"jti": "factory", "usr": "alice", "svr": f"localhost:{thinger.server.http_port}"}
    created = told.pop("created")
    assert told == {
        "token": "factory", "name": "Factory line 1", "description": "line", "enabled": True, "modified": created,
        "allow": SKETCH, "deny": {},
    }  # fmt: skip


async def test_tg_2_4_a_made_token_opens_what_it_allows_and_no_more(thinger: Account) -> None:
    admin = await thinger.token()
    made = await thinger.call("POST", "/tokens", admin, body(allow={"Token": {"*": "ListTokens"}}))

    token = made.json()["access_token"]
    listed = await thinger.call("GET", "/tokens", token)
    refused = await thinger.call("POST", "/tokens", token, body("other"))

    assert listed.status_code == 200
    assert [each["token"] for each in listed.json()] == ["tests", "factory"]
    assert all("allow" not in each and "access_token" not in each for each in listed.json())
    assert (refused.status_code, message(refused)) == (403, "forbidden: CreateToken")


async def test_tg_2_4_an_expiry_is_milliseconds_and_in_the_jwt_seconds(thinger: Account) -> None:
    admin = await thinger.token()
    until_ms = thinger.server.services.clock.now_ms() + DAY_MS

    made = (await thinger.call("POST", "/tokens", admin, body(expire=until_ms))).json()

    assert made["expire"] == until_ms
    assert decoded(made["access_token"])[1]["exp"] == until_ms // 1000


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({}, "missing field: token"),
        ({"token": "a", "enabled": True}, "missing field: name"),
        ({"token": "a", "name": "a"}, "missing field: enabled"),
        (body("a-b"), "invalid token id"),
        (body(""), "invalid token id"),
        (body("a" * 51), "invalid token id"),
        (body(7), "invalid token id"),  # type: ignore[arg-type]
        (body(enabled="yes"), "invalid field: enabled"),
        (body(name="a" * 256), "invalid field: name"),
        (body(colour="red"), "unknown field: colour"),
        (body(expire="tomorrow"), "invalid field: expire"),
        (body(expire=True), "invalid field: expire"),
        (body(expire=1.5), "invalid field: expire"),
        (body(expire=1), "expire is in the past"),
        (body(allow=[]), "allow: not an object of types, resource ids and actions"),
        (body(deny={"Device": "*"}), "deny: not an object of types, resource ids and actions"),
        (body(allow={"Device": {"*": 1}}), "allow: an action is a text, or an object of actions with arguments"),
        (body(allow={"Dev ice": {"*": "*"}}), "allow: a type has 1 to 50 letters, or is *"),
        (body(allow={"Device": {"a b": "*"}}), "allow: invalid resource id"),
        ([], "the body is not a JSON object"),
    ],
)
async def test_tg_2_4_a_body_that_is_not_as_it_should_be_makes_no_token(
    sqlite_thinger: Account, sent: Any, said: str
) -> None:
    admin = await sqlite_thinger.token()

    answer = await sqlite_thinger.call("POST", "/tokens", admin, sent)

    assert (answer.status_code, message(answer)) == (400, said)
    assert len((await sqlite_thinger.call("GET", "/tokens", admin)).json()) == 1


async def test_tg_2_4_an_id_that_is_taken_is_400_also_when_one_of_our_own_tokens_has_it(thinger: Account) -> None:
    services = thinger.server.services
    admin = await thinger.token()
    await services.api_tokens.create(thinger.tenant.id, "own", ["devices:read"], actor="test")

    answers = [await thinger.call("POST", "/tokens", admin, body(name)) for name in ("tests", "own")]

    assert [each.status_code for each in answers] == [400, 400]
    assert message(answers[0]) == "token 'tests' already exists"


async def test_tg_2_4_reading_shows_the_jwt_to_those_who_may_change_it_and_nobody_else(thinger: Account) -> None:
    admin = await thinger.token()
    made = (await thinger.call("POST", "/tokens", admin, body(short=True))).json()
    reader = await thinger.token({"Token": {"*": "ReadTokenConfig"}}, "reader")

    full = (await thinger.call("GET", "/tokens/factory", admin)).json()
    less = (await thinger.call("GET", "/tokens/factory", reader)).json()

    assert full == made
    assert full["provisioning_key"].startswith("pk_")
    assert less == {key: made[key] for key in made if key not in ("access_token", "provisioning_key")}


async def test_tg_2_4_nobody_reads_the_jwt_of_a_token_that_may_do_more(thinger: Account) -> None:
    await thinger.token(FULL, "mighty")
    keeper = await thinger.token(TOKENS, "keeper")

    assert "access_token" not in (await thinger.call("GET", "/tokens/mighty", keeper)).json()
    assert "access_token" in (await thinger.call("GET", "/tokens/keeper", keeper)).json()


async def test_tg_2_4_nobody_makes_or_widens_a_token_beyond_his_own_rights(thinger: Account) -> None:
    keeper = await thinger.token(TOKENS, "keeper")
    await thinger.token(FULL, "mighty")

    made = await thinger.call("POST", "/tokens", keeper, body(allow=SKETCH))
    small = await thinger.call("POST", "/tokens", keeper, body(allow={"Token": {"*": "ListTokens"}}))
    widened = await thinger.call("PUT", "/tokens/factory", keeper, {"allow": SKETCH})
    renamed = await thinger.call("PUT", "/tokens/mighty", keeper, {"name": "mine"})

    assert [each.status_code for each in (made, small, widened, renamed)] == [403, 200, 403, 403]
    assert message(made) == "forbidden: the token may do more than whoever asks"


async def test_tg_2_4_what_is_denied_stays_denied_in_tokens_that_are_made_with_it(thinger: Account) -> None:
    deny = {"Device": {"*": "DeleteDevice"}}
    bounded = await thinger.token(FULL, "bounded", deny=deny)

    without = await thinger.call("POST", "/tokens", bounded, body(allow=FULL))
    with_it = await thinger.call("POST", "/tokens", bounded, body(allow=FULL, deny=deny))

    assert (without.status_code, with_it.status_code) == (403, 200)


async def test_tg_2_4_a_token_outlives_not_the_one_that_makes_it(thinger: Account) -> None:
    until_ms = thinger.server.services.clock.now_ms() + DAY_MS
    brief = await thinger.token(FULL, "brief", expires_at_ms=until_ms)

    refused = [
        await thinger.call("POST", "/tokens", brief, body()),
        await thinger.call("POST", "/tokens", brief, body(expire=until_ms + 1)),
    ]
    made = await thinger.call("POST", "/tokens", brief, body(expire=until_ms))
    prolonged = await thinger.call("PUT", "/tokens/factory", brief, {"expire": None})

    assert [each.status_code for each in (*refused, made, prolonged)] == [403, 403, 200, 403]


async def test_tg_2_4_a_change_keeps_what_it_does_not_name_and_the_jwt(thinger: Account) -> None:
    admin = await thinger.token()
    before = (await thinger.call("POST", "/tokens", admin, body(allow=SKETCH))).json()

    changed = await thinger.call("PUT", "/tokens/factory", admin, {"name": "Line 2", "token": "factory"})
    after = (await thinger.call("GET", "/tokens/factory", admin)).json()

    assert changed.status_code == 200
    assert after == {**before, "name": "Line 2", "modified": after["modified"]}
    assert after["modified"] >= before["modified"]


async def test_tg_2_4_a_token_keeps_its_id(thinger: Account) -> None:
    admin = await thinger.token()

    answer = await thinger.call("PUT", "/tokens/tests", admin, {"token": "other"})

    assert (answer.status_code, message(answer)) == (400, "a token keeps its id")


async def test_tg_2_4_a_token_that_is_not_there_is_404(thinger: Account) -> None:
    admin = await thinger.token()

    answers = [await thinger.call(*each) for each in (
        ("GET", "/tokens/none", admin), ("PUT", "/tokens/none", admin, {}), ("DELETE", "/tokens/none", admin),
    )]  # fmt: skip

    assert [(each.status_code, message(each)) for each in answers] == [(404, "not found")] * 3


async def test_tg_2_4_a_disabled_token_is_401_at_once_and_enabled_again_it_is_good(thinger: Account) -> None:
    admin = await thinger.token()
    token = (await thinger.call("POST", "/tokens", admin, body(allow=TOKENS))).json()["access_token"]
    assert await status(thinger, token) == 200

    await thinger.call("PUT", "/tokens/factory", admin, {"enabled": False})
    assert await status(thinger, token) == 401
    await thinger.call("PUT", "/tokens/factory", admin, {"enabled": True})
    assert await status(thinger, token) == 200


async def test_tg_2_4_a_deleted_token_is_401_at_once_also_when_another_gets_its_id(thinger: Account) -> None:
    admin = await thinger.token()
    old = (await thinger.call("POST", "/tokens", admin, body(allow=TOKENS, short=True))).json()

    assert (await thinger.call("DELETE", "/tokens/factory", admin)).status_code == 200
    new = (await thinger.call("POST", "/tokens", admin, body(allow=TOKENS, short=True))).json()

    assert [await status(thinger, old[key]) for key in ("access_token", "provisioning_key")] == [401, 401]
    assert [await status(thinger, new[key]) for key in ("access_token", "provisioning_key")] == [200, 200]


async def test_tg_2_4_a_token_ends_at_its_moment(tmp_path: Path) -> None:
    time = FakeClock()
    async with running(tmp_path, clock=time.clock) as server, httpx2.AsyncClient() as client:
        account = Account(server, await server.services.tenants.create("alice", actor="test"), client)
        token = await account.token(FULL, expires_at_ms=time.now_ms + 1000)

        assert await status(account, token) == 200
        time.advance(1)
        assert await status(account, token) == 401


async def test_tg_2_4_a_token_that_is_revoked_over_our_own_rest_opens_nothing_here(thinger: Account) -> None:
    token = await thinger.token()
    services = thinger.server.services
    (kept,) = await services.api_tokens.list(thinger.tenant.id)
    assert (kept.name, kept.scopes) == ("tests", ())

    await services.api_tokens.revoke(kept, actor="test")
    await services.changes.catch_up()

    assert await status(thinger, token) == 401


async def test_tg_2_4_a_person_sees_and_revokes_the_token_over_our_own_rest_and_an_api_token_does_not(
    thinger: Account,
) -> None:
    token = await thinger.token()
    await thinger.person()
    login = {"username": "alice@example.com", "password": PASSWORD}
    logged_in = await thinger.client.post(f"{thinger.server.url}/api/auth/login", json=login)
    _, own = await thinger.server.services.api_tokens.create(
        thinger.tenant.id, "own", ["tokens:write"], actor="test"
    )

    async def ask(method: str, bearer: str, path: str = "") -> httpx2.Response:
        url = f"{thinger.server.url}/api/firstboot/tokens{path}"
        return await thinger.client.request(method, url, headers={"X-Authorization": f"Bearer {bearer}"})

    person = logged_in.json()["token"]
    listed = (await ask("GET", person)).json()["tokens"]
    mine = next(each for each in listed if each["name"] == "tests")
    assert mine["scopes"] == []
    assert token not in json.dumps(listed)

    assert (await ask("DELETE", own.reveal(), f"/{mine['id']}")).status_code == 403
    assert await status(thinger, token) == 200
    assert (await ask("DELETE", person, f"/{mine['id']}")).status_code == 204
    await thinger.server.services.changes.catch_up()
    assert await status(thinger, token) == 401


async def test_tg_2_4_there_are_at_most_as_many_tokens_as_the_configuration_says(tmp_path: Path) -> None:
    async with running(tmp_path, thinger={"max_tokens": 2}) as server, httpx2.AsyncClient() as client:
        account = Account(server, await server.services.tenants.create("alice", actor="test"), client)
        admin = await account.token()

        answers = [await account.call("POST", "/tokens", admin, body(name)) for name in ("a", "b")]

    assert [each.status_code for each in answers] == [200, 400]
    assert message(answers[1]) == "token limit reached"


# -- other processes -------------------------------------------------------------------------------


async def test_tg_2_4_a_token_that_another_server_makes_or_changes_counts_here(
    tmp_path: Path, postgres_database: str
) -> None:
    servers = [
        running(tmp_path / name, database=postgres_database, server={"key": "5" * 64}) for name in ("one", "two")
    ]
    async with servers[0] as one, servers[1] as two, httpx2.AsyncClient() as client:
        tenant = await one.services.tenants.create("alice", actor="test")
        here, there = Account(one, tenant, client), Account(two, tenant, client)
        admin = await here.token()
        assert await status(there, admin) == 200

        made = (await there.call("POST", "/tokens", admin, body(allow=TOKENS))).json()
        assert await status(here, made["access_token"]) == 200
        await there.call("PUT", "/tokens/factory", admin, {"enabled": False})
        await one.services.changes.catch_up()
        assert await status(here, made["access_token"]) == 401


# -- device tokens ---------------------------------------------------------------------------------


async def device(account: Account, name: str = "meter1") -> None:
    services = account.server.services
    profile = await services.profiles.default(account.tenant.id)
    await services.devices.create(profile, DeviceDraft(name=name, credentials=nobodys_credentials()), actor="test")


async def test_tg_2_8_a_device_token_says_what_it_is_for(thinger: Account) -> None:
    admin = await thinger.token()
    await device(thinger)
    until_ms = thinger.server.services.clock.now_ms() + DAY_MS
    wanted = {"token_name": "DoorAccess", "token_resources": ["open"], "token_expiration": until_ms}

    made = await thinger.call("POST", "/devices/meter1/tokens", admin, wanted)

    told = made.json()
    assert (made.status_code, list(told), told["name"]) == (200, ["id", "name", "token"], "DoorAccess")
    assert len(bytes.fromhex(told["id"])) == 12
    header, claims = decoded(told["token"])
    assert header == {"alg": "HS256", "typ": "JWT"}
    assert claims.pop("iat") > 0
    assert claims == {
        "dev": "meter1", "jti": told["id"], "usr": "alice", "exp": until_ms // 1000, "res": ["open"],
    }  # fmt: skip
    listed = (await thinger.call("GET", "/devices/meter1/tokens", admin)).json()
    assert listed == [{"id": told["id"], "name": "DoorAccess", "resources": ["open"], "expiration": until_ms}]


async def test_tg_2_8_a_device_token_makes_no_device_and_is_deleted(thinger: Account) -> None:
    admin = await thinger.token()
    await device(thinger)
    made = (await thinger.call("POST", "/devices/meter1/tokens", admin, {"token_name": "a"})).json()

    assert await status(thinger, made["token"]) == 403
    deleted = await thinger.call("DELETE", f"/devices/meter1/tokens/{made['id']}", admin)
    again = await thinger.call("DELETE", f"/devices/meter1/tokens/{made['id']}", admin)

    assert (deleted.status_code, again.status_code) == (200, 404)
    assert await status(thinger, made["token"]) == 401
    assert (await thinger.call("GET", "/devices/meter1/tokens", admin)).json() == []


async def test_tg_2_8_device_tokens_are_no_access_tokens(thinger: Account) -> None:
    admin = await thinger.token()
    await device(thinger)
    made = (await thinger.call("POST", "/devices/meter1/tokens", admin, {"token_name": "a"})).json()

    listed = (await thinger.call("GET", "/tokens", admin)).json()

    assert [each["token"] for each in listed] == ["tests"]
    assert (await thinger.call("GET", f"/tokens/{made['id']}", admin)).status_code == 404


async def test_tg_2_8_the_tokens_of_a_device_need_their_right_and_the_device(thinger: Account) -> None:
    await device(thinger)
    admin = await thinger.token()
    sketch = await thinger.token(SKETCH, "sketch")

    assert (await thinger.call("GET", "/devices/meter1/tokens", sketch)).status_code == 403
    assert (await thinger.call("GET", "/devices/other/tokens", admin)).status_code == 404
    bodies: list[dict[str, Any]] = [
        {}, {"token_name": 1}, {"token_name": "a", "token_resources": "open"}, {"token_name": "a", "x": 1},
        {"token_name": "a", "token_expiration": 1}, {"token_name": "a", "token_expiration": "never"},
    ]  # fmt: skip
    for sent in bodies:
        assert (await thinger.call("POST", "/devices/meter1/tokens", admin, sent)).status_code == 400


async def test_tg_2_8_a_device_token_is_worth_nothing_for_a_later_device_with_the_same_name(
    thinger: Account,
) -> None:
    admin = await thinger.token()
    await device(thinger)
    token = (await thinger.call("POST", "/devices/meter1/tokens", admin, {"token_name": "a"})).json()["token"]
    services = thinger.server.services
    first = await services.storage.find_device(thinger.tenant.id, "meter1")
    assert first is not None

    await services.devices.delete(first, actor="test")
    assert await status(thinger, token) == 401
    await device(thinger)

    assert await status(thinger, token) == 401
    assert (await thinger.call("GET", "/devices/meter1/tokens", admin)).json() == []


async def test_tg_2_8_the_tokens_of_a_device_are_deleted_with_it(thinger: Account) -> None:
    admin = await thinger.token()
    await device(thinger)
    await thinger.call("POST", "/devices/meter1/tokens", admin, {"token_name": "a"})

    assert (await thinger.call("DELETE", "/devices/meter1", admin)).status_code == 200

    kept = await thinger.server.services.api_tokens.list(thinger.tenant.id)
    assert [token.name for token in kept] == ["tests"]
