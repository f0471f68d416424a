"""thinger.io over CoAP (contract 12.3, 12.4): check, create and claim, also with clients of others."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiocoap
import cbor2
import pytest
from tests.integration.coap.raw_coap import OBSERVE, CoapPeer, coap_peer, coap_request
from tests.integration.thinger.account import Account
from tests.integration.thinger.sessions import CLAIM, PROVISION, SECRET, account_on, code_of, short_key
from tests.integration.thinger.test_pools import claim, fill, pool
from tests.services import require_tool

from firstboot_plugins.transports.coap.messages import Code, Message, Option
from firstboot_plugins.transports.coap.options import uint

JSON, CBOR = 50, 60
METER = {"credentials": SECRET, "type": "MQTT"}
BASE = "v1/users/alice"


@pytest.fixture
async def peer(thinger: Account) -> AsyncIterator[CoapPeer]:
    async with coap_peer(thinger.server.coap_port) as opened:
        yield opened


@pytest.fixture
async def sqlite_peer(sqlite_thinger: Account) -> AsyncIterator[CoapPeer]:
    async with coap_peer(sqlite_thinger.server.coap_port) as opened:
        yield opened


@asynccontextmanager
async def client() -> AsyncIterator[aiocoap.Context]:
    """Open aiocoap's client."""
    context = await aiocoap.Context.create_client_context()
    try:
        yield context
    finally:
        await context.shutdown()


def options(content_format: int | None = JSON, accept: int | None = None) -> tuple[tuple[int, bytes], ...]:
    said = ((Option.CONTENT_FORMAT, content_format), (Option.ACCEPT, accept))
    return tuple((option, uint(value)) for option, value in said if value is not None)


async def post(peer: CoapPeer, path: str, body: Any, *query: str) -> Message:
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await peer.ask(Code.POST, path, payload, query=query, options=options())


def told(answer: Message) -> Any:
    """Return what an answer says; it says that it is JSON."""
    assert answer.first(Option.CONTENT_FORMAT) == uint(JSON)
    return json.loads(answer.payload)


def max_age(answer: Message) -> int:
    return int.from_bytes(answer.first(Option.MAX_AGE) or b"")


# -- ensure ----------------------------------------------------------------------------------------


async def test_tg_12_3_ensure_creates_finds_and_refuses(thinger: Account, peer: CoapPeer) -> None:
    key = f"authorization={await short_key(thinger)}"
    path = f"{BASE}/devices/meter1/ensure"

    created = await post(peer, path, METER, key)
    exists = await post(peer, path, METER, key)
    conflict = await post(peer, path, {**METER, "credentials": "another secret"}, key)

    assert [answer.code for answer in (created, exists, conflict)] == [Code.CREATED, Code.CHANGED, Code.CONFLICT]
    assert told(created) == {
        "result": "created",
        "device": "meter1",
        "user": "alice",
        "enabled": True,
        "mqtt": {
            "host": "localhost",
            "port": thinger.server.mqtt_port,
            "username": "alice",
            "client_id": "meter1",
        },
    }
    assert told(exists)["result"] == "exists"
    assert told(conflict) == {"message": "credentials mismatch"}
    assert await code_of(thinger, "meter1", SECRET) == 0


async def test_tg_12_3_everything_may_be_in_the_payload(sqlite_thinger: Account, sqlite_peer: CoapPeer) -> None:
    request = {"user": "alice", "token": await short_key(sqlite_thinger), "device": "meter1", **METER}

    created = await post(sqlite_peer, "p/ensure", request)
    refused = await post(sqlite_peer, "p/ensure", {**request, "token": "pk_wrong"})
    nobodys = await post(sqlite_peer, "p/ensure", {key: value for key, value in request.items() if key != "user"})

    assert (created.code, told(created)["result"]) == (Code.CREATED, "created")
    assert (refused.code, told(refused)) == (Code.UNAUTHORIZED, {"message": "unauthorized"})
    assert (nobodys.code, told(nobodys)) == (Code.BAD_REQUEST, {"message": "missing field: user"})


