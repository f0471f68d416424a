"""Resources and their rows, read from the database."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

from firstboot.model import Resource, ResourceRow
from firstboot.storage import RowQuery
from firstboot_plugins.storage_tortoise.encoding import storable
from firstboot_plugins.storage_tortoise.paging import Conditions
from firstboot_plugins.storage_tortoise.reader import Reader
from firstboot_plugins.storage_tortoise.statements import Row, Run

_FIELDS = [field.name for field in dataclasses.fields(Resource)]
_RESOURCES = f"SELECT {', '.join(_FIELDS)} FROM resource"  # noqa: S608


class ResourceReads(Reader):
    """The part of an open storage that reads resources; `firstboot.storage.Storage` says what each answers."""

    async def find_resource(self, tenant_id: int, kind: str, name: str) -> Resource | None:
        """See `firstboot.storage.Storage`."""
        if not storable(name):
            return None
        sql = f"{_RESOURCES} WHERE tenant_id = ? AND kind = ? AND name = ?"
        rows = await self._fetch(Run(sql, (tenant_id, kind, name)))
        return _resource(rows[0]) if rows else None

    async def resource(self, resource_id: int) -> Resource | None:
        """See `firstboot.storage.Storage`."""
        rows = await self._fetch(Run(f"{_RESOURCES} WHERE id = ?", (resource_id,)))
        return _resource(rows[0]) if rows else None

    async def list_resources(
        self, kind: str, *, tenant_id: int | None = None, after_id: int = 0, limit: int | None = None
    ) -> Sequence[Resource]:
        """See `firstboot.storage.Storage`."""
        where = Conditions()
        where.add("kind = ? AND id > ?", kind, after_id)
        where.equal("tenant_id", tenant_id)
        sql = f"{_RESOURCES} WHERE {where} ORDER BY id"
        if limit is not None:
            sql, where.values = f"{sql} LIMIT ?", [*where.values, limit]
        return [_resource(row) for row in await self.search(Run(sql, tuple(where.values)))]

    async def resource_rows(self, query: RowQuery) -> Sequence[ResourceRow]:
        """See `firstboot.storage.Storage`."""
        where = Conditions()
        where.add("resource_id = ?", query.resource_id)
        if query.from_ms is not None:
            where.add("at_ms >= ?", query.from_ms)
        if query.until_ms is not None:
            where.add("at_ms <= ?", query.until_ms)
        direction = "ASC" if query.oldest_first else "DESC"
        if query.after is not None:
            behind = ">" if query.oldest_first else "<"
            where.add(f"(at_ms, id) {behind} (?, ?)", query.after.at_ms, query.after.id)
        sql = (
            f"SELECT at_ms, value, id FROM resource_row WHERE {where}"  # noqa: S608
            f" ORDER BY at_ms {direction}, id {direction} LIMIT ?"
        )
        rows = await self.search(Run(sql, (*where.values, query.limit)))
        return [ResourceRow(at_ms, json.loads(value), id_) for at_ms, value, id_ in rows]


def _resource(row: Row) -> Resource:
    fields = dict(zip(_FIELDS, row, strict=True))
    return Resource(**fields | {"document": json.loads(fields["document"])})
