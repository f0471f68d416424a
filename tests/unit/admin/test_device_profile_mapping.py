"""Device profiles between ThingsBoard's JSON and the services (contract 1.1, 1.2)."""

from __future__ import annotations

import base64
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstboot.errors import InvalidValue
from firstboot.secret import Secret
from firstboot.testing import a_profile
from firstboot_plugins.admin.thingsboard.device_profile_mapping import (
    STRATEGIES,
    applied,
    check,
    proof,
    provision_type_of,
    shape,
)
from firstboot_plugins.admin.thingsboard.device_profile_shapes import GivenProfile, ProvisionType
from firstboot_plugins.credentials.lookup_ids import chain_hash, normalise_chain

TENANT = UUID(int=7)
DATA = {"configuration": {"type": "DEFAULT"}, "transportConfiguration": {"type": "DEFAULT"}}


def sent(**fields: Any) -> GivenProfile:
    body = {"name": "p", "type": "DEFAULT", "transportType": "DEFAULT", "profileData": DATA, **fields}
    return GivenProfile.model_validate(body)


@pytest.mark.parametrize("provision_type", ProvisionType)
def test_each_provision_type_is_a_strategy_and_back(provision_type: ProvisionType) -> None:
    profile = applied(sent(provisionType=provision_type), a_profile(), None)

    assert profile.strategy == STRATEGIES[provision_type]
    assert provision_type_of(profile) is provision_type


def test_a_strategy_of_a_plugin_is_shown_as_disabled_and_survives_being_sent_back() -> None:
    profile = a_profile(strategy="by-colour")

    shown = shape(profile, TENANT, None)

    assert shown.provision_type is ProvisionType.DISABLED
    assert applied(sent(provisionType=shown.provision_type), profile, None).strategy == "by-colour"


def test_another_provision_type_takes_the_place_of_a_strategy_of_a_plugin() -> None:
    profile = applied(sent(provisionType="ALLOW_CREATE_NEW_DEVICES"), a_profile(strategy="by-colour"), "key")

    assert profile.strategy == "allow-create-new"


def test_details_of_another_dialect_stay_and_ours_are_replaced() -> None:
    profile = a_profile(details={"colour": "red", "image": "old", "alarms": []})

    assert applied(sent(image="new"), profile, None).details == {
        "colour": "red",
        "image": "new",
        "type": "DEFAULT",
        "transportType": "DEFAULT",
        **DATA,
    }


def test_a_profile_that_no_client_of_this_dialect_made_has_the_defaults() -> None:
    shown = shape(a_profile(), TENANT, Secret("s")).model_dump(by_alias=True, mode="json")

    assert (shown["type"], shown["transportType"]) == ("DEFAULT", "DEFAULT")
    assert shown["profileData"]["configuration"] == {"type": "DEFAULT"}
    assert shown["profileData"]["transportConfiguration"] == {"type": "DEFAULT"}


def test_empty_key_and_secret_are_none() -> None:
    provision = {"type": "DISABLED", "provisionDeviceSecret": ""}

    found = proof(sent(provisionDeviceKey="", profileData={**DATA, "provisionConfiguration": provision}))

    assert (found.key, found.secret) == (None, None)


def test_a_pattern_that_re2_does_not_know_is_refused() -> None:
    """PV-12."""
    provision = {"type": "X509_CERTIFICATE_CHAIN", "certificateRegExPattern": r"(a)\1"}

    with pytest.raises(InvalidValue):
        check(sent(profileData={**DATA, "provisionConfiguration": provision}))


def pem(der: bytes, width: int, end: str) -> str:
    text = base64.b64encode(der).decode()
    lines = [text[start : start + width] for start in range(0, len(text), width)]
    return end.join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])


@given(
    st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=4),
    st.integers(1, 90),
    st.sampled_from(["\n", "\r\n"]),
)
def test_however_a_chain_is_wrapped_it_is_kept_in_one_form(ders: list[bytes], width: int, end: str) -> None:
    kept = normalise_chain("".join(pem(der, width, end) for der in ders))

    assert kept == normalise_chain("".join(pem(der, 76, "\n") for der in ders))
    assert normalise_chain(kept) == kept
    assert chain_hash(kept) == chain_hash(base64.b64encode(ders[0]).decode())


def test_the_hash_of_the_contracts_vector() -> None:
    """Contract 2.5."""
    expected = "6a977a09985faef39a53f093d2506facfab33949fe6587231fbc2734c917c366"

    assert chain_hash(pem(bytes(range(0x60)), 64, "\r\n")) == expected
    assert chain_hash("testHash") == "57f6600424d6553263f1f32e0117012894a36fbf07e3e9c3c556272f86b7d985"
