"""Finding and making the devices behind one gateway (contract GW-1 to GW-3)."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from firstboot.app import Services
from firstboot.devices import DeviceDraft
from firstboot.errors import AlreadyExists, LimitReached, NotFound, VersionConflict
from firstboot.model import ClaimOpener, Device, DeviceProfile, Origin, WantedCredentials
from firstboot.names import clean_name
from firstboot.profiles import DEFAULT_PROFILE, MAX_PROFILES
from firstboot.storage import DevicePageQuery
from firstboot_plugins.credentials.access_token import AccessTokens
from firstboot_plugins.dialects.thingsboard.config import ThingsBoardConfig
from firstboot_plugins.dialects.thingsboard.gateway_rights import check_enabled, check_may_take

LAST_GATEWAY = "lastConnectedGateway"
"""Member of a device's additional information: id of the gateway that has connected it last."""
MAX_PROFILES_WITH_THEIRS = MAX_PROFILES // 2
"""Gateways make no more profiles when the tenant has so many: administrators shall still be able to."""
COUNTED_FOR_S = 60.0
"""After which the devices behind a gateway are counted again: administrators delete some, others take some."""


class GatewayDevices:
    """Says which device a name of a gateway's stands for."""

    __slots__ = ("_behind", "_config", "_counted_at", "_counting", "_limits", "_services")

    def __init__(self, services: Services) -> None:
        self._services = services
        self._limits = services.provisioning.limits
        self._config = services.config.section(ThingsBoardConfig)
        self._behind = 0
        """How many devices are behind the gateway, when they were counted and with those that came since."""
        self._counted_at = -math.inf
        self._counting = asyncio.Lock()

    async def find(
        self, gateway: Device, name: str, type_: str | None, origin: Origin
    ) -> tuple[Device, Device | None]:
        """Return the device of this name, and the gateway from which it was taken, None when from none.

        It is made when there is none, of the profile that ``type_`` names.

        Raises: `InvalidValue` (`LimitReached`), `NotAllowed`, `ProvisioningRefused`, `NotFound`, `Unavailable`.
        """
        name = clean_name(name, "device name")
        while True:
            device = await self._services.storage.find_device(gateway.tenant_id, name)
            with suppress(AlreadyExists, VersionConflict):  # somebody was faster: look again
                if device is None:
                    return await self._make(gateway, name, type_, origin), None
                check_enabled(device)
                if device.gateway_id == gateway.id:
                    return device, None
                return await self._take(gateway, device)

    # -- one that exists ---------------------------------------------------------------------------

    async def _take(self, gateway: Device, device: Device) -> tuple[Device, Device | None]:
        former = await self._gateway_of(device)
        for_sale = await self._is_for_sale(device)
        check_may_take(self._config.gateways_take, gateway, device, former, for_sale=for_sale)
        info = {**(device.additional_info or {}), **_trace(gateway)}
        moved = replace(device, gateway_id=gateway.id, additional_info=info)
        async with self._place(gateway):
            taken = await self._services.devices.update(
                moved, expected_version=device.version, actor=_actor(gateway), event="device-put-behind-gateway"
            )
        return taken, former

    async def _is_for_sale(self, device: Device) -> bool:
        if device.customer_id is not None:
            return False
        windows = await self._services.storage.claim_windows(device.id)
        return any(window.opened_by is ClaimOpener.ADMINISTRATOR for window in windows)

    async def _gateway_of(self, device: Device) -> Device | None:
        if device.gateway_id is None:
            return None
        query = DevicePageQuery(tenant_id=device.tenant_id, ids=frozenset({device.gateway_id}))
        found = await self._services.storage.page_devices(query)
        return found.rows[0] if found.rows else None

    # -- a new one ---------------------------------------------------------------------------------

    async def _make(self, gateway: Device, name: str, type_: str | None, origin: Origin) -> Device:
        async with self._place(gateway):
            profile = await self._profile(gateway, type_)
            self._limits.check(profile, origin)
            self._limits.check_name(profile, name)
            draft = DeviceDraft(
                name=name,
                credentials=AccessTokens().issue(WantedCredentials()),
                customer_id=gateway.customer_id,
                gateway_id=gateway.id,
                additional_info=_trace(gateway),
            )
            with self._limits.counting(profile):
                return await self._services.devices.create(profile, draft, actor=_actor(gateway))

    async def _profile(self, gateway: Device, type_: str | None) -> DeviceProfile:
        name = clean_name(type_ or DEFAULT_PROFILE, "device type")
        known = [each for each in self._services.profile_directory.all() if each.tenant_id == gateway.tenant_id]
        for profile in known:
            if profile.name == name:
                return profile
        profiles = self._services.profiles
        if name == DEFAULT_PROFILE:
            return await profiles.default(gateway.tenant_id)
        if len(known) >= MAX_PROFILES_WITH_THEIRS:
            with suppress(NotFound):
                return await profiles.get(gateway.tenant_id, name)
            raise LimitReached(f"With {MAX_PROFILES_WITH_THEIRS} device profiles, gateways make no more of them.")
        return await profiles.named(gateway.tenant_id, name, actor=_actor(gateway))

    # -- how many ----------------------------------------------------------------------------------

    @asynccontextmanager
    async def _place(self, gateway: Device) -> AsyncIterator[None]:
        """Keep a place for one more device, if it comes to be behind the gateway."""
        now = self._services.clock.monotonic()
        async with self._counting:  # nobody takes a place while it is not known how many there are
            if now - self._counted_at > COUNTED_FOR_S:
                self._behind = len(await self._services.storage.devices_behind(gateway.id))
                self._counted_at = now
        if self._behind >= self._config.devices_per_gateway:
            raise LimitReached(
                f"Gateway {gateway.name!r} has as many devices as it may have; see devices_per_gateway in"
                " [thingsboard]."
            )
        self._behind += 1
        try:
            yield
        except BaseException:
            self._behind -= 1
            raise


def _trace(gateway: Device) -> dict[str, str]:
    return {LAST_GATEWAY: str(gateway.public_id)}


def _actor(gateway: Device) -> str:
    return f"gateway:{gateway.name}"
