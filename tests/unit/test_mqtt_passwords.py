"""``MQTT_BASIC`` credentials whose password nobody can read."""

from __future__ import annotations

import json

import pytest

from firstboot.errors import ProvisioningRefused
from firstboot.model import Credentials, WantedCredentials
from firstboot.mqtt_passwords import (
    has_digest,
    has_password,
    in_place_of,
    is_password,
    is_same,
    parts_of,
    readable_value,
    with_digest,
)
from firstboot_plugins.credentials.mqtt_basic import MqttBasic

PASSWORD = "a good secret"


def plain(password: str = PASSWORD, client_id: str = "meter1", username: str = "alice") -> Credentials:
    wanted = WantedCredentials(type="MQTT_BASIC", client_id=client_id, username=username, password=password)
    return MqttBasic().issue(wanted)


def stored(credentials: Credentials) -> Credentials:
    return Credentials.from_json(credentials.to_json())


KEPT = stored(with_digest(plain()))


def test_what_is_stored_has_no_password_and_the_device_is_told_it_once() -> None:
    made = with_digest(plain())

    assert PASSWORD not in made.to_json()
    assert PASSWORD not in repr(made)
    assert MqttBasic().reveal(made) == {"clientId": "meter1", "userName": "alice", "password": PASSWORD}
    with pytest.raises(ProvisioningRefused) as refused:
        MqttBasic().reveal(stored(made))
    assert refused.value.code == "cannot-be-told"


def test_such_credentials_are_not_replaced_by_what_their_dialect_would_not_know() -> None:
    with pytest.raises(ProvisioningRefused) as refused:
        MqttBasic().renew(KEPT)

    assert refused.value.code == "cannot-rotate"


@pytest.mark.parametrize("credentials", [KEPT, plain()], ids=["digest", "readable"])
def test_the_right_password_alone_is_the_password(credentials: Credentials) -> None:
    assert has_password(credentials)
    assert is_password(credentials, PASSWORD)
    for wrong in ("", PASSWORD[:-1], PASSWORD.upper(), credentials.value or ""):
        assert not is_password(credentials, wrong)


@pytest.mark.parametrize("value", [None, "{}", '{"password":""}', '{"password":null}'])
def test_credentials_without_a_password_have_none_that_is_right(value: str | None) -> None:
    credentials = Credentials("MQTT_BASIC", "u", value)

    assert not has_password(credentials)
    assert not is_password(credentials, "")
    assert not is_password(credentials, "None")


def test_people_see_neither_password_nor_digest() -> None:
    assert readable_value(KEPT) == '{"clientId":"meter1","userName":"alice","password":null}'
    assert "password" not in parts_of(KEPT)
    assert "passwordDigest" not in parts_of(KEPT)


@pytest.mark.parametrize(
    "credentials",
    [
        plain(),
        plain("a passwordDigest in words"),
        Credentials("ACCESS_TOKEN", "passwordDigest"),
        Credentials("X509_CERTIFICATE", "id", "passwordDigest"),
        Credentials("MQTT_BASIC", "id", "no JSON at all"),
    ],
    ids=["readable", "in words", "token", "certificate", "no JSON"],
)
def test_credentials_of_any_other_form_are_shown_as_they_are(credentials: Credentials) -> None:
    assert not has_digest(credentials)
    assert readable_value(credentials) == credentials.value


class TestInPlaceOf:
    """What an administrator's wish does to a password that he cannot see."""

    def test_what_was_shown_and_comes_back_keeps_the_password(self) -> None:
        shown = Credentials("MQTT_BASIC", KEPT.id, readable_value(KEPT))

        given = in_place_of(KEPT, shown)

        assert is_password(given, PASSWORD)
        assert not is_password(given, "")
        assert is_same(KEPT, shown)

    def test_other_names_without_a_password_keep_it_too(self) -> None:
        renamed = plain("", username="bob")

        given = in_place_of(KEPT, renamed)

        assert (given.id, parts_of(given)["userName"]) == (renamed.id, "bob")
        assert is_password(given, PASSWORD)
        assert not is_same(KEPT, renamed)

    def test_another_password_is_not_readable_either(self) -> None:
        wanted = plain("the next secret")

        given = in_place_of(KEPT, wanted)

        assert is_password(given, "the next secret")
        assert "the next secret" not in given.to_json()
        assert not is_same(KEPT, wanted)
        assert is_same(stored(given), wanted)

    def test_the_id_by_which_its_dialect_finds_it_stays(self) -> None:
        kept = Credentials("MQTT_BASIC", "an id of its own", KEPT.value)

        assert in_place_of(kept, plain("the next secret")).id == "an id of its own"
        assert in_place_of(kept, plain("the next secret", client_id="meter2")).id != "an id of its own"

    @pytest.mark.parametrize("current", [plain(), Credentials("ACCESS_TOKEN", "a-token")])
    def test_readable_credentials_are_followed_by_whatever_is_wanted(self, current: Credentials) -> None:
        assert in_place_of(current, plain("the next secret")) == plain("the next secret")
        assert in_place_of(current, KEPT) == KEPT

    def test_credentials_of_another_type_take_the_place_of_all(self) -> None:
        token = Credentials("ACCESS_TOKEN", "a-token")

        assert in_place_of(KEPT, token) == token
        assert not is_same(KEPT, token)


def test_the_parts_are_those_of_the_contract_and_the_digest() -> None:
    assert list(json.loads(KEPT.value or "")) == ["clientId", "userName", "passwordDigest"]