async def test_tg_12_3_a_token_too_long_for_an_option_goes_into_the_payload(
    sqlite_thinger: Account, sqlite_peer: CoapPeer
) -> None:
    token = await sqlite_thinger.token(PROVISION)

    answer = await post(sqlite_peer, f"{BASE}/devices/meter1/ensure", {**METER, "token": token})

    assert answer.code == Code.CREATED


async def test_tg_12_3_replace_changes_the_credential(sqlite_thinger: Account, sqlite_peer: CoapPeer) -> None:
    key = await short_key(sqlite_thinger, {"Device": {"*": ["CreateDevice", "UpdateDevice"]}})
    path, query = f"{BASE}/devices/meter1/ensure", f"authorization={key}"
    await post(sqlite_peer, path, METER, query)

    answer = await post(sqlite_peer, path, {"credentials": "next one", "on_conflict": "replace"}, query)

    assert (answer.code, told(answer)["result"]) == (Code.CHANGED, "updated")
    assert await code_of(sqlite_thinger, "meter1", "next one") == 0


REFUSALS: Mapping[str, tuple[str, Any, Code, str]] = {
    "no token": ("", METER, Code.UNAUTHORIZED, "unauthorized"),
    "wrong token": ("authorization=pk_wrong", METER, Code.UNAUTHORIZED, "unauthorized"),
    "no JSON": ("KEY", b"{", Code.BAD_REQUEST, "invalid JSON"),
    "no object": ("KEY", b"[]", Code.BAD_REQUEST, "the body is not a JSON object"),
    "no credentials": ("KEY", {}, Code.BAD_REQUEST, "missing field: credentials"),
    "unknown member": ("KEY", {**METER, "x": 1}, Code.BAD_REQUEST, "unknown field: x"),
    "other device": (
        "KEY", {**METER, "device": "m2"}, Code.BAD_REQUEST, "the body names another device than the path",
    ),
    "too large": ("KEY", b" " * 1025, Code.REQUEST_ENTITY_TOO_LARGE, "the payload has more than 1024 bytes"),
    "no right": ("OTHER", METER, Code.FORBIDDEN, "forbidden: CreateDevice"),
}  # fmt: skip


@pytest.mark.parametrize(("query", "body", "code", "message"), REFUSALS.values(), ids=REFUSALS)
async def test_tg_12_3_refusals_have_a_code_and_a_message(
    sqlite_thinger: Account, sqlite_peer: CoapPeer, query: str, body: Any, code: Code, message: str
) -> None:
    keys = {
        "KEY": f"authorization={await short_key(sqlite_thinger)}",
        "OTHER": f"authorization={await short_key(sqlite_thinger, CLAIM, 'other')}",
    }
    answer = await post(
        sqlite_peer, f"{BASE}/devices/meter1/ensure", body, *filter(None, [keys.get(query, query)])
    )

    assert (answer.code, told(answer)) == (code, {"message": message})


async def test_tg_12_3_a_key_of_another_account_is_forbidden(
    sqlite_thinger: Account, sqlite_peer: CoapPeer
) -> None:
    key = await short_key(sqlite_thinger)

    answer = await post(sqlite_peer, "v1/users/bob/devices/meter1/ensure", METER, f"authorization={key}")

    assert answer.code == Code.FORBIDDEN


async def test_tg_13_too_many_requests_are_told_when_to_come_again(tmp_path: Path) -> None:
    async with account_on(tmp_path, provisioning_burst=2) as account, coap_peer(account.server.coap_port) as peer:
        query = f"authorization={await short_key(account)}"
        answers = [await post(peer, f"{BASE}/devices/meter1/ensure", METER, query) for _ in range(3)]

        assert [answer.code for answer in answers] == [Code.CREATED, Code.CHANGED, Code.TOO_MANY_REQUESTS]
        assert max_age(answers[2]) >= 1
        assert told(answers[2]) == {"message": "too many requests"}


