"""When something was last or first used: written for many at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from firstboot.storage import ConfirmDelivery, Outcome, RecordLogin, RecordTokenUse, WriteResult
from firstboot_plugins.storage_tortoise.changes import Changes
from firstboot_plugins.storage_tortoise.statements import Algorithm, Many, ManySql

_MOMENTS = (("id", "bigint"), ("at_ms", "bigint"))
_SET_FIRST_LOGIN = ManySql(
    "UPDATE device SET first_login_at_ms = v.at_ms FROM v"
    " WHERE device.id = v.id AND device.first_login_at_ms IS NULL",
    _MOMENTS,
)
# It is its own for good now; see the table in the migrations.
_END_LEASE = ManySql(
    "UPDATE pool_member SET free = 0, leased_until_ms = NULL FROM v"
    " WHERE pool_member.device_id = v.id AND pool_member.leased_until_ms IS NOT NULL",
    (("id", "bigint"),),
)
_SET_DELIVERED = ManySql(
    "UPDATE device SET delivered_at_ms = v.at_ms FROM v WHERE device.id = v.id",
    _MOMENTS,
)
_SET_USED = ManySql(
    "UPDATE api_token SET last_used_at_ms = v.at_ms FROM v"
    " WHERE api_token.id = v.id AND coalesce(api_token.last_used_at_ms, 0) < v.at_ms",
    _MOMENTS,
)
_FIND_DEVICES = ManySql("SELECT device.id FROM v JOIN device ON device.id = v.id", (("id", "bigint"),))
_FIND_TOKENS = ManySql("SELECT api_token.id FROM v JOIN api_token ON api_token.id = v.id", (("id", "bigint"),))


def record_logins(writes: Sequence[RecordLogin], changes: Changes) -> Algorithm[list[WriteResult]]:
    """Set the first login of devices that had none."""
    first = {write.device_id: write.at_ms for write in reversed(writes)}
    yield Many(_SET_FIRST_LOGIN, list(first.items()))
    yield Many(_END_LEASE, [(device_id,) for device_id in first])
    there = yield from existing_devices(write.device_id for write in writes)
    return [found_or_gone(write.device_id in there) for write in writes]


def confirm_deliveries(writes: Sequence[ConfirmDelivery], changes: Changes) -> Algorithm[list[WriteResult]]:
    """Set when devices confirmed their answers."""
    last = {write.device_id: write.at_ms for write in writes}
    yield Many(_SET_DELIVERED, list(last.items()))
    there = yield from existing_devices(write.device_id for write in writes)
    return [found_or_gone(write.device_id in there) for write in writes]


def record_token_uses(writes: Sequence[RecordTokenUse], changes: Changes) -> Algorithm[list[WriteResult]]:
    """Set when tokens were last used; the clocks of nodes differ, and the newest moment stays."""
    newest: dict[int, int] = {}
    for write in writes:
        newest[write.token_id] = max(write.at_ms, newest.get(write.token_id, 0))
    yield Many(_SET_USED, list(newest.items()))
    rows = yield Many(_FIND_TOKENS, [(token_id,) for token_id in newest])
    there = {row[0] for row in rows}
    return [WriteResult(Outcome.DONE if write.token_id in there else Outcome.GONE) for write in writes]


def existing_devices(device_ids: Iterable[int]) -> Algorithm[set[int]]:
    """Find out which devices are there."""
    rows = yield Many(_FIND_DEVICES, [(id_,) for id_ in set(device_ids)])
    return {row[0] for row in rows}


def found_or_gone(there: bool) -> WriteResult:
    """Return the result of a write to a device that is there, or is not."""
    return WriteResult(Outcome.DONE if there else Outcome.DEVICE_GONE)
