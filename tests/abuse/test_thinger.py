"""What strangers, other accounts and leaked keys may try over thinger.io's API (threats, sections 3, 5-9)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import cbor2
import httpx2
import pytest
from starlette.routing import Route
from tests.harness import WAIT_S, login
from tests.integration.coap.raw_coap import coap_peer, coap_request
from tests.integration.thinger.account import SKETCH, Account
from tests.integration.thinger.sessions import (
    CLAIM,
    PROVISION,
    SECRET,
    account_on,
    ask,
    code_of,
    connect,
    opened,
    short_key,
    subscribed,
)

from firstboot.model import Credentials, ResourceRow
from firstboot.profiles import plain_profile
from firstboot.storage import RowQuery
from firstboot_plugins.credentials.lookup_ids import mqtt_basic_id
from firstboot_plugins.dialects.thinger.routes import routes
from firstboot_plugins.transports.coap.messages import Code, Option
from firstboot_plugins.transports.coap.options import uint
from firstboot_plugins.transports.mqtt.packets import Puback, Publish

METER = {"device": "meter1", "credentials": SECRET, "type": "MQTT"}
RULE: dict[str, Any] = {
    "rule": "meters",
    "enabled": True,
    "config": {"mode": "pattern", "pattern": "^meter[0-9]+$"},
    "credential": "derived",
    "template": {"type": "MQTT"},
}


@asynccontextmanager
async def two_accounts(tmp_path: Path, **settings: Any) -> AsyncIterator[tuple[Account, Account]]:
    async with account_on(tmp_path, **settings) as alice:
        other = await alice.server.services.tenants.create("mallory", actor="test")
        yield alice, Account(alice.server, other, alice.client)


@pytest.fixture
async def accounts(tmp_path: Path) -> AsyncIterator[tuple[Account, Account]]:
    """Run a server with the accounts ``alice`` and ``mallory``."""
    async with two_accounts(tmp_path) as both:
        yield both


@pytest.fixture
async def alice(accounts: tuple[Account, Account]) -> Account:
    return accounts[0]


@pytest.fixture
async def mallory(accounts: tuple[Account, Account]) -> Account:
    return accounts[1]


def calls(account: Account) -> Iterator[tuple[str, str]]:
    """Return every call of the API that names an account, with the names of things that may be there."""
    for route in routes(account.server.services):
        if isinstance(route, Route) and "{user}" in route.path:
            path = route.path.replace("{user}", account.name)
            for name in ("device", "id", "token", "pool", "rule", "property"):
                path = path.replace(f"{{{name}}}", "meter1")
            yield from ((method, path) for method in sorted(route.methods or ()) if method != "HEAD")


async def create(account: Account, **fields: Any) -> httpx2.Response:
    token = await account.token(name=f"maker{len(fields)}{fields.get('device', '')}")
    return await account.call("POST", "/devices", token, {**METER, **fields})


# -- other accounts --------------------------------------------------------------------------------


class TestOtherAccounts:
    async def test_tn_1_no_call_of_an_account_answers_another_account_s_token(
        self, alice: Account, mallory: Account
    ) -> None:
        assert (await create(alice)).status_code == 200
        token = await mallory.token()
        answers = set()
        for method, path in calls(alice):
            answer = await alice.client.request(
                method, f"{alice.server.url}{path}", headers={"authorization": f"Bearer {token}"}, json={}
            )
            answers.add((answer.status_code, answer.text))

        assert answers == {(403, '{"error":{"message":"forbidden"}}')}

    async def test_tn_1_whether_there_is_such_an_account_is_not_told(self, mallory: Account) -> None:
        token = await mallory.token()
        answers = [
            await mallory.client.get(
                f"{mallory.server.url}/v1/users/{name}/devices", headers={"authorization": f"Bearer {token}"}
            )
            for name in ("alice", "nobody")
        ]

        assert len({(each.status_code, each.text) for each in answers}) == 1

    @pytest.mark.parametrize("is_there_first", [True, False])
    async def test_pv_13_another_tenant_s_device_never_has_the_login_of_an_account_s_device(
        self, alice: Account, is_there_first: bool
    ) -> None:
        """PV-13, MQ-2: it may bring any client id, user name and token, and the account never notices."""
        if is_there_first:
            assert (await create(alice)).status_code == 200
        profile = await alice.server.profile()
        hashed = mqtt_basic_id("meter1", "alice")
        parts = {"clientId": "meter1", "username": "alice", "password": "stolen!"}
        squatted = [
            await alice.server.post(profile.request("a", credentialsType="MQTT_BASIC", **parts)),
            await alice.server.post(profile.request("b", credentialsType="ACCESS_TOKEN", token=hashed)),
        ]
        assert [each["status"] for each in squatted][:1] == ["SUCCESS"]

        if not is_there_first:
            assert (await create(alice)).status_code == 200
        peer = await opened(alice, "meter1", SECRET)
        assert await subscribed(peer, "t") == 0
        # What logs in with the other password is the other tenant's device, with that one's topics.
        thief, code = await connect(alice, "meter1", "stolen!")
        assert (code, await subscribed(thief, "t")) == (0, 0x80)
        await peer.close()
        await thief.close()

    async def test_pv_13_an_administrator_cannot_give_a_device_the_login_of_another_account_s(
        self, alice: Account, mallory: Account
    ) -> None:
        assert (await create(mallory, device="bait")).status_code == 200
        services = alice.server.services
        bait = await services.storage.find_device(mallory.tenant.id, "bait")
        assert bait is not None
        value = json.dumps({"clientId": "meter1", "userName": "alice", "password": "stolen!"})
        theirs = Credentials("MQTT_BASIC", mqtt_basic_id("meter1", "alice"), value)
        await services.devices.change_credentials(bait, theirs, actor="test")

        assert await code_of(alice, "meter1", "stolen!") != 0
        assert (await create(alice)).status_code == 200
        assert await code_of(alice, "meter1", SECRET) == 0

    async def test_pv_13_a_rule_s_device_is_made_whoever_has_its_names_elsewhere(self, alice: Account) -> None:
        made = await alice.call("POST", "/autoprovisions", await alice.token(), RULE)
        profile = await alice.server.profile()
        parts = {"clientId": "meter1", "username": "alice", "password": "stolen!"}
        squatted = await alice.server.post(profile.request("a", credentialsType="MQTT_BASIC", **parts))
        digest = hmac.digest(made.json()["secret"].encode(), b"meter1", hashlib.sha256)

        assert squatted["status"] == "SUCCESS"
        assert await code_of(alice, "meter1", base64.urlsafe_b64encode(digest).decode()[:32]) == 0

    async def test_an_administrator_who_saves_what_he_was_shown_changes_no_login(self, alice: Account) -> None:
        assert (await create(alice)).status_code == 200
        services = alice.server.services
        device = await services.storage.find_device(alice.tenant.id, "meter1")
        assert device is not None
        shown = json.dumps({"clientId": "meter1", "userName": "alice", "password": None})
        saved = Credentials("MQTT_BASIC", mqtt_basic_id("meter1", "alice"), shown)
        await services.devices.change_credentials(device, saved, actor="test")

        assert await code_of(alice, "meter1", SECRET) == 0

    async def test_no_other_dialect_s_profile_gives_an_account_s_login(self, alice: Account) -> None:
        """PV-3: a provision key is good for devices of its own profile, and opens no account's topics."""
        profile = await alice.server.profile()
        more = {"credentialsType": "THINGER", "username": "alice", "password": "stolen!"}
        answer = await alice.server.post(profile.request("meter1", **more))

        assert answer["status"] == "FAILURE"
        assert await code_of(alice, "meter1", "stolen!") != 0


