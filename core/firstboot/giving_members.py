"""Members of a pool that are given to the hardware that asks."""

from __future__ import annotations

from contextlib import nullcontext

from firstboot.concluding import Concluding
from firstboot.deciding import Deciders
from firstboot.errors import InvalidValue, ProvisioningRefused
from firstboot.issuing import Issuing
from firstboot.limits import Limits
from firstboot.making_devices import MakingDevices, NameTaken
from firstboot.model import Device, DeviceProfile, Provisioned, ProvisioningRequest
from firstboot.names import clean_name
from firstboot.pool_leases import PoolLeases
from firstboot.reprovisioning import Reprovisioning
from firstboot.storage import Storage, Together
from firstboot.strategies import TakeFromPool

MAX_TRIES = 5
"""To give a member of a pool to a hardware that asks several servers at once."""
MAX_NAMES_TRIED = 1000
"""For a new member of a pool, before giving up."""


class GivingMembers:
    """Gives each hardware a member of its own, with the credentials that it wants."""

    def __init__(
        self,
        *,
        storage: Storage,
        leases: PoolLeases,
        making: MakingDevices,
        issuing: Issuing,
        deciders: Deciders,
        limits: Limits,
        reprovisioning: Reprovisioning,
        concluding: Concluding,
    ) -> None:
        self._storage = storage
        self._leases = leases
        self._making = making
        self._issuing = issuing
        self._deciders = deciders
        self._limits = limits
        self._reprovisioning = reprovisioning
        self._concluding = concluding

    async def give(self, wish: TakeFromPool, request: ProvisioningRequest, profile: DeviceProfile) -> Provisioned:
        """Give a hardware a member of the profile's pool.

        Its requests that are under way at the same time, such as after a lost connection, are answered one after
        the other: what the last one got is what counts.
        Raises: `ProvisioningRefused`, `Unavailable`.
        """
        async with self._leases.turn(profile, wish.hardware_id):
            for left in reversed(range(MAX_TRIES)):
                try:
                    return await self._give_once(wish, request, profile)
                except ProvisioningRefused as refusal:
                    if refusal.code != "try-again" or not left:
                        raise
        raise AssertionError("the last try returns or raises")

    async def _give_once(
        self, wish: TakeFromPool, request: ProvisioningRequest, profile: DeviceProfile
    ) -> Provisioned:
        device = await self._leases.lease(wish, profile)
        if device is None:
            return await self._add(wish, request, profile)
        try:
            return await self._hand_over(device, wish, request, profile)
        except ProvisioningRefused as refusal:
            if device.provisioned_at_ms is None:  # nobody has got anything of it: what is refused leaves nothing
                await self._leases.take_back(device, wish.hardware_id, detail=refusal.code)
            raise

    async def _hand_over(
        self, device: Device, wish: TakeFromPool, request: ProvisioningRequest, profile: DeviceProfile
    ) -> Provisioned:
        """Give a hardware the member that it holds; whatever opened it before opens nothing any more."""
        is_new = device.provisioned_at_ms is None
        if not (is_new or device.enabled):
            raise ProvisioningRefused(f"Device {device.name!r} is switched off.", code="device-disabled")
        attributes = await self._deciders.ask_about(device, request, profile)
        current = await self._reprovisioning.current(device)
        credentials = await self._issuing.issue(
            request.wanted, self._issuing.holder(device.name, device.public_id, profile, current=current)
        )
        with self._limits.counting(profile) if is_new else nullcontext():
            write = await self._reprovisioning.hand_over(
                device,
                credentials,
                instead_of=current,
                attributes=attributes,
                digest=self._concluding.digest(request, profile),
                audit=self._concluding.audit("taken-from-pool", device.name, device.public_id, request, profile),
            )
            await self._concluding.write(Together((self._leases.giving(device, wish), write)))
        return self._concluding.success(
            "taken-from-pool", device, credentials, request, profile, replaced=not is_new
        )

    async def _add(self, wish: TakeFromPool, request: ProvisioningRequest, profile: DeviceProfile) -> Provisioned:
        """Make a member for a hardware when none is ready."""
        if wish.new_name is None:
            raise ProvisioningRefused(
                f"No device of pool {profile.name!r} is ready for hardware {wish.hardware_id!r}.",
                code="pool-empty",
            )
        tried = ""
        for _ in range(MAX_NAMES_TRIED):
            number = await self._leases.next_number(profile)
            try:
                name = clean_name(wish.new_name(number), "device name")
            except InvalidValue as error:
                raise ProvisioningRefused(str(error), code="invalid-name") from None
            if name == tried:  # the number is no part of it
                break
            tried = name
            if await self._storage.find_device(profile.tenant_id, name) is None:
                self._limits.check_name(profile, name)
                try:
                    return await self._making.make(name, request, profile, member=self._leases.new_member(wish))
                except NameTaken as taken:
                    if taken.name != name:  # a plugin wants a name that is taken; it would want it again
                        raise
        raise NameTaken(tried)
