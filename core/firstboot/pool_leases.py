"""Which hardware holds which member of a pool, and until when."""

from __future__ import annotations

import asyncio
from weakref import WeakValueDictionary

from firstboot.batching import Batcher
from firstboot.clock import Clock, milliseconds
from firstboot.errors import ProvisioningRefused
from firstboot.model import Device, DeviceProfile
from firstboot.storage import (
    AuditEntry,
    GiveMember,
    LeaseMember,
    NewMember,
    Outcome,
    ReleaseMember,
    Storage,
    Write,
    WriteResult,
)
from firstboot.strategies import TakeFromPool


class PoolLeases:
    """Lends members to hardware that asks."""

    def __init__(self, storage: Storage, commits: Batcher[Write, WriteResult], clock: Clock) -> None:
        self._storage = storage
        self._commits = commits
        self._clock = clock
        self._turns: WeakValueDictionary[tuple[int, str], asyncio.Lock] = WeakValueDictionary()
        """By profile and hardware, as long as somebody has or awaits his turn."""
        self._numbers: dict[int, int] = {}
        """The last number that a new member was named by, by profile."""

    def turn(self, profile: DeviceProfile, hardware_id: str) -> asyncio.Lock:
        """Return what the requests of one hardware wait for, so that they are answered in their order."""
        return self._turns.setdefault((profile.id, hardware_id), asyncio.Lock())

    async def lease(self, wish: TakeFromPool, profile: DeviceProfile) -> Device | None:
        """Return the member that a hardware gets, None when there is none for it.

        Raises: `ProvisioningRefused` (``already-provisioned``): it holds one that it does not get again.
        """
        now_ms = self._clock.now_ms()
        result = await self._commits.submit(
            LeaseMember(
                profile_id=profile.id,
                hardware_id=wish.hardware_id,
                order=wish.order,
                rebind=wish.rebind,
                at_ms=now_ms,
                until_ms=_end_ms(wish, now_ms),
            )
        )
        if result.outcome is Outcome.STALE:
            raise ProvisioningRefused(
                f"The hardware {wish.hardware_id!r} has its device of pool {profile.name!r} already.",
                code="already-provisioned",
            )
        if result.outcome is not Outcome.DONE:
            return None
        return await self._storage.device_by_id(profile.tenant_id, result.id)

    def giving(self, device: Device, wish: TakeFromPool) -> GiveMember:
        """Return the write that lets a hardware use the member that it holds."""
        now_ms = self._clock.now_ms()
        return GiveMember(
            device_id=device.id, hardware_id=wish.hardware_id, at_ms=now_ms, until_ms=_end_ms(wish, now_ms)
        )

    async def take_back(self, device: Device, hardware_id: str, *, detail: str) -> None:
        """Make a member ready again that a hardware holds and never got."""
        audit = AuditEntry.of_device(
            "pool-member-released", device.ref, at_ms=self._clock.now_ms(), actor="server", detail=detail
        )
        await self._commits.submit(
            ReleaseMember(device_id=device.id, at_ms=audit.at_ms, unused_by=hardware_id, audit=audit)
        )

    def new_member(self, wish: TakeFromPool) -> NewMember:
        """Return what makes a new device a member that the hardware holds."""
        now_ms = self._clock.now_ms()
        return NewMember(hardware_id=wish.hardware_id, leased_at_ms=now_ms, leased_until_ms=_end_ms(wish, now_ms))

    async def next_number(self, profile: DeviceProfile) -> int:
        """Return a number for the name of a new member, which this process gives nobody else."""
        if profile.id not in self._numbers:
            count = await self._storage.count_devices(profile.id)
            self._numbers.setdefault(profile.id, count)
        self._numbers[profile.id] += 1
        return self._numbers[profile.id]


def _end_ms(wish: TakeFromPool, now_ms: int) -> int | None:
    return now_ms + milliseconds(wish.lease) if wish.lease else None