# -- tokens ----------------------------------------------------------------------------------------


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _signed(claims: dict[str, Any], key: bytes, algorithm: str = "HS256") -> str:
    head = _b64(json.dumps({"alg": algorithm, "typ": "JWT"}).encode()) + "." + _b64(json.dumps(claims).encode())
    signature = b"" if algorithm == "none" else hmac.digest(key, head.encode(), "sha256")
    return f"{head}.{_b64(signature)}"


class TestTokens:
    async def test_lg_6_no_token_that_the_server_has_not_made_opens_anything(self, alice: Account) -> None:
        """LG-6: over each way by which a token comes."""
        good = await alice.token(name="factory")
        head, body, signature = good.split(".")
        claims = {"jti": "factory", "usr": "alice"}
        login_claims = {"usr": "alice", "exp": 4_000_000_000, "iat": 1, "tok": good}
        forged = [
            _signed(claims, b"", "none"),
            _signed(claims, b""),
            _signed(claims, b"factory"),
            _signed(login_claims, b""),
            _signed(login_claims, b"", "none"),
            f"{head}.{body}.",
            f"{head}.{body}",
            f"{head}.{body}.{signature}x",
            f"{head}.{_b64(json.dumps({**claims, 'usr': 'mallory'}).encode())}.{signature}",
            good.swapcase(),
            "eyJ" + "a" * 5000 + ".e.e",
            "..",
            "pk_" + "a" * 24,
        ]
        kept = []
        async with coap_peer(alice.server.coap_port) as peer:
            for token in forged:
                by_header = await alice.call("GET", "/devices", token)
                by_query = await alice.client.get(f"{alice.url}/devices", params={"authorization": token})
                body_ = json.dumps({"user": "alice", "token": token, **METER})[:1000].encode()
                by_coap = await peer.ask(Code.POST, "p/ensure", body_)
                by_mqtt = await code_of(alice, "x", token)
                if (by_header.status_code, by_query.status_code) != (401, 401) or by_mqtt == 0:
                    kept.append(token)
                if by_coap.code not in (Code.UNAUTHORIZED, Code.BAD_REQUEST):
                    kept.append(token)
        assert kept == []
        assert await alice.server.services.storage.find_device(alice.tenant.id, "meter1") is None

    @pytest.mark.parametrize(
        "password", [b"pk_\xff\xfe", b"eyJ\xff.\xfe.\xfd", b"pk_\x00", b"eyJ.." + b"." * 4000]
    )
    async def test_ht_2_a_password_that_is_no_text_is_refused_as_any_other(
        self, alice: Account, password: bytes
    ) -> None:
        made = await alice.call("POST", "/autoprovisions", await alice.token(), RULE)
        assert made.status_code == 200
        assert await login(alice.server, client_id="meter1", username="alice", password=password) == 4

    async def test_lg_9_a_device_token_opens_nothing_but_its_device_s_resources(self, alice: Account) -> None:
        assert (await create(alice)).status_code == 200
        sent = await alice.call("POST", "/devices/meter1/tokens", await alice.token(), {"token_name": "door"})
        token = sent.json()["token"]
        served = set()
        for method, path in calls(alice):
            answer = await alice.client.request(
                method, f"{alice.server.url}{path}", headers={"authorization": f"Bearer {token}"}, json={}
            )
            if answer.status_code not in (403, 405):
                served.add((method, path.removeprefix("/v3/users/alice"), answer.status_code))

        data = "/devices/meter1/callback/data"
        assert {each for each in served if each[2] == 200} == {("GET", data, 200), ("POST", data, 200)}
        assert all(status in (200, 400) for _, _, status in served)
        assert await code_of(alice, "x", token) == 4

    async def test_lg_9_tokens_and_credentials_open_nothing_of_other_dialects(self, alice: Account) -> None:
        assert (await create(alice)).status_code == 200
        full, key = await alice.token(), await short_key(alice, PROVISION)
        opened_by = []
        for secret in (full, key, SECRET, "meter1", "alice", mqtt_basic_id("meter1", "alice")):
            answers = [
                await alice.client.post(f"{alice.server.url}/api/v1/{secret}/telemetry", json={"a": 1}),
                await alice.client.get(
                    f"{alice.server.url}/api/tenant/devices?pageSize=10&page=0",
                    headers={"x-authorization": f"Bearer {secret}"},
                ),
                await alice.client.get(
                    f"{alice.server.url}/thingstream/v1/things", headers={"authorization": f"Bearer {secret}"}
                ),
                await alice.client.post(f"{alice.server.url}/ztp/cloudlocate/credentials", json={"token": secret}),
            ]
            codes = [answer.status_code for answer in answers]
            as_user = await login(alice.server, client_id="", username=secret[:400])
            if not set(codes) <= {401, 403, 429} or as_user == 0:
                opened_by.append((codes, as_user))
        assert opened_by == []

    async def test_ht_5_a_forged_forwarding_header_is_no_way_around_the_limit_of_wrong_tokens(
        self, tmp_path: Path
    ) -> None:
        """HT-5, section 13 of the contract."""
        async with account_on(tmp_path, failed_tokens_per_minute=20) as alice:
            statuses = [
                (
                    await alice.call("GET", "/devices", "wrong", headers={"x-forwarded-for": f"10.0.0.{n}"})
                ).status_code
                for n in range(25)
            ]
            good = await alice.call("GET", "/devices", await alice.token())

        assert statuses == [401] * 20 + [429] * 5
        assert good.status_code == 200


