"""``ensure``: check and create in one request, over every transport (contract 12.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firstboot.errors import ProvisioningRefused
from firstboot.model import Device, ResourceDraft
from firstboot_plugins.dialects.thinger.askers import Asker, forbidden
from firstboot_plugins.dialects.thinger.device_bodies import EnsuredDevice, OnConflict, ensured_device
from firstboot_plugins.dialects.thinger.device_json import type_of
from firstboot_plugins.dialects.thinger.devices import TAKEN
from firstboot_plugins.dialects.thinger.ensured_companions import EnsuredCompanions
from firstboot_plugins.dialects.thinger.errors import ThingerError
from firstboot_plugins.dialects.thinger.mqtt_address import mqtt_address
from firstboot_plugins.dialects.thinger.wrong_credentials import WrongCredentials

if TYPE_CHECKING:
    from firstboot_plugins.dialects.thinger.shared import Thinger

_LOOKING = ("CreateDevice", "ListDevices")


@dataclass(frozen=True, slots=True)
class EnsureResult:
    """The answer to an ``ensure``."""

    status: int
    body: Mapping[str, Any]


class Ensuring:
    """Makes sure that a device is there and can log in with what was sent."""

    def __init__(self, thinger: Thinger) -> None:
        self._thinger = thinger
        self._services = thinger.services
        self._devices = thinger.devices
        self._mqtt = mqtt_address(thinger.services)
        self._wrong = WrongCredentials(
            thinger.config.wrong_credentials,
            thinger.config.wrong_credentials_window.total_seconds(),
            thinger.services.clock.monotonic,
        )

    async def ensure(self, asker: Asker, device_id: str, body: object) -> EnsureResult:
        """Make a device, or compare its credentials with those of the body, or replace them.

        With ``"check": true`` in the body nothing is changed.

        Raises: `ThingerError` (409 with the result ``conflict``), `ProvisioningRefused`, `Unavailable`.
        """
        asker.check("Device", device_id, *_LOOKING, "UpdateDevice")
        wanted = ensured_device(body, device_id)
        if wanted.check:
            return await self._checked(asker, wanted)
        companions = EnsuredCompanions(self._thinger, asker, wanted)
        await companions.check()
        device, result = await self._ensured(asker, wanted, companions.together)
        made = await companions.make(is_new=result == "created")
        return EnsureResult(200, {"result": result, **self._shown(asker, device), **made})

    def _shown(self, asker: Asker, device: Device) -> dict[str, Any]:
        shown = {"device": device.name, "user": asker.account.name, "enabled": device.enabled}
        if not type_of(device).connects:
            return shown
        login = {"username": asker.account.name, "client_id": device.name}
        return {**shown, "mqtt": {**self._mqtt, **login}}

    async def _checked(self, asker: Asker, wanted: EnsuredDevice) -> EnsureResult:
        asker.check("Device", wanted.device.id, *_LOOKING)
        device = await self._devices.find(asker.account, wanted.device.id)
        if device is None:
            return EnsureResult(200, {"result": "absent"})
        if type_of(device).connects != wanted.device.type.connects:
            raise await self._conflict(asker, device, "It is of another type.")
        if wanted.device.credentials is not None:
            await self._compare(asker, device, wanted.device.credentials)
        return EnsureResult(200, {"result": "exists"})

    async def _ensured(
        self, asker: Asker, wanted: EnsuredDevice, together: Sequence[ResourceDraft]
    ) -> tuple[Device, str]:
        """Return the device, and what became of it."""
        new = wanted.device
        device = await self._devices.find(asker.account, new.id)
        if device is None or device.reopened_at_ms is not None:
            asker.check("Device", new.id, "CreateDevice")
            profile = await self._devices.profiles.get(asker.account)
            try:
                made = await self._devices.provision(asker.account, profile, new, asker.origin, together)
            except ProvisioningRefused as refusal:
                if refusal.code not in TAKEN:
                    raise
            else:
                return made.made or await self._devices.existing(asker.account, made.device_name), "created"
            device = await self._devices.existing(asker.account, new.id)  # somebody was faster
        return device, await self._met(asker, device, wanted)

    async def _met(self, asker: Asker, device: Device, wanted: EnsuredDevice) -> str:
        """Return what becomes of a device that exists."""
        new = wanted.device
        if type_of(device).connects != new.type.connects:
            raise await self._conflict(asker, device, "It is of another type.")
        may_look = asker.may("Device", device.name, *_LOOKING)
        may_replace = asker.may("Device", device.name, "UpdateDevice")
        if new.credentials is None:
            if not may_look:
                raise forbidden(*_LOOKING)
            return "exists"
        if wanted.on_conflict is OnConflict.REPLACE and may_replace:
            # Whoever may set the credentials learns nothing here that he could not do without.
            return "updated" if await self._devices.logins.give(asker, device, new.credentials) else "exists"
        if not may_look:
            raise forbidden(*_LOOKING)
        try:
            await self._compare(asker, device, new.credentials)
        except ThingerError as error:
            if error.status == 409 and wanted.on_conflict is OnConflict.REPLACE:
                raise forbidden("UpdateDevice") from error
            raise
        return "exists"

    async def _compare(self, asker: Asker, device: Device, password: str) -> None:
        """Compare what was sent with what a device has.

        Raises: `ThingerError` (409 when it differs, 429 when that was asked too often).
        """
        same = await self._devices.logins.is_opened_by(asker, device, password)
        self._wrong.check(device.id)  # and what is counted next is judged in the same breath
        if not same:
            times = self._wrong.count(device.id)
            raise await self._conflict(asker, device, f"Wrong credentials offered for it: {times}.")

    async def _conflict(self, asker: Asker, device: Device, reason: str) -> ThingerError:
        """Tell operators of a conflict, and return the answer to whoever asked."""
        refusal = ProvisioningRefused(
            f"Device {device.name!r} exists already. {reason}", code="credentials-mismatch"
        )
        profile = self._services.profile_directory.get(device.profile_id)
        await self._services.provisioning.report_refusal(refusal, asker.origin, device.name, profile)
        return ThingerError(409, "credentials mismatch", result="conflict")
