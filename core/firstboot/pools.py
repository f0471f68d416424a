"""Pools as operators see them: prepared devices of a profile, of which each hardware that asks is given one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from firstboot.batching import Batcher
from firstboot.clock import Clock
from firstboot.credentials import nobodys_credentials
from firstboot.devices import DeviceDraft, DeviceService, raise_unless_done
from firstboot.errors import AlreadyExists, InvalidValue, NotFound
from firstboot.model import Device, DeviceProfile, PoolMember
from firstboot.pool_names import NamePattern
from firstboot.storage import (
    AuditEntry,
    DeviceQuery,
    NewMember,
    Outcome,
    ReleaseMember,
    Storage,
    Write,
    WriteResult,
)

MAX_HARDWARE_ID_LENGTH = 64
MAX_MEMBERS_AT_ONCE = 10_000
_BATCH = 250
"""Members that are written together: devices that provision themselves meanwhile wait no longer than for these."""


def check_hardware_id(text: str) -> str:
    """Return a hardware's own id.

    Raises: `InvalidValue`.
    """
    if not 0 < len(text) <= MAX_HARDWARE_ID_LENGTH or not text.isprintable() or text.isspace():
        raise InvalidValue(f"A hardware id has 1 to {MAX_HARDWARE_ID_LENGTH} visible characters.")
    return text


def _named(name: str) -> DeviceDraft:
    return DeviceDraft(name=name, credentials=nobodys_credentials())


class PoolService:
    """Fills pools, shows what is in them, and takes members back. Everything is audited."""

    def __init__(
        self, storage: Storage, commits: Batcher[Write, WriteResult], devices: DeviceService, clock: Clock
    ) -> None:
        self._storage = storage
        self._commits = commits
        self._devices = devices
        self._clock = clock

    async def fill(
        self, profile: DeviceProfile, drafts: Sequence[tuple[DeviceDraft, str | None]], *, actor: str
    ) -> list[Device | Exception]:
        """Add members, each with the hardware for which it is reserved, if any. Each succeeds or fails alone.

        They are switched off until they are given away. Of the drafts' credentials nobody learns.
        Raises: `InvalidValue` for too many at once.
        """
        if len(drafts) > MAX_MEMBERS_AT_ONCE:
            raise InvalidValue(f"Add at most {MAX_MEMBERS_AT_ONCE} devices at once.")
        added: list[Device | Exception] = []
        for start in range(0, len(drafts), _BATCH):
            added += await self._add(profile, drafts[start : start + _BATCH], actor)
        return added

    async def fill_by_pattern(
        self,
        profile: DeviceProfile,
        pattern: NamePattern,
        count: int,
        *,
        draft: Callable[[str], DeviceDraft] = _named,
        actor: str,
    ) -> list[Device | Exception]:
        """Add members that are named by their number; names that are taken are passed over.

        Return those that were added, and why there are no more of them when there are not.
        Raises: `InvalidValue` for too many at once, or a pattern that makes no names by number alone.
        """
        if pattern.has_hardware or not pattern.has_number:
            raise InvalidValue(f"{pattern.text!r} makes no names by number alone. Write {{seq}}, and no {{hw}}.")
        if not 1 <= count <= MAX_MEMBERS_AT_ONCE:
            raise InvalidValue(f"Add from 1 to {MAX_MEMBERS_AT_ONCE} devices at once.")
        number = await self._storage.count_devices(profile.id)
        last = number + count + MAX_MEMBERS_AT_ONCE
        added: list[Device | Exception] = []
        while len(added) < count and number < last:
            names = [pattern.name(number + place) for place in range(1, min(count - len(added), _BATCH) + 1)]
            number += len(names)
            results = await self._add(profile, [(draft(name), None) for name in names], actor)
            added += [each for each in results if not isinstance(each, AlreadyExists)]
            if any(isinstance(each, Exception) for each in added):
                return added
        if len(added) < count:
            added.append(AlreadyExists(f"Too many of the names that {pattern.text!r} makes are taken."))
        return added

    async def _add(
        self, profile: DeviceProfile, drafts: Sequence[tuple[DeviceDraft, str | None]], actor: str
    ) -> list[Device | Exception]:
        planned: list[tuple[Write, Device] | Exception] = []
        for draft, hardware_id in drafts:
            try:
                write, device = self._devices.planned(
                    profile, replace(draft, credentials=nobodys_credentials()), actor=actor
                )
                reserved = None if hardware_id is None else check_hardware_id(hardware_id)
            except InvalidValue as error:
                planned.append(error)
                continue
            member = NewMember(hardware_id=reserved, reserved=reserved is not None)
            planned.append((replace(write, enabled=False, hardware_id=reserved, member=member), device))
        results = iter(await self._commits.submit_all(each[0] for each in planned if isinstance(each, tuple)))
        return [
            each if isinstance(each, Exception) else _made(each[1], next(results), profile) for each in planned
        ]

    async def members(
        self, profile: DeviceProfile, *, after_id: int = 0, limit: int = 100
    ) -> Sequence[PoolMember]:
        """Return members in the order in which they were added."""
        return await self._storage.pool_members(profile.id, after_id=after_id, limit=limit)

    async def ready(self, profile: DeviceProfile) -> int:
        """Return how many members are ready, those among them that are reserved for a hardware."""
        return await self._storage.count_ready(profile.id, self._clock.now_ms())

    async def release(self, device: Device, *, actor: str, detail: str = "") -> None:
        """Make a member ready for the next hardware: what it was given opens nothing any more.

        Raises: `NotFound` when the device is no member.
        """
        member = await self._storage.pool_members(device.profile_id, after_id=device.id - 1, limit=1)
        if not member or member[0].device_id != device.id:
            raise NotFound(f"Device {device.name!r} is in no pool.")
        # First, while nobody else can be given it.
        await self._devices.revoke_credentials(device, actor=actor)
        audit = AuditEntry.of_device(
            "pool-member-released", device.ref, at_ms=self._clock.now_ms(), actor=actor, detail=detail
        )
        write = ReleaseMember(device_id=device.id, at_ms=audit.at_ms, audit=audit)
        raise_unless_done(await self._commits.submit(write), device, None)

    async def empty(self, profile: DeviceProfile, *, actor: str) -> int:
        """Delete the members that are ready, such as before their profile; return how many."""
        deleted = after_id = 0
        while members := await self.members(profile, after_id=after_id, limit=_BATCH):
            after_id = members[-1].device_id
            now_ms = self._clock.now_ms()
            ready = {member.device_id for member in members if member.state(now_ms) == "ready"}
            page = DeviceQuery(
                tenant_id=profile.tenant_id,
                profile_id=profile.id,
                after_id=members[0].device_id - 1,
                limit=members[-1].device_id - members[0].device_id + 1,
            )
            devices = [device for device in await self._storage.list_devices(page) if device.id in ready]
            await asyncio.gather(*(self._devices.delete(device, actor=actor) for device in devices))
            deleted += len(devices)
        return deleted


def _made(device: Device, result: WriteResult | BaseException, profile: DeviceProfile) -> Device | Exception:
    if isinstance(result, WriteResult):
        if result.outcome is Outcome.STALE:
            return AlreadyExists("The pool has a member for this hardware already.")
        try:
            raise_unless_done(result, device, profile)
        except Exception as error:  # each of the drafts succeeds or fails alone
            return error
        return replace(device, id=result.id)
    if isinstance(result, Exception):
        return result
    raise result
