"""Pools of an account, as its owner makes, fills and empties them (contract 12.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from firstboot.credentials import nobodys_credentials
from firstboot.devices import DeviceDraft
from firstboot.errors import FirstbootError
from firstboot.model import Device, DeviceProfile
from firstboot.pool_names import read_pattern
from firstboot.profiles import plain_profile
from firstboot_plugins.dialects.thinger.askers import Asker
from firstboot_plugins.dialects.thinger.body_fields import BodyFields, checked_id
from firstboot_plugins.dialects.thinger.dialect_profiles import DialectProfiles
from firstboot_plugins.dialects.thinger.errors import ThingerError, not_found
from firstboot_plugins.dialects.thinger.list_query import ListQuery
from firstboot_plugins.dialects.thinger.pool_bodies import POOL, hardware_of, pool_json, read_pool
from firstboot_plugins.strategies.pool_options import STRATEGY, PoolOptions

if TYPE_CHECKING:
    from firstboot_plugins.dialects.thinger.shared import Thinger

TITLE = "Pool"
"""Type of pools in permissions."""


class Pools:
    """Each is a device profile with the strategy ``pool``; its devices are ordinary ones."""

    def __init__(self, thinger: Thinger) -> None:
        self._services = thinger.services
        self._templates = thinger.templates
        self.profiles = DialectProfiles(thinger.services, POOL)

    # -- pools -------------------------------------------------------------------------------------

    async def list(self, asker: Asker, query: ListQuery) -> Sequence[dict[str, Any]]:
        """Show those that the asker may list."""
        return [await self._shown(each) for each in self.profiles.allowed(asker, query, TITLE, "ListPools")]

    async def get(self, asker: Asker, name: str) -> dict[str, Any]:
        """Show one.

        Raises: `ThingerError` (403, 404).
        """
        asker.check(TITLE, name, "ReadPoolConfig")
        return await self._shown(self.profiles.get(asker.account, name))

    async def create(self, asker: Asker, body: object) -> dict[str, Any]:
        """Make a pool, which has no devices yet.

        Raises: `ThingerError` (400, 403), `AlreadyExists`, `InvalidValue`, `Unavailable`.
        """
        fields = BodyFields(body)
        name = fields.needed_id(POOL)
        asker.check(TITLE, name, "CreatePool")
        draft = replace(plain_profile(asker.account.id, name), strategy=STRATEGY)
        draft = self._checked(asker, read_pool(fields).applied(draft))
        return await self._shown(await self.profiles.create(draft, secret=None, actor=asker.actor))

    async def update(self, asker: Asker, name: str, body: object) -> dict[str, Any]:
        """Change a pool; devices that hardware has stay as they are.

        Raises: `ThingerError` (400, 403, 404), `InvalidValue`, `Unavailable`.
        """
        asker.check(TITLE, name, "UpdatePool")
        fields = BodyFields(body)
        if fields.take(POOL, name) != name:
            raise ThingerError(400, "the body names another pool than the path")
        change = read_pool(fields)

        def changed(profile: DeviceProfile) -> DeviceProfile:
            after = change.applied(profile)
            return self._checked(asker, after) if "template" in change.options else after

        return await self._shown(await self.profiles.change(asker.account, name, changed, actor=asker.actor))

    async def delete(self, asker: Asker, name: str) -> dict[str, Any]:
        """Delete a pool with its devices that are ready; those that hardware has stay.

        Raises: `ThingerError` (403, 404), `Unavailable`.
        """
        asker.check(TITLE, name, "DeletePool")

        def closed(profile: DeviceProfile) -> DeviceProfile:
            return replace(profile, enabled=False)

        # Nobody is given one of them while they go.
        profile = await self.profiles.change(asker.account, name, closed, actor=asker.actor)
        await self._services.pools.empty(profile, actor=asker.actor)
        await self.profiles.delete(profile, asker.account, actor=asker.actor)
        return {}

    def _checked(self, asker: Asker, profile: DeviceProfile) -> DeviceProfile:
        self._templates.check(asker, PoolOptions.of(profile).template)
        return profile

    async def _shown(self, profile: DeviceProfile) -> dict[str, Any]:
        devices = await self._services.storage.count_devices(profile.id)
        return pool_json(profile, devices=devices, ready=await self._services.pools.ready(profile))

    # -- hardware ----------------------------------------------------------------------------------

    async def hardware(self, asker: Asker, name: str) -> Any:
        """Show which hardware may claim.

        Raises: `ThingerError` (403, 404).
        """
        asker.check(TITLE, name, "ReadPoolConfig")
        return hardware_of(self.profiles.get(asker.account, name))

    async def set_hardware(self, asker: Asker, name: str, body: object) -> Any:
        """Say which hardware may claim: a list of ids, or ``any``.

        Raises: `ThingerError` (403, 404), `InvalidValue`, `Unavailable`.
        """
        await self.update(asker, name, {"hardware_ids": body})
        return hardware_of(self.profiles.get(asker.account, name))

    # -- devices -----------------------------------------------------------------------------------

    async def fill(self, asker: Asker, name: str, body: object) -> dict[str, Any]:
        """Add devices: a number of them, or those of a list. Each succeeds or fails alone.

        Raises: `ThingerError` (400 when none could be added, 403, 404), `InvalidValue`, `Unavailable`.
        """
        asker.check(TITLE, name, "UpdatePool")
        profile = self.profiles.get(asker.account, name)
        options = PoolOptions.of(profile)

        def draft(device_id: str) -> DeviceDraft:
            asker.check("Device", checked_id(device_id, "device"), "CreateDevice")
            made = self._templates.details(asker.account, options.template, device_id)
            return DeviceDraft(
                name=device_id,
                credentials=nobodys_credentials(),
                label=made.label,
                additional_info=made.additional_info or None,
                details=made.details,
            )

        pools = self._services.pools
        if isinstance(body, list):
            drafts = [(draft(device_id), hardware_id) for device_id, hardware_id in map(_member, body)]
            added = await pools.fill(profile, drafts, actor=asker.actor)
        else:
            fields = BodyFields(body)
            count, text = fields.take("count"), fields.text("id_pattern")
            fields.end()
            if isinstance(count, bool) or not isinstance(count, int):
                raise ThingerError(400, "invalid field: count")
            pattern = options.id_pattern if text is None else read_pattern(text)
            if pattern is None:
                raise ThingerError(400, "missing field: id_pattern")
            added = await pools.fill_by_pattern(profile, pattern, count, draft=draft, actor=asker.actor)
        return await self._filled(profile, added)

    async def _filled(self, profile: DeviceProfile, added: Sequence[Device | Exception]) -> dict[str, Any]:
        number = sum(isinstance(each, Device) for each in added)
        failures = [each for each in added if isinstance(each, Exception)]
        for failure in failures:
            if not number or not isinstance(failure, FirstbootError):
                raise failure
        told: dict[str, Any] = {"added": number, "ready": await self._services.pools.ready(profile)}
        return {**told, "failed": [str(each) for each in failures]} if failures else told

    async def release(self, asker: Asker, name: str, device_id: str) -> dict[str, Any]:
        """Take a device back from its hardware; it is ready for the next one.

        Raises: `ThingerError` (403, 404), `Unavailable`.
        """
        asker.check(TITLE, name, "ReleaseDevice", "UpdatePool")
        profile = self.profiles.get(asker.account, name)
        device = await self._services.storage.find_device(asker.account.id, device_id)
        if device is None or device.profile_id != profile.id:
            raise not_found()
        await self._services.pools.release(device, actor=asker.actor)
        return {"device": device.name, "ready": await self._services.pools.ready(profile)}


def _member(value: object) -> tuple[str, str | None]:
    fields = BodyFields(value)
    device_id, hardware_id = fields.id("device"), fields.text("hardware_id")
    fields.end()
    if device_id is None:
        raise ThingerError(400, "missing field: device")
    return device_id, hardware_id
