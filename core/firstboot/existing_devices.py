"""Devices that exist: handed out, answered again, renewed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

from firstboot.clock import Clock
from firstboot.concluding import Concluding
from firstboot.credentials import Holder
from firstboot.deciding import Deciders
from firstboot.errors import ProvisioningRefused
from firstboot.issuing import Issuing
from firstboot.logins import Match
from firstboot.making_devices import NameTaken
from firstboot.model import (
    Credentials,
    Device,
    DeviceProfile,
    Provisioned,
    ProvisioningRequest,
    ReprovisionPolicy,
)
from firstboot.reprovisioning import Reprovisioning
from firstboot.storage import HandOut, Outcome, ReplaceCredentials, Storage, When, Write


class ExistingDevices:
    """Answers whoever asks for a device that exists, once it is clear that he may have it."""

    def __init__(
        self,
        *,
        storage: Storage,
        issuing: Issuing,
        deciders: Deciders,
        reprovisioning: Reprovisioning,
        concluding: Concluding,
        clock: Clock,
    ) -> None:
        self._storage = storage
        self._issuing = issuing
        self._deciders = deciders
        self._reprovisioning = reprovisioning
        self._concluding = concluding
        self._clock = clock

    async def hand_out(self, device: Device, request: ProvisioningRequest, profile: DeviceProfile) -> Provisioned:
        """Give a device the credentials that it has, if it was not given them before.

        Raises: `ProvisioningRefused`, `Unavailable`.
        """
        attributes = await self._deciders.ask_about(device, request, profile)
        credentials = await self._reprovisioning.current(device)
        self._issuing.reveal(credentials)  # what cannot be told must not count as handed out
        write = HandOut(
            device_id=device.id,
            when=When.NOT_PROVISIONED,
            at_ms=self._clock.now_ms(),
            attributes=attributes,
            request_digest=self._concluding.digest(request, profile),
            audit=self._concluding.audit("handed-out", device.name, device.public_id, request, profile),
        )
        result = await self._concluding.write(write, unless=Outcome.STALE)
        if result.outcome is Outcome.STALE:
            # The other asker has won, perhaps just now: look at the device as it is.
            fresh = await self._storage.find_device(profile.tenant_id, device.name)
            return await self._again(fresh or device, request, profile, code="already-provisioned")
        return self._concluding.success("handed-out", device, credentials, request, profile)

    async def under_name(self, name: str, request: ProvisioningRequest, profile: DeviceProfile) -> Provisioned:
        """Answer a request for a new device whose name is taken: it may be the asker's own.

        Raises: `NameTaken`, `ProvisioningRefused`, `Unavailable`.
        """
        device = await self._storage.find_device(profile.tenant_id, name)
        if device is None or device.profile_id != profile.id:
            raise NameTaken(name)
        if device.reopened_at_ms is None:
            return await self._again(device, request, profile, code="name-taken")
        holder = self._issuing.holder(device.name, device.public_id, profile)
        credentials = await self._issuing.issue(request.wanted, holder)
        audit = self._concluding.audit("re-opened", device.name, device.public_id, request, profile)
        digest = self._concluding.digest(request, profile)
        write = await self._reprovisioning.take_over(device, credentials, digest, audit)
        return await self._finish(write, "re-opened", device, credentials, request, profile)

    async def give_new(
        self,
        device: Device,
        judge: Callable[[Credentials], Awaitable[object]],
        request: ProvisioningRequest,
        profile: DeviceProfile,
    ) -> Provisioned:
        """Give a device that has proven itself to a strategy the credentials that it wants.

        ``judge`` is called with what it has, and raises when that may not be replaced.
        Raises: `ProvisioningRefused`, `Unavailable`.
        """
        current = await self._reprovisioning.current(device)
        await judge(current)
        grace = profile.rotation_grace if profile.reprovision is ReprovisionPolicy.ROTATE else timedelta()
        holder = self._issuing.holder(device.name, device.public_id, profile, current=current)
        return await self._renew(device, request, holder, grace)

    async def renew(
        self, device: Device, proof: Match, request: ProvisioningRequest, profile: DeviceProfile
    ) -> Provisioned:
        """Give a device that has proven itself with its credentials those that it wants.

        Raises: `ProvisioningRefused`, `Unavailable`.
        """
        holder = self._issuing.holder(
            device.name,
            device.public_id,
            profile,
            current=await self._reprovisioning.current(device),
            proven_with=proof.credentials,
        )
        return await self._renew(device, request, holder, profile.rotation_grace)

    async def _renew(
        self, device: Device, request: ProvisioningRequest, holder: Holder, grace: timedelta
    ) -> Provisioned:
        profile, current = holder.profile, holder.current
        assert current is not None  # of a device that exists
        if not device.enabled:
            raise ProvisioningRefused(f"Device {device.name!r} is switched off.", code="device-disabled")
        await self._deciders.ask_about(device, request, profile)
        credentials = await self._issuing.issue(request.wanted, holder)
        write = await self._reprovisioning.give(
            device,
            credentials,
            instead_of=current,
            grace=grace,
            digest=self._concluding.digest(request, profile),
            audit=self._concluding.audit("renewed", device.name, device.public_id, request, profile),
        )
        return await self._finish(write, "renewed", device, credentials, request, profile)

    async def _again(
        self, device: Device, request: ProvisioningRequest, profile: DeviceProfile, *, code: str
    ) -> Provisioned:
        """Answer a device that was provisioned before, if the profile's policy allows it."""
        if profile.reprovision is ReprovisionPolicy.REJECT:
            raise ProvisioningRefused(f"Device {device.name!r} was provisioned before.", code=code)
        rotate = profile.reprovision is ReprovisionPolicy.ROTATE
        how = "rotated" if rotate else "answered-again"
        audit = self._concluding.audit(how, device.name, device.public_id, request, profile)
        digest = self._concluding.digest(request, profile)
        issued = None
        if request.wanted.given and not self._issuing.are_named(request.wanted.type):
            issued = await self._issuing.issue(
                request.wanted, self._issuing.holder(device.name, device.public_id, profile)
            )
        answer = self._reprovisioning.rotate if rotate else self._reprovisioning.retry
        write, credentials = await answer(device, profile, issued, digest, audit)
        self._issuing.reveal(credentials)  # as in `hand_out`
        return await self._finish(write, how, device, credentials, request, profile)

    async def _finish(
        self,
        write: Write,
        how: str,
        device: Device,
        credentials: Credentials,
        request: ProvisioningRequest,
        profile: DeviceProfile,
    ) -> Provisioned:
        result = await self._concluding.write(write, unless=Outcome.STALE)
        if result.outcome is Outcome.STALE:
            raise ProvisioningRefused(
                f"Device {device.name!r} has used its credentials meanwhile.", code="not-the-same-device"
            )
        replaced = isinstance(write, ReplaceCredentials)
        return self._concluding.success(how, device, credentials, request, profile, replaced=replaced)
