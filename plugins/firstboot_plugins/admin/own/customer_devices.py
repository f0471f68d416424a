"""Devices as the customers see them who own them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from firstboot.config import ClaimingConfig
from firstboot.model import Device, Scope
from firstboot.sessions import device_owner
from firstboot_plugins.admin.own.shapes import Told

if TYPE_CHECKING:
    from firstboot.app import Services


class CustomerDevice(Told):
    """A device of a customer."""

    id: UUID
    name: str
    label: str | None
    """What the customer calls it."""
    profile: str
    connected: bool
    """Whether it has a session at this server."""
    claimed_at_ms: int | None
    """Since when it is the customer's; null: that is not known."""


class DeviceAnswer(Told):
    """One device of a customer."""

    device: CustomerDevice


async def told(services: Services, devices: Sequence[Device]) -> Sequence[CustomerDevice]:
    """Return devices in their shape."""
    return await asyncio.gather(*(_told(services, device) for device in devices))


async def answered(services: Services, device: Device) -> DeviceAnswer:
    """Return the answer of a call about one device."""
    return DeviceAnswer(device=await _told(services, device))


async def _told(services: Services, device: Device) -> CustomerDevice:
    profile = services.profile_directory.get(device.profile_id)
    return CustomerDevice(
        id=device.public_id,
        name=device.name,
        label=device.label,
        profile=profile.name if profile is not None else "",
        connected=services.sessions.is_open(device_owner(device.id)),
        claimed_at_ms=await _claimed_at_ms(services, device),
    )


async def _claimed_at_ms(services: Services, device: Device) -> int | None:
    """Return when the device was told that it belongs to somebody: that is written with each change of owner."""
    key = services.config.section(ClaimingConfig).device_attribute
    if not key:
        return None
    for attribute in await services.attributes.read(device.id, Scope.SHARED, [key]):
        if attribute.value is True:
            return attribute.updated_at_ms
    return None
