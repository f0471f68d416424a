"""A device as thinger.io's API shows it, and what it keeps with one (contract 4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from firstboot.model import Device
from firstboot_plugins.dialects.thinger.account_profile import NAME
from firstboot_plugins.dialects.thinger.device_bodies import ASSETS, TYPES, DeviceChange, DeviceType, NewDevice

DESCRIPTION = "description"
"""Member of a device's additional information."""


def own_details(device: Device) -> Mapping[str, Any]:
    """Return what this dialect keeps with a device."""
    own = (device.details or {}).get(NAME)
    return own if isinstance(own, dict) else {}


def details_of(new: NewDevice) -> dict[str, Any]:
    """Return what is kept with a device that is to be made."""
    kept = {"type": str(new.type), **{key: value for key in ASSETS if (value := getattr(new, key))}}
    return {NAME: kept}


def with_own_details(device: Device, changes: Mapping[str, Any]) -> Device:
    """Return the device with other values in what is kept; None takes one away."""
    own = {**own_details(device), **changes}
    kept = {key: value for key, value in own.items() if value is not None}
    return replace(device, details={**(device.details or {}), NAME: kept})


def changed_device(device: Device, change: DeviceChange, now_ms: int) -> Device:
    """Return the device as it is to be."""
    if change.name is not None:
        device = replace(device, label=change.name or None)
    if change.enabled is not None:
        device = replace(device, enabled=change.enabled)
    if change.description is not None:
        info = {**(device.additional_info or {}), DESCRIPTION: change.description}
        if not change.description:
            del info[DESCRIPTION]
        device = replace(device, additional_info=info or None)
    assets = {key: value or None for key in ASSETS if (value := getattr(change, key)) is not None}
    return with_own_details(device, {**assets, "modified": now_ms})


def type_of(device: Device) -> DeviceType:
    """Return how a device talks; one that another dialect has made logs in somehow."""
    return _type_in(own_details(device))


def _type_in(own: Mapping[str, Any]) -> DeviceType:
    return TYPES.get(own.get("type", ""), DeviceType.GENERIC)


def device_json(device: Device, *, active: bool) -> dict[str, Any]:
    """Return the answer that shows a device. Credentials are never in it."""
    own = own_details(device)
    assets = {key: own[key] for key in ASSETS if own.get(key)}
    return {
        "device": device.name,
        "name": device.label or "",
        "description": (device.additional_info or {}).get(DESCRIPTION) or "",
        "type": str(_type_in(own)),
        **assets,
        "enabled": device.enabled,
        "created": device.created_at_ms,
        "modified": own.get("modified", device.created_at_ms),
        "connection": {"active": active, "ts": device.first_login_at_ms or device.created_at_ms},
    }
