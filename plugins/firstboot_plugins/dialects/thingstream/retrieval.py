"""The one Thing of a hardware: made when it first asks, found when it asks again (contract section 9).

So it is with PointPerfect and AssistNow; a device of CloudLocate gets another Thing each time
(`firstboot_plugins.dialects.thingstream.renewal`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID
from weakref import WeakValueDictionary

from firstboot.errors import ProvisioningRefused
from firstboot.model import Device, Origin, WantedCredentials
from firstboot.randomness import random_bytes
from firstboot_plugins.dialects.thingstream.credentials import thing_id
from firstboot_plugins.dialects.thingstream.errors import Deactivated
from firstboot_plugins.dialects.thingstream.new_thing import new_thing, request_of
from firstboot_plugins.dialects.thingstream.requests import Wish
from firstboot_plugins.dialects.thingstream.settings import settings_of
from firstboot_plugins.dialects.thingstream.things import ThingState, state_of
from firstboot_plugins.dialects.thingstream.tokens import Proven

if TYPE_CHECKING:
    from firstboot.app import Services

_TRIES = 5
_POOL = "pool"


@dataclass(frozen=True, slots=True)
class Issued:
    """Credentials for a new Thing."""

    wanted: WantedCredentials
    told: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What its device is told of them."""


@dataclass(frozen=True, slots=True)
class Found:
    """The Thing of a hardware."""

    thing: Device
    issued: Issued | None
    """None: it was there before."""


Issue = Callable[[UUID], Awaitable[Issued]]
"""Makes the credentials of the Thing with this id."""


class Retrieval:
    """Finds the Thing of a hardware, or makes it."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._turns: WeakValueDictionary[tuple[int, str], asyncio.Lock] = WeakValueDictionary()

    async def thing_of(
        self,
        wish: Wish,
        proven: Proven,
        origin: Origin,
        *,
        issue: Issue,
        kept: Mapping[str, Any],
        allocated_too: bool = False,
    ) -> Found:
        """Return the Thing of the hardware; without a hardware code always a new one. What is returned is on disk.

        ``kept``: what is kept with a new one beside what all have. ``allocated_too``: whether one is returned
        that is not active yet.
        Raises: `ProvisioningRefused` (`Deactivated`; ``already-provisioned``: it is another profile's), reported
        already; `Unavailable`.
        """
        provisioning, profile = self._services.provisioning, proven.profile
        try:
            found = await self._in_turn(wish, proven, origin, issue, kept)
        except NotHere as refusal:  # what else is refused is reported already
            await provisioning.report_refusal(refusal, origin, profile=profile, name=refusal.thing)
            raise
        try:
            if found.issued is None:
                provisioning.limits.check(profile, origin)
            state = state_of(found.thing)
            if state is ThingState.DEACTIVATED or (state is ThingState.ALLOCATED and not allocated_too):
                raise Deactivated(thing_id(found.thing.public_id))
        except ProvisioningRefused as refusal:
            await provisioning.report_refusal(refusal, origin, profile=profile, name=found.thing.name)
            raise
        return found

    async def _in_turn(
        self, wish: Wish, proven: Proven, origin: Origin, issue: Issue, kept: Mapping[str, Any]
    ) -> Found:
        if proven.profile.strategy == _POOL:
            raise NotHere(f"Profile {proven.profile.name!r} gives prepared devices; CloudLocate alone does that.")
        if wish.hardware_id is None:  # nothing links it to another
            return await self._make(wish, proven, origin, issue, kept)
        # One after another: of two at once each would make a Thing, and one would be refused.
        turn = self._turns.setdefault((proven.profile.tenant_id, wish.hardware_id), asyncio.Lock())
        async with turn:
            for tries_left in reversed(range(_TRIES)):
                thing = await self._find(wish.hardware_id, proven)
                if thing is not None:
                    return Found(thing, None)
                try:
                    return await self._make(wish, proven, origin, issue, kept)
                except ProvisioningRefused as refusal:
                    # Another server has been faster: what it has made is found now.
                    if refusal.code != "name-taken" or not tries_left:
                        raise
        raise AssertionError("the last try returns or raises")

    async def _find(self, hardware_id: str, proven: Proven) -> Device | None:
        """Return the Thing that the hardware has with this service, if any.

        Raises: `NotHere` when it is another profile's.
        """
        services, other = self._services, None
        for device in await services.storage.devices_of_hardware(proven.profile.tenant_id, hardware_id):
            if device.profile_id == proven.profile.id:
                return device
            profile = services.profile_directory.get(device.profile_id)
            settings = settings_of(profile) if profile is not None else None
            if settings is not None and settings.device_type is proven.settings.device_type:
                other = device
        if other is not None:
            raise NotHere(
                f"The hardware code {hardware_id!r} is that of {other.name!r}, which has another profile.",
                code="already-provisioned",
                thing=other.name,
            )
        return None

    async def _make(
        self, wish: Wish, proven: Proven, origin: Origin, issue: Issue, kept: Mapping[str, Any]
    ) -> Found:
        public_id = await self._free_id(wish.hardware_id, proven)
        # Nobody is told the credentials of a Thing without a plan, and it gets others with it.
        issued = await issue(public_id) if proven.settings.auto_activate else Issued(WantedCredentials())
        draft = new_thing(wish, proven, public_id, self._services.clock.now_ms(), **kept)
        request = request_of(wish, origin, issued.wanted, name=thing_id(public_id), draft=draft)
        made = await self._services.provisioning.provision_in(proven.profile, request)
        if made.made is None:  # an administrator has given the profile a strategy that hands out what exists
            raise NotHere(f"The strategy {proven.profile.strategy!r} has made no Thing.")
        return Found(made.made, issued)

    async def _free_id(self, hardware_id: str | None, proven: Proven) -> UUID:
        """Return the id of a new Thing.

        It is the same for the same hardware: of two servers that make its Thing at once one finds the name taken.
        """
        drawn = UUID(bytes=random_bytes(16), version=4)
        if hardware_id is None:
            return drawn
        tenant_id, keyring = proven.profile.tenant_id, self._services.core.keyring
        told = f"{tenant_id}:{proven.settings.device_type.value}:{hardware_id}"
        derived = UUID(bytes=keyring.digest("thingstream-thing", told), version=4)
        taken = await self._services.storage.device_by_public_id(tenant_id, derived)
        # One that has another hardware code now: an operator has put it into other hardware.
        return derived if taken is None or taken.hardware_id == hardware_id else drawn


class NotHere(ProvisioningRefused):
    """The profile gives the hardware nothing; ``thing`` is the device that it has elsewhere."""

    def __init__(self, message: str, *, code: str = "bad-credentials-request", thing: str | None = None) -> None:
        super().__init__(message, code=code)
        self.thing = thing
