import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firstboot.model import Origin, ProvisioningRequest
from firstboot_plugins.dialects.thingsboard.provisioning_json import (
    FAILURE,
    NOT_FOUND,
    decode_request,
    success,
)
from firstboot_plugins.dialects.thingsboard.provisioning_request import (
    MalformedRequest,
    NotJson,
    UnreadableRequest,
)

ORIGIN = Origin(transport="mqtt", dialect="thingsboard", address="192.0.2.7")
PROOF = {"provisionDeviceKey": "key1", "provisionDeviceSecret": "sec1"}


KNOWN_TYPES = ("ACCESS_TOKEN", "ACME_KEY")


def read(**fields: Any) -> ProvisioningRequest:
    return decode_request(json.dumps({**PROOF, **fields}).encode(), ORIGIN, KNOWN_TYPES)


# -- 2.1: the fields -------------------------------------------------------------------------------


def test_a_request_of_key_and_secret_asks_for_a_token_and_a_name() -> None:
    request = read()

    assert (request.key, request.secret.reveal()) == ("key1", "sec1")
    assert request.device_name is None
    assert (request.wanted.type, request.wanted.given) == ("ACCESS_TOKEN", False)
    assert request.gateway is False
    assert request.facts == {}
    assert request.origin == ORIGIN


def test_pr_1_a_name_of_spaces_is_left_to_the_service_which_refuses_it() -> None:
    assert read(deviceName="  ").device_name == "  "
    assert read(deviceName=" meter-7 ").device_name == " meter-7 "


def test_an_empty_name_is_no_name() -> None:
    assert read(deviceName="").device_name is None


def test_pr_2_an_empty_key_or_secret_is_read() -> None:
    request = read(provisionDeviceKey="", provisionDeviceSecret="")

    assert (request.key, request.secret.reveal()) == ("", "")


def test_key_and_secret_are_never_trimmed() -> None:
    request = read(provisionDeviceKey=" key\t", provisionDeviceSecret=" sec\n")

    assert (request.key, request.secret.reveal()) == (" key\t", " sec\n")


@pytest.mark.parametrize("field", PROOF)
@pytest.mark.parametrize("absent", [{}, {"null": None}], ids=["absent", "null"])
def test_a_request_without_key_or_secret_is_malformed(field: str, absent: dict[str, None]) -> None:
    fields = {name: text for name, text in PROOF.items() if name != field}
    payload = json.dumps({**fields, **dict.fromkeys([field] if absent else [])}).encode()

    with pytest.raises(MalformedRequest, match=field):
        decode_request(payload, ORIGIN, ())


@pytest.mark.parametrize(
    ("text", "expected"), [("true", "true"), ("false", "false"), ("5", "5"), ("-7", "-7"), ("1.5", "1.5")]
)
def test_a_number_or_boolean_in_a_text_field_becomes_its_text(text: str, expected: str) -> None:
    fields = ("provisionDeviceKey", "provisionDeviceSecret", "deviceName", "token", "username", "password")
    payload = "{" + ",".join(f'"{field}":{text}' for field in fields) + f',"clientId":{text},"hash":{text}}}'

    request = decode_request(payload.encode(), ORIGIN, ())

    assert (request.key, request.secret.reveal(), request.device_name) == (expected, expected, expected)
    wanted = request.wanted
    assert {wanted.token, wanted.username, wanted.password, wanted.client_id, wanted.certificate} == {expected}


ALL_FIELDS = [
    *("provisionDeviceKey", "provisionDeviceSecret", "deviceName", "credentialsType", "token"),
    *("username", "password", "clientId", "hash", "gateway"),
]


@pytest.mark.parametrize("field", ALL_FIELDS)
@pytest.mark.parametrize("value", [{}, [], {"a": "hunter2"}, ["hunter2"]], ids=repr)
def test_an_object_or_array_in_a_field_is_malformed(field: str, value: Any) -> None:
    with pytest.raises(MalformedRequest, match=field) as caught:
        read(**{field: value})

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("field", [field for field in ALL_FIELDS if field not in PROOF])
def test_null_is_absent_as_the_official_python_client_means_it(field: str) -> None:
    assert read(**{field: None}) == read()


@pytest.mark.parametrize("value", [True, "true", "TRUE", "True"])
def test_gateway_is_true_as_boolean_and_as_text(value: Any) -> None:
    assert read(gateway=value).gateway is True


@pytest.mark.parametrize("value", [False, "false", "yes", "", 1, 0])
def test_gateway_is_false_otherwise(value: Any) -> None:
    assert read(gateway=value).gateway is False


