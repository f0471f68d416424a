"""Bodies that make and change devices of thinger.io (contract 3, 4.3, 4.4, 12.1)."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firstboot_plugins.dialects.thinger.device_bodies import (
    DeviceChange,
    DeviceType,
    EnsuredDevice,
    NewDevice,
    OnConflict,
    device_change,
    ensured_device,
    new_device,
)
from firstboot_plugins.dialects.thinger.errors import ThingerError

SMALLEST = {"device": "m", "credentials": "secret"}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
MEMBERS = [
    "device", "device_id", "credentials", "device_credentials", "type", "name", "description", "asset_type",
    "product", "enabled", "buckets", "check", "atomic", "on_conflict", "other",
]  # fmt: skip


def refusal(read: Callable[[Any], object], body: Any) -> ThingerError | None:
    """Return what a body is refused with, None when it is read."""
    try:
        read(body)
    except ThingerError as error:
        return error
    return None


def test_tg_4_3_what_is_left_out_has_its_default() -> None:
    assert new_device(SMALLEST) == NewDevice(id="m", credentials="secret")


def test_tg_4_3_every_member_is_read() -> None:
    sent = {
        "device": "m-1_A",
        "credentials": "x" * 255,
        "type": "MQTT",
        "name": "  A name  ",
        "description": "d" * 255,
        "asset_type": "t",
        "asset_group": "g",
        "product": "p",
        "enabled": False,
    }

    assert new_device(sent) == NewDevice(
        id="m-1_A",
        type=DeviceType.MQTT,
        credentials="x" * 255,
        name="A name",
        description="d" * 255,
        asset_type="t",
        asset_group="g",
        product="p",
        enabled=False,
    )


@pytest.mark.parametrize("type_", ["HTTP", "Virtual"])
def test_tg_4_3_credentials_of_a_device_that_does_not_connect_are_ignored(type_: str) -> None:
    for credentials in ({}, {"credentials": "secret"}, {"credentials": 1}):
        assert new_device({"device": "m", "type": type_, **credentials}).credentials is None


def test_tg_4_4_an_update_leaves_what_it_does_not_name_and_empties_what_is_empty() -> None:
    assert device_change({}, "m") == DeviceChange()
    assert device_change({"device": "m", "type": 1}, "m") == DeviceChange()
    assert device_change({"product": "", "name": "", "description": "", "credentials": "1"}, "m") == DeviceChange(
        product="", name="", description="", credentials="1"
    )


def test_tg_12_1_an_ensure_fails_on_a_conflict_unless_it_is_told_otherwise() -> None:
    plain = ensured_device({"credentials": "secret"}, "m")
    full = ensured_device(
        {**SMALLEST, "on_conflict": "replace", "atomic": True, "buckets": ["a"], "dashboards": []}, "m"
    )

    assert plain == EnsuredDevice(device=NewDevice(id="m", credentials="secret"))
    assert (full.on_conflict, full.atomic) == (OnConflict.REPLACE, True)
    assert full.template == {"device": "m", "type": "Generic", "name": "m", "buckets": ["a"], "dashboards": []}


def test_tg_12_2_a_check_needs_no_credentials() -> None:
    assert ensured_device({"check": True}, "m").device.credentials is None
    with pytest.raises(ThingerError, match="missing field: credentials"):
        ensured_device({"check": False}, "m")


def test_no_credential_shows_in_a_repr() -> None:
    for shown in (new_device(SMALLEST), device_change({"credentials": "secret"}, "m")):
        assert "secret" not in repr(shown)


@given(st.dictionaries(st.sampled_from(MEMBERS), JSON) | JSON)
@example({"type": []})
@example({"on_conflict": {}})
@example({**SMALLEST, "name": "\ud800"})
def test_tg_5_any_body_is_read_or_refused_with_400_and_a_message_that_is_no_id_between_quotes(body: Any) -> None:
    for read in (new_device, lambda body: ensured_device(body, "m"), lambda body: device_change(body, "m")):
        error = refusal(read, body)
        if error is not None:
            assert (error.status, list(error.to_json())) == (400, ["error"])
            assert '"' not in json.dumps(error.message)[1:-1].replace('\\"', "")


@given(st.text(max_size=40))
def test_tg_3_an_id_is_1_to_32_letters_digits_and_marks(text: str) -> None:
    good = 0 < len(text) <= 32 and all(each.isascii() and (each.isalnum() or each in "_-") for each in text)

    read = None
    with suppress(ThingerError):
        read = new_device({**SMALLEST, "device": text}).id

    assert read == (text if good else None)
