"""Which credentials an administrator may store (contract 3.1, 3.2)."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from firstboot.errors import InvalidValue
from firstboot_plugins.admin.thingsboard import credential_records
from firstboot_plugins.credentials.lookup_ids import certificate_hash


def basic(**parts: Any) -> str:
    return json.dumps(parts)


@pytest.mark.parametrize(
    ("parts", "id_"),
    [
        ({"userName": "u"}, "u"),
        ({"userName": "u", "password": "p"}, "u"),
        ({"clientId": "c"}, certificate_hash("c")),
        ({"clientId": "c", "userName": "u"}, certificate_hash("c|u")),
        ({"clientId": "c", "userName": "u", "password": "p"}, certificate_hash("c|u")),
        ({"clientId": "", "userName": "u", "password": None}, "u"),
    ],
)
def test_allowed_mqtt_combinations_get_the_derived_id_whatever_was_sent(parts: dict[str, Any], id_: str) -> None:
    credentials = credential_records.read("MQTT_BASIC", "something else", basic(**parts))

    assert credentials.id == id_
    assert json.loads(credentials.value or "") == {
        name: parts.get(name) or None for name in ("clientId", "userName", "password")
    }


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"clientId": "c", "password": "p"}, "Password cannot be specified along with client id"),
        ({"password": "p"}, "Both mqtt client id and user name are empty!"),
        ({}, "Both mqtt client id and user name are empty!"),
        ({"userName": 5}, "The userName of MQTT basic credentials must be a text!"),
        ({"userName": "u\n"}, "Device credentials may not have control characters!"),
    ],
)
def test_other_mqtt_combinations_are_refused_with_the_contracts_text(parts: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        credential_records.read("MQTT_BASIC", None, basic(**parts))

    assert str(refused.value) == message


@pytest.mark.parametrize("value", [None, "", "no json", "[]", '"text"', "{" * 100_000])
def test_an_mqtt_value_that_is_no_json_object_is_refused(value: str | None) -> None:
    with pytest.raises(InvalidValue, match="must be a JSON object as text"):
        credential_records.read("MQTT_BASIC", "id", value)


def test_a_token_is_taken_exactly_as_it_is_and_has_no_value() -> None:
    credentials = credential_records.read("ACCESS_TOKEN", " A1_TEST_TOKEN", "ignored")

    assert (credentials.id, credentials.value) == (" A1_TEST_TOKEN", None)


@pytest.mark.parametrize("token", [None, "", "  "])
def test_a_blank_token_is_refused(token: str | None) -> None:
    with pytest.raises(InvalidValue, match="Device credentials id should be specified!"):
        credential_records.read("ACCESS_TOKEN", token, None)


def test_a_certificate_is_stored_as_one_line_and_found_by_its_hash() -> None:
    pem = "-----BEGIN CERTIFICATE-----\nAAAA\nBBBB\n-----END CERTIFICATE-----\n"

    credentials = credential_records.read("X509_CERTIFICATE", "ignored", pem)

    assert (credentials.id, credentials.value) == (certificate_hash("AAAABBBB"), "AAAABBBB")


def test_a_certificate_is_needed() -> None:
    with pytest.raises(InvalidValue, match="value should be specified"):
        credential_records.read("X509_CERTIFICATE", "hash", None)


@pytest.mark.parametrize("type_", ["LWM2M_CREDENTIALS", "", "access_token"])
def test_types_that_are_not_here_are_refused(type_: str) -> None:
    with pytest.raises(InvalidValue, match="must be ACCESS_TOKEN, MQTT_BASIC or X509_CERTIFICATE"):
        credential_records.read(type_, "x", "x")


def test_what_is_longer_than_a_login_may_be_is_refused() -> None:
    with pytest.raises(InvalidValue, match="too long"):
        credential_records.access_token("x" * (credential_records.MAX_ID_LENGTH + 1))


def test_drawn_tokens_differ() -> None:
    assert credential_records.new_access_token() != credential_records.new_access_token()


def test_a_device_has_one_record_for_ever() -> None:
    one, other = UUID(int=1), UUID(int=2)

    assert credential_records.record_id(one) == credential_records.record_id(one)
    assert credential_records.record_id(one) != credential_records.record_id(other)
