"""What tokens of thinger.io allow and deny (contract 2.5, 2.6)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstboot.errors import InvalidValue
from firstboot_plugins.dialects.thinger.permissions import MAX_RULES, Permissions, full, read_permissions
from firstboot_plugins.dialects.thinger.token_presets import PRESETS


def read(allow: Any = None, deny: Any = None) -> Permissions:
    return read_permissions(allow, deny, "alice")


def test_tg_2_5_nothing_is_allowed_that_no_entry_allows() -> None:
    assert not read().may("Device", "meter1", "ListDevices")
    assert not read({}).may_some("Device", "ListDevices")


@pytest.mark.parametrize(
    "allow",
    [
        {"*": {"*": "*"}},
        {"Device": {"*": "*"}},
        {"Device": {"meter1": "*"}},
        {"Device": {"meter1": "CreateDevice"}},
        {"Device": {"meter1@alice": ["ListDevices", "CreateDevice"]}},
        {"*": {"meter1": ["CreateDevice"]}},
    ],
)
def test_tg_2_5_each_part_of_an_entry_is_a_name_or_a_star(allow: Any) -> None:
    assert read(allow).may("Device", "meter1", "CreateDevice")


@pytest.mark.parametrize(
    "allow",
    [
        {"Bucket": {"*": "*"}},
        {"Device": {"meter2": "*"}},
        {"Device": {"Meter1": "*"}},
        {"device": {"meter1": "*"}},
        {"Device": {"meter1": "ListDevices"}},
        {"Device": {"meter1": "createdevice"}},
        {"Device": {"meter1": []}},
        {"Device": {}},
        {"Device": {"meter1@bob": "*"}},
        {"Device": {"*@bob": "*"}},
    ],
)
def test_tg_2_5_another_type_resource_action_or_owner_is_not_allowed(allow: Any) -> None:
    assert not read(allow).may("Device", "meter1", "CreateDevice")


def test_tg_2_5_a_device_id_may_have_a_hyphen() -> None:
    assert read({"Device": {"meter-17": ["CreateDevice"]}}).may("Device", "meter-17", "CreateDevice")


def test_tg_2_5_what_is_denied_is_not_allowed_by_anything() -> None:
    rights = read({"*": {"*": "*"}}, {"Device": {"meter1": "DeleteDevice"}})

    assert not rights.may("Device", "meter1", "DeleteDevice")
    assert rights.may("Device", "meter1", "UpdateDevice")
    assert rights.may("Device", "meter2", "DeleteDevice")


def test_tg_2_6_one_of_several_actions_is_enough() -> None:
    rights = read({"Device": {"*": "ListDevices"}})

    assert rights.may("Device", "meter1", "ReadDeviceStatus", "ListDevices", "GetDeviceStats")
    assert not rights.may("Device", "meter1", "ReadDeviceStatus", "GetDeviceStats")


def test_tg_2_5_an_action_with_arguments_is_allowed_for_those_only() -> None:
    rights = read({"Device": {"*": [{"AccessDeviceResources": ["open"]}]}})

    assert rights.may("Device", "meter1", "AccessDeviceResources", argument="open")
    assert not rights.may("Device", "meter1", "AccessDeviceResources", argument="close")
    assert not rights.may("Device", "meter1", "AccessDeviceResources")


def test_tg_2_7_a_token_for_one_device_allows_that_one_only() -> None:
    rights = read({"Device": {"meter-17": ["CreateDevice", "ListDevices"]}})

    assert rights.resources("Device", "ListDevices") == {"meter-17"}
    assert rights.may_some("Device", "ListDevices")
    assert not rights.may_some("Device", "DeleteDevice")


def test_tg_2_5_a_right_to_all_resources_names_none() -> None:
    assert full().resources("Device", "ListDevices") is None
    assert read({"Device": {"*": "*"}}, {"Device": {"a": "*"}}).resources("Device", "ListDevices") is None
    denied = read({"Device": {"*": "*", "a": "*"}}, {"Device": {"*": "*"}})
    assert denied.resources("Device", "ListDevices") == frozenset()
    assert not denied.may_some("Device", "ListDevices")


@pytest.mark.parametrize("preset", PRESETS)
def test_tg_2_7_the_rights_of_each_preset_can_be_read(preset: str) -> None:
    assert read(PRESETS[preset]).may("Device", "meter1", "CreateDevice")


def test_tg_2_7_the_preset_of_a_sketch_lists_and_creates_and_no_more() -> None:
    rights = read(PRESETS["sketch"])

    assert rights.may("Device", "any", "ListDevices")
    for action in ("UpdateDevice", "DeleteDevice", "ReadDeviceStatus", "CreateDeviceToken"):
        assert not rights.may("Device", "any", action)
    assert not rights.may("Token", "any", "CreateToken")


@pytest.mark.parametrize(
    "wrong",
    [
        "*", [], 1, {"Device": "*"}, {"Device": []}, {"Device": {"*": None}}, {"Device": {"*": 1}},
        {"Device": {"*": [1]}}, {"Device": {"*": [["A"]]}}, {"Device": {"*": {"A": "open"}}},
        {"Device": {"*": [{"A": [1]}]}}, {"Device": {"*": "Create Device"}}, {"Dev-ice": {"*": "*"}},
        {"Device": {"a b": "*"}}, {"Device": {"": "*"}}, {"Device": {"a@": "*"}}, {"": {"*": "*"}},
        {"Device": {"a\n": "*"}}, {"Device": {str(number): "A" for number in range(MAX_RULES + 1)}},
    ],
)  # fmt: skip
def test_tg_2_5_what_is_no_permission_object_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidValue):
        read(wrong)
    with pytest.raises(InvalidValue):
        read(None, wrong)


# -- handing on ------------------------------------------------------------------------------------

_PARTS = st.sampled_from(["*", "A", "B"])
_ENTRIES = st.dictionaries(_PARTS, st.dictionaries(_PARTS, st.lists(_PARTS, max_size=2), max_size=2), max_size=2)
_PERMISSIONS = st.builds(read, _ENTRIES, _ENTRIES)


@given(_PERMISSIONS, _PERMISSIONS)
def test_tg_2_4_what_is_within_allows_nothing_more(narrow: Permissions, wide: Permissions) -> None:
    if narrow.within(wide):
        for type_ in ("A", "B", "C"):
            for resource in ("A", "B", "C"):
                for action in ("A", "B", "C"):
                    if narrow.may(type_, resource, action):
                        assert wide.may(type_, resource, action)


@given(_PERMISSIONS)
def test_tg_2_4_everybody_may_hand_on_what_he_has(rights: Permissions) -> None:
    assert rights.within(rights)
    assert rights.within(full())


@given(_PERMISSIONS)
def test_tg_2_7_the_resources_of_a_list_are_those_that_are_allowed(rights: Permissions) -> None:
    found = rights.resources("A", "A")

    for resource in ("A", "B", "C"):
        if rights.may("A", resource, "A"):
            assert found is None or resource in found


def test_tg_2_4_an_action_for_some_arguments_is_within_the_same_for_more() -> None:
    def opening(*arguments: str) -> Permissions:
        return read({"Device": {"*": [{"AccessDeviceResources": list(arguments)}]}})

    assert opening("a").within(opening("a", "b"))
    assert not opening("a", "b").within(opening("a"))
    assert not read({"Device": {"*": "AccessDeviceResources"}}).within(opening("a"))
