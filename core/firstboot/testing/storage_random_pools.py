"""Storage suite: random batches that fill, lease and release pools end as they do in `MemoryStorage`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Self

from hypothesis import given
from hypothesis import strategies as st

from firstboot.model import DeviceProfile
from firstboot.storage import (
    AuditChain,
    LeaseMember,
    NewMember,
    PoolOrder,
    Rebind,
    ReleaseMember,
    Storage,
    UpdateDevice,
    When,
    Write,
)
from firstboot.testing.samples import NOW_MS, a_device, an_audit_entry
from firstboot.testing.storage_base import ALL, StorageSuite
from firstboot.testing.storage_random import SETTINGS, Side, Step, batches, end_as_in_memory

_NOBODY = 987_654_321
_ORDERS = (PoolOrder.FIFO, PoolOrder.LOWEST, PoolOrder.NONE)
"""Those that give the same member twice."""
_STEPS = st.builds(
    Step,
    kind=st.sampled_from(
        ["add"] * 3
        + ["lease"] * 6
        + ["release"] * 2
        + ["login", "rename", "move", "delete", "hand out", "confirm"]
    ),
    name=st.integers(0, 3),
    token=st.integers(0, 3),
    old_token=st.integers(0, 2),
    when=st.sampled_from(When),
    max_devices=st.sampled_from([None, 1, 2]),
    at_ms=st.integers(NOW_MS, NOW_MS + 3),
)


@dataclass
class PoolSide(Side):
    """One of the two storages, with two pools, of which one has members already."""

    other: DeviceProfile | None = field(default=None)

    @classmethod
    async def begin(cls, storage: Storage, chain: AuditChain, prefix: str) -> Self:
        """Make what the steps need."""
        side = await super().begin(storage, chain, prefix)
        side.other = await side.world.make_profile(f"{prefix} other")
        for name in (side.device_name(1), side.device_name(0)):
            made = await side.world.make_device(name, enabled=False, member=NewMember())
            side.ids[name] = made.id
        return side

    def write(self, step: Step) -> Write:
        """Return the write that the step stands for on this side."""
        writes: dict[str, Callable[[Step, int], Write]] = {
            "add": self._add,
            "lease": self._lease,
            "release": self._release,
            "rename": self._rename,
            "move": self._move,
        }
        if step.kind not in writes:
            return super().write(replace(step, max_devices=None))
        return writes[step.kind](step, self.ids.get(self.name(step), _NOBODY))

    def _add(self, step: Step, _: int) -> Write:
        hardware_id = f"hardware {step.old_token}" if step.max_devices else None
        member = NewMember(
            hardware_id=hardware_id,
            reserved=step.max_devices == 1,
            leased_at_ms=step.at_ms if step.max_devices == 2 else None,
            leased_until_ms=step.at_ms + 1 if step.max_devices == 2 else None,
        )
        token = f"{self.prefix} {step}"
        return self.world.device(
            self.name(step), token, enabled=False, hardware_id=hardware_id, member=member, audit=_audit(step)
        )

    def _lease(self, step: Step, _: int) -> Write:
        return LeaseMember(
            profile_id=self.world.profile.id,
            hardware_id=f"hardware {step.token}",
            order=_ORDERS[step.old_token],
            rebind=list(Rebind)[step.name % 3],
            at_ms=step.at_ms,
            until_ms=None if step.max_devices is None else step.at_ms + step.max_devices - 1,
        )

    def _release(self, step: Step, device_id: int) -> Write:
        return ReleaseMember(device_id=device_id, at_ms=step.at_ms, audit=_audit(step))

    def _rename(self, step: Step, device_id: int) -> Write:
        return self._update(step, device_id, f"{self.device_name(step.token)} renamed", self.world.profile.id)

    def _move(self, step: Step, device_id: int) -> Write:
        assert self.other is not None
        return self._update(step, device_id, self.name(step), self.other.id)

    def _update(self, step: Step, device_id: int, name: str, profile_id: int) -> Write:
        wanted = a_device(
            name,
            id=device_id,
            tenant_id=self.world.tenant.id,
            profile_id=profile_id,
            enabled=step.token > 1,
            hardware_id=f"hardware {step.old_token}",
        )
        return UpdateDevice(device=wanted, audit=_audit(step))

    async def state(self) -> dict[str, Any]:
        """Return everything about the devices and the pool, without the ids, which differ."""
        storage, profile_id = self.world.storage, self.world.profile.id
        members = await storage.pool_members(profile_id, limit=ALL)
        return {
            **await super().state(),
            "hardware": {each.name: each.hardware_id for each in await self.devices()},
            "members": [replace(each, device_id=0, profile_id=0) for each in members],
            "ready": [await storage.count_ready(profile_id, NOW_MS + later) for later in range(6)],
        }


def _audit(step: Step) -> Any:
    return an_audit_entry(step.kind, detail=str(step))


class RandomPoolTests(StorageSuite):
    """Random leases, done in the storage under test and in memory."""

    @SETTINGS
    @given(batches=batches(_STEPS))
    async def test_random_leases_end_as_in_memory(
        self, storage: Storage, chain: AuditChain, batches: list[list[Step]]
    ) -> None:
        await end_as_in_memory(PoolSide, storage, chain, batches)
