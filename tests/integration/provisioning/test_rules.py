"""The rules of provisioning (ThingsBoard contract PR-1 to PR-18) over HTTP, on both databases."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.harness import TestServer, login, running
from tests.integration.provisioning.asking import credentials_of, pre_provision, refusals

from firstboot.model import Attribute, Credentials, ProfileLimits, Scope

STATE = Attribute(Scope.SERVER, "provisionState", "provisioned")
TEST_HASH = "57f6600424d6553263f1f32e0117012894a36fbf07e3e9c3c556272f86b7d985"
"""The contract's hash of ``testHash``."""


@pytest.fixture
async def server(tmp_path: Path, database: str | None) -> AsyncIterator[TestServer]:
    async with running(tmp_path, database=database) as started:
        yield started


async def attributes_of(server: TestServer, name: str) -> list[Attribute]:
    device = await server.device(name)
    assert device is not None
    stored = await server.core.storage.device_attributes(device.id)
    return [Attribute(each.scope, each.key, each.value) for each in stored]


async def test_pr_1_to_pr_4_the_order_in_which_a_request_is_judged(server: TestServer) -> None:
    demo = await server.profile()
    right = demo.request("meter")

    # PR-1: a blank name fails before the key is looked at.
    assert (await server.post({**right, "deviceName": " \t", "provisionDeviceKey": "x"}))["status"] == "FAILURE"
    # An empty name is none (2.1), so the key is what is wrong here.
    assert (await server.post({**right, "deviceName": "", "provisionDeviceKey": "x"}))["status"] == "NOT_FOUND"
    # PR-2
    assert (await server.post({**right, "provisionDeviceKey": ""}))["status"] == "NOT_FOUND"
    assert (await server.post({**right, "provisionDeviceSecret": ""}))["status"] == "NOT_FOUND"
    # PR-3, PR-6
    assert (await server.post({**right, "provisionDeviceKey": "x"}))["status"] == "NOT_FOUND"
    assert (await server.post({**right, "provisionDeviceSecret": "x"}))["status"] == "NOT_FOUND"
    # Neither key nor secret is trimmed.
    assert (await server.post({**right, "provisionDeviceKey": f" {demo.key}"}))["status"] == "NOT_FOUND"
    assert (await server.post({**right, "provisionDeviceSecret": f"{demo.secret} "}))["status"] == "NOT_FOUND"
    assert await server.device("meter") is None


async def test_pr_6_a_name_that_any_profile_of_the_tenant_has_is_taken_and_its_device_untouched(
    server: TestServer,
) -> None:
    one, other = await server.profile("one"), await server.profile("other")
    first = await server.post(one.request("meter"))

    second = await server.post(other.request("meter", token="another-token"))

    assert second["status"] == "FAILURE"
    assert await refusals(server) == ["name-taken"]
    assert await login(server, username=first["credentialsValue"]) == 0
    assert await login(server, username="another-token") == 5


async def test_pr_10_to_pr_13_and_pr_18_what_a_new_device_is(server: TestServer) -> None:
    demo = await server.profile()

    answer = await server.post(demo.request("  meter "))

    device = await server.device("meter")
    assert device is not None
    assert (device.profile_id, device.tenant_id, device.additional_info) == (demo.profile.id, 1, None)
    assert await attributes_of(server, "meter") == [STATE]
    assert re.fullmatch("[A-Za-z0-9]{20}", answer["credentialsValue"])


async def test_pr_10_without_a_name_20_characters_are_drawn_and_not_told(server: TestServer) -> None:
    demo = await server.profile()

    answers = [await server.post(demo.request()) for _ in range(2)]

    names = [row.entry.device for row in await server.audit() if row.entry.event == "device-provisioned"]
    assert len({*names}) == 2
    for name, answer in zip(names, answers, strict=True):
        assert name is not None
        assert re.fullmatch("[A-Za-z0-9]{20}", name)
        assert name not in str(answer)


async def test_pr_12_a_gateway_is_marked_as_one(server: TestServer) -> None:
    demo = await server.profile()

    for name, flag in (("g1", True), ("g2", "true"), ("d1", False), ("d2", "false")):
        await server.post(demo.request(name, gateway=flag))

    infos = [getattr(await server.device(name), "additional_info", "") for name in ("g1", "g2", "d1", "d2")]
    assert infos == [{"gateway": True}, {"gateway": True}, None, None]


async def test_pr_13_without_credentials_of_its_own_a_device_gets_a_token_whatever_type_it_names(
    server: TestServer,
) -> None:
    demo = await server.profile()

    for type_ in ("ACCESS_TOKEN", "MQTT_BASIC", "X509_CERTIFICATE", "LWM2M_CREDENTIALS"):
        answer = await server.post(demo.request(None, credentialsType=type_, token="", username=""))

        assert answer["credentialsType"] == "ACCESS_TOKEN"
        assert await login(server, username=answer["credentialsValue"]) == 0


