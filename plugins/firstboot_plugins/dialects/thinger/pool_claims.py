"""Claims: an uninitialised device is given one of the devices of a pool (contract 12.4)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

from firstboot.errors import InvalidValue, NotFound, ProvisioningRefused
from firstboot.model import DeviceProfile, Provisioned, ProvisioningRequest, Tenant, WantedCredentials
from firstboot.mqtt_passwords import parts_of
from firstboot.pools import check_hardware_id
from firstboot.secret import Secret
from firstboot_plugins.dialects.thinger.askers import Asker
from firstboot_plugins.dialects.thinger.belongings import Belongings
from firstboot_plugins.dialects.thinger.body_fields import is_id
from firstboot_plugins.dialects.thinger.credentials import THINGER
from firstboot_plugins.dialects.thinger.errors import ThingerError
from firstboot_plugins.dialects.thinger.mqtt_address import mqtt_address
from firstboot_plugins.dialects.thinger.pools import TITLE
from firstboot_plugins.strategies.pool_options import OnEmpty, PoolOptions

if TYPE_CHECKING:
    from firstboot_plugins.dialects.thinger.shared import Thinger

logger = logging.getLogger(__name__)


class PoolEmpty(ThingerError):
    """None of a pool's devices is ready."""

    def __init__(self) -> None:
        super().__init__(404, "pool empty")


class PoolClaims:
    """Gives devices of pools away; who may wait for one waits here."""

    def __init__(self, thinger: Thinger) -> None:
        self._thinger = thinger
        self._services = thinger.services
        self._profiles = thinger.pools.profiles
        self._belongings = Belongings(thinger)
        self._wait_s = thinger.config.pool_wait.total_seconds()
        self._waiting: dict[tuple[int, str], asyncio.Task[Any]] = {}
        """By pool and hardware: of two that ask for one hardware, the answer to one makes that to the other
        worthless. Who asks last counts, because the device has forgotten the others."""

    async def claim(self, asker: Asker, pool: str, hardware_id: object) -> dict[str, Any]:
        """Give a hardware a device; the answer alone has the credential.

        Raises: `PoolEmpty`, `ThingerError` (400, 403, 404, 409), `ProvisioningRefused`, `Unavailable`.
        """
        profile, hardware = self._asked(asker, pool, hardware_id)
        self._stop_others((profile.id, hardware))
        await self._services.changes.ensure_fresh()
        request = ProvisioningRequest(
            key="",
            secret=Secret(""),
            device_name=None,
            wanted=WantedCredentials(type=THINGER, username=asker.account.name),
            hardware_id=hardware,
            draft=self._thinger.templates.details(asker.account, PoolOptions.of(profile).template),
            origin=asker.origin,
        )
        try:
            made = await self._services.provisioning.provision_in(profile, request)
        except ProvisioningRefused as refusal:
            if refusal.code == "pool-empty":
                raise PoolEmpty from refusal
            if refusal.code == "already-provisioned":
                raise ThingerError(409, "already claimed") from refusal
            raise
        await self._add_companions(asker, profile, made)
        return {
            "status": 200,
            "user": asker.account.name,
            "device": made.device_name,
            "credentials": parts_of(made.credentials)["password"],
            "mqtt": mqtt_address(self._services),
        }

    def may_wait(self, account: Tenant, pool: str) -> bool:
        """Say whether a pool lets devices wait when it is empty."""
        profile = self._profiles.find(account, pool)
        return profile is not None and PoolOptions.of(profile).on_empty is OnEmpty.WAIT

    async def wait(self, asker: Asker, pool: str, hardware_id: str) -> dict[str, Any]:
        """Return what `claim` does as soon as a device is ready for the hardware.

        Raises: `PoolEmpty` when none was ready for all too long; what `claim` raises.
        `asyncio.CancelledError` also when the same hardware asks once more.
        """
        profile, hardware = self._asked(asker, pool, hardware_id)
        found: dict[str, Any] = {}

        async def attempt() -> bool:
            with contextlib.suppress(PoolEmpty):
                found.update(await self.claim(asker, pool, hardware))
            return bool(found)

        key = profile.id, hardware
        task = asyncio.current_task()
        assert task is not None  # this is a coroutine
        self._stop_others(key)
        self._waiting[key] = task
        wait_s = self._wait_s
        if asker.until_ms is not None:
            wait_s = min(wait_s, (asker.until_ms - self._services.clock.now_ms()) / 1000)
        try:
            async with asyncio.timeout(wait_s):
                await self._services.pool_news.wait_until(profile.id, attempt)
        except TimeoutError:
            raise PoolEmpty from None
        finally:
            if self._waiting.get(key) is task:
                del self._waiting[key]
        return found

    def _stop_others(self, key: tuple[int, str]) -> None:
        former = self._waiting.get(key)
        if former is not None and former is not asyncio.current_task():
            del self._waiting[key]
            former.cancel()

    def _asked(self, asker: Asker, pool: str, hardware_id: object) -> tuple[DeviceProfile, str]:
        asker.check(TITLE, pool, "ClaimDevice")
        profile = self._profiles.get(asker.account, pool)
        if hardware_id is None:
            raise ThingerError(400, "missing field: hardware_id")
        try:
            hardware = check_hardware_id(hardware_id if isinstance(hardware_id, str) else "")
            if not _may_name_a_device(PoolOptions.of(profile), hardware):
                raise InvalidValue("The name of its device would be no id.")
        except InvalidValue:
            raise ThingerError(400, "invalid field: hardware_id") from None
        return profile, hardware

    async def _add_companions(self, asker: Asker, profile: DeviceProfile, made: Provisioned) -> None:
        """Make what stands beside the device, where it is not there: a device that asks again tries that again."""
        template, templates = PoolOptions.of(profile).template, self._thinger.templates
        try:
            new = templates.device(asker.account, template, made.device_name)
            drafts = [
                *templates.companions(asker.account, template, made.device_name),
                *self._belongings.of(asker.account, new),
            ]
            await self._services.resources.create_missing(asker.account.id, drafts, actor=asker.actor)
            await self._thinger.companions.known()
        except (InvalidValue, NotFound, ThingerError) as error:
            logger.warning(
                "not all that belongs to a claimed device could be made",
                extra={"device": made.device_name, "reason": str(error)},
            )


def _may_name_a_device(options: PoolOptions, hardware_id: str) -> bool:
    pattern = options.id_pattern if options.on_empty is OnEmpty.CREATE else None
    return pattern is None or is_id(pattern.name(1, hardware_id))
