"""GW-3 and what is safe of it: for which devices that exist a gateway may speak."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from firstboot.errors import NotAllowed
from firstboot.model import Device
from firstboot_plugins.dialects.thingsboard.gateway_rights import check_may_take

DEVICE = Device(id=7, public_id=UUID(int=7), tenant_id=1, profile_id=1, name="A")
GATEWAY = replace(DEVICE, id=1, name="gw", additional_info={"gateway": True})
FORMER = replace(GATEWAY, id=2, name="former")
ELSEWHERE = replace(DEVICE, gateway_id=2)


def may_take(take: str, gateway: Device, device: Device, former: Device | None = None) -> bool:
    try:
        check_may_take(take, gateway, device, former)
    except NotAllowed:
        return False
    return True


@pytest.mark.parametrize("info", [None, {}, {"gateway": False}, {"gateway": "true"}, {"gateway": 1}])
def test_4_6_only_the_boolean_true_makes_a_gateway(info: Any) -> None:
    assert not replace(GATEWAY, additional_info=info).is_gateway
    assert GATEWAY.is_gateway


SPEAKS_FOR_ITSELF = [
    {"first_login_at_ms": 1},
    {"provisioned_at_ms": 1},
    {"provision_state": "provisioned"},
    {"reopened_at_ms": 1},
]


@pytest.mark.parametrize("change", SPEAKS_FOR_ITSELF)
def test_mq_8_a_device_that_has_spoken_for_itself_is_taken_only_where_all_are(change: dict[str, Any]) -> None:
    device = replace(DEVICE, **change)

    assert [may_take(take, GATEWAY, device) for take in ("own", "fleet", "any")] == [False, False, True]


@pytest.mark.parametrize(("gateways", "devices", "may"), [(None, None, True), (5, 5, True), (5, None, False),
                                                          (None, 5, False), (5, 6, False)])  # fmt: skip
def test_a_waiting_device_goes_to_a_gateway_of_the_same_owner(
    gateways: int | None, devices: int | None, may: bool
) -> None:
    gateway, device = replace(GATEWAY, customer_id=gateways), replace(DEVICE, customer_id=devices)

    assert [may_take(take, gateway, device) for take in ("own", "fleet", "any")] == [False, may, True]


@pytest.mark.parametrize(
    ("gateway", "device", "former", "may"),
    [
        ({}, {}, {}, True),
        ({}, {"customer_id": 5}, {}, True),  # a customer's device, between gateways of one operator
        ({}, {}, {"profile_id": 2}, False),
        ({}, {}, {"customer_id": 5}, False),
        ({"customer_id": 5}, {}, {}, False),
        ({"customer_id": 5}, {"customer_id": 5}, {"profile_id": 2}, True),  # to the owner's own gateway
        ({"customer_id": 6}, {"customer_id": 5}, {}, False),
        ({"profile_id": 2}, {"customer_id": 5}, {}, False),
    ],
)
def test_pv_4_a_device_goes_from_gateway_to_gateway_within_a_fleet_or_to_its_owners(
    gateway: dict[str, Any], device: dict[str, Any], former: dict[str, Any], may: bool
) -> None:
    asked = replace(GATEWAY, **gateway), replace(ELSEWHERE, **device), replace(FORMER, **former)

    assert [may_take(take, *asked) for take in ("own", "fleet", "any")] == [False, may, True]


@pytest.mark.parametrize("device", [GATEWAY, FORMER])
def test_no_gateway_is_taken_wherever(device: Device) -> None:
    assert not any(may_take(take, GATEWAY, device) for take in ("own", "fleet", "any"))
