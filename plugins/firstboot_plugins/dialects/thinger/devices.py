"""Devices as thinger.io's API makes, shows and changes them (contract section 4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from firstboot.errors import ProvisioningRefused, Unavailable, VersionConflict
from firstboot.model import (
    Device,
    DeviceDetails,
    DeviceProfile,
    Origin,
    Provisioned,
    ProvisioningRequest,
    ResourceDraft,
    Tenant,
    WantedCredentials,
)
from firstboot.secret import Secret
from firstboot.sessions import device_owner
from firstboot_plugins.dialects.thinger.account_profile import AccountProfiles
from firstboot_plugins.dialects.thinger.askers import Asker
from firstboot_plugins.dialects.thinger.belongings import Belongings
from firstboot_plugins.dialects.thinger.credentials import THINGER
from firstboot_plugins.dialects.thinger.device_bodies import NewDevice, device_change, new_device
from firstboot_plugins.dialects.thinger.device_json import (
    DESCRIPTION,
    changed_device,
    details_of,
    device_json,
    own_details,
    type_of,
)
from firstboot_plugins.dialects.thinger.device_list import DeviceList
from firstboot_plugins.dialects.thinger.device_logins import DeviceLogins
from firstboot_plugins.dialects.thinger.errors import ThingerError, not_found
from firstboot_plugins.dialects.thinger.list_query import ListQuery

if TYPE_CHECKING:
    from firstboot_plugins.dialects.thinger.shared import Thinger

TAKEN = frozenset({"name-taken", "already-provisioned", "cannot-be-told"})
"""Refusals that mean: there is such a device."""
_NO_SECRET = Secret("")
_VIEWING = ("ReadDeviceStatus", "ListDevices", "GetDeviceStats")


class Devices:
    """The devices of accounts. They are ordinary devices: those of any other dialect are shown here, too."""

    def __init__(self, thinger: Thinger) -> None:
        services = thinger.services
        self._services = services
        self._list = DeviceList(services.storage)
        self._tokens = thinger.device_tokens
        self._belongings = Belongings(thinger)
        self.logins = DeviceLogins(services)
        self.profiles = AccountProfiles(services, thinger.config.profile)

    # -- looking -----------------------------------------------------------------------------------

    async def find(self, account: Tenant, device_id: str) -> Device | None:
        return await self._services.storage.find_device(account.id, device_id)

    async def existing(self, account: Tenant, device_id: str) -> Device:
        """Return a device.

        Raises: `ThingerError` (404).
        """
        device = await self.find(account, device_id)
        if device is None:
            raise not_found()
        return device

    async def list(self, asker: Asker, query: ListQuery) -> list[dict[str, Any]]:
        """Show the devices that are asked for and that the asker may list.

        Raises: `ThingerError` (403).
        """
        return [self._json(device) for device in await self._list.of(asker, query)]

    async def get(self, asker: Asker, device_id: str) -> dict[str, Any]:
        """Show a device.

        Raises: `ThingerError` (403, 404).
        """
        asker.check("Device", device_id, *_VIEWING)
        return self._json(await self.existing(asker.account, device_id))

    def is_active(self, device: Device) -> bool:
        """Say whether a device is connected to this server."""
        return self._services.sessions.is_open(device_owner(device.id))

    def _json(self, device: Device) -> dict[str, Any]:
        return device_json(device, active=self.is_active(device))

    # -- making ------------------------------------------------------------------------------------

    async def create(self, asker: Asker, body: object) -> dict[str, Any]:
        """Make a device.

        Raises: `ThingerError`, `ProvisioningRefused`, `Unavailable`.
        """
        new = new_device(body)
        asker.check("Device", new.id, "CreateDevice")
        profile = await self.profiles.get(asker.account)
        try:
            made = await self.provision(asker.account, profile, new, asker.origin)
        except ProvisioningRefused as refusal:
            if refusal.code in TAKEN:
                raise ThingerError(400, f"device '{new.id}' already exists") from refusal
            raise
        return self._json(made.made or await self.existing(asker.account, made.device_name))

    async def provision(
        self,
        account: Tenant,
        profile: DeviceProfile,
        new: NewDevice,
        origin: Origin,
        companions: Sequence[ResourceDraft] = (),
    ) -> Provisioned:
        """Make a device of a profile that its maker has proven, with ``companions`` and what its product adds.

        Raises: `ProvisioningRefused`, `Unavailable`.
        """
        new = self._belongings.with_product(account, new)
        beside = (*companions, *self._belongings.of(account, new))
        request = ProvisioningRequest(
            key="",
            secret=_NO_SECRET,
            device_name=new.id,
            wanted=WantedCredentials(type=THINGER, username=account.name, password=new.credentials),
            draft=DeviceDetails(
                label=new.name or None,
                enabled=new.enabled,
                additional_info={DESCRIPTION: new.description} if new.description else {},
                details=details_of(new),
                companions=beside,
            ),
            origin=origin,
        )
        made = await self._services.provisioning.provision_in(profile, request)
        if beside:
            with suppress(Unavailable):  # the device is there all the same
                await self._services.changes.catch_up()  # its buckets collect what it sends first
        return made

    # -- changing ----------------------------------------------------------------------------------

    async def update(self, asker: Asker, device_id: str, body: object) -> dict[str, Any]:
        """Change a device. Other credentials end its session, and so does switching it off.

        Raises: `ThingerError`, `Unavailable`.
        """
        asker.check("Device", device_id, "UpdateDevice")
        change = device_change(body, device_id)
        now_ms = self._services.clock.now_ms()
        device = await self.change(asker, device_id, lambda device: changed_device(device, change, now_ms))
        await self._belongings.make(asker, device)
        if change.credentials is not None and type_of(device).connects:
            await self.logins.give(asker, device, change.credentials)
        return self._json(device)

    async def change(self, asker: Asker, device_id: str, changed: Callable[[Device], Device]) -> Device:
        """Change what is kept with a device, whatever somebody else changes at the same time.

        Raises: `ThingerError` (404), `InvalidValue`, `Unavailable`.
        """
        while True:
            before = await self.existing(asker.account, device_id)
            after = changed(before)
            if after == before:
                return before
            try:
                return await self._services.devices.update(
                    after, expected_version=before.version, actor=asker.actor
                )
            except VersionConflict:
                continue

    async def delete(self, asker: Asker, device_id: str) -> dict[str, Any]:
        """Delete a device that is not connected to this server.

        Raises: `ThingerError` (400, 403, 404), `Unavailable`.
        """
        asker.check("Device", device_id, "DeleteDevice")
        device = await self.existing(asker.account, device_id)
        if self.is_active(device):
            raise ThingerError(400, "device is connected")
        await self._services.devices.delete(device, actor=asker.actor)
        await self._tokens.delete_all(device, actor=asker.actor)
        return {}

    async def stats(self, asker: Asker, device_id: str) -> dict[str, Any]:
        """Say whether a device is connected, in the words of the old API."""
        asker.check("Device", device_id, "GetDeviceStats", "ReadDeviceStatus")
        device = await self.existing(asker.account, device_id)
        kept = own_details(device)
        return {"connected": self.is_active(device), "enabled": device.enabled, "type": kept.get("type")}