# -- bytes -----------------------------------------------------------------------------------------


def _tag(number: int) -> bytes:
    return bytes([0xC0 + number]) if number < 24 else b"\xd9" + number.to_bytes(2, "big")


def _shared_lists(depth: int) -> bytes:
    """Return CBOR of which each list has the one before twice: by tags 28 and 29, in a few bytes."""
    lists = [b"\xd8\x1c\x82\x61a\x61a"]
    lists += [b"\xd8\x1c\x82" + 2 * (b"\xd8\x1d\x18" + bytes([each])) for each in range(depth - 1)]
    return b"\x98" + bytes([depth]) + b"".join(lists)


class TestBytes:
    @pytest.mark.parametrize(
        "payload",
        [
            _shared_lists(64),
            b"\xd9\x01\x00\x98\x40\x78\x64" + b"a" * 100 + b"\xd8\x19\x00" * 63,
            *(
                b"\xa1\x61a" + _tag(number) + cbor2.dumps("a")
                for number in (0, 1, 2, 4, 30, 35, 36, 37, 258, 55799)
            ),
            b"\x81" * 1000 + b"\x00",
            b"\x9b\x00\x00\x00\xff\xff\xff\xff\xff",
            b"\x7b\x00\x00\x00\xff\xff\xff\xff\xff",
        ],
    )
    async def test_ht_3_a_few_bytes_of_cbor_do_not_become_many(self, alice: Account, payload: bytes) -> None:
        """HT-3, CO-1: over UDP, and before anybody has said who he is."""
        assert len(payload) <= 1024
        async with coap_peer(alice.server.coap_port) as peer, asyncio.timeout(WAIT_S):
            answer = await peer.ask(Code.POST, "p/ensure", payload, options=((Option.CONTENT_FORMAT, uint(60)),))

        assert answer.code == Code.BAD_REQUEST

    async def test_co_1_nobody_is_flooded_with_a_list_that_he_has_not_asked_for(self, alice: Account) -> None:
        key = await short_key(alice, SKETCH)
        for number in range(10):
            name = "n" * 100
            assert (await create(alice, device=f"meter{number}", name=name)).status_code == 200
        async with coap_peer(alice.server.coap_port) as peer:
            request = coap_request(Code.GET, "v1/users/alice/devices", query=(f"authorization={key}",))
            sent, got = peer.send(request), 0
            while True:
                data = await peer.receive()
                got += len(data)
                if data[1] != Code.EMPTY:  # not the acknowledgement before an answer that comes later
                    break

        assert got <= 3 * sent

    @pytest.mark.parametrize("template", [False, True])
    async def test_ht_3_placeholders_do_not_make_a_small_body_a_huge_document(
        self, alice: Account, template: bool
    ) -> None:
        token = await alice.token()
        widgets = [{"text": "{name}" * 2000}]
        dashboards = [{"dashboard": "{device}", "name": "{name}", "widgets": widgets}]
        if template:
            body = {**RULE, "template": {"type": "MQTT", "name": "n" * 255, "dashboards": dashboards}}
            answer = await alice.call("POST", "/autoprovisions", token, body)
            assert answer.status_code == 200
            digest = hmac.digest(answer.json()["secret"].encode(), b"meter1", hashlib.sha256)
            await code_of(alice, "meter1", base64.urlsafe_b64encode(digest).decode()[:32])
        else:
            body = {"credentials": SECRET, "name": "n" * 255, "dashboards": dashboards}
            answer = await alice.call("POST", "/devices/meter1/ensure", token, body)
            assert answer.json()["dashboards"][0]["status"] == 400

        made = await alice.call("GET", "/dashboards/meter1", token)
        assert made.status_code == 404

    async def test_pv_12_patterns_that_grow_are_refused_when_they_are_saved(self, alice: Account) -> None:
        token = await alice.token()
        for pattern in ("(a{1000}){1000}", "(x+x+)+y" * 200, "(?=a)", "\\1", "(", "[" * 500):
            rule = {**RULE, "config": {"mode": "pattern", "pattern": pattern}}
            product = {"autoprovisions": {"a": {"config": {"mode": "pattern", "pattern": pattern}}}}
            answers = [
                await alice.call("POST", "/autoprovisions", token, rule),
                await alice.call("POST", "/products", token, {"product": "p", "name": "p", "profile": product}),
            ]
            assert [each.status_code for each in answers] == [400, 400], pattern