async def test_tg_12_3_a_request_that_comes_twice_is_served_once(thinger: Account, peer: CoapPeer) -> None:
    request = coap_request(
        Code.POST, f"{BASE}/devices", json.dumps({"device": "meter1", **METER}).encode(), message_id=77,
        query=(f"authorization={await short_key(thinger)}",), options=options(),
    )  # fmt: skip

    answers = []
    for _ in range(2):
        peer.send(request)
        answers.append(await peer.receive())

    assert answers[0] == answers[1]


# -- list and create -------------------------------------------------------------------------------


async def test_tg_12_3_create_answers_created_and_then_bad_request(thinger: Account, peer: CoapPeer) -> None:
    query = f"authorization={await short_key(thinger)}"
    body = {"device": "meter1", **METER}

    created = await post(peer, f"{BASE}/devices", body, query)
    again = await post(peer, f"{BASE}/devices", body, query)

    assert (created.code, told(created)) == (Code.CREATED, {"device": "meter1"})
    assert (again.code, told(again)) == (Code.BAD_REQUEST, {"message": "device 'meter1' already exists"})


async def test_tg_12_3_the_list_has_at_most_ten_devices_and_at_most_1024_bytes(thinger: Account) -> None:
    token, query = await thinger.token(), f"authorization={await short_key(thinger)}"
    for number in range(12):
        body = {"device": f"meter{number}", "name": "n" * (100 if number < 11 else 5), "credentials": SECRET}
        await thinger.call("POST", "/devices", token, body)

    async with client() as context:
        uri = f"coap://127.0.0.1:{thinger.server.coap_port}/{BASE}/devices?{query}&name="
        some, one, none = [
            await context.request(aiocoap.Message(code=aiocoap.GET, uri=f"{uri}{name}")).response
            for name in ("meter", "meter11", "nothing")
        ]

    assert {answer.code for answer in (some, one, none)} == {aiocoap.CONTENT}
    assert 0 < len(json.loads(some.payload)) < 10
    assert len(some.payload) <= 1024
    assert json.loads(one.payload) == [{"device": "meter11", "name": "nnnnn", "enabled": True}]
    assert json.loads(none.payload) == []


# -- CBOR ------------------------------------------------------------------------------------------


async def ask_cbor(account: Account, peer: CoapPeer, payload: bytes, **formats: int | None) -> Message:
    query = (f"authorization={await short_key(account)}",)
    chosen = options(**{"content_format": CBOR, **formats})
    return await peer.ask(Code.POST, f"{BASE}/devices/meter1/ensure", payload, query=query, options=chosen)


async def test_tg_12_3_what_is_asked_in_cbor_is_answered_in_cbor(thinger: Account, peer: CoapPeer) -> None:
    answer = await ask_cbor(thinger, peer, cbor2.dumps(METER))

    assert (answer.code, answer.first(Option.CONTENT_FORMAT)) == (Code.CREATED, uint(CBOR))
    assert cbor2.loads(answer.payload)["result"] == "created"


@pytest.mark.parametrize(("content_format", "accept"), [(JSON, CBOR), (CBOR, JSON)])
async def test_tg_12_3_who_wants_another_format_gets_it(
    sqlite_thinger: Account, sqlite_peer: CoapPeer, content_format: int, accept: int
) -> None:
    payload = cbor2.dumps(METER) if content_format == CBOR else json.dumps(METER).encode()

    answer = await ask_cbor(sqlite_thinger, sqlite_peer, payload, content_format=content_format, accept=accept)

    assert (answer.code, answer.first(Option.CONTENT_FORMAT)) == (Code.CREATED, uint(accept))


