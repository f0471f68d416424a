"""Things: ordinary devices with what this dialect keeps with them (contract section 8)."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from firstboot.errors import InvalidValue, NotFound, VersionConflict
from firstboot.model import Device, DeviceProfile
from firstboot.storage import DeviceQuery
from firstboot_plugins.dialects.thingstream.credentials import PREFIX, thing_id
from firstboot_plugins.dialects.thingstream.settings import NAME, settings_of

if TYPE_CHECKING:
    from firstboot.core import Core

BATCH = 500
CHIPCODE = "chipcode"
"""How many chipcodes a receiver of AssistNow has had before; only such Things have it."""


class ThingState(enum.StrEnum):
    """Where a Thing stands."""

    ALLOCATED = "allocated"
    """Made, and not active yet."""
    ACTIVE = "active"
    DEACTIVATED = "deactivated"


def kept_with(device: Device) -> Mapping[str, Any]:
    """Return what this dialect keeps with a device."""
    kept = (device.details or {}).get(NAME)
    return kept if isinstance(kept, Mapping) else {}


def keeping(device: Device, **more: Any) -> Device:
    """Return a device with which this is kept, too."""
    return replace(device, details={**(device.details or {}), NAME: {**kept_with(device), **more}})


def state_of(device: Device) -> ThingState:
    """Return the state of a Thing. Whether it may log in is the device's own mark, whoever has set it."""
    if device.enabled:
        return ThingState.ACTIVE
    if kept_with(device).get("state") == ThingState.ALLOCATED and device.first_login_at_ms is None:
        return ThingState.ALLOCATED
    return ThingState.DEACTIVATED


def deactivated(device: Device) -> Device:
    """Return a Thing as it is once it may log in no more."""
    return replace(keeping(device, state=ThingState.DEACTIVATED.value), enabled=False)


class Things:
    """What operators do with Things. Every change is audited; sessions of what is deactivated end."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def get(self, tenant_id: int, id_: str) -> Device:
        """Return a Thing by ``device:<uuid>``, or by the UUID alone.

        Raises: `NotFound`, also for a device of another dialect.
        """
        text = id_.removeprefix(PREFIX)
        try:
            public_id = UUID(text)
        except ValueError:
            raise NotFound(f"There is no Thing {id_[:64]!r}.") from None
        device = await self._core.devices.by_public_id(tenant_id, public_id)
        for profile in await self._core.profiles.all(tenant_id):
            if profile.id == device.profile_id and settings_of(profile) is not None:
                return device
        raise NotFound(f"There is no Thing {id_[:64]!r}.")

    async def all(
        self, tenant_id: int, profile: DeviceProfile | None, *, after_id: int = 0
    ) -> AsyncIterator[Device]:
        """Go through all devices of a profile (None: of the tenant), in the order in which they were made."""
        while True:
            query = DeviceQuery(
                tenant_id=tenant_id,
                profile_id=profile.id if profile is not None else None,
                after_id=after_id,
                limit=BATCH,
            )
            batch = await self._core.devices.list(query)
            for device in batch:
                yield device
            if len(batch) < BATCH:
                return
            after_id = batch[-1].id

    async def activate(self, device: Device, *, actor: str) -> Device:
        """Let a Thing log in, with the credentials that it has.

        Raises: `NotFound`.
        """
        now_ms = self._core.clock.now_ms()

        def change(device: Device) -> Device:
            if state_of(device) is ThingState.ACTIVE:
                return device
            return replace(keeping(device, state=ThingState.ACTIVE.value, activated=now_ms), enabled=True)

        return await self._changed(device, change, actor=actor, event="device-enabled")

    async def deactivate(self, device: Device, *, actor: str) -> Device:
        """Let a Thing log in no more, and end its session.

        Raises: `NotFound`.
        """

        def change(device: Device) -> Device:
            return device if state_of(device) is ThingState.DEACTIVATED else deactivated(device)

        return await self._changed(device, change, actor=actor, event="device-disabled")

    async def compromised(self, device: Device, *, actor: str) -> Device:
        """Have a receiver of AssistNow told another chipcode from now on.

        Raises: `InvalidValue` for a Thing that has none, `NotFound`.
        """
        if CHIPCODE not in kept_with(device):
            raise InvalidValue(f"{thing_id(device.public_id)} has no chipcode: it is none of AssistNow.")

        def change(device: Device) -> Device:
            return keeping(device, **{CHIPCODE: kept_with(device)[CHIPCODE] + 1})

        return await self._changed(device, change, actor=actor, event="device-updated")

    async def activate_all(self, profile: DeviceProfile, *, actor: str) -> int:
        """Activate all Things of a profile that are allocated; return how many those were."""
        count = 0
        async for device in self.all(profile.tenant_id, profile):
            if state_of(device) is ThingState.ALLOCATED:
                await self.activate(device, actor=actor)
                count += 1
        return count

    async def deactivate_superseded(self, profile: DeviceProfile, *, actor: str) -> int:
        """Deactivate all Things of a profile that others have come after; return how many those were."""
        count = 0
        async for device in self.all(profile.tenant_id, profile):
            if device.enabled and kept_with(device).get("superseded_by"):
                await self.deactivate(device, actor=actor)
                count += 1
        return count

    async def delete(self, device: Device, *, actor: str) -> None:
        """Delete a Thing; its session ends.

        Raises: `NotFound`.
        """
        await self._core.devices.delete(device, actor=actor)

    async def _changed(
        self, device: Device, change: Callable[[Device], Device], *, actor: str, event: str
    ) -> Device:
        """Change a Thing, whatever somebody else changes meanwhile; nothing is written when nothing changes."""
        while True:
            changed = change(device)
            if changed is device:
                return device
            try:
                return await self._core.devices.update(
                    changed, expected_version=device.version, actor=actor, event=event
                )
            except VersionConflict:
                device = await self._core.devices.by_public_id(device.tenant_id, device.public_id)
