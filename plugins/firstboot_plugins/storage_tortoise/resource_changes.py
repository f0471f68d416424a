"""Resources are made, replaced and deleted, and collect rows: many of them at once."""

from __future__ import annotations

from collections.abc import Sequence

from firstboot.model import Resource
from firstboot.storage import (
    AppendRows,
    ChangeKind,
    CreateResource,
    DeleteResource,
    DeleteRows,
    Outcome,
    UpdateResource,
    WriteResult,
)
from firstboot_plugins.storage_tortoise.changes import Changes
from firstboot_plugins.storage_tortoise.encoding import to_json
from firstboot_plugins.storage_tortoise.statements import Algorithm, Many, ManySql, Run, updating

_KEY = (("tenant_id", "bigint"), ("kind", "text"), ("name", "text"))
_COLUMNS = (
    *_KEY,
    ("document", "text"),
    ("version", "int"),
    ("created_at_ms", "bigint"),
    ("updated_at_ms", "bigint"),
)
_NAMES = ", ".join(name for name, _ in _COLUMNS)
_FIND_TENANTS = ManySql("SELECT tenant.id FROM v JOIN tenant ON tenant.id = v.id", (("id", "bigint"),))
_FIND = ManySql(
    "SELECT resource.tenant_id, resource.kind, resource.name, resource.id FROM v JOIN resource"
    " ON resource.tenant_id = v.tenant_id AND resource.kind = v.kind AND resource.name = v.name",
    _KEY,
)
# Numbered, because resources are listed in the order in which they were made, and rows in that of their arrival.
_INSERT = ManySql(
    f"INSERT INTO resource ({_NAMES}) SELECT {_NAMES} FROM v ORDER BY n"  # noqa: S608
    " RETURNING tenant_id, kind, name, id",
    (("n", "bigint"), *_COLUMNS),
)
_UPDATE = updating("resource", ("document", "updated_at_ms"))
_FIND_IDS = ManySql("SELECT resource.id FROM v JOIN resource ON resource.id = v.id", (("id", "bigint"),))
_APPEND = ManySql(
    "INSERT INTO resource_row (resource_id, at_ms, value) SELECT resource_id, at_ms, value FROM v ORDER BY n",
    (("n", "bigint"), ("resource_id", "bigint"), ("at_ms", "bigint"), ("value", "text")),
)

_GONE = WriteResult(Outcome.GONE)


def create_resources(writes: Sequence[CreateResource], changes: Changes) -> Algorithm[list[WriteResult]]:
    """Make those that can be made, as if they were made one after another."""
    found = yield Many(_FIND_TENANTS, [(id_,) for id_ in {write.resource.tenant_id for write in writes}])
    tenants = {row[0] for row in found}
    ids = _by_key((yield Many(_FIND, list({_key(write.resource) for write in writes}))))
    new: dict[tuple[int, str, str], int] = {}
    for number, write in enumerate(writes):
        key = _key(write.resource)
        if write.resource.tenant_id in tenants and key not in ids:
            new.setdefault(key, number)
    ids |= _by_key((yield Many(_INSERT, [(number, *_values(writes[number].resource)) for number in new.values()])))
    results = []
    for number, write in enumerate(writes):
        resource, key = write.resource, _key(write.resource)
        if new.get(key) == number:
            changes.tell(ChangeKind.RESOURCE, ids[key], resource.created_at_ms, resource.kind)
            results.append(WriteResult(Outcome.DONE, ids[key], version=1))
        elif key not in ids:
            results.append(_GONE)
        elif write.keep_existing:
            results.append(WriteResult(Outcome.DONE, ids[key]))
        else:
            results.append(WriteResult(Outcome.NAME_TAKEN))
    return results


def _key(resource: Resource) -> tuple[int, str, str]:
    return resource.tenant_id, resource.kind, resource.name


def _by_key(rows: Sequence[Sequence[object]]) -> dict[tuple[int, str, str], int]:
    return {(tenant_id, kind, name): id_ for tenant_id, kind, name, id_ in rows}  # type: ignore[misc]


def _values(resource: Resource) -> tuple[object, ...]:
    return (*_key(resource), to_json(dict(resource.document)), 1, resource.created_at_ms, resource.updated_at_ms)


def update_resource(write: UpdateResource, changes: Changes) -> Algorithm[WriteResult]:
    """Replace a document."""
    resource = write.resource
    rows = yield Run(
        "SELECT version, kind FROM resource WHERE id = ? AND tenant_id = ?", (resource.id, resource.tenant_id)
    )
    if not rows:
        return _GONE
    version, kind = rows[0]
    if write.expected_version not in (None, version):
        return WriteResult(Outcome.STALE)
    rows = yield Run(_UPDATE, (to_json(dict(resource.document)), resource.updated_at_ms, resource.id))
    changes.tell(ChangeKind.RESOURCE, resource.id, resource.updated_at_ms, kind)
    return WriteResult(Outcome.DONE, version=rows[0][0])


def delete_resource(write: DeleteResource, changes: Changes) -> Algorithm[WriteResult]:
    """Delete a resource; its rows go by their foreign key."""
    rows = yield Run("DELETE FROM resource WHERE id = ? RETURNING kind", (write.resource_id,))
    if not rows:
        return _GONE
    changes.tell(ChangeKind.RESOURCE, write.resource_id, write.at_ms, rows[0][0])
    return WriteResult(Outcome.DONE)


def append_rows(writes: Sequence[AppendRows], changes: Changes) -> Algorithm[list[WriteResult]]:
    """Add rows to the resources that are there."""
    found = yield Many(_FIND_IDS, [(id_,) for id_ in {write.resource_id for write in writes}])
    there = {row[0] for row in found}
    rows = [(write.resource_id, row) for write in writes if write.resource_id in there for row in write.rows]
    yield Many(_APPEND, [(number, id_, row.at_ms, to_json(row.value)) for number, (id_, row) in enumerate(rows)])
    return [WriteResult(Outcome.DONE) if write.resource_id in there else _GONE for write in writes]


def delete_rows(write: DeleteRows, changes: Changes) -> Algorithm[WriteResult]:
    """Delete rows, all or old ones, and count them."""
    where, values = "resource_id = ?", [write.resource_id]
    if write.before_ms is not None:
        where, values = f"{where} AND at_ms < ?", [*values, write.before_ms]
    if write.limit is not None:
        oldest = f"SELECT id FROM resource_row WHERE {where} ORDER BY at_ms, id LIMIT ?"  # noqa: S608
        where, values = f"id IN ({oldest})", [*values, write.limit]
    # Counted first: to be told of each row that goes would cost more.
    counted = yield Run(f"SELECT count(*) FROM resource_row WHERE {where}", tuple(values))  # noqa: S608
    if counted[0][0]:
        yield Run(f"DELETE FROM resource_row WHERE {where}", tuple(values))  # noqa: S608
    return WriteResult(Outcome.DONE, counted[0][0])