async def test_tg_12_3_other_formats_are_refused(sqlite_thinger: Account, sqlite_peer: CoapPeer) -> None:
    payload = json.dumps(METER).encode()
    query = (f"authorization={await short_key(sqlite_thinger)}",)
    codes = []
    for chosen in (options(42), options(JSON, 0), options(JSON, 40)):
        answer = await sqlite_peer.ask(
            Code.POST, f"{BASE}/devices/meter1/ensure", payload, query=query, options=chosen
        )
        codes.append(answer.code)

    assert codes == [Code.UNSUPPORTED_CONTENT_FORMAT, Code.NOT_ACCEPTABLE, Code.NOT_ACCEPTABLE]


@pytest.mark.parametrize(
    "payload",
    [
        b"\x81" * 1024, b"\x9f" * 1000, b"\xff", b"\xa1", b"\xa1\x61d\x58\xff",
        cbor2.dumps({"credentials": b"x" * 9}),
        cbor2.dumps({"credentials": float("nan")}), cbor2.dumps({"credentials": cbor2.CBORTag(35, "(a+)+$")}),
        b"\xc4\x82\x1b\xff\xff\xff\xff\xff\xff\xff\xff\x01", cbor2.dumps({"credentials": 2**500}), os.urandom(64),
    ],
    ids=range(11),
)  # fmt: skip
async def test_tg_12_3_cbor_that_says_nothing_json_could_say_is_refused(
    sqlite_thinger: Account, sqlite_peer: CoapPeer, payload: bytes
) -> None:
    answer = await ask_cbor(sqlite_thinger, sqlite_peer, payload)

    assert answer.code == Code.BAD_REQUEST
    assert list(cbor2.loads(answer.payload)) == ["message"]


# -- pools -----------------------------------------------------------------------------------------


async def test_tg_12_4_a_claim_gives_a_device(thinger: Account, peer: CoapPeer) -> None:
    await pool(thinger, 1)
    path, query = f"{BASE}/pools/meters/claim", f"authorization={await short_key(thinger, CLAIM)}"

    given = await post(peer, path, {"hardware_id": "AABBCC"}, query)
    empty = await post(peer, path, {"hardware_id": "DDEEFF"}, query)

    assert given.code == Code.CREATED
    assert await code_of(thinger, told(given)["device"], told(given)["credentials"]) == 0
    assert (empty.code, told(empty)) == (Code.NOT_FOUND, {"message": "pool empty"})


async def test_tg_12_4_a_claim_without_the_right_is_forbidden(
    sqlite_thinger: Account, sqlite_peer: CoapPeer
) -> None:
    await pool(sqlite_thinger, 1)
    query = f"authorization={await short_key(sqlite_thinger)}"

    answer = await post(sqlite_peer, f"{BASE}/pools/meters/claim", {"hardware_id": "AA"}, query)

    assert (answer.code, told(answer)) == (Code.FORBIDDEN, {"message": "forbidden: ClaimDevice"})


async def observe(account: Account, peer: CoapPeer, token: bytes = b"obs", hardware: str = "AABBCC") -> Message:
    key = await short_key(account, CLAIM, f"key_{token.decode()}")
    query = (f"authorization={key}", f"hw={hardware}")
    peer.send(
        coap_request(
            Code.GET, f"{BASE}/pools/meters/claim", message_id=peer.next_id(), token=token, query=query,
            options=OBSERVE,
        )
    )  # fmt: skip
    return await peer.answer(token)


async def test_tg_12_4_who_observes_is_told_when_a_device_is_added(thinger: Account, peer: CoapPeer) -> None:
    token = await pool(thinger, on_empty="wait")

    first = await observe(thinger, peer)
    await fill(thinger, token, 1)
    given = await peer.answer(b"obs")

    assert (first.code, first.payload, first.first(Option.OBSERVE)) == (Code.VALID, b"", b"")
    assert (given.code, given.first(Option.OBSERVE)) == (Code.CONTENT, None)
    assert await code_of(thinger, told(given)["device"], told(given)["credentials"]) == 0