# -- names -----------------------------------------------------------------------------------------


class TestNames:
    @pytest.mark.parametrize("part", ["autoprovisions", "pools"])
    async def test_pv_3_no_rule_or_pool_takes_the_place_of_the_account_s_own_profile(
        self, alice: Account, part: str
    ) -> None:
        """PV-3: with it would end what all other devices are made with."""
        token = await alice.token()
        body = {**RULE, "rule": "thinger"} if part == "autoprovisions" else {"pool": "thinger", "name": "p"}
        refused = await alice.call("POST", f"/{part}", token, body)

        assert (refused.status_code, refused.json()) == (400, {"error": {"message": "already exists"}})
        assert (await create(alice)).status_code == 200

    async def test_a_profile_that_an_operator_has_made_bounds_devices_that_speak_this_dialect(
        self, alice: Account
    ) -> None:
        draft = replace(plain_profile(alice.tenant.id, "thinger"), strategy="allow-create-new")
        draft = replace(draft, limits=replace(draft.limits, max_devices=1))
        await alice.server.core.profiles.create(draft, key=None, secret=None, actor="test")
        await alice.server.services.provisioning.reload_profiles()

        assert (await create(alice)).status_code == 200
        assert (await create(alice, device="meter2")).json() == {"error": {"message": "device limit reached"}}
        peer = await opened(alice, "meter1", SECRET)
        assert await subscribed(peer, "any/topic") == 0
        await peer.close()

    @pytest.mark.parametrize("hardware_id", ["+", "#", "victim/sub", "a b", "ä", "$x", "x" * 33, "..", "%2e"])
    async def test_mq_8_no_hardware_names_its_device_so_that_topics_of_others_begin_with_it(
        self, tmp_path: Path, hardware_id: str
    ) -> None:
        async with account_on(tmp_path, shared_topics=False) as alice:
            pool = {"pool": "p", "name": "p", "on_empty": "create", "id_pattern": "{hw}"}
            assert (await alice.call("POST", "/pools", await alice.token(), pool)).status_code == 200
            claims = await alice.token(CLAIM, name="claims")
            refused = await alice.call("POST", "/pools/p/claim", claims, {"hardware_id": hardware_id})
            given = await alice.call("POST", "/pools/p/claim", claims, {"hardware_id": "meter1"})

        assert (refused.status_code, refused.json()["error"]["message"]) == (400, "invalid field: hardware_id")
        assert (given.status_code, given.json()["device"]) == (200, "meter1")

    async def test_mq_8_a_device_whose_name_is_a_wildcard_logs_in_nowhere(self, tmp_path: Path) -> None:
        """MQ-8: an administrator may have given it any name."""
        async with account_on(tmp_path, shared_topics=False) as alice:
            assert (await create(alice)).status_code == 200
            services = alice.server.services
            device = await services.storage.find_device(alice.tenant.id, "meter1")
            assert device is not None
            await services.devices.update(replace(device, name="+"), expected_version=device.version, actor="test")
            changed = await alice.call("PUT", "/devices/+", await alice.token(), {"credentials": "another one"})
            code = await code_of(alice, "+", "another one")

        assert (changed.status_code, code) == (200, 4)