async def test_pr_14_credentials_that_the_device_brings(server: TestServer) -> None:
    demo = await server.profile()
    brought = {
        "t": {"token": " not trimmed "},
        "m-all": {"credentialsType": "MQTT_BASIC", "clientId": "c1", "username": "u1", "password": "p1"},
        "m-user": {"credentialsType": "MQTT_BASIC", "username": "u2"},
        "m-user-password": {"credentialsType": "MQTT_BASIC", "username": "u3", "password": "p3"},
        "m-client": {"credentialsType": "MQTT_BASIC", "clientId": "c4"},
        "m-client-user": {"credentialsType": "MQTT_BASIC", "clientId": "c5", "username": "u5"},
        "x": {"credentialsType": "X509_CERTIFICATE", "hash": "testHash"},
    }

    told = {
        name: (await server.post(demo.request(name, **fields)))["credentialsValue"]
        for name, fields in brought.items()
    }

    assert told == {
        "t": " not trimmed ",
        "m-all": {"clientId": "c1", "userName": "u1", "password": "p1"},
        "m-user": {"clientId": "", "userName": "u2", "password": ""},
        "m-user-password": {"clientId": "", "userName": "u3", "password": "p3"},
        "m-client": {"clientId": "c4", "userName": "", "password": ""},
        "m-client-user": {"clientId": "c5", "userName": "u5", "password": ""},
        "x": "testHash",
    }
    assert await credentials_of(server, "x") == Credentials("X509_CERTIFICATE", TEST_HASH, "testHash")
    assert await login(server, username=" not trimmed ") == 0
    assert await login(server, client_id="c1", username="u1", password=b"p1") == 0
    assert await login(server, client_id="any", username="u3", password=b"p3") == 0
    assert await login(server, client_id="c4") == 0
    assert await login(server, client_id="c1", username="u1", password=b"wrong") == 5


UNUSABLE = {
    "no token": {"username": "u"},
    "token with a control character": {"token": "a\nb"},
    "token with DEL": {"token": "a\x7fb"},
    "neither client nor user": {"credentialsType": "MQTT_BASIC", "password": "p"},
    "client and password without user": {"credentialsType": "MQTT_BASIC", "clientId": "c", "password": "p"},
    "control character in the client id": {"credentialsType": "MQTT_BASIC", "clientId": "a\tb"},
    "control character in the user name": {"credentialsType": "MQTT_BASIC", "username": "a\rb"},
    "control character in the password": {"credentialsType": "MQTT_BASIC", "username": "u", "password": "\x01"},
    "LWM2M": {"credentialsType": "LWM2M_CREDENTIALS", "token": "t"},
}


async def test_pr_14_and_pr_15_credentials_that_cannot_be_used_leave_no_device(
    server: TestServer, subtests: pytest.Subtests
) -> None:
    demo = await server.profile()

    for name, fields in UNUSABLE.items():
        with subtests.test(name):
            assert (await server.post(demo.request("meter", **fields)))["status"] == "FAILURE"
            assert await server.device("meter") is None

    assert {*await refusals(server)} == {"bad-credentials-request"}


async def test_pr_14_and_pr_15_credentials_that_another_device_has_leave_no_device(server: TestServer) -> None:
    one, other = await server.profile("one"), await server.profile("other")
    pem = "-----BEGIN CERTIFICATE-----\nTUlJ\n-----END CERTIFICATE-----"
    brought = [
        {"token": "t1"},
        {"credentialsType": "MQTT_BASIC", "clientId": "c1", "username": "u1", "password": "p1"},
        {"credentialsType": "X509_CERTIFICATE", "hash": pem},
    ]
    again = [
        {"token": "t1"},
        {"credentialsType": "MQTT_BASIC", "username": "t1"},  # the same look-up id, of another type
        {"credentialsType": "MQTT_BASIC", "clientId": "c1", "username": "u1", "password": "p2"},
        {"credentialsType": "X509_CERTIFICATE", "hash": "TUlJ"},
    ]
    for number, fields in enumerate(brought):
        assert (await server.post(one.request(f"first-{number}", **fields)))["status"] == "SUCCESS"

    for fields in again:
        assert (await server.post(other.request("second", **fields)))["status"] == "FAILURE"

    assert await server.device("second") is None
    assert await refusals(server) == ["token-in-use"] * 4
    assert await login(server, client_id="c1", username="u1", password=b"p1") == 0


