"""Pools, read from the database."""

from __future__ import annotations

from collections.abc import Sequence

from firstboot.model import PoolMember
from firstboot_plugins.storage_tortoise.reader import Reader
from firstboot_plugins.storage_tortoise.statements import Row, Run

SELECT_MEMBERS = (
    "SELECT pool_member.device_id, device.name, pool_member.profile_id, pool_member.hardware_id,"
    " pool_member.reserved, pool_member.leased_at_ms, pool_member.leased_until_ms, device.first_login_at_ms"
    " FROM pool_member JOIN device ON device.id = pool_member.device_id"
)
_PAGE = (
    f"{SELECT_MEMBERS} WHERE pool_member.profile_id = ? AND pool_member.device_id > ?"
    " ORDER BY pool_member.device_id LIMIT ?"
)
# Those that are free, and those whose lease has ended since somebody last looked.
_COUNT_READY = (
    "SELECT (SELECT count(*) FROM pool_member WHERE profile_id = ? AND free = 1"
    " AND (leased_until_ms IS NULL OR leased_until_ms < ?))"
    " + (SELECT count(*) FROM pool_member WHERE profile_id = ? AND free = 0 AND leased_until_ms < ?)"
)


class PoolReads(Reader):
    """The part of an open storage that reads pools; `firstboot.storage.Storage` says what each read answers."""

    async def pool_members(self, profile_id: int, *, after_id: int = 0, limit: int = 100) -> Sequence[PoolMember]:
        """See `firstboot.storage.Storage`."""
        return [pool_member(row) for row in await self.search(Run(_PAGE, (profile_id, after_id, limit)))]

    async def count_ready(self, profile_id: int, now_ms: int) -> int:
        """See `firstboot.storage.Storage`."""
        rows = await self.search(Run(_COUNT_READY, (profile_id, now_ms) * 2))
        return int(rows[0][0])


def pool_member(row: Row) -> PoolMember:
    """Make one of a row of `SELECT_MEMBERS`."""
    device_id, name, profile_id, hardware_id, reserved, leased_at_ms, leased_until_ms, first_login_at_ms = row
    return PoolMember(
        device_id=device_id,
        device_name=name,
        profile_id=profile_id,
        hardware_id=hardware_id,
        reserved=bool(reserved),
        leased_at_ms=leased_at_ms,
        leased_until_ms=leased_until_ms,
        first_login_at_ms=first_login_at_ms,
    )