def test_lenient_json_is_read() -> None:
    payload = b"{'provisionDeviceKey':'key1',provisionDeviceSecret:sec1,deviceName:'it\\'s'}"

    request = decode_request(payload, ORIGIN, ())

    assert (request.key, request.secret.reveal(), request.device_name) == ("key1", "sec1", "it's")


# -- 2.3: the wanted credentials -------------------------------------------------------------------

CONTRACT_TYPES = ["ACCESS_TOKEN", "MQTT_BASIC", "X509_CERTIFICATE", "LWM2M_CREDENTIALS"]
CREDENTIAL_FIELDS = ["token", "hash", "username", "password", "clientId"]


@pytest.mark.parametrize("type_", CONTRACT_TYPES)
@pytest.mark.parametrize("empty", [{}, dict.fromkeys(CREDENTIAL_FIELDS, ""), dict.fromkeys(CREDENTIAL_FIELDS)])
def test_pr_13_without_credential_fields_a_token_is_wanted_whatever_the_type(
    type_: str, empty: dict[str, Any]
) -> None:
    wanted = read(credentialsType=type_, **empty).wanted

    assert (wanted.type, wanted.given) == ("ACCESS_TOKEN", False)


def test_pr_13_the_type_of_a_plugin_is_kept_without_credential_fields() -> None:
    wanted = read(credentialsType="ACME_KEY").wanted

    assert (wanted.type, wanted.given) == ("ACME_KEY", False)


@pytest.mark.parametrize("type_", [*CONTRACT_TYPES, "ACME_KEY"])
@pytest.mark.parametrize("field", CREDENTIAL_FIELDS)
def test_pr_14_with_any_credential_field_the_type_is_as_written(type_: str, field: str) -> None:
    wanted = read(credentialsType=type_, **{field: "x"}).wanted

    assert (wanted.type, wanted.given) == (type_, True)


def test_pr_14_credential_fields_are_taken_as_sent() -> None:
    wanted = read(token=" t ", username=" u ", password=" p ", clientId=" c ", hash="-----BEGIN\n").wanted

    assert (wanted.token, wanted.username, wanted.password, wanted.client_id) == (" t ", " u ", " p ", " c ")
    assert wanted.certificate == "-----BEGIN\n"


def test_pr_14_the_type_is_access_token_when_none_is_named() -> None:
    assert read(username="u").wanted.type == "ACCESS_TOKEN"


def test_the_official_python_client_with_mqtt_basic_in_parts_is_read() -> None:
    wanted = read(username="u", password="p", clientId=None, credentialsType="MQTT_BASIC").wanted

    assert (wanted.type, wanted.username, wanted.password, wanted.client_id) == ("MQTT_BASIC", "u", "p", None)


@pytest.mark.parametrize("type_", ["hunter2", "access_token", "ACCESS_TOKEN ", "", 5, True])
def test_an_unknown_type_is_malformed(type_: Any) -> None:
    with pytest.raises(MalformedRequest, match="credentialsType") as caught:
        read(credentialsType=type_)

    assert "hunter2" not in str(caught.value)


# -- facts -----------------------------------------------------------------------------------------


def test_other_scalars_become_facts() -> None:
    facts = read(model="M1", revision=3, load=1.5, spare=False, none=None, nested={"a": 1}, many=[1]).facts

    assert facts == {"model": "M1", "revision": "3", "load": "1.5", "spare": "false"}


def test_no_known_field_is_a_fact() -> None:
    assert read(**dict.fromkeys(ALL_FIELDS[5:], "x"), deviceName="d", model="M1").facts == {"model": "M1"}


def test_facts_are_few_and_short() -> None:
    assert len(read(**{f"fact{number}": number for number in range(40)}).facts) == 32
    assert read(long="x" * 257, longest="x" * 256).facts == {"longest": "x" * 256}


# -- what is no request ----------------------------------------------------------------------------

NOT_JSON = [
    b"",
    b"hello",
    b"null",
    b"[]",
    b'[{"provisionDeviceKey":"k"}]',
    b'"{}"',
    b'{"provisionDeviceKey":"k"',
    b'{"provisionDeviceKey":"k"} x',
    b"\x0a\x05dev-1",
    b"\xff",
    b"[" * 100_000,
    b"[1e400]",
    '{"provisionDeviceKey":"k"}'.encode("utf-16"),
]


