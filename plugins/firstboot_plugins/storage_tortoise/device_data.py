"""What devices report and what is set for them: attributes and telemetry, of many devices at once."""

from __future__ import annotations

from collections.abc import Sequence

from firstboot.model import CLAIMING_DATA, PROVISION_STATE, ClaimOpener, Scope
from firstboot.storage import (
    AttributeChange,
    ChangeKind,
    DeleteAttributes,
    Outcome,
    SaveAttributes,
    SaveTelemetry,
    WriteResult,
)
from firstboot_plugins.storage_tortoise.changes import Changes
from firstboot_plugins.storage_tortoise.changing import reopen
from firstboot_plugins.storage_tortoise.claim_changes import CLOSE_WINDOW, open_for_administrator
from firstboot_plugins.storage_tortoise.encoding import to_json
from firstboot_plugins.storage_tortoise.moments import existing_devices, found_or_gone
from firstboot_plugins.storage_tortoise.statements import Algorithm, Many, ManySql, Run

_KEY = (("device_id", "bigint"), ("scope", "smallint"), ("key", "text"))
# Without a WHERE, SQLite would take ON for the beginning of a join.
_SET_ATTRIBUTES = ManySql(
    "INSERT INTO attribute (device_id, scope, key, value, updated_at_ms) SELECT * FROM v WHERE true"
    " ON CONFLICT (device_id, scope, key)"
    " DO UPDATE SET value = excluded.value, updated_at_ms = excluded.updated_at_ms",
    (*_KEY, ("value", "text"), ("at_ms", "bigint")),
)
_DELETE_ATTRIBUTES = ManySql(
    "DELETE FROM attribute WHERE (device_id, scope, key) IN (SELECT device_id, scope, key FROM v) RETURNING key",
    _KEY,
)
_SET_TELEMETRY = ManySql(
    "INSERT INTO telemetry (device_id, key, at_ms, value) SELECT * FROM v WHERE true"
    " ON CONFLICT (device_id, key) DO UPDATE SET at_ms = excluded.at_ms, value = excluded.value"
    " WHERE telemetry.at_ms <= excluded.at_ms",
    (("device_id", "bigint"), ("key", "text"), ("at_ms", "bigint"), ("value", "text")),
)


def save_attributes(writes: Sequence[SaveAttributes], changes: Changes) -> Algorithm[list[WriteResult]]:
    """Set attributes of the devices that are there."""
    there = yield from existing_devices(write.device_id for write in writes)
    last = {}
    windows = []
    for write in writes:
        if write.device_id not in there:
            continue
        if write.claim_window is not None:
            windows.append((write.device_id, write.at_ms, write.claim_window))
        for key, value in write.values.items():
            last[write.device_id, int(write.scope), key] = (to_json(value), write.at_ms)
        if write.scope is Scope.SHARED and write.values:
            detail = AttributeChange(updated=tuple(write.values)).to_json()
            changes.tell(ChangeKind.ATTRIBUTES, write.device_id, write.at_ms, detail)
    yield Many(_SET_ATTRIBUTES, [(*key, *value) for key, value in last.items()])
    yield from open_for_administrator(windows)
    return [found_or_gone(write.device_id in there) for write in writes]


def delete_attributes(write: DeleteAttributes, changes: Changes) -> Algorithm[WriteResult]:
    """Delete attributes of one device."""
    if not (yield from existing_devices([write.device_id])):
        return found_or_gone(False)
    keys = dict.fromkeys(write.keys)
    rows = yield Many(_DELETE_ATTRIBUTES, [(write.device_id, int(write.scope), key) for key in keys])
    deleted = {row[0] for row in rows}
    if write.scope is Scope.SERVER and PROVISION_STATE in keys:
        yield from reopen(write.device_id, write.at_ms)
    if write.scope is Scope.SERVER and CLAIMING_DATA in keys:
        yield Run(CLOSE_WINDOW, (write.device_id, ClaimOpener.ADMINISTRATOR.value))
    if write.scope is Scope.SHARED and deleted:
        detail = AttributeChange(deleted=tuple(key for key in keys if key in deleted)).to_json()
        changes.tell(ChangeKind.ATTRIBUTES, write.device_id, write.at_ms, detail)
    return WriteResult(Outcome.DONE)


def save_telemetry(writes: Sequence[SaveTelemetry], changes: Changes) -> Algorithm[list[WriteResult]]:
    """Keep the newest values of the devices that are there."""
    there = yield from existing_devices(write.device_id for write in writes)
    newest: dict[tuple[int, str], tuple[int, str]] = {}
    for write in writes:
        if write.device_id not in there:
            continue
        for point in write.points:
            for key, value in point.values.items():
                place = (write.device_id, key)
                if place not in newest or newest[place][0] <= point.at_ms:
                    newest[place] = (point.at_ms, to_json(value))
    yield Many(_SET_TELEMETRY, [(*place, *value) for place, value in newest.items()])
    return [found_or_gone(write.device_id in there) for write in writes]