async def test_tg_12_4_who_observes_a_pool_with_a_device_is_given_it_at_once(
    sqlite_thinger: Account, sqlite_peer: CoapPeer
) -> None:
    await pool(sqlite_thinger, 1, on_empty="wait")

    answer = await observe(sqlite_thinger, sqlite_peer)

    assert (answer.code, answer.first(Option.OBSERVE)) == (Code.CONTENT, None)
    assert told(answer)["device"] == "meter-00001"


async def test_tg_12_4_nobody_waits_where_the_pool_does_not_let_him(
    sqlite_thinger: Account, sqlite_peer: CoapPeer
) -> None:
    await pool(sqlite_thinger)

    answer = await observe(sqlite_thinger, sqlite_peer)

    assert (answer.code, told(answer)) == (Code.NOT_FOUND, {"message": "pool empty"})


async def test_tg_12_4_a_plain_get_gives_nothing_away(sqlite_thinger: Account, sqlite_peer: CoapPeer) -> None:
    token = await pool(sqlite_thinger, 1)
    query = (f"authorization={await short_key(sqlite_thinger, CLAIM)}", "hw=AABBCC")

    answer = await sqlite_peer.ask(Code.GET, f"{BASE}/pools/meters/claim", query=query)

    assert answer.code == Code.BAD_REQUEST
    assert (await sqlite_thinger.call("GET", "/pools/meters", token)).json()["ready"] == 1


async def test_a_key_that_is_switched_off_ends_the_waiting(sqlite_thinger: Account, sqlite_peer: CoapPeer) -> None:
    token = await pool(sqlite_thinger, on_empty="wait")
    await observe(sqlite_thinger, sqlite_peer)

    await sqlite_thinger.call("PUT", "/tokens/key_obs", token, {"enabled": False})

    assert (await sqlite_peer.answer(b"obs")).code == Code.UNAUTHORIZED
    await fill(sqlite_thinger, token, 1)
    assert (await sqlite_thinger.call("GET", "/pools/meters", token)).json()["ready"] == 1


async def test_a_hardware_that_asks_over_http_is_not_answered_over_coap_as_well(
    sqlite_thinger: Account, sqlite_peer: CoapPeer
) -> None:
    token = await pool(sqlite_thinger, on_empty="wait")
    await observe(sqlite_thinger, sqlite_peer)

    assert (await claim(sqlite_thinger, token))[0] == 404
    await fill(sqlite_thinger, token, 1)
    status, given = await claim(sqlite_thinger, token)

    assert status == 200
    assert await code_of(sqlite_thinger, given["device"], given["credentials"]) == 0


# -- clients of others ----------------------------------------------------------------------------------


async def test_tg_12_3_coap_client_creates_a_device(thinger: Account) -> None:
    key = await short_key(thinger)
    process = await asyncio.create_subprocess_exec(
        require_tool("coap-client-notls"), "-m", "post", "-B", "10", "-t", "50", "-e", json.dumps(METER),
        f"coap://127.0.0.1:{thinger.server.coap_port}/{BASE}/devices/meter1/ensure?authorization={key}",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(20):
        out, _ = await process.communicate()

    assert json.loads(out)["result"] == "created"


async def test_tg_12_4_aiocoap_observes_until_it_is_given_a_device(thinger: Account) -> None:
    token = await pool(thinger, on_empty="wait")
    key = await short_key(thinger, CLAIM)
    uri = f"coap://127.0.0.1:{thinger.server.coap_port}/{BASE}/pools/meters/claim?authorization={key}&hw=AA"
    async with client() as context, asyncio.timeout(20):
        request = context.request(aiocoap.Message(code=aiocoap.GET, uri=uri, observe=0))
        first = await request.response
        await fill(thinger, token, 1)
        given = await anext(aiter(request.observation))

    assert first.code is aiocoap.VALID
    assert json.loads(given.payload)["device"] == "meter-00001"