async def test_pr_7_a_pre_provisioned_device_gets_the_credentials_that_it_has_once(server: TestServer) -> None:
    waiting = await server.profile("waiting", strategy="check-pre-provisioned")
    basic = Credentials("MQTT_BASIC", "u1", '{"clientId":null,"userName":"u1","password":"p1"}')
    await pre_provision(server, waiting, "t", Credentials("ACCESS_TOKEN", "given-token"))
    await pre_provision(server, waiting, "m", basic)
    await pre_provision(server, waiting, "x", Credentials("X509_CERTIFICATE", TEST_HASH, "testHash"))

    answers = [
        # What the request says of credentials is ignored.
        await server.post(waiting.request("t", token="other", gateway=True)),
        await server.post(waiting.request("m", credentialsType="LWM2M_CREDENTIALS", token="other")),
        await server.post(waiting.request(" x ", username="\x01")),
    ]
    again = await server.post(waiting.request("t"))

    assert [(answer["credentialsType"], answer["credentialsValue"]) for answer in answers] == [
        ("ACCESS_TOKEN", "given-token"),
        ("MQTT_BASIC", {"clientId": None, "userName": "u1", "password": "p1"}),
        ("X509_CERTIFICATE", "testHash"),
    ]
    assert await attributes_of(server, "t") == [STATE]
    assert again["status"] == "FAILURE"
    assert await refusals(server) == ["already-provisioned"]
    assert await login(server, username="given-token") == 0


async def test_pr_6_pre_provisioned_devices_are_found_by_name_in_their_own_profile_only(
    server: TestServer,
) -> None:
    waiting = await server.profile("waiting", strategy="check-pre-provisioned")
    other = await server.profile("other", strategy="check-pre-provisioned")
    await pre_provision(server, other, "foreign", Credentials("ACCESS_TOKEN", "t1"))

    for request in (waiting.request("nobody"), waiting.request("foreign"), waiting.request()):
        assert (await server.post(request))["status"] == "FAILURE"
    for wrong in (waiting.request("foreign"), other.request("foreign")):
        assert (await server.post({**wrong, "provisionDeviceSecret": "x"}))["status"] == "NOT_FOUND"

    assert (await refusals(server))[:3] == ["not-pre-provisioned"] * 3
    assert await attributes_of(server, "foreign") == []


async def test_pr_6_a_disabled_profile_says_the_same_to_a_right_and_a_wrong_secret(server: TestServer) -> None:
    disabled = await server.profile("off", strategy="disabled")

    right = await server.post(disabled.request("meter"))
    wrong = await server.post({**disabled.request("meter"), "provisionDeviceSecret": "x"})

    assert right == wrong == {"errorMsg": "Provision data was not found!", "status": "NOT_FOUND"}
    assert await refusals(server) == ["strategy-disabled", "wrong-secret"]
    assert await server.device("meter") is None


async def test_pr_17_a_full_profile_makes_no_more_devices(server: TestServer) -> None:
    demo = await server.profile(limits=ProfileLimits(max_devices=2))

    answers = [(await server.post(demo.request(f"meter-{number}")))["status"] for number in range(3)]

    assert answers == ["SUCCESS", "SUCCESS", "FAILURE"]
    assert await refusals(server) == ["device-limit"]


@pytest.mark.parametrize("strategy", ["allow-create-new", "check-pre-provisioned"])
async def test_a_device_that_was_re_opened_may_ask_once_more(server: TestServer, strategy: str) -> None:
    demo = await server.profile(strategy=strategy)
    await pre_provision(server, demo, "meter", Credentials("ACCESS_TOKEN", "first-token"))
    if strategy == "check-pre-provisioned":
        await server.post(demo.request("meter"))
    assert (await server.post(demo.request("meter", token="second-token")))["status"] == "FAILURE"

    await server.core.devices.reopen(await server.core.devices.get(1, "meter"), actor="test")
    again = await server.post(demo.request("meter", token="second-token"))
    once_more = await server.post(demo.request("meter", token="third-token"))

    valid = "second-token" if strategy == "allow-create-new" else "first-token"
    assert again["credentialsValue"] == valid
    assert once_more["status"] == "FAILURE"
    tokens = ("first-token", "second-token", "third-token")
    assert [token for token in tokens if await login(server, username=token) == 0] == [valid]
    assert await attributes_of(server, "meter") == [STATE]


async def test_a_re_opened_device_may_keep_its_credentials(server: TestServer) -> None:
    demo = await server.profile()
    await server.post(demo.request("meter", token="same-token"))
    await server.core.devices.reopen(await server.core.devices.get(1, "meter"), actor="test")

    again = await server.post(demo.request("meter", token="same-token"))

    assert again["credentialsValue"] == "same-token"
    assert await login(server, username="same-token") == 0


async def test_a_re_opened_device_cannot_take_the_credentials_of_another(server: TestServer) -> None:
    demo = await server.profile()
    await server.post(demo.request("other", token="other-token"))
    await server.post(demo.request("meter", token="first-token"))
    await server.core.devices.reopen(await server.core.devices.get(1, "meter"), actor="test")

    answer = await server.post(demo.request("meter", token="other-token"))

    assert answer["status"] == "FAILURE"
    assert await refusals(server) == ["token-in-use"]
    assert await login(server, username="first-token") == 0
