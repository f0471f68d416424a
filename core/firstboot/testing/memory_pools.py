"""How a storage in memory gives members of pools to hardware, and takes them back."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import replace

from firstboot.model import PROVISION_STATE, Device, PoolMember, Scope
from firstboot.storage import (
    ChangeKind,
    GiveMember,
    LeaseMember,
    Outcome,
    PoolOrder,
    Rebind,
    ReleaseMember,
    WriteResult,
)
from firstboot.testing.memory_tables import Tables

PoolWrite = LeaseMember | GiveMember | ReleaseMember


class PoolWrites:
    """The part of a `firstboot.testing.MemoryStorage` that keeps pools."""

    _tables: Tables

    def _pool_obstacles(self, write: PoolWrite) -> Iterator[Outcome]:
        if isinstance(write, ReleaseMember):
            if write.unused_by is not None:
                held = self._held(write.device_id, write.unused_by)
                if held is None or held.provisioned_at_ms is not None:
                    yield Outcome.STALE
            elif write.device_id not in self._tables.members:
                yield Outcome.DEVICE_GONE
            return
        if isinstance(write, GiveMember):
            if self._held(write.device_id, write.hardware_id) is None:
                yield Outcome.STALE
            return
        own = self._tables.member_of(write.profile_id, write.hardware_id)
        if own is None:
            if not self._candidates(write):
                yield Outcome.POOL_EMPTY
        elif own.state(write.at_ms) != "ready":
            used = own.first_login_at_ms is not None
            if write.rebind is Rebind.NEVER or (write.rebind is Rebind.UNTIL_CONFIRMED and used):
                yield Outcome.STALE

    def _candidates(self, write: LeaseMember) -> Sequence[PoolMember]:
        """Return the members that are ready for whoever comes, the first one first."""
        ready = [
            member
            for member in self._tables.members_in(write.profile_id)
            if not member.reserved and member.state(write.at_ms) == "ready"
        ]
        match write.order:
            case PoolOrder.FIFO:
                return ready
            case PoolOrder.LOWEST:
                return sorted(ready, key=lambda member: member.device_name)
            case PoolOrder.RANDOM:
                return [secrets.choice(ready)] if ready else []
            case PoolOrder.NONE:
                return []

    def _apply_to_pool(self, write: PoolWrite) -> WriteResult:
        if isinstance(write, LeaseMember):
            return WriteResult(Outcome.DONE, self._lease(write))
        if isinstance(write, GiveMember):
            self._give(write)
        else:
            self._release(write)
        return WriteResult(Outcome.DONE)

    def _held(self, device_id: int, hardware_id: str) -> Device | None:
        """Return a device that this hardware holds."""
        member = self._tables.members.get(device_id)
        if member is None or member.hardware_id != hardware_id or member.leased_at_ms is None:
            return None
        return self._tables.devices[device_id]

    def _give(self, write: GiveMember) -> None:
        device = self._tables.devices[write.device_id]
        is_new = device.provisioned_at_ms is None
        if is_new:
            self._tables.change_device(device.id, enabled=True, first_login_at_ms=None, version=device.version + 1)
        if is_new or device.first_login_at_ms is None:
            self._tables.members[device.id] = replace(
                self._tables.members[device.id], leased_at_ms=write.at_ms, leased_until_ms=write.until_ms
            )

    def _lease(self, write: LeaseMember) -> int:
        own = self._tables.member_of(write.profile_id, write.hardware_id)
        member = own or self._candidates(write)[0]
        if member.state(write.at_ms) == "ready":
            self._hand_over(member, hardware_id=write.hardware_id)
            if member.leased_at_ms is not None:
                self._tables.tell(ChangeKind.DEVICE_DISABLED, member.device_id)
        used = self._tables.devices[member.device_id].first_login_at_ms is not None
        self._tables.members[member.device_id] = replace(
            member,
            hardware_id=write.hardware_id,
            leased_at_ms=write.at_ms,
            leased_until_ms=None if used else write.until_ms,
        )
        return member.device_id

    def _release(self, write: ReleaseMember) -> None:
        member = self._tables.members[write.device_id]
        kept = member.hardware_id if member.reserved else None
        self._tables.members[write.device_id] = replace(
            member, hardware_id=kept, leased_at_ms=None, leased_until_ms=None
        )
        self._hand_over(member, hardware_id=kept)
        self._tables.tell(ChangeKind.DEVICE_DISABLED, write.device_id)
        self._tables.tell(ChangeKind.POOL, member.profile_id)

    def _hand_over(self, member: PoolMember, *, hardware_id: str | None) -> None:
        self._tables.attributes.pop((member.device_id, Scope.SERVER, PROVISION_STATE), None)
        self._tables.change_device(
            member.device_id,
            enabled=False,
            hardware_id=hardware_id,
            version=self._tables.devices[member.device_id].version + 1,
            provision_state=None,
            provisioned_at_ms=None,
            delivered_at_ms=None,
            first_login_at_ms=None,
            reopened_at_ms=None,
            request_digest=None,
        )
