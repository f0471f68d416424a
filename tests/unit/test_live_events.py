"""Whoever watches sees what happens in his tenant, and slows nobody down."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID

import pytest

from firstboot.events import (
    AttributesChanged,
    Claim,
    ClaimWindowOpened,
    CredentialsChanged,
    DeviceConnected,
    DeviceDisconnected,
    DeviceProvisioned,
    ProvisioningRefusal,
    TelemetryReceived,
)
from firstboot.hookspecs import OBSERVING
from firstboot.live_events import KINDS, QUEUE_LENGTH, LiveEvent, LiveEvents
from firstboot.model import DeviceRef, Origin, Scope, TelemetryPoint

DEVICE = DeviceRef(id=7, public_id=UUID(int=7), tenant_id=1, profile_id=1, name="meter-7")
OF_DEVICE = {"deviceId": str(UUID(int=7)), "device": "meter-7"}
ORIGIN = Origin(transport="mqtt", dialect="thingsboard", address="192.0.2.1")
FROM = {"transport": "mqtt", "dialect": "thingsboard", "address": "192.0.2.1"}
CHANGED = "firstboot_credentials_changed"
REFUSED = "firstboot_provisioning_refused"

CLAIM = Claim(
    device=DEVICE,
    customer="Acme",
    customer_id=UUID(int=7),
    actor="user:a@b.example",
    how="claimed",
    origin=ORIGIN,
    at_ms=5,
)
CLAIM_DATA = {
    **OF_DEVICE,
    **FROM,
    "customer": "Acme",
    "customerId": "00000000-0000-0000-0000-000000000007",
    "actor": "user:a@b.example",
    "how": "claimed",
}
EVENTS: dict[str, tuple[object, dict[str, Any]]] = {
    "firstboot_device_provisioned": (
        DeviceProvisioned(
            device=DEVICE, profile="p", credentials_type="ACCESS_TOKEN", how="created", origin=ORIGIN, at_ms=5
        ),
        {**OF_DEVICE, **FROM, "profile": "p", "credentialsType": "ACCESS_TOKEN", "how": "created"},
    ),
    REFUSED: (
        ProvisioningRefusal(
            code="name-taken", reason="r", tenant_id=1, device_name="d", profile="p", origin=ORIGIN, at_ms=5
        ),
        {**FROM, "code": "name-taken", "reason": "r", "device": "d", "profile": "p"},
    ),
    CHANGED: (
        CredentialsChanged(device=DEVICE, credentials_type="ACCESS_TOKEN", at_ms=5),
        {**OF_DEVICE, "credentialsType": "ACCESS_TOKEN"},
    ),
    "firstboot_device_connected": (DeviceConnected(device=DEVICE, origin=ORIGIN, at_ms=5), {**OF_DEVICE, **FROM}),
    "firstboot_device_disconnected": (
        DeviceDisconnected(device=DEVICE, origin=ORIGIN, reason="closed", at_ms=5),
        {**OF_DEVICE, **FROM, "reason": "closed"},
    ),
    "firstboot_telemetry_received": (
        TelemetryReceived(device=DEVICE, points=(TelemetryPoint(4, {"t": 1}),), origin=ORIGIN, at_ms=5),
        {**OF_DEVICE, "points": [{"ts": 4, "values": {"t": 1}}]},
    ),
    "firstboot_attributes_changed": (
        AttributesChanged(
            device=DEVICE, scope=Scope.SHARED, values={"a": 1}, deleted=("b",), actor="user:x", at_ms=5
        ),
        {**OF_DEVICE, "scope": "shared", "values": {"a": 1}, "deleted": ["b"], "actor": "user:x"},
    ),
    "firstboot_claim_window_opened": (
        ClaimWindowOpened(device=DEVICE, opened_by="device", until_ms=9, at_ms=5),
        {**OF_DEVICE, "openedBy": "device", "untilMs": 9},
    ),
    "firstboot_device_claimed": (CLAIM, CLAIM_DATA),
    "firstboot_device_released": (CLAIM, CLAIM_DATA),
}


def refusal(tenant_id: int | None) -> ProvisioningRefusal:
    return ProvisioningRefusal(
        code="c", reason="r", tenant_id=tenant_id, device_name=None, profile=None, origin=ORIGIN, at_ms=5
    )


def test_every_kind_is_tested() -> None:
    assert set(EVENTS) == set(KINDS) <= set(OBSERVING)


@pytest.mark.parametrize("hook", KINDS)
async def test_an_event_is_told_as_json_with_its_device(hook: str) -> None:
    live = LiveEvents()
    event, data = EVENTS[hook]
    subscription = live.subscribe(1)

    live.tell(hook, event)

    told = await anext(subscription)
    assert told == LiveEvent(id=1, kind=KINDS[hook], tenant_id=1, at_ms=5, data=data)
    assert json.loads(json.dumps(told.data)) == data


async def test_tn_1_nobody_sees_the_events_of_another_tenant() -> None:
    live = LiveEvents()
    one, two, nobody = live.subscribe(1), live.subscribe(2), live.subscribe(None)
    for tenant_id in (1, 2, None):
        live.tell(REFUSED, refusal(tenant_id))
    live.close()

    assert [event.tenant_id async for event in one] == [1]
    assert [event.tenant_id async for event in two] == [2]
    assert [event.tenant_id async for event in nobody] == [None]


async def test_only_the_kinds_that_were_asked_for_are_told_and_wanted() -> None:
    live = LiveEvents()
    assert not live.wanted(REFUSED)
    subscription = live.subscribe(1, {"provisioning-refused"})

    assert [hook for hook in OBSERVING if live.wanted(hook)] == [REFUSED]
    live.tell(CHANGED, EVENTS[CHANGED][0])
    live.tell(REFUSED, refusal(1))
    subscription.close()
    subscription.close()

    assert [event.kind async for event in subscription] == ["provisioning-refused"]
    assert not live.wanted(REFUSED)


async def test_mq_11_a_slow_reader_loses_the_oldest_and_the_loss_is_counted() -> None:
    live = LiveEvents()
    subscription = live.subscribe(1)

    for _ in range(QUEUE_LENGTH + 3):
        live.tell(REFUSED, refusal(1))

    assert subscription.dropped == 3
    assert (await anext(subscription)).id == 4


async def test_a_reader_who_waits_is_woken_by_an_event_and_by_the_end() -> None:
    live = LiveEvents()
    subscription = live.subscribe(1)
    waiting = asyncio.ensure_future(anext(subscription))
    await asyncio.sleep(0)
    live.tell(REFUSED, refusal(1))
    assert (await waiting).kind == "provisioning-refused"

    waiting = asyncio.ensure_future(anext(subscription))
    await asyncio.sleep(0)
    live.close()
    with pytest.raises(StopAsyncIteration):
        await waiting


async def test_a_listener_hears_every_tenant_until_it_stops_and_may_fail() -> None:
    live = LiveEvents()
    heard: list[int | None] = []

    def fail(event: LiveEvent) -> None:
        raise ValueError

    live.listen(fail)
    stop = live.listen(lambda event: heard.append(event.tenant_id))
    live.tell(REFUSED, refusal(1))
    live.tell(REFUSED, refusal(2))
    stop()
    stop()
    live.tell(REFUSED, refusal(3))

    assert heard == [1, 2]
