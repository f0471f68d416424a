"""What a device is answered over MQTT, byte for byte (ThingsBoard contract 2.1 to 2.9, corrected by 7)."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from tests.harness import REQUEST_TOPIC, Profile, TestServer, login
from tests.integration.mqtt.probe import (
    FAILURE,
    LEVELS,
    NOT_FOUND,
    basic_device,
    request_packet,
    rest,
    token_answer,
    token_device,
)

from firstboot.devices import DeviceDraft
from firstboot.model import Attribute, Credentials, ProfileLimits, Scope
from firstboot_plugins.transports.mqtt.packets import Pingreq, Pingresp, Puback, Publish

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("quiet_log")]

levels = pytest.mark.parametrize("level", LEVELS)
TOKEN = re.compile(
    rb'\{"credentialsValue":"[A-Za-z0-9]{20}","credentialsType":"ACCESS_TOKEN","status":"SUCCESS"\}'
).fullmatch


async def ask(server: TestServer, request: dict[str, Any] | bytes, level: int = 4) -> bytes:
    """Return the payload of the answer."""
    peer = await server.provision_peer(level)
    try:
        await peer.send(request_packet(request))
        return (await peer.expect(Publish)).payload
    finally:
        await peer.close()


# -- 2.4 -------------------------------------------------------------------------------------------


@levels
async def test_2_4_access_token_is_answered(shared: TestServer, demo: Profile, level: int) -> None:
    token = f"  sLz-{level}/ü "

    assert await ask(shared, demo.request(f"a{level}", token=token), level) == token_answer(token)
    assert TOKEN(await ask(shared, demo.request(f"b{level}"), level))


@levels
async def test_2_4_mqtt_basic_is_answered_with_all_three_parts(
    shared: TestServer, demo: Profile, level: int
) -> None:
    all_parts = {"credentialsType": "MQTT_BASIC", "clientId": f"c{level}", "username": "u1", "password": "p1"}
    one_part = {"credentialsType": "MQTT_BASIC", "username": f"only-{level}", "clientId": None, "password": None}

    assert await ask(shared, demo.request(f"basic-{level}", **all_parts), level) == (
        b'{"credentialsValue":{"clientId":"c%d","userName":"u1","password":"p1"},'
        b'"credentialsType":"MQTT_BASIC","status":"SUCCESS"}' % level
    )
    # The official SDK sends null for what it does not use (2.12, section 7).
    assert await ask(shared, demo.request(f"partly-{level}", **one_part), level) == (
        b'{"credentialsValue":{"clientId":"","userName":"only-%d","password":""},'
        b'"credentialsType":"MQTT_BASIC","status":"SUCCESS"}' % level
    )


@levels
async def test_2_4_a_certificate_is_answered_as_one_line(shared: TestServer, demo: Profile, level: int) -> None:
    pem = f"-----BEGIN CERTIFICATE-----\r\nMIIB{level}\nAAEC\r\n-----END CERTIFICATE-----\n"

    answer = await ask(shared, demo.request(f"x509-{level}", credentialsType="X509_CERTIFICATE", hash=pem), level)

    assert answer == (
        b'{"credentialsValue":"MIIB%dAAEC","credentialsType":"X509_CERTIFICATE","status":"SUCCESS"}' % level
    )


@levels
async def test_2_4_refusals_are_answered(shared: TestServer, demo: Profile, level: int) -> None:
    assert await ask(shared, {"provisionDeviceKey": "x", "provisionDeviceSecret": "y"}, level) == NOT_FOUND
    assert await ask(shared, demo.request("<b>"), level) == FAILURE


async def test_2_4_credentials_of_a_pre_provisioned_device_that_have_no_value_or_nulls(
    shared: TestServer, prepared: Profile
) -> None:
    lwm2m = Credentials("LWM2M_CREDENTIALS", "endpoint-1", None)
    nulls = Credentials("MQTT_BASIC", "nulls-u", '{"clientId":null,"userName":"nulls-u","password":null}')
    for name, credentials in (("lwm2m", lwm2m), ("nulls", nulls)):
        draft = DeviceDraft(name=name, credentials=credentials)
        await shared.core.devices.create(prepared.profile, draft, actor="test")

    assert await ask(shared, prepared.request("lwm2m")) == (
        b'{"credentialsType":"LWM2M_CREDENTIALS","status":"SUCCESS"}'
    )
    assert await ask(shared, prepared.request("nulls")) == (
        b'{"credentialsValue":{"clientId":null,"userName":"nulls-u","password":null},'
        b'"credentialsType":"MQTT_BASIC","status":"SUCCESS"}'
    )


# -- PR: who is answered what ----------------------------------------------------------------------


async def test_pr1_a_blank_name_fails_even_with_a_wrong_key(shared: TestServer) -> None:
    request = {"provisionDeviceKey": "wrong", "provisionDeviceSecret": "wrong", "deviceName": " \t "}

    assert await ask(shared, request) == FAILURE


@pytest.mark.parametrize(("key", "secret"), [("", None), (None, ""), ("", ""), (" ", None), (None, " ")])
async def test_pr2_pr3_an_empty_or_unknown_key_or_secret_is_not_found(
    shared: TestServer, demo: Profile, key: str | None, secret: str | None
) -> None:
    request = {
        "provisionDeviceKey": demo.key if key is None else key,
        "provisionDeviceSecret": demo.secret if secret is None else secret,
    }

    assert await ask(shared, request) == NOT_FOUND


async def test_pr2_the_key_and_the_secret_are_never_trimmed(shared: TestServer, demo: Profile) -> None:
    assert (
        await ask(shared, {"provisionDeviceKey": f"{demo.key} ", "provisionDeviceSecret": demo.secret})
        == NOT_FOUND
    )
    assert (
        await ask(shared, {"provisionDeviceKey": demo.key, "provisionDeviceSecret": f" {demo.secret}"})
        == NOT_FOUND
    )


async def test_pr6_a_disabled_profile_is_not_found(shared: TestServer) -> None:
    disabled = await shared.profile("disabled", strategy="disabled")

    assert await ask(shared, disabled.request("pr6-disabled")) == NOT_FOUND
    assert await shared.device("pr6-disabled") is None


@pytest.mark.parametrize("strategy", ["allow-create-new", "check-pre-provisioned"])
async def test_pr6_a_wrong_secret_is_not_found_whatever_the_strategy(shared: TestServer, strategy: str) -> None:
    profile = await shared.profile(f"pr6-{strategy}", strategy=strategy)
    await token_device(shared, profile, f"pr6-{strategy}")

    request = {**profile.request(f"pr6-{strategy}"), "provisionDeviceSecret": profile.secret.swapcase() + "x"}

    assert await ask(shared, request) == NOT_FOUND


async def test_pr5_pr6_pv4_a_taken_name_fails_and_the_old_device_is_untouched(
    shared: TestServer, demo: Profile
) -> None:
    other = await shared.profile("pr6-other")
    assert await ask(shared, demo.request("pr6-taken", token="pr6-first")) == token_answer("pr6-first")

    assert await ask(shared, demo.request("pr6-taken", token="pr6-second")) == FAILURE
    assert await ask(shared, other.request(" pr6-taken ", token="pr6-second")) == FAILURE

    assert await login(shared, username="pr6-first") == 0
    assert await login(shared, username="pr6-second") == 5


async def test_pr6_only_a_device_of_this_profile_counts_as_pre_provisioned(
    shared: TestServer, demo: Profile, prepared: Profile
) -> None:
    await token_device(shared, demo, "pr6-elsewhere")

    for name in ("pr6-nobody", "pr6-elsewhere", None, ""):
        assert await ask(shared, prepared.request(name)) == FAILURE


async def test_pr7_a_pre_provisioned_device_gets_its_existing_credentials_once(
    shared: TestServer, prepared: Profile
) -> None:
    token = await token_device(shared, prepared, "pr7")
    request = prepared.request(
        "pr7", credentialsType="MQTT_BASIC", username="ignored", token="ignored", gateway=True
    )

    first, second = await ask(shared, request), await ask(shared, request)

    assert (first, second) == (token_answer(token), FAILURE)
    device = await shared.device("pr7")
    assert device is not None
    assert device.additional_info is None
    stored = await shared.core.storage.device_attributes(device.id)
    found = [(each.scope, each.key, each.value) for each in stored]
    assert (Scope.SERVER, "provisionState", "provisioned") in found

    await shared.core.devices.reopen(device, actor="test")
    assert await ask(shared, request) == token_answer(token)


async def test_pr7_a_device_whose_state_has_another_value_fails(shared: TestServer, prepared: Profile) -> None:
    draft = DeviceDraft(
        name="pr7-odd",
        credentials=Credentials("ACCESS_TOKEN", "pr7-odd"),
        attributes=(Attribute(Scope.SERVER, "provisionState", False),),
    )
    await shared.core.devices.create(prepared.profile, draft, actor="test")

    assert await ask(shared, prepared.request("pr7-odd")) == FAILURE


async def test_pr10_the_name_is_trimmed_or_drawn_and_never_told(shared: TestServer, demo: Profile) -> None:
    assert TOKEN(await ask(shared, demo.request("  pr10 trimmed\t")))
    assert await shared.device("pr10 trimmed") is not None

    for request in (demo.request(), demo.request(""), demo.request(None, deviceName=None)):
        assert TOKEN(await ask(shared, request))
        newest = (await shared.audit())[-1].entry
        assert re.fullmatch("[A-Za-z0-9]{20}", newest.device or "")


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("n" * 255, True),
        ("n" * 256, False),
        ("pr11\0", False),
        ("<script>", False),
        ("a{{b}}c", False),
        ("{one}", True),
    ],
)
async def test_pr11_names_are_checked(shared: TestServer, demo: Profile, name: str, good: bool) -> None:
    answer = await ask(shared, demo.request(name))

    assert bool(TOKEN(answer)) is good
    assert good or answer == FAILURE


@pytest.mark.parametrize(
    ("gateway", "info"),
    [(True, {"gateway": True}), ("true", {"gateway": True}), (False, None), (None, None), ("no", None)],
)
async def test_pr12_a_gateway_is_marked(
    shared: TestServer, demo: Profile, gateway: object, info: dict[str, bool] | None
) -> None:
    name = f"pr12-{gateway!r}"

    assert TOKEN(await ask(shared, demo.request(name, gateway=gateway)))

    device = await shared.device(name)
    assert device is not None
    assert (device.additional_info, device.profile_id, device.tenant_id) == (info, demo.profile.id, 1)


@pytest.mark.parametrize("type_", ["ACCESS_TOKEN", "MQTT_BASIC", "X509_CERTIFICATE", "LWM2M_CREDENTIALS", None])
async def test_pr13_a_device_that_brings_nothing_gets_a_token_whatever_it_named(
    shared: TestServer, demo: Profile, type_: str | None
) -> None:
    empty = {"token": "", "hash": "", "username": "", "password": "", "clientId": None}

    assert TOKEN(await ask(shared, demo.request(f"pr13-{type_}", credentialsType=type_, **empty)))


@pytest.mark.parametrize(
    "wanted",
    [
        {"username": "only"},
        {"token": "", "clientId": "c"},
        {"token": "in-use"},
        {"token": "a\x1fb"},
        {"token": "a\x7f"},
        {"credentialsType": "MQTT_BASIC", "password": "p"},
        {"credentialsType": "MQTT_BASIC", "token": "t"},
        {"credentialsType": "MQTT_BASIC", "clientId": "c", "password": "p"},
        {"credentialsType": "MQTT_BASIC", "username": "in-use"},
        {"credentialsType": "MQTT_BASIC", "username": "u\n"},
        {"credentialsType": "MQTT_BASIC", "username": "u", "password": "p\x01"},
        {"credentialsType": "X509_CERTIFICATE", "hash": "in use"},
        {"credentialsType": "LWM2M_CREDENTIALS", "token": "t"},
        {"credentialsType": "access_token", "token": "t"},
        {"credentialsType": "NO_SUCH_TYPE"},
    ],
    ids=str,
)
async def test_pr14_pr15_bad_or_used_credentials_fail_and_leave_no_device(
    shared: TestServer, demo: Profile, wanted: dict[str, str]
) -> None:
    if await shared.device("in-use") is None:
        assert await ask(shared, demo.request("in-use", token="in-use")) == token_answer("in-use")
        used = {"credentialsType": "X509_CERTIFICATE", "hash": "in use\r\n"}
        assert b"SUCCESS" in await ask(shared, demo.request("in-use-certificate", **used))

    assert await ask(shared, demo.request("pr14", **wanted)) == FAILURE
    assert await shared.device("pr14") is None


@levels
async def test_pr16_pv5_of_simultaneous_requests_for_one_name_one_succeeds(
    shared: TestServer, demo: Profile, level: int
) -> None:
    answers = await asyncio.gather(*(ask(shared, demo.request(f"pr16-{level}"), level) for _ in range(20)))

    assert sorted(answer == FAILURE for answer in answers) == [False] + [True] * 19
    assert sum(TOKEN(answer) is not None for answer in answers) == 1


async def test_pr17_a_full_profile_fails(shared: TestServer) -> None:
    full = await shared.profile("full", limits=ProfileLimits(max_devices=1))

    assert TOKEN(await ask(shared, full.request("pr17-1")))
    assert await ask(shared, full.request("pr17-2")) == FAILURE


async def test_pr18_the_provision_state_is_written(shared: TestServer, demo: Profile) -> None:
    await ask(shared, demo.request("pr18"))

    device = await shared.device("pr18")
    assert device is not None
    attributes = await shared.core.storage.device_attributes(device.id)
    assert [(each.scope, each.key, each.value) for each in attributes] == [
        (Scope.SERVER, "provisionState", "provisioned")
    ]


async def test_2_1_numbers_booleans_and_unknown_fields_are_read(shared: TestServer, demo: Profile) -> None:
    assert await ask(shared, demo.request("coerced", token=12345, more={"a": [1]})) == token_answer("12345")
    assert await shared.device("coerced") is not None
    lenient = f"{{provisionDeviceKey:'{demo.key}','provisionDeviceSecret':'{demo.secret}',token:'lenient-1'}}"
    assert await ask(shared, lenient.encode()) == token_answer("lenient-1")


# -- 2.7: malformed --------------------------------------------------------------------------------

UNREADABLE = [b"hello", b"[1]", b'"x"', b"null", b"{", b"\xff\xfe", b"\x0a\xff", b'{"a":1}}', b"\x10"]


@levels
@pytest.mark.parametrize("payload", UNREADABLE, ids=repr)
async def test_2_7_what_is_neither_json_nor_protobuf_is_refused(
    shared: TestServer, level: int, payload: bytes
) -> None:
    for qos in (0, 1, 2):
        peer = await shared.provision_peer(level)
        packet = Publish(REQUEST_TOPIC, payload, qos=qos, packet_id=9 if qos else None)
        if level == 5 and qos:
            await peer.send(packet)
            assert await peer.expect(Puback) == Puback(9, 0x99)
            await peer.send(Pingreq())  # the session stays
            await peer.expect(Pingresp)
            await peer.close()
        else:
            await peer.send(packet)
            assert await rest(peer) == (b"\xe0\x01\x99" if level == 5 else b"")


@levels
@pytest.mark.parametrize(
    "change",
    [
        {"provisionDeviceKey": None},
        {"provisionDeviceSecret": None},
        {"provisionDeviceKey": {}},
        {"deviceName": ["a"]},
        {"token": {"a": 1}},
        {"credentialsType": "UNKNOWN"},
        {"credentialsType": {}},
        {"depth": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]},
    ],
    ids=lambda change: str(change)[:40],
)
async def test_2_7_an_object_that_is_no_request_is_answered_with_failure_and_may_be_mended(
    shared: TestServer, demo: Profile, level: int, change: dict[str, Any]
) -> None:
    # ThingsBoard closes; section 7: answer instead.
    peer = await shared.provision_peer(level)

    await peer.send(request_packet({**demo.request("malformed"), **change}, 1, 3))

    assert await peer.expect(Puback) == Puback(3, 0)
    assert (await peer.expect(Publish)).payload == FAILURE
    await peer.send(request_packet({"provisionDeviceKey": "x", "provisionDeviceSecret": "y"}))
    assert (await peer.expect(Publish)).payload == NOT_FOUND
    assert await shared.device("malformed") is None
    await peer.close()


async def test_2_7_nothing_of_the_request_is_echoed(shared: TestServer, demo: Profile) -> None:
    answer = await ask(shared, {"provisionDeviceSecret": demo.secret, "deviceName": "echo"})

    assert answer == FAILURE


# -- 2.9: protobuf ---------------------------------------------------------------------------------


def field(number: int, value: bytes) -> bytes:
    """Write a length-delimited protobuf field by hand."""
    assert len(value) < 128
    return bytes((number << 3 | 2, len(value))) + value


def protobuf(profile: Profile, name: str, extra: bytes = b"") -> bytes:
    proof = field(1, profile.key.encode()) + field(2, profile.secret.encode())
    return field(1, name.encode()) + field(3, proof) + extra


@levels
async def test_2_9_the_examples_of_the_contract(shared: TestServer, level: int) -> None:
    if not any(each.provision_key == "key1" for each in await shared.core.storage.all_profiles()):
        await shared.profile("protobuf", key="key1", secret="sec1")
    named = bytes.fromhex("0a056465762d311a0c0a046b657931120473656331")
    basic = bytes.fromhex("0a056465762d3110021a0c0a046b657931120473656331220e1a0c0a026331120275311a0270312801")
    certificate = bytes.fromhex("10011a0c0a046b657931120473656331220c120a0a087465737448617368")

    answer = await ask(shared, named, level)
    assert answer[:4] == bytes.fromhex("08011a14")
    assert re.fullmatch(rb"[A-Za-z0-9]{20}", answer[4:])
    assert await ask(shared, basic, level) == bytes.fromhex("0803")  # the name is taken
    await delete(shared, "dev-1")

    value = b'{"clientId":"c1","userName":"u1","password":"p1"}'
    assert await ask(shared, basic, level) == bytes.fromhex("080110021a") + bytes((len(value),)) + value
    device = await shared.device("dev-1")
    assert device is not None
    assert device.additional_info == {"gateway": True}
    await delete(shared, "dev-1")

    if level == LEVELS[0]:  # the certificate of a drawn name can be used once
        assert await ask(shared, certificate, level) == bytes.fromhex("080110011a08") + b"testHash"
    assert await ask(shared, certificate, level) == bytes.fromhex("0803")


async def delete(server: TestServer, name: str) -> None:
    device = await server.device(name)
    assert device is not None
    await server.core.devices.delete(device, actor="test")


@levels
async def test_2_9_a_token_that_the_device_brings(shared: TestServer, demo: Profile, level: int) -> None:
    token = f"TOKEN-{level}".encode()
    request = protobuf(demo, f"pb-{level}", field(4, field(1, field(1, token))))

    assert await ask(shared, request, level) == b"\x08\x01\x1a\x07" + token
    assert await login(shared, username=token.decode()) == 0


@levels
async def test_pm13_pm14_what_is_no_object_is_read_as_protobuf(shared: TestServer, level: int) -> None:
    assert await ask(shared, b"", level) == b"\x08\x02"
    # JSON, but no object; as protobuf it is one unknown field of eight bytes.
    assert await ask(shared, b"123456789", level) == b"\x08\x02"


@levels
async def test_pm13_after_one_protobuf_request_the_session_is_answered_in_protobuf(
    shared: TestServer, demo: Profile, level: int
) -> None:
    peer = await shared.provision_peer(level)
    requests = [
        ({"provisionDeviceKey": "x", "provisionDeviceSecret": "y"}, NOT_FOUND),
        (b"", b"\x08\x02"),
        ({"provisionDeviceKey": "x", "provisionDeviceSecret": "y"}, b"\x08\x02"),
        (demo.request(" "), b"\x08\x03"),
        ({"no": "key"}, b"\x08\x03"),
        (demo.request(f"sticky-{level}", token=f"sticky-{level}"), b"\x08\x01\x1a\x08sticky-%d" % level),
    ]

    for request, expected in requests:
        await peer.send(request_packet(request))
        assert (await peer.expect(Publish)).payload == expected
    await peer.close()
    # Another session begins anew.
    assert await ask(shared, {"provisionDeviceKey": "x", "provisionDeviceSecret": "y"}, level) == NOT_FOUND


@levels
@pytest.mark.parametrize("extra", [b"\x10\x09", field(4, field(1, field(1, b"a\0")))], ids=["enum", "U+0000"])
async def test_2_9_protobuf_with_a_value_that_it_may_not_have_fails_in_protobuf(
    shared: TestServer, demo: Profile, level: int, extra: bytes
) -> None:
    assert await ask(shared, protobuf(demo, "pb-odd", extra), level) == b"\x08\x03"
    assert await shared.device("pb-odd") is None


async def test_2_9_protobuf_strategy_check_pre_provisioned(shared: TestServer, prepared: Profile) -> None:
    await basic_device(shared, prepared, "pb-prepared", u="pb-user", p="pb-pass")
    value = b'{"clientId":"","userName":"pb-user","password":"pb-pass"}'

    assert await ask(shared, protobuf(prepared, "pb-prepared")) == (
        b"\x08\x01\x10\x02\x1a" + bytes((len(value),)) + value
    )
