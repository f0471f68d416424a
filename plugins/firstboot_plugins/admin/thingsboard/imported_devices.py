"""Saving the devices of an imported table, each as a whole."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from firstboot.devices import DeviceDraft, raise_unless_done
from firstboot.errors import AlreadyExists, FirstbootError, NotFound, VersionConflict
from firstboot.model import GATEWAY, Attribute, Credentials, Device, DeviceProfile, TelemetryPoint
from firstboot.mqtt_passwords import is_same
from firstboot.names import clean_name
from firstboot.storage import CreateDevice, Outcome
from firstboot_plugins.admin.failures import forbidden
from firstboot_plugins.admin.operation import Call
from firstboot_plugins.admin.thingsboard import credential_records
from firstboot_plugins.admin.thingsboard.import_rows import ImportedDevice
from firstboot_plugins.admin.thingsboard.profile_choice import profile_named

CHANGED_AT_A_TIME = 32


class Importer:
    """Saves devices for one call. Two rows of one name make one device, which the later one changes."""

    def __init__(self, call: Call, *, update: bool) -> None:
        self._call = call
        self._services = call.services
        self._update = update
        self._profiles: dict[str | None, DeviceProfile] = {}

    async def save_all(self, rows: Sequence[ImportedDevice]) -> list[bool | FirstbootError]:
        """Save devices; return of each whether it is new, or why it cannot be saved as the row says.

        They are made in one commit; those that exist are changed after it.
        """
        results: list[bool | FirstbootError] = [False] * len(rows)
        plans: list[tuple[int, DeviceProfile, Device, CreateDevice]] = []
        for index, row in enumerate(rows):
            try:
                profile = await self._profile(row.type)
                write, device = self._services.devices.planned(profile, _draft(row), actor=self._call.actor)
            except FirstbootError as error:
                results[index] = error
            else:
                plans.append((index, profile, device, write))
        there: list[int] = []
        written = await self._services.core.commits.submit_all(plan[-1] for plan in plans)
        for (index, profile, device, _), result in zip(plans, written, strict=True):
            if isinstance(result, FirstbootError):
                results[index] = result
                continue
            if isinstance(result, BaseException):
                raise result
            if result.outcome is Outcome.NAME_TAKEN:
                there.append(index)
                continue
            try:
                raise_unless_done(result, device, profile)
                await self._report(replace(device, id=result.id), rows[index])
                results[index] = True
            except FirstbootError as error:
                results[index] = error
        for start in range(0, len(there), CHANGED_AT_A_TIME):
            some = there[start : start + CHANGED_AT_A_TIME]
            saved = await asyncio.gather(*(self._save(rows[index]) for index in some))
            for index, outcome in zip(some, saved, strict=True):
                results[index] = outcome
        return results

    async def _save(self, row: ImportedDevice) -> bool | FirstbootError:
        try:
            return await self._save_alone(row)
        except FirstbootError as error:
            return error

    async def _save_alone(self, row: ImportedDevice) -> bool:
        """Save a device, whether it is there or not; return whether it is new."""
        name = clean_name(row.name, "device name")
        storage = self._services.storage
        while True:
            device = await storage.find_device(self._call.tenant_id, name)
            try:
                if device is None:
                    await self._create(row)
                    return True
                await self._change(device, row)
                return False
            except VersionConflict:
                continue  # somebody has changed it since it was read
            except AlreadyExists:
                # Perhaps another row has made it meanwhile: then that is no error, and it is changed.
                if device is not None or await storage.find_device(self._call.tenant_id, name) is None:
                    raise

    async def _profile(self, type_: str | None) -> DeviceProfile:
        if type_ not in self._profiles:
            if type_ is None:
                self._profiles[None] = await self._services.profiles.default(self._call.tenant_id)
            else:
                self._profiles[type_] = await profile_named(self._call, type_)
        return self._profiles[type_]

    async def _create(self, row: ImportedDevice) -> None:
        profile = await self._profile(row.type)
        device = await self._services.devices.create(profile, _draft(row), actor=self._call.actor)
        await self._report(device, row)

    async def _change(self, device: Device, row: ImportedDevice) -> None:
        if not self._call.identity.may("devices:write"):
            raise forbidden()
        services, actor = self._services, self._call.actor
        profile = await self._profile(row.type) if row.type else None
        moved = profile if profile is not None and profile.id != device.profile_id else None
        changed = replace(
            device, label=row.label or device.label, additional_info=_info(device.additional_info, row)
        )
        if moved is not None or changed != device:
            device = await services.devices.update(
                changed, expected_version=device.version, actor=actor, profile=moved
            )
        if row.credentials is not None and not await self._has(device, row.credentials):
            await services.devices.change_credentials(device, row.credentials, actor=actor)
        if self._update:
            for scope, values in row.attributes.items():
                await services.attributes.save(device.ref, scope, values, actor=actor, origin=self._call.origin)
            await self._report(device, row)

    async def _has(self, device: Device, wanted: Credentials) -> bool:
        try:
            return is_same(await self._services.devices.credentials(device), wanted)
        except NotFound:
            return False

    async def _report(self, device: Device, row: ImportedDevice) -> None:
        if row.telemetry:
            point = TelemetryPoint(self._services.clock.now_ms(), row.telemetry)
            await self._services.telemetry.save(device.ref, [point], self._call.origin)


def _draft(row: ImportedDevice) -> DeviceDraft:
    return DeviceDraft(
        name=row.name,
        credentials=row.credentials or credential_records.new_access_token(),
        label=row.label,
        attributes=tuple(
            Attribute(scope, key, value)
            for scope, values in row.attributes.items()
            for key, value in values.items()
        ),
        additional_info=_info(None, row),
    )


def _info(before: Any, row: ImportedDevice) -> dict[str, Any] | None:
    info = dict(before or {})
    if row.description is not None:
        info["description"] = row.description
    if row.gateway is not None:
        info[GATEWAY] = row.gateway
    return info or None
