"""How a storage in memory makes, replaces and deletes resources, and what they collect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from firstboot.model import Resource, ResourceRow
from firstboot.storage import (
    AppendRows,
    ChangeKind,
    CreateResource,
    DeleteResource,
    DeleteRows,
    Outcome,
    RowQuery,
    UpdateResource,
    WriteResult,
)
from firstboot.testing.memory_tables import Tables, json_copy

ResourceWrite = CreateResource | UpdateResource | DeleteResource | AppendRows | DeleteRows


class ResourceWrites:
    """The part of a `firstboot.testing.MemoryStorage` that writes and reads resources."""

    _tables: Tables

    def _resource_obstacles(self, write: ResourceWrite) -> Iterator[Outcome]:
        tables = self._tables
        match write:
            case CreateResource():
                if write.resource.tenant_id not in tables.tenants:
                    yield Outcome.GONE
                if not write.keep_existing and self._same_name(write.resource) is not None:
                    yield Outcome.NAME_TAKEN
            case UpdateResource():
                before = tables.resources.get(write.resource.id)
                if before is None or before.tenant_id != write.resource.tenant_id:
                    yield Outcome.GONE
                elif write.expected_version not in (None, before.version):
                    yield Outcome.STALE
            case DeleteResource() | AppendRows():
                if write.resource_id not in tables.resources:
                    yield Outcome.GONE

    def _same_name(self, resource: Resource) -> Resource | None:
        wanted = (resource.tenant_id, resource.kind, resource.name)
        found = self._tables.resources.values()
        return next((each for each in found if (each.tenant_id, each.kind, each.name) == wanted), None)

    def _apply_to_resource(self, write: ResourceWrite) -> WriteResult:
        match write:
            case CreateResource():
                return self._create_resource(write.resource)
            case UpdateResource():
                before = self._tables.resources[write.resource.id]
                document = json_copy(dict(write.resource.document))
                updated_at_ms = write.resource.updated_at_ms
                self._keep(
                    replace(before, document=document, updated_at_ms=updated_at_ms, version=before.version + 1)
                )
                return WriteResult(Outcome.DONE, version=before.version + 1)
            case DeleteResource():
                resource = self._tables.resources.pop(write.resource_id)
                self._tables.rows.pop(write.resource_id, None)
                self._tables.tell(ChangeKind.RESOURCE, resource.id, resource.kind)
            case AppendRows():
                new = tuple(
                    ResourceRow(row.at_ms, json_copy(row.value), self._tables.new_id()) for row in write.rows
                )
                self._tables.rows[write.resource_id] = self._tables.rows.get(write.resource_id, ()) + new
            case DeleteRows():
                before_rows = self._tables.rows.get(write.resource_id, ())
                before_ms = write.before_ms
                gone = [row for row in before_rows if before_ms is None or row.at_ms < before_ms]
                ids = {row.id for row in sorted(gone, key=_place)[: write.limit]}
                kept = tuple(row for row in before_rows if row.id not in ids)
                self._tables.rows[write.resource_id] = kept
                return WriteResult(Outcome.DONE, len(before_rows) - len(kept))
        return WriteResult(Outcome.DONE)

    def _create_resource(self, resource: Resource) -> WriteResult:
        existing = self._same_name(resource)
        if existing is not None:
            return WriteResult(Outcome.DONE, existing.id)
        made = replace(resource, id=self._tables.new_id(), version=1, document=json_copy(dict(resource.document)))
        self._keep(made)
        return WriteResult(Outcome.DONE, made.id, version=1)

    def _keep(self, resource: Resource) -> None:
        self._tables.resources[resource.id] = resource
        self._tables.tell(ChangeKind.RESOURCE, resource.id, resource.kind)

    async def find_resource(self, tenant_id: int, kind: str, name: str) -> Resource | None:
        wanted = Resource(id=0, tenant_id=tenant_id, kind=kind, name=name, document={})
        return self._same_name(wanted)

    async def resource(self, resource_id: int) -> Resource | None:
        return self._tables.resources.get(resource_id)

    async def list_resources(
        self, kind: str, *, tenant_id: int | None = None, after_id: int = 0, limit: int | None = None
    ) -> Sequence[Resource]:
        found = [
            resource
            for resource in self._tables.resources.values()
            if resource.kind == kind and tenant_id in (None, resource.tenant_id) and resource.id > after_id
        ]
        return found[:limit]

    async def resource_rows(self, query: RowQuery) -> Sequence[ResourceRow]:
        found = [
            row
            for row in self._tables.rows.get(query.resource_id, ())
            if (query.from_ms is None or query.from_ms <= row.at_ms)
            and (query.until_ms is None or row.at_ms <= query.until_ms)
        ]
        found.sort(key=_place, reverse=not query.oldest_first)
        if query.after is not None:
            last, forth = _place(query.after), query.oldest_first
            found = [row for row in found if (_place(row) > last if forth else _place(row) < last)]
        return found[: query.limit]


def _place(row: ResourceRow) -> tuple[int, int]:
    return row.at_ms, row.id
