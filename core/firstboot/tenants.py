"""Tenants: whose profiles, customers and devices there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from firstboot.batching import Batcher
from firstboot.clock import Clock, new_public_id
from firstboot.errors import AlreadyExists, NotFound
from firstboot.model import Tenant
from firstboot.names import clean_name
from firstboot.storage import AuditEntry, CreateTenant, Outcome, Storage, Write, WriteResult


class TenantService:
    """What the operator of the installation does with tenants."""

    def __init__(self, storage: Storage, commits: Batcher[Write, WriteResult], clock: Clock) -> None:
        self._storage = storage
        self._commits = commits
        self._clock = clock
        self._known: dict[int, Tenant] = {}
        """Neither changed nor deleted ever, so each is read once."""

    async def all(self) -> Sequence[Tenant]:
        """Return every tenant of the installation; there are few."""
        return await self._storage.all_tenants()

    async def get(self, tenant_id: int) -> Tenant:
        """Return a tenant by its id.

        Raises: `NotFound`.
        """
        if tenant_id not in self._known:
            self._known = {tenant.id: tenant for tenant in await self._storage.all_tenants()}
        if tenant_id not in self._known:
            raise NotFound("There is no such tenant.")
        return self._known[tenant_id]

    async def by_public_id(self, public_id: UUID) -> Tenant:
        """Return a tenant by its public id.

        Raises: `NotFound`.
        """
        for tenant in await self._storage.all_tenants():
            if tenant.public_id == public_id:
                return tenant
        raise NotFound(f"Tenant with id [{public_id}] is not found")

    async def create(self, name: str, *, actor: str) -> Tenant:
        """Make a tenant, which has nobody and nothing yet.

        Raises: `InvalidValue`, `AlreadyExists`.
        """
        now_ms = self._clock.now_ms()
        tenant = Tenant(0, clean_name(name, "tenant name"), new_public_id(now_ms), now_ms)
        audit = AuditEntry(at_ms=now_ms, event="tenant-created", actor=actor, detail=tenant.name)
        result = await self._commits.submit(CreateTenant(tenant=tenant, audit=audit))
        if result.outcome is Outcome.NAME_TAKEN:
            raise AlreadyExists(f"There is a tenant named {tenant.name!r} already.")
        return replace(tenant, id=result.id)
