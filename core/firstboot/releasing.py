"""Owners give devices back and hand them over; administrators and devices end what an owner has."""

from __future__ import annotations

from firstboot.claim_windows import ClaimWindows, OpenedWindow
from firstboot.clock import Clock
from firstboot.deciding_claims import ClaimDeciders
from firstboot.errors import NotAllowed, NotFound
from firstboot.model import ClaimOpener, Device, DeviceRef, Origin, User
from firstboot.owner_lookups import customer_of, device_named, read_again
from firstboot.ownership import RELEASED, NewOwner, OwnerChanged, Ownership, claim_of
from firstboot.profile_directory import ProfileDirectory
from firstboot.storage import Storage


class Releasing:
    """Takes devices from their owners, and lets owners choose who comes next."""

    def __init__(
        self,
        *,
        storage: Storage,
        clock: Clock,
        windows: ClaimWindows,
        ownership: Ownership,
        deciders: ClaimDeciders,
        profiles: ProfileDirectory,
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._windows = windows
        self._ownership = ownership
        self._deciders = deciders
        self._profiles = profiles

    # -- giving back -------------------------------------------------------------------------------

    async def release(self, user: User, name: str, origin: Origin) -> None:
        """Give a device of a customer back.

        Raises: `NotFound`, also for a device of somebody else (threat CM-6); `ClaimRefused` by a plugin;
        `NotAllowed`, `Unavailable`.
        """
        customer = await customer_of(self._storage, user)
        while True:
            device = await device_named(self._storage, customer.tenant_id, name)
            if device is None or device.customer_id != customer.id:
                raise NotFound(f"There is no device named {name!r}.")
            try:
                await self._release(device, customer.id, f"user:{user.email}", origin)
            except OwnerChanged:
                continue
            return

    async def release_as_administrator(self, device: Device, *, actor: str, origin: Origin) -> Device:
        """Take a device from its owner; of one that has none only its own claim window is closed (contract CL-21).

        Raises: `ClaimRefused` by a plugin, `NotFound`, `Unavailable`.
        """
        while device.customer_id is not None:
            try:
                return await self._release(device, device.customer_id, actor, origin)
            except OwnerChanged:
                device = await read_again(self._storage, device.ref)
        await self._windows.close(device, opened_by=(ClaimOpener.DEVICE,), actor=actor)
        return device

    async def release_by_device(self, ref: DeviceRef, origin: Origin) -> None:
        """Take a device from its owner because it says so itself, such as when it is reset.

        Raises: `NotAllowed` when its profile does not let it, `ClaimRefused` by a plugin, `NotFound`,
        `Unavailable`.
        """
        profile = self._profiles.get(ref.profile_id)
        if profile is None or not profile.release_by_device:
            raise NotAllowed("Devices of this profile may not release themselves.")
        while True:
            device = await read_again(self._storage, ref)
            if device.customer_id is None:
                return
            try:
                await self._release(device, device.customer_id, "device", origin)
            except OwnerChanged:
                continue
            return

    async def _release(self, device: Device, owner_id: int, actor: str, origin: Origin) -> Device:
        await self.may_release(device, actor=actor, origin=origin, how="released")
        new = NewOwner(
            customer=None, expected=owner_id, event=RELEASED, how="released", actor=actor, origin=origin
        )
        return await self._ownership.change(device, new)

    async def may_release(self, device: Device, *, actor: str, origin: Origin, how: str) -> None:
        """Ask the plugins whether the owner of a device may lose it.

        Raises: `ClaimRefused`.
        """
        assert device.customer_id is not None  # for the type checker: somebody owns it
        for owner in await self._storage.customers_by_id(device.tenant_id, [device.customer_id]):
            claim = claim_of(device, owner, how=how, actor=actor, origin=origin, at_ms=self._clock.now_ms())
            await self._deciders.may_release(claim)

    # -- handing over ------------------------------------------------------------------------------

    async def offer(self, user: User, device: Device, origin: Origin) -> OpenedWindow:
        """Let the customer who comes next claim a device that still belongs to this user's customer.

        Raises: `NotFound` for a device of somebody else, `NotAllowed`, `Unavailable`.
        """
        await self._own(user, device)
        return await self._windows.open_by_owner(device, actor=f"user:{user.email}", origin=origin)

    async def withdraw(self, user: User, device: Device) -> None:
        """Take an offer back.

        Raises: as `offer`.
        """
        await self._own(user, device)
        await self._windows.close(device, opened_by=(ClaimOpener.OWNER,), actor=f"user:{user.email}")

    async def _own(self, user: User, device: Device) -> None:
        customer = await customer_of(self._storage, user)
        if device.customer_id != customer.id:
            raise NotFound(f"Device with id [{device.public_id}] is not found")
