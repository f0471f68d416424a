"""Devices are put into pools, given to hardware, and taken back.

The write lock is held, so what is found ready here is ready until the transaction ends.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from firstboot.model import PROVISION_STATE, PoolMember, Scope
from firstboot.storage import (
    ChangeKind,
    CreateDevice,
    GiveMember,
    LeaseMember,
    Outcome,
    PoolOrder,
    Rebind,
    ReleaseMember,
    WriteResult,
)
from firstboot_plugins.storage_tortoise.attribute_rows import delete_attribute
from firstboot_plugins.storage_tortoise.changes import Changes
from firstboot_plugins.storage_tortoise.pool_reads import SELECT_MEMBERS, pool_member
from firstboot_plugins.storage_tortoise.statements import Algorithm, Many, ManySql, Run

_FIND_HARDWARE = ManySql(
    "SELECT pool_member.profile_id, pool_member.hardware_id FROM v JOIN pool_member"
    " ON pool_member.profile_id = v.profile_id AND pool_member.hardware_id = v.hardware_id",
    (("profile_id", "bigint"), ("hardware_id", "text")),
)
_COLUMNS = (
    ("device_id", "bigint"), ("profile_id", "bigint"), ("name", "text"), ("lot", "bigint"),
    ("hardware_id", "text"), ("reserved", "smallint"), ("free", "smallint"), ("leased_at_ms", "bigint"),
    ("leased_until_ms", "bigint"),
)  # fmt: skip
_INSERT = ManySql(
    f"INSERT INTO pool_member ({', '.join(name for name, _ in _COLUMNS)}) SELECT * FROM v",  # noqa: S608
    _COLUMNS,
)
FREE_ENDED = "UPDATE pool_member SET free = 1 WHERE profile_id = ? AND free = 0 AND leased_until_ms < ?"
_KEYS = {PoolOrder.FIFO: "device_id", PoolOrder.LOWEST: "name", PoolOrder.RANDOM: "lot"}
NEXT = {
    # What is free may be leased again when clocks differ, hence the last condition.
    order: "SELECT device_id, leased_at_ms FROM pool_member WHERE profile_id = ? AND reserved = 0 AND free = 1"  # noqa: S608
    f" AND (leased_until_ms IS NULL OR leased_until_ms < ?) ORDER BY {key} LIMIT 1"
    for order, key in _KEYS.items()
}
_LEASE = (
    "UPDATE pool_member SET hardware_id = ?, free = 0, lot = ?, leased_at_ms = ?, leased_until_ms = ?"
    " WHERE device_id = ?"
)
_HAND_OVER = (
    "UPDATE device SET enabled = 0, hardware_id = ?, provisioned_at_ms = NULL, delivered_at_ms = NULL,"
    " first_login_at_ms = NULL, reopened_at_ms = NULL, request_digest = NULL, version = version + 1 WHERE id = ?"
)
_FIND_HELD = (
    "SELECT device.provisioned_at_ms, device.first_login_at_ms FROM pool_member"
    " JOIN device ON device.id = pool_member.device_id"
    " WHERE pool_member.device_id = ? AND pool_member.hardware_id = ? AND pool_member.leased_at_ms IS NOT NULL"
)
_SWITCH_ON = "UPDATE device SET enabled = 1, first_login_at_ms = NULL, version = version + 1 WHERE id = ?"
_RENEW_LEASE = "UPDATE pool_member SET free = 0, leased_at_ms = ?, leased_until_ms = ? WHERE device_id = ?"
_FREE = (
    "UPDATE pool_member SET hardware_id = CASE WHEN reserved = 1 THEN hardware_id END, free = 1, lot = ?,"
    " leased_at_ms = NULL, leased_until_ms = NULL WHERE device_id = ? RETURNING profile_id, hardware_id"
)
_LOT_BITS = 62


def taken_hardware(writes: Sequence[CreateDevice]) -> Algorithm[set[tuple[int, str]]]:
    """Return which hardware of new members have a member already, with the profile."""
    wanted = {
        (write.profile_id, write.member.hardware_id)
        for write in writes
        if write.member is not None and write.member.hardware_id is not None
    }
    rows = yield Many(_FIND_HARDWARE, list(wanted))
    return {(profile_id, hardware_id) for profile_id, hardware_id in rows}


def add_members(ids: Sequence[int], writes: Sequence[CreateDevice], changes: Changes) -> Algorithm[None]:
    """Put those of the new devices into pools that are to be members."""
    rows = []
    filled: dict[int, int] = {}
    for id_, write in zip(ids, writes, strict=True):
        new = write.member
        if new is None:
            continue
        ready = new.leased_at_ms is None
        rows.append(
            (
                id_, write.profile_id, write.name, _draw(), new.hardware_id, int(new.reserved), int(ready),
                new.leased_at_ms, new.leased_until_ms,
            )
        )  # fmt: skip
        if ready:
            filled.setdefault(write.profile_id, write.created_at_ms)
    yield Many(_INSERT, rows)
    for profile_id, at_ms in filled.items():
        changes.tell(ChangeKind.POOL, profile_id, at_ms)


def lease_member(write: LeaseMember, changes: Changes) -> Algorithm[WriteResult]:
    """Give a hardware the member that it holds, one that is reserved for it, or one that is ready."""
    rows = yield Run(
        f"{SELECT_MEMBERS} WHERE pool_member.profile_id = ? AND pool_member.hardware_id = ?",
        (write.profile_id, write.hardware_id),
    )
    if rows:
        own = pool_member(rows[0])
        holds = own.state(write.at_ms) != "ready"
        if holds and not _gives_again(write.rebind, own):
            return WriteResult(Outcome.STALE)
        device_id, is_assigned = own.device_id, holds and own.first_login_at_ms is not None
        was_held = own.leased_at_ms is not None
    else:
        found = yield from _next(write)
        if found is None:
            return WriteResult(Outcome.POOL_EMPTY)
        device_id, leased_at_ms = found
        holds = is_assigned = False
        was_held = leased_at_ms is not None
    until_ms = None if is_assigned else write.until_ms
    yield Run(_LEASE, (write.hardware_id, _draw(), write.at_ms, until_ms, device_id))
    if not holds:  # one that is held and off was switched off by an operator
        yield from _hand_over(device_id, hardware_id=write.hardware_id)
        if was_held:
            changes.tell(ChangeKind.DEVICE_DISABLED, device_id, write.at_ms)
    return WriteResult(Outcome.DONE, device_id)


def _gives_again(rebind: Rebind, member: PoolMember) -> bool:
    if rebind is Rebind.UNTIL_CONFIRMED:
        return member.first_login_at_ms is None
    return rebind is Rebind.ALWAYS


def _next(write: LeaseMember) -> Algorithm[tuple[int, int | None] | None]:
    """Find the member that comes next, and when it was leased before."""
    if write.order is PoolOrder.NONE:
        return None
    yield Run(FREE_ENDED, (write.profile_id, write.at_ms))
    rows = yield Run(NEXT[write.order], (write.profile_id, write.at_ms))
    return (rows[0][0], rows[0][1]) if rows else None


def give_member(write: GiveMember, changes: Changes) -> Algorithm[WriteResult]:
    """Let the hardware that holds a member use it."""
    rows = yield Run(_FIND_HELD, (write.device_id, write.hardware_id))
    if not rows:
        return WriteResult(Outcome.STALE)
    provisioned_at_ms, first_login_at_ms = rows[0]
    is_new = provisioned_at_ms is None
    if is_new:
        # A login of whoever had it before may have been written after the lease: it is not this hardware's.
        yield Run(_SWITCH_ON, (write.device_id,))
    if is_new or first_login_at_ms is None:
        yield Run(_RENEW_LEASE, (write.at_ms, write.until_ms, write.device_id))
    return WriteResult(Outcome.DONE)


def release_member(write: ReleaseMember, changes: Changes) -> Algorithm[WriteResult]:
    """Make a member ready again."""
    if write.unused_by is not None:
        rows = yield Run(_FIND_HELD, (write.device_id, write.unused_by))
        if not rows or rows[0][0] is not None:
            return WriteResult(Outcome.STALE)
    rows = yield Run(_FREE, (_draw(), write.device_id))
    if not rows:
        return WriteResult(Outcome.DEVICE_GONE)
    profile_id, reserved_for = rows[0]
    yield from _hand_over(write.device_id, hardware_id=reserved_for)
    changes.tell(ChangeKind.DEVICE_DISABLED, write.device_id, write.at_ms)
    changes.tell(ChangeKind.POOL, profile_id, write.at_ms)
    return WriteResult(Outcome.DONE)


def _hand_over(device_id: int, *, hardware_id: str | None) -> Algorithm[None]:
    """Set what changes with who has a device, which forgets whoever had it before, and is off."""
    yield Run(_HAND_OVER, (hardware_id, device_id))
    yield from delete_attribute(device_id, Scope.SERVER, PROVISION_STATE)


def rename_member(device_id: int, name: str) -> Algorithm[None]:
    """Note a device's other name, by which members are ordered."""
    yield Run("UPDATE pool_member SET name = ? WHERE device_id = ?", (name, device_id))


def leave_pool(device_id: int) -> Algorithm[None]:
    """Take a device from its pool, if it is in one."""
    yield Run("DELETE FROM pool_member WHERE device_id = ?", (device_id,))


def _draw() -> int:
    return secrets.randbits(_LOT_BITS)