@pytest.mark.parametrize("payload", NOT_JSON, ids=lambda payload: repr(payload[:20]))
def test_pm_13_what_is_no_json_object_may_be_protobuf(payload: bytes) -> None:
    with pytest.raises(NotJson):
        decode_request(payload, ORIGIN, ())


@pytest.mark.parametrize(
    "extra",
    [
        '"token":"a","token":"b"',
        '"provisionDeviceKey":"key2"',
        '"x":NaN',
        '"x":1e400',
        '"x":' + "[" * 40 + "]" * 40,
        '"token":"\\u0000"',
        '"token":"\\ud800"',
        '"x":"' + "x" * 65_536 + '"',
    ],
    ids=lambda extra: extra[:20],
)
def test_ht_2_an_object_beyond_the_bounds_is_malformed(extra: str) -> None:
    payload = ' {"provisionDeviceKey":"key1","provisionDeviceSecret":"sec1",' + extra + "}"

    with pytest.raises(MalformedRequest):
        decode_request(payload.encode(), ORIGIN, ())


def test_a_refusal_never_repeats_the_secret() -> None:
    for extra in ('"a":1,"a":2', '"credentialsType":"hunter2"', '"token":{"a":"hunter2"}', '"a":"hunter2"x'):
        with pytest.raises(UnreadableRequest) as caught:
            decode_request(f'{{"provisionDeviceSecret":"hunter2",{extra}}}'.encode(), ORIGIN, ())

        assert "hunter2" not in str(caught.value)
        assert caught.value.code == "bad-request"


scalar = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
anything = st.recursive(scalar, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner))


@given(
    st.binary(max_size=300)
    | st.dictionaries(st.sampled_from(ALL_FIELDS) | st.text(max_size=70), anything).map(json.dumps).map(str.encode)
)
@example(b"[" * 100_000)
@example(b'{"provisionDeviceKey":{"a":1},"provisionDeviceSecret":1}')
def test_any_payload_is_read_or_refused(payload: bytes) -> None:
    try:
        request = decode_request(payload, ORIGIN, ())
    except UnreadableRequest:
        return

    assert isinstance(request.key, str)
    assert request.wanted.type in CONTRACT_TYPES


# -- 2.4: the answers ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_", "revealed", "expected"),
    [
        (
            "ACCESS_TOKEN",
            "sLzc0gDAZPkGMzFVTyUY",
            b'{"credentialsValue":"sLzc0gDAZPkGMzFVTyUY","credentialsType":"ACCESS_TOKEN","status":"SUCCESS"}',
        ),
        (
            "MQTT_BASIC",
            {"clientId": "c1", "userName": "u1", "password": "p1"},
            b'{"credentialsValue":{"clientId":"c1","userName":"u1","password":"p1"},'
            b'"credentialsType":"MQTT_BASIC","status":"SUCCESS"}',
        ),
        (
            "MQTT_BASIC",
            {"clientId": None, "userName": "u1", "password": None},
            b'{"credentialsValue":{"clientId":null,"userName":"u1","password":null},'
            b'"credentialsType":"MQTT_BASIC","status":"SUCCESS"}',
        ),
        (
            "X509_CERTIFICATE",
            "MIIB+/==",
            b'{"credentialsValue":"MIIB+/==","credentialsType":"X509_CERTIFICATE","status":"SUCCESS"}',
        ),
        (
            "X509_CERTIFICATE",
            "",
            b'{"credentialsValue":"","credentialsType":"X509_CERTIFICATE","status":"SUCCESS"}',
        ),
        ("LWM2M_CREDENTIALS", None, b'{"credentialsType":"LWM2M_CREDENTIALS","status":"SUCCESS"}'),
        (
            "ACCESS_TOKEN",
            'ü"\\\n',
            b'{"credentialsValue":"\xc3\xbc\\"\\\\\\n","credentialsType":"ACCESS_TOKEN","status":"SUCCESS"}',
        ),
    ],
)
def test_success_is_told_in_the_contracts_bytes(type_: str, revealed: Any, expected: bytes) -> None:
    assert success(type_, revealed) == expected


def test_success_is_told_whatever_a_plugin_reveals() -> None:
    answer = success("ACME_KEY", "half a pair: \ud800")

    assert json.loads(answer.decode())["credentialsValue"] == "half a pair: \ud800"


def test_refusals_are_told_in_the_contracts_bytes() -> None:
    assert NOT_FOUND == b'{"errorMsg":"Provision data was not found!","status":"NOT_FOUND"}'
    assert FAILURE == b'{"errorMsg":"Failed to provision device!","status":"FAILURE"}'