# -- leaked keys -----------------------------------------------------------------------------------


class TestLeakedKeys:
    async def test_pv_3_a_rule_makes_exactly_as_many_devices_as_it_may_however_many_connect_at_once(
        self, alice: Account
    ) -> None:
        token = await alice.token()
        made = await alice.call("POST", "/autoprovisions", token, {**RULE, "max_devices": 5})
        secret = made.json()["secret"].encode()

        def password(name: str) -> str:
            return base64.urlsafe_b64encode(hmac.digest(secret, name.encode(), hashlib.sha256)).decode()[:32]

        names = [f"meter{number}" for number in range(20)]
        codes = await asyncio.gather(*(code_of(alice, name, password(name)) for name in names))

        assert sorted(codes) == [0] * 5 + [4] * 15
        assert len((await alice.call("GET", "/devices", token)).json()) == 5

    async def test_pv_4_a_rule_s_secret_changes_nothing_of_a_device_that_exists(self, alice: Account) -> None:
        made = await alice.call("POST", "/autoprovisions", await alice.token(), RULE)
        assert (await create(alice)).status_code == 200
        digest = hmac.digest(made.json()["secret"].encode(), b"meter1", hashlib.sha256)

        assert await code_of(alice, "meter1", base64.urlsafe_b64encode(digest).decode()[:32]) == 4
        assert await code_of(alice, "meter1", SECRET) == 0

    async def test_mq_7_what_one_session_is_told_no_other_one_hears(self, alice: Account) -> None:
        key = await short_key(alice)
        spy = await opened(alice, "unit", key)
        refused = [
            await subscribed(spy, each) for each in ("#", "+/reply", "provision/#", "$share/a/provision/reply")
        ]
        assert await subscribed(spy, "provision/reply") == 0
        unit = await opened(alice, "unit", key)
        assert await subscribed(unit, "provision/reply") == 0

        told = await ask(unit, {"id": "unit", **METER})
        heard = await ask(spy, {"id": "spy", "device": "meter1", "check": True})

        assert (told["id"], told["result"]) == ("unit", "created")
        assert heard == {"id": "spy", "status": 200, "result": "exists", "device": "meter1"}
        assert refused == [0x80] * 4
        await spy.close()
        await unit.close()

    async def test_mq_8_a_bucket_with_every_topic_has_nothing_of_other_accounts(
        self, alice: Account, mallory: Account
    ) -> None:
        bucket = {"bucket": "all", "name": "a", "enabled": True, "config": {"source": "mqtt", "topic": "#"}}
        made = await mallory.call("POST", "/buckets", await mallory.token(), bucket)
        assert made.status_code == 200
        assert (await create(alice)).status_code == 200
        peer = await opened(alice, "meter1", SECRET)
        for number, topic in enumerate(("meter1/data", f"{mallory.tenant.id}/thinger/x", "thinger/x"), 1):
            await peer.send(Publish(topic, b"1", 1, packet_id=number))
            assert (await peer.expect(Puback)).packet_id == number
        await peer.close()

        assert (await mallory.call("GET", "/buckets/all/data", await mallory.token(name="reader"))).json() == []


