"""Named JSON documents of a tenant that dialects keep beside devices, and what those collect."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from firstboot import json_profile
from firstboot.attribute_values import check_value
from firstboot.batching import Batcher
from firstboot.changes import ChangeFollower
from firstboot.clock import Clock
from firstboot.errors import AlreadyExists, InvalidValue, NotFound, VersionConflict
from firstboot.model import Resource, ResourceDraft, ResourceRow
from firstboot.storage import (
    AppendRows,
    AuditEntry,
    Change,
    ChangeKind,
    CreateResource,
    DeleteResource,
    DeleteRows,
    Outcome,
    RowQuery,
    Storage,
    Together,
    UpdateResource,
    Write,
    WriteResult,
)

MAX_NAME_LENGTH = 255
MAX_DOCUMENT_BYTES = 262_144
_ROWS_AT_ONCE = 500
_DELETED_AT_ONCE = 5000
"""Rows in one commit: others wait for it."""


class ResourceService:
    """Makes, changes and deletes resources. Every change is audited, and noticed by running servers."""

    def __init__(self, storage: Storage, commits: Batcher[Write, WriteResult], clock: Clock) -> None:
        self._storage = storage
        self._commits = commits
        self._clock = clock

    async def get(self, tenant_id: int, kind: str, name: str) -> Resource:
        """Return a resource by name.

        Raises: `NotFound`.
        """
        resource = await self._storage.find_resource(tenant_id, kind, name)
        if resource is None:
            raise NotFound(f"There is no {kind} named {name!r}.")
        return resource

    async def list(
        self, tenant_id: int, kind: str, *, after_id: int = 0, limit: int | None = None
    ) -> Sequence[Resource]:
        """Return resources of a tenant in the order in which they were made."""
        return await self._storage.list_resources(kind, tenant_id=tenant_id, after_id=after_id, limit=limit)

    async def create(self, tenant_id: int, draft: ResourceDraft, *, actor: str) -> Resource:
        """Make a resource.

        Raises: `AlreadyExists`, `InvalidValue`, `NotFound` when the tenant is gone.
        """
        resource = new_resource(tenant_id, draft, self._clock.now_ms())
        audit = self._audit("resource-created", resource, actor)
        result = await self._commits.submit(CreateResource(resource=resource, audit=audit))
        if result.outcome is Outcome.NAME_TAKEN:
            raise AlreadyExists(f"There is a {draft.kind} named {draft.name!r} already.")
        if result.outcome is not Outcome.DONE:
            raise NotFound("There is no such tenant.")
        return replace(resource, id=result.id)

    async def create_missing(self, tenant_id: int, drafts: Sequence[ResourceDraft], *, actor: str) -> None:
        """Make those that are not there, all of them or none. Those that are there stay as they are.

        Raises: `InvalidValue`, `NotFound` when the tenant is gone.
        """
        now_ms = self._clock.now_ms()
        made = [new_resource(tenant_id, draft, now_ms) for draft in drafts]
        writes = tuple(
            CreateResource(resource=each, keep_existing=True, audit=self._audit("resource-created", each, actor))
            for each in made
        )
        if writes and (await self._commits.submit(Together(writes))).outcome is not Outcome.DONE:
            raise NotFound("There is no such tenant.")

    async def update(
        self, resource: Resource, document: Mapping[str, Any], *, actor: str, expected_version: int | None = None
    ) -> Resource:
        """Replace a resource's document.

        Raises: `InvalidValue`, `NotFound`, `VersionConflict`.
        """
        check_value(dict(document), resource.kind, MAX_DOCUMENT_BYTES)
        changed = replace(resource, document=document, updated_at_ms=self._clock.now_ms())
        audit = self._audit("resource-updated", changed, actor)
        result = await self._commits.submit(
            UpdateResource(resource=changed, expected_version=expected_version, audit=audit)
        )
        if result.outcome is Outcome.STALE:
            raise VersionConflict(f"Somebody has changed {resource.name!r} meanwhile.")
        if result.outcome is not Outcome.DONE:
            raise NotFound(f"There is no {resource.kind} named {resource.name!r}.")
        return replace(changed, version=result.version)

    async def delete(self, resource: Resource, *, actor: str) -> None:
        """Delete a resource with all that it has collected.

        Raises: `NotFound`.
        """
        if await self.rows(RowQuery(resource_id=resource.id, limit=1)):
            await self.clear(resource)  # bit by bit; the deletion itself would be one long commit
        audit = self._audit("resource-deleted", resource, actor)
        write = DeleteResource(resource_id=resource.id, at_ms=audit.at_ms, audit=audit)
        if (await self._commits.submit(write)).outcome is not Outcome.DONE:
            raise NotFound(f"There is no {resource.kind} named {resource.name!r}.")

    # -- rows --------------------------------------------------------------------------------------

    async def append(self, resource: Resource, rows: Sequence[ResourceRow]) -> None:
        """Add what a resource has collected; it is on disk when this returns.

        Raises: `InvalidValue`, `NotFound`.
        """
        for row in rows:
            _check_row(row)
        if (await self._commits.submit(AppendRows(resource.id, rows))).outcome is not Outcome.DONE:
            raise NotFound(f"There is no {resource.kind} named {resource.name!r}.")

    async def append_to_each(self, resources: Sequence[Resource], row: ResourceRow) -> None:
        """Add one row to several resources at once, leaving out those that are gone.

        Raises: `InvalidValue`, `Unavailable`.
        """
        _check_row(row)
        for result in await self._commits.submit_all(AppendRows(each.id, [row]) for each in resources):
            if isinstance(result, BaseException):
                raise result

    async def rows(self, query: RowQuery) -> Sequence[ResourceRow]:
        """Return what a resource has collected."""
        return await self._storage.resource_rows(query)

    async def every_row(self, query: RowQuery) -> AsyncIterator[ResourceRow]:
        """Go through what a resource has collected, in the query's order, whatever its ``limit``.

        Raises: `Unavailable`.
        """
        query = replace(query, limit=_ROWS_AT_ONCE)
        while True:
            rows = await self._storage.resource_rows(query)
            for row in rows:
                yield row
            if len(rows) < _ROWS_AT_ONCE:
                return
            query = replace(query, after=rows[-1])

    async def clear(self, resource: Resource, *, before_ms: int | None = None, actor: str | None = None) -> int:
        """Delete what a resource has collected, or only what is older than a moment; return how much that was.

        ``actor`` None: a retention period is over, which is not audited.
        """
        audit = None if actor is None else self._audit("resource-cleared", resource, actor)
        deleted = 0
        while True:
            write = DeleteRows(
                resource_id=resource.id, before_ms=before_ms, limit=_DELETED_AT_ONCE, audit=audit
            )
            some = (await self._commits.submit(write)).id
            deleted, audit = deleted + some, None
            if some < _DELETED_AT_ONCE:
                return deleted

    def _audit(self, event: str, resource: Resource, actor: str) -> AuditEntry:
        return AuditEntry(
            at_ms=self._clock.now_ms(),
            event=event,
            tenant_id=resource.tenant_id,
            actor=actor,
            detail=f"{resource.kind} {resource.name}",
        )


def new_resource(tenant_id: int, draft: ResourceDraft, at_ms: int) -> Resource:
    """Return a resource that is to be made.

    Raises: `InvalidValue`.
    """
    if not 0 < len(draft.name) <= MAX_NAME_LENGTH or not draft.name.isprintable():
        raise InvalidValue(f"The name of a {draft.kind} has 1 to {MAX_NAME_LENGTH} visible characters.")
    check_value(dict(draft.document), draft.kind, MAX_DOCUMENT_BYTES)
    return Resource(
        id=0,
        tenant_id=tenant_id,
        kind=draft.kind,
        name=draft.name,
        document=draft.document,
        created_at_ms=at_ms,
        updated_at_ms=at_ms,
    )


def _check_row(row: ResourceRow) -> None:
    if not 0 <= row.at_ms <= json_profile.MAX_INTEGER:
        raise InvalidValue("The moment of a row is no moment.")
    check_value(row.value, "row")


class ResourceMirror:
    """All resources of one kind in memory, for what is asked with every request.

    Kept true by the log of changes, also those of other servers. Answers nothing before `load`.
    """

    def __init__(self, kind: str, storage: Storage, changes: ChangeFollower) -> None:
        self._kind = kind
        self._storage = storage
        self._by_id: dict[int, Resource] = {}
        self._by_name: dict[tuple[int, str], Resource] = {}
        self._listeners: list[Callable[[Resource | None, Resource | None], None]] = []
        self._newer: set[int] | None = set()
        """Those that have changed since `load` began to read; None: it is done."""
        changes.watch(ChangeKind.RESOURCE, self._follow)

    async def load(self) -> None:
        """Read them all, once.

        Raises: `Unavailable`.
        """
        found = await self._storage.list_resources(self._kind)
        newer, self._newer = self._newer or set(), None
        for resource in found:
            if resource.id not in newer:
                self._take(resource.id, resource)

    def on_change(self, listener: Callable[[Resource | None, Resource | None], None]) -> None:
        """Call ``listener`` with what a resource was and what it is; None: it was not, or is no more."""
        self._listeners.append(listener)

    def find(self, tenant_id: int, name: str) -> Resource | None:
        return self._by_name.get((tenant_id, name))

    def all(self) -> Sequence[Resource]:
        """Return those of all tenants."""
        return list(self._by_id.values())

    def of_tenant(self, tenant_id: int) -> Sequence[Resource]:
        """Return those of a tenant, in the order of their names."""
        own = [resource for resource in self._by_id.values() if resource.tenant_id == tenant_id]
        return sorted(own, key=lambda resource: resource.name)

    async def _follow(self, changes: Sequence[Change]) -> None:
        for id_ in {change.ref for change in changes if change.detail == self._kind}:
            if self._newer is not None:
                self._newer.add(id_)
            self._take(id_, await self._storage.resource(id_))

    def _take(self, id_: int, resource: Resource | None) -> None:
        before = self._by_id.pop(id_, None)
        if before is not None and self.find(before.tenant_id, before.name) is before:  # else its name is another's
            del self._by_name[before.tenant_id, before.name]
        if resource is not None:
            self._by_id[id_] = resource
            self._by_name[resource.tenant_id, resource.name] = resource
        for listener in self._listeners:
            listener(before, resource)
