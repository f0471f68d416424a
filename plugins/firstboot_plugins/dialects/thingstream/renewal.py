"""Making Things, and what becomes of those that a device had before (contract section 9, CloudLocate)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import UUID
from weakref import WeakValueDictionary

from firstboot.clock import new_public_id
from firstboot.errors import ProvisioningRefused
from firstboot.model import Credentials, Device, DeviceDetails, Origin, ResourceDraft, WantedCredentials
from firstboot.mqtt_passwords import parts_of
from firstboot_plugins.dialects.thingstream.credentials import (
    ThingCredentials,
    thing_credentials,
    thing_id,
)
from firstboot_plugins.dialects.thingstream.endings import ending
from firstboot_plugins.dialects.thingstream.errors import Deactivated
from firstboot_plugins.dialects.thingstream.new_thing import first_state, new_thing, request_of
from firstboot_plugins.dialects.thingstream.requests import Wish
from firstboot_plugins.dialects.thingstream.settings import OldThing
from firstboot_plugins.dialects.thingstream.things import (
    ThingState,
    deactivated,
    keeping,
    kept_with,
    state_of,
)
from firstboot_plugins.dialects.thingstream.tokens import Proven

if TYPE_CHECKING:
    from firstboot.app import Services

RETRY_WINDOW_MS = 10_000
"""How long after a renewal the same request is taken for one whose answer was lost."""
_TRIES = 5
_DEVICE = "device"
_WANTED = WantedCredentials(type=ThingCredentials.type)


@dataclass(frozen=True, slots=True)
class Made:
    """A Thing with the credentials that its device is told."""

    public_id: UUID
    credentials: Credentials
    state: ThingState


@dataclass(frozen=True, slots=True)
class _Superseded:
    """The Thing that a device had before, and the digest of the request for another."""

    thing: Device
    request_digest: str


class Renewal:
    """Gives a device a new Thing each time it asks, and deals with the one before."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._turns: WeakValueDictionary[tuple[int, str], asyncio.Lock] = WeakValueDictionary()

    async def provide(self, wish: Wish, proven: Proven, payload: bytes, origin: Origin) -> Made:
        """Make a Thing; what is returned is on disk. ``payload``: the request as it arrived.

        Raises: `ProvisioningRefused` (`Deactivated`), `Unavailable`.
        """
        if proven.profile.strategy == "pool":
            return await self._take(wish, proven, origin)
        if wish.hardware_id is None:  # nothing links it to another
            return await self._make(wish, proven, origin)
        # One after another: of two at once each would be the successor of the same Thing.
        turn = self._turns.setdefault((proven.profile.id, wish.hardware_id), asyncio.Lock())
        async with turn:
            for tries_left in reversed(range(_TRIES)):
                try:
                    return await self._renew(wish.hardware_id, wish, proven, payload, origin)
                except ProvisioningRefused as refusal:
                    # Another server, or an operator, has changed the old Thing meanwhile.
                    if refusal.code != "try-again" or not tries_left:
                        raise
        raise AssertionError("the last try returns or raises")

    async def _renew(self, hardware_id: str, wish: Wish, proven: Proven, payload: bytes, origin: Origin) -> Made:
        services, profile = self._services, proven.profile
        same = await services.storage.devices_of_hardware(profile.tenant_id, hardware_id)
        old = next((device for device in same if device.profile_id == profile.id), None)
        if old is None:
            return await self._make(wish, proven, origin)
        request_digest = services.core.keyring.digest("thingstream-request", payload.decode("latin-1")).hex()
        try:
            if state_of(old) is ThingState.DEACTIVATED:
                raise Deactivated(thing_id(old.public_id))
            if self._is_retry(old, request_digest):
                services.provisioning.limits.check(profile, origin)
                return await self._answer_again(old)
        except ProvisioningRefused as refusal:
            await services.provisioning.report_refusal(refusal, origin, profile=profile, name=old.name)
            raise
        return await self._make(wish, proven, origin, _Superseded(old, request_digest))

    def _is_retry(self, newest: Device, request_digest: str) -> bool:
        """Say whether the answer to a renewal was lost: the same words, at once, and nobody has logged in."""
        kept = kept_with(newest)
        return (
            bool(kept.get("supersedes"))
            and kept.get("request") == request_digest
            and newest.first_login_at_ms is None
            and self._services.clock.now_ms() - newest.created_at_ms <= RETRY_WINDOW_MS
        )

    async def _answer_again(self, thing: Device) -> Made:
        devices = self._services.devices
        user_name = parts_of(await devices.credentials(thing)).get("userName")
        fresh = thing_credentials(thing.public_id, user_name)
        await devices.change_credentials(thing, fresh, actor=_DEVICE)
        return Made(thing.public_id, fresh, state_of(thing))

    async def _make(
        self, wish: Wish, proven: Proven, origin: Origin, superseded: _Superseded | None = None
    ) -> Made:
        now_ms = self._services.clock.now_ms()
        public_id = new_public_id(now_ms)
        if superseded is None:
            draft = new_thing(wish, proven, public_id, now_ms)
        else:
            draft = _successor(superseded, wish, proven, public_id, now_ms)
        request = request_of(wish, origin, _WANTED, name=thing_id(public_id), draft=draft)
        made = await self._services.provisioning.provision_in(proven.profile, request)
        return Made(made.public_id, made.credentials, first_state(proven.settings))

    async def _take(self, wish: Wish, proven: Proven, origin: Origin) -> Made:
        """Have the hardware given a prepared device."""
        request = request_of(wish, origin, _WANTED, name=None, draft=None)
        made = await self._services.provisioning.provision_in(proven.profile, request)
        return Made(made.public_id, made.credentials, ThingState.ACTIVE)


def _successor(superseded: _Superseded, wish: Wish, proven: Proven, public_id: UUID, now_ms: int) -> DeviceDetails:
    """Return the Thing with this id, which takes the place of another."""
    old, settings = superseded.thing, proven.settings
    draft = new_thing(
        wish, proven, public_id, now_ms, request=superseded.request_digest, supersedes=thing_id(old.public_id)
    )
    replaced = keeping(old, superseded_by=thing_id(public_id))
    companions: tuple[ResourceDraft, ...] = ()
    if settings.old_thing is OldThing.IMMEDIATE:
        replaced = deactivated(replaced)
    elif settings.old_thing is OldThing.ON_FIRST_CONNECT:
        companions = (ending(old, now_ms + 1000 * settings.grace_s),)
    return replace(draft, companions=companions, replaces=replaced)
