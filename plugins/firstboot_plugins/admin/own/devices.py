"""Where devices stand on their first boot, and opening, enabling and disabling them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from firstboot.model import Device
from firstboot.sessions import device_owner
from firstboot.storage import DeviceQuery
from firstboot_plugins.admin.operation import Call, operation, tenant_admins
from firstboot_plugins.admin.own.cursors import MAX_CURSOR_LENGTH, make_cursor, read_cursor
from firstboot_plugins.admin.own.in_path import device_in_path
from firstboot_plugins.admin.own.problems import FIRSTBOOT
from firstboot_plugins.admin.own.shapes import Asked, Told

TAG = "Devices"
_LIST = "devices"
_PATH = "/api/firstboot/devices/{deviceId:uuid}"
_BATCH = 500
_MAX_LOOKED_AT = 5000
"""Devices that one request looks at; a list with filters that fit few goes on with the next request."""

State = Literal["waiting", "provisioned", "in-use", "re-opened"]
_STATES: dict[str, State] = {
    "waiting": "waiting",
    "provisioned, never connected": "provisioned",
    "in use": "in-use",
    "re-opened": "re-opened",
}


class DeviceTold(Told):
    """A device on its way from the box to its work."""

    id: UUID
    name: str
    label: str | None
    profile: str
    state: State
    enabled: bool
    connected: bool
    """Whether it has a session at this server."""
    created_at_ms: int
    provisioned_at_ms: int | None
    delivered_at_ms: int | None
    """When it confirmed that it got its credentials, where that can be known."""
    first_login_at_ms: int | None
    reopened_at_ms: int | None
    version: int


class DeviceList(Told):
    """Some devices. It may be shorter than asked for, or empty, and still go on."""

    devices: Sequence[DeviceTold]
    cursor: str | None
    """Ask again with it for what follows; null: nothing follows."""


class DeviceFilter(Asked):
    """Which devices to list."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    cursor: Annotated[str, Field(max_length=MAX_CURSOR_LENGTH)] | None = None
    text: Annotated[str, Field(max_length=255)] | None = None
    """Only names that contain this, whatever the case."""
    profile_id: UUID | None = None
    state: State | None = None
    connected: bool | None = None
    enabled: bool | None = None


@operation(
    "GET",
    "/api/firstboot/devices",
    dialect=FIRSTBOOT,
    tag=TAG,
    access=tenant_admins("devices:read"),
    query=DeviceFilter,
    answers=DeviceList,
)
async def list_devices(call: Call) -> DeviceList:
    """List devices in the order in which they were made, and where each stands."""
    asked: DeviceFilter = call.query
    services = call.services
    keyring = services.core.keyring
    profile_id = None
    if asked.profile_id is not None:
        profile_id = (await services.profiles.by_public_id(call.tenant_id, asked.profile_id)).id
    after_id = 0 if asked.cursor is None else read_cursor(keyring, _LIST, asked.cursor)
    found: list[DeviceTold] = []
    for _ in range(0, _MAX_LOOKED_AT, _BATCH):
        batch = await services.devices.list(
            DeviceQuery(
                tenant_id=call.tenant_id,
                after_id=after_id,
                limit=_BATCH,
                profile_id=profile_id,
                text=asked.text or None,
            )
        )
        for device in batch:
            after_id = device.id
            told = _told(call, device)
            if _fits(told, asked):
                found.append(told)
                if len(found) == asked.limit:
                    return DeviceList(devices=found, cursor=make_cursor(keyring, _LIST, after_id))
        if len(batch) < _BATCH:
            return DeviceList(devices=found, cursor=None)
    return DeviceList(devices=found, cursor=make_cursor(keyring, _LIST, after_id))


@operation(
    "POST",
    f"{_PATH}/reopen",
    dialect=FIRSTBOOT,
    tag=TAG,
    access=tenant_admins("devices:write"),
    answers=DeviceTold,
)
async def reopen(call: Call) -> DeviceTold:
    """Let a device provision itself once more."""
    device = await device_in_path(call)
    await call.services.devices.reopen(device, actor=call.actor)
    return _told(call, await device_in_path(call))


@operation(
    "POST",
    f"{_PATH}/enable",
    dialect=FIRSTBOOT,
    tag=TAG,
    access=tenant_admins("devices:write"),
    answers=DeviceTold,
)
async def enable(call: Call) -> DeviceTold:
    """Let a device log in again."""
    device = await call.services.devices.set_enabled(await device_in_path(call), True, actor=call.actor)
    return _told(call, device)


@operation(
    "POST",
    f"{_PATH}/disable",
    dialect=FIRSTBOOT,
    tag=TAG,
    access=tenant_admins("devices:write"),
    answers=DeviceTold,
)
async def disable(call: Call) -> DeviceTold:
    """Refuse a device's logins from now on, and end its sessions."""
    device = await call.services.devices.set_enabled(await device_in_path(call), False, actor=call.actor)
    return _told(call, device)


OPERATIONS = (list_devices, reopen, enable, disable)


def _told(call: Call, device: Device) -> DeviceTold:
    profile = call.services.profile_directory.get(device.profile_id)
    return DeviceTold(
        id=device.public_id,
        name=device.name,
        label=device.label,
        profile=profile.name if profile is not None else "",
        state=_STATES[device.state],
        enabled=device.enabled,
        connected=call.services.sessions.is_open(device_owner(device.id)),
        created_at_ms=device.created_at_ms,
        provisioned_at_ms=device.provisioned_at_ms,
        delivered_at_ms=device.delivered_at_ms,
        first_login_at_ms=device.first_login_at_ms,
        reopened_at_ms=device.reopened_at_ms,
        version=device.version,
    )


def _fits(device: DeviceTold, asked: DeviceFilter) -> bool:
    return (
        asked.state in (None, device.state)
        and asked.connected in (None, device.connected)
        and asked.enabled in (None, device.enabled)
    )
