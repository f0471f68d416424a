"""Named JSON documents of a tenant that dialects keep beside devices, and what those collect."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from firstboot import json_profile
from firstboot.attribute_values import check_value
from firstboot.batching import Batcher
from firstboot.clock import Clock
from firstboot.errors import AlreadyExists, InvalidValue, NotFound, VersionConflict
from firstboot.model import Resource, ResourceDraft, ResourceRow
from firstboot.storage import (
    AppendRows,
    AuditEntry,
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
_ROWS_AT_ONCE = 100
_TURN_S = 0.01
"""How long whoever goes through rows keeps everybody else waiting."""
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
        check_value(dict(document), "document", MAX_DOCUMENT_BYTES)
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

    async def every_row(self, query: RowQuery) -> AsyncGenerator[ResourceRow, None]:
        """Go through what a resource has collected, in the query's order, whatever its ``limit``.

        Raises: `Unavailable`.
        """
        query = replace(query, limit=_ROWS_AT_ONCE)
        turn_ends_at = 0.0
        while True:
            rows = await self._storage.resource_rows(query)
            for row in rows:
                if time.monotonic() > turn_ends_at:
                    await asyncio.sleep(0)
                    turn_ends_at = time.monotonic() + _TURN_S
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
            write = DeleteRows(resource_id=resource.id, before_ms=before_ms, limit=_DELETED_AT_ONCE, audit=audit)
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
        raise InvalidValue(f"A name has 1 to {MAX_NAME_LENGTH} visible characters.")
    check_value(dict(draft.document), "document", MAX_DOCUMENT_BYTES)
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