async def test_pv_3_a_key_for_one_device_does_not_fill_the_account_with_types_and_groups(tmp_path: Path) -> None:
    """PV-3: they are made without a right of their own, and are in the memory of every server."""
    async with account_on(tmp_path, max_assets=3) as alice:
        assert (await create(alice)).status_code == 200
        key = await alice.token({"Device": {"meter1": ["UpdateDevice"]}}, name="key")
        for number in range(6):
            body = {"asset_type": f"type{number}", "asset_group": f"group{number}"}
            assert (await alice.call("PUT", "/devices/meter1", key, body)).status_code == 200
        token = await alice.token()
        counts = [len((await alice.call("GET", f"/{kind}", token)).json()) for kind in ("types", "groups")]
        refused = await alice.call("POST", "/types", token, {"type": "one_more"})

    assert counts == [3, 3]
    assert (refused.status_code, refused.json()) == (400, {"error": {"message": "type limit reached"}})


async def test_op_4_whoever_reads_a_large_bucket_keeps_nobody_else_waiting(
    alice: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OP-4: however long each row takes, others have their turn before the next one."""
    monkeypatch.setattr("firstboot.resources._TURN_S", -1)
    token = await alice.token()
    bucket = {"bucket": "all", "name": "a", "enabled": True, "config": {"source": "api"}}
    assert (await alice.call("POST", "/buckets", token, bucket)).status_code == 200
    resources = alice.server.services.resources
    resource = await alice.parts.buckets.existing(alice.tenant, "all")
    await resources.append(resource, [ResourceRow(number, number) for number in range(50)])
    turns = [0]

    async def others() -> None:
        while True:
            turns.append(0)
            await asyncio.sleep(0)

    waiting = asyncio.create_task(others())
    between = []
    async for _ in resources.every_row(RowQuery(resource_id=resource.id)):
        between.append(len(turns))
    waiting.cancel()

    assert len(set(between)) == 50


# -- secrets ---------------------------------------------------------------------------------------


async def test_se_5_no_secret_of_devices_rules_and_pools_is_written_or_shown_a_second_time(
    alice: Account, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = await alice.token()
    rule = await alice.call("POST", "/autoprovisions", token, RULE)
    digest = hmac.digest(rule.json()["secret"].encode(), b"meter7", hashlib.sha256)
    derived = base64.urlsafe_b64encode(digest).decode()[:32]
    assert await code_of(alice, "meter7", derived) == 0
    pool = {"pool": "p", "name": "p", "on_empty": "create", "id_pattern": "unit{seq}"}
    assert (await alice.call("POST", "/pools", token, pool)).status_code == 200
    claimed = await alice.call("POST", "/pools/p/claim", token, {"hardware_id": "AABBCC"})
    assert (await create(alice)).status_code == 200
    offered = {"credentials": "another secret", "type": "MQTT"}
    assert (await alice.call("POST", "/devices/meter1/ensure", token, offered)).status_code == 409
    assert await code_of(alice, "meter1", "another secret") == 4
    secrets = [token, rule.json()["secret"], derived, claimed.json()["credentials"], SECRET, "another secret"]

    shown = []
    for path in ("devices", "devices/meter1", "devices/meter7", "autoprovisions", "autoprovisions/meters", "pools",
                 "pools/p", "tokens", "products", "buckets", "dashboards"):  # fmt: skip
        shown.append((await alice.call("GET", f"/{path}", token)).text)
    ours = [record for record in caplog.records if not record.name.startswith("httpx")]
    written = "\n".join([*(str(vars(record)) for record in ours), *map(repr, await alice.server.audit()), *shown])
    assert [secret for secret in secrets if secret in written] == []
