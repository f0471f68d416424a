"""What holds for every REST call: forms, bounds, and what is written about it (contract sections 1, 5 and 13)."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.harness import running, server_process
from tests.integration.provisioning.fake_clock import FakeClock
from tests.integration.thinger.account import FULL, SKETCH, Account
from tests.integration.tls.making import authority, issue
from tests.integration.tls.secured import secured

from firstboot.errors import Unavailable
from firstboot_plugins.dialects.thinger.shared import Thinger

DEVICE = "SelfProvisioningDevice"


async def account_on(server: Any, client: httpx2.AsyncClient) -> Account:
    return Account(server, await server.services.tenants.create("alice", actor="test"), client)


# -- forms -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/users/alice/nothing", 404),
        ("GET", "/v1/users", 404),
        ("GET", "/v1/users/", 404),
        ("GET", "/v1/users/alice/tokens/", 404),
        ("GET", "/v3/users/alice/nothing", 404),
        ("GET", "/v1/server/nothing", 404),
        ("PATCH", "/v1/users/alice/tokens", 405),
        ("DELETE", "/v1/users/alice/tokens", 405),
        ("GET", "/oauth/token", 405),
        ("PUT", "/oauth/token", 405),
    ],
)
async def test_tg_5_unknown_paths_and_methods_are_answered_in_thingers_form_and_never_redirected(
    sqlite_thinger: Account, method: str, path: str, status: int
) -> None:
    answer = await sqlite_thinger.client.request(method, f"{sqlite_thinger.server.url}{path}")

    assert answer.status_code == status
    assert list(answer.json()["error"]) == ["message"]
    assert answer.headers["content-type"] == "application/json"
    assert "location" not in answer.headers
    assert ("allow" in answer.headers) == (status == 405)


async def test_tg_1_every_answer_says_its_length_and_type_and_is_not_kept(sqlite_thinger: Account) -> None:
    token = await sqlite_thinger.token()

    for answer in (
        await sqlite_thinger.call("GET", "/tokens", token),
        await sqlite_thinger.call("GET", "/tokens"),
        await sqlite_thinger.call("GET", "/nothing", token),
    ):
        assert int(answer.headers["content-length"]) == len(answer.content)
        assert answer.headers["content-type"].startswith("application/json")
        assert "transfer-encoding" not in answer.headers
        assert answer.headers["cache-control"] == "no-store"


async def test_tg_1_head_is_answered_like_get_without_the_body(sqlite_thinger: Account) -> None:
    token = await sqlite_thinger.token()

    got, head = [await sqlite_thinger.call(method, "/tokens", token) for method in ("GET", "HEAD")]

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == got.headers["content-length"]
    assert (await sqlite_thinger.call("HEAD", "/tokens")).status_code == 401


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "application/json;charset=UTF-8", None]
)
async def test_tg_1_json_is_taken_with_any_parameters_of_its_type(
    sqlite_thinger: Account, content_type: str | None
) -> None:
    admin = await sqlite_thinger.token()
    headers = {} if content_type is None else {"content-type": content_type}
    body = b'{"token":"factory","name":"Line","enabled":true}'

    answer = await sqlite_thinger.call("POST", "/tokens", admin, content=body, headers=headers)

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "body", [b"{", b"nothing", b'{"token":"a","token":"b"}', b"\xff", b"[" * 100, b'{"a":NaN}', b"\xef\xbb\xbf{}"]
)
async def test_tg_5_a_body_that_cannot_be_read_is_400_and_nothing_of_it_is_repeated(
    sqlite_thinger: Account, body: bytes
) -> None:
    admin = await sqlite_thinger.token()

    answer = await sqlite_thinger.call("POST", "/tokens", admin, content=body)

    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith("invalid JSON: ")
    assert "nothing" not in answer.text


async def test_tg_13_a_body_over_16_kib_is_413_also_when_it_does_not_say_its_length(
    sqlite_thinger: Account,
) -> None:
    admin = await sqlite_thinger.token()

    async def pieces() -> Any:
        for _ in range(20):
            yield b" " * 1024

    whole = await sqlite_thinger.call("POST", "/tokens", admin, content=b" " * 16_385)
    chunked = await sqlite_thinger.call("POST", "/tokens", admin, content=pieces())
    largest = await sqlite_thinger.call("POST", "/tokens", admin, content=b" " * 16_384)

    assert [each.status_code for each in (whole, chunked, largest)] == [413, 413, 400]
    assert list(whole.json()["error"]) == ["message"]


async def test_tg_13_a_compressed_body_is_415(sqlite_thinger: Account) -> None:
    admin = await sqlite_thinger.token()

    answer = await sqlite_thinger.call(
        "POST", "/tokens", admin, content=b"x", headers={"content-encoding": "gzip"}
    )

    assert (answer.status_code, list(answer.json())) == (415, ["error"])


async def test_tg_2_1_nothing_of_a_body_is_read_before_it_is_known_who_asks(sqlite_thinger: Account) -> None:
    answer = await sqlite_thinger.call("POST", "/tokens", content=b" " * 20_000)

    assert answer.status_code == 401


async def test_tg_1_plain_http_is_refused_without_a_redirect_where_the_configuration_says_so(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, thinger={"plain_http": False}) as server, httpx2.AsyncClient() as client:
        account = await account_on(server, client)
        token = await account.token()

        asked = await account.call("GET", "/tokens", token)
        login = await client.post(f"{server.url}/oauth/token", data={"grant_type": "password"})

    for answer in (asked, login):
        assert (answer.status_code, "location" in answer.headers) == (403, False)
        assert answer.json() == {"error": {"message": "this server answers over https only"}}


async def test_tg_14_3_with_a_bad_token_check_and_creation_are_401_and_never_look_as_if_the_device_was_there(
    sqlite_thinger: Account,
) -> None:
    check = await sqlite_thinger.client.get(
        f"{sqlite_thinger.url}/devices", params={"name": DEVICE, "authorization": "wrong"}
    )
    create = await sqlite_thinger.call("POST", "/devices", "wrong", {"device": DEVICE, "credentials": "s3cretXYZ"})

    for answer in (check, create):
        assert answer.status_code == 401
        assert f'"{DEVICE}"' not in answer.text


async def test_tg_1_https_has_the_same_paths_and_is_answered_where_plain_http_is_refused(tmp_path: Path) -> None:
    ca = authority()
    identity = issue("server", by=ca, hosts=["localhost"])
    async with secured(tmp_path, ca, identity, thinger={"plain_http": False}) as live:
        client = httpx2.AsyncClient(verify=live.client())
        account = await account_on(live.server, client)
        headers = {"Authorization": f"Bearer {await account.token()}"}

        answer = await client.get(f"https://localhost:{live.port('https')}/v1/users/alice/tokens", headers=headers)
        await client.aclose()

    assert (answer.status_code, [each["token"] for each in answer.json()]) == (200, ["tests"])


# -- bounds ----------------------------------------------------------------------------------------


async def test_tg_13_ten_provisioning_requests_at_once_and_then_one_a_second(tmp_path: Path) -> None:
    time = FakeClock()
    async with running(tmp_path, clock=time.clock) as server, httpx2.AsyncClient() as client:
        account = await account_on(server, client)
        token = await account.token(SKETCH)

        async def create() -> httpx2.Response:
            return await account.call("POST", "/devices", token, {})

        burst = [await create() for _ in range(11)]
        other = await account.call("POST", "/devices", await account.token(SKETCH, "other"), {})
        assert (await account.call("GET", "/tokens", await account.token(FULL, "reader"))).status_code == 200
        time.advance(1)
        later = [await create() for _ in range(2)]

    assert [each.status_code for each in burst] == [400] * 10 + [429]
    assert burst[-1].headers["retry-after"] == "1"
    assert burst[-1].json() == {"error": {"message": "too many requests"}}
    assert other.status_code == 429  # the same address
    assert [each.status_code for each in later] == [400, 429]


async def test_tg_13_after_20_wrong_tokens_a_minute_it_is_429_for_those_and_nobody_else(tmp_path: Path) -> None:
    time = FakeClock()
    async with running(tmp_path, clock=time.clock) as server, httpx2.AsyncClient() as client:
        account = await account_on(server, client)
        token = await account.token()

        wrong = [(await account.call("GET", "/tokens", "wrong")).status_code for _ in range(21)]
        refused = await account.call("GET", "/tokens", "wrong")
        right = await account.call("GET", "/tokens", token)
        time.advance(3)
        later = await account.call("GET", "/tokens", "wrong")

    assert wrong == [401] * 20 + [429]
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "3")
    assert (right.status_code, later.status_code) == (200, 401)


async def test_tg_13_one_token_makes_no_more_requests_than_any_api_token(tmp_path: Path) -> None:
    time = FakeClock()
    slow = {"api_token_rate": 5}
    async with running(tmp_path, clock=time.clock, login=slow) as server, httpx2.AsyncClient() as client:
        account = await account_on(server, client)
        one, other = await account.token(), await account.token(FULL, "other")

        statuses = [(await account.call("GET", "/tokens", one)).status_code for _ in range(6)]

        assert statuses == [200] * 5 + [429]
        assert (await account.call("GET", "/tokens", other)).status_code == 200


async def test_tg_13_without_a_database_it_is_503_in_thingers_form(
    sqlite_thinger: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await sqlite_thinger.token()

    async def away() -> None:
        raise Unavailable("the database is away", 7)

    monkeypatch.setattr(sqlite_thinger.server.services.changes, "ensure_fresh", away)
    answer = await sqlite_thinger.call("GET", "/tokens", token)

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
    assert answer.json() == {"error": {"message": "try again later"}}


async def test_tg_13_a_server_with_too_much_to_do_says_so_in_thingers_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, http={"max_in_flight": 1}) as server, httpx2.AsyncClient() as client:
        account = await account_on(server, client)
        token = await account.token()
        asked, go_on = asyncio.Event(), asyncio.Event()

        async def slow() -> None:
            asked.set()
            await go_on.wait()

        monkeypatch.setattr(server.services.changes, "ensure_fresh", slow)
        first = asyncio.create_task(account.call("GET", "/tokens", token))
        await asked.wait()
        other = await account.call("GET", "/tokens", token)
        go_on.set()

        assert (await first).status_code == 200
        assert (other.status_code, other.headers["retry-after"]) == (503, "1")
        assert other.json() == {"error": {"message": "try again later"}}


async def test_tg_2_3_a_request_with_a_token_costs_no_look_into_the_database(
    sqlite_thinger: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await sqlite_thinger.token()
    assert (await sqlite_thinger.call("GET", "/tokens", token)).status_code == 200

    async def nobody_asks(*_: object) -> None:
        raise AssertionError("the database was asked for a token")

    storage = sqlite_thinger.server.services.storage
    for name in ("api_token", "api_token_by_digest", "list_api_tokens", "all_tenants"):
        monkeypatch.setattr(storage, name, nobody_asks)

    assert (await sqlite_thinger.call("GET", "/tokens", token)).status_code == 200


# -- what is written -------------------------------------------------------------------------------


async def test_se_5_no_token_is_in_the_log_or_the_audit_log_whichever_way_it_came(
    sqlite_thinger: Account, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    admin = await sqlite_thinger.token()
    wrong = "eyJ3cm9uZyI6MX0.eyJ3cm9uZyI6MX0.d3Jvbmc"
    made = await sqlite_thinger.call(
        "POST", "/tokens", admin, {"token": "factory", "name": "a", "enabled": True, "short": True, "allow": FULL}
    )
    secrets = [admin, wrong, made.json()["access_token"], made.json()["provisioning_key"]]

    for secret in secrets:
        await sqlite_thinger.client.get(f"{sqlite_thinger.url}/tokens", params={"authorization": secret})
        await sqlite_thinger.call("GET", "/tokens", secret)
        await sqlite_thinger.client.get(f"{sqlite_thinger.url}/nothing", params={"authorization": secret})

    # The client's own log names the address that it asks for.
    ours = [record for record in caplog.records if not record.name.startswith("httpx")]
    written = "\n".join([*(str(vars(record)) for record in ours), *map(repr, await sqlite_thinger.server.audit())])
    assert "login refused" in written
    assert [secret for secret in secrets if secret in written] == []


def test_se_5_a_server_writes_no_token_of_the_query_to_its_log(tmp_path: Path) -> None:
    secret = "eyJ3cm9uZyI6MX0.eyJ3cm9uZyI6MX0.d3Jvbmc"
    with server_process(tmp_path) as server:
        answers = [
            httpx2.get(f"http://127.0.0.1:{server.http_port}{path}?authorization={secret}")
            for path in ("/v1/users/default/devices", "/v1/users/default/nothing", "/elsewhere")
        ]
        assert server.stop() == 0

    assert [each.status_code for each in answers] == [401, 404, 404]
    log = (tmp_path / "server.log").read_text()
    assert "login refused" in log
    assert secret not in log


# -- the shared object -----------------------------------------------------------------------------


async def test_tg_hooks_of_all_transports_find_one_object_for_each_server(
    sqlite_thinger: Account, tmp_path: Path
) -> None:
    async with running(tmp_path / "other") as other, httpx2.AsyncClient() as client:
        there = await account_on(other, client)

        assert sqlite_thinger.parts is sqlite_thinger.parts
        assert sqlite_thinger.parts is not there.parts


async def test_tg_simultaneous_first_requests_read_the_tokens_once(
    sqlite_thinger: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = sqlite_thinger.server.services
    listed: list[int] = []
    whole = services.storage.list_api_tokens

    async def counted(tenant_id: int) -> Any:
        listed.append(tenant_id)
        return await whole(tenant_id)

    monkeypatch.setattr(services.storage, "list_api_tokens", counted)
    await Thinger.of(services).ready()  # a job of the server's has begun with it
    listed.clear()
    just_started = Thinger(services)
    await asyncio.gather(*(just_started.ready() for _ in range(5)))

    assert sorted(listed) == sorted(tenant.id for tenant in await services.tenants.all())
