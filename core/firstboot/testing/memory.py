"""A storage in dictionaries: for tests, and as the plainest statement of what a storage does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from uuid import uuid4

from firstboot.errors import InvalidValue
from firstboot.model import DEFAULT_TENANT, Tenant
from firstboot.storage import (
    AppendAudit,
    AuditChain,
    AuditEntry,
    AuditRow,
    Outcome,
    RenewUserSession,
    Together,
    Write,
    WriteResult,
    audits_of,
)
from firstboot.testing.memory_claims import ClaimWrite, ClaimWrites
from firstboot.testing.memory_people import PeopleWrite
from firstboot.testing.memory_pools import PoolWrite, PoolWrites
from firstboot.testing.memory_profiles import ProfileWrite, ProfileWrites
from firstboot.testing.memory_reads import MemoryReads
from firstboot.testing.memory_resources import ResourceWrite, ResourceWrites
from firstboot.testing.memory_tables import Tables


class MemoryStorage(ClaimWrites, PoolWrites, ProfileWrites, ResourceWrites, MemoryReads):
    """Keeps everything until the last storage that shares it is gone. One event loop, one process."""

    def __init__(self, same_as: MemoryStorage | None = None) -> None:
        """Begin empty, or open what another storage has open."""
        self._tables: Tables = same_as._tables if same_as else Tables()
        if same_as is None:
            self.add_tenant(DEFAULT_TENANT)

    def add_tenant(self, name: str) -> Tenant:
        """Make a tenant; a storage has the default one from the start."""
        tenant = Tenant(self._tables.new_id(), name, uuid4())
        self._tables.tenants[tenant.id] = tenant
        return tenant

    async def close(self) -> None:
        """Nothing is open."""

    async def write(self, batch: Sequence[Write], chain: AuditChain) -> Sequence[WriteResult]:
        """Do the writes one after another; if one breaks off, none has happened."""
        before = self._tables.saved()
        try:
            return [self._write(write, chain) for write in batch]
        except BaseException:
            self._tables.restore(before)
            raise

    def _write(self, write: Write, chain: AuditChain) -> WriteResult:
        for obstacle in self.obstacles(write):
            if isinstance(write, RenewUserSession) and obstacle is Outcome.STALE:
                self._end_session(write)
            return WriteResult(obstacle)
        result = self._apply(write)
        for entry in audits_of(write, result):
            self._append(entry, chain)
        return result

    def _append(self, entry: AuditEntry, chain: AuditChain) -> None:
        rows = self._tables.audit
        previous = rows[-1].link if rows else b""
        rows.append(AuditRow(len(rows) + 1, entry, chain(previous, entry.canonical())))

    def obstacles(self, write: Write) -> Iterator[Outcome]:
        """Yield every reason for which a write cannot be done now. A storage may answer with any of them."""
        if isinstance(write, ProfileWrite):
            yield from self._profile_obstacles(write)
        elif isinstance(write, PeopleWrite):
            yield from self._people_obstacles(write)
        elif isinstance(write, ClaimWrite):
            yield from self._claim_obstacles(write)
        elif isinstance(write, PoolWrite):
            yield from self._pool_obstacles(write)
        elif isinstance(write, ResourceWrite):
            yield from self._resource_obstacles(write)
        elif isinstance(write, Together):
            yield from self._obstacles_of_parts(write)
        elif not isinstance(write, AppendAudit):
            yield from self._device_obstacles(write)

    def _obstacles_of_parts(self, write: Together) -> Sequence[Outcome]:
        before = self._tables.saved()
        try:
            for each in write.writes:
                found = list(self.obstacles(each))
                if found:
                    return found
                self._apply(each)
            return []
        finally:
            self._tables.restore(before)

    def _apply(self, write: Write) -> WriteResult:
        """Do a write that nothing stands against."""
        if isinstance(write, ProfileWrite):
            return self._apply_to_profile(write)
        if isinstance(write, PeopleWrite):
            return self._apply_to_people(write)
        if isinstance(write, ClaimWrite):
            return self._apply_to_claims(write)
        if isinstance(write, PoolWrite):
            return self._apply_to_pool(write)
        if isinstance(write, ResourceWrite):
            return self._apply_to_resource(write)
        if isinstance(write, Together):
            return WriteResult(Outcome.DONE, parts=tuple(map(self._apply, write.writes)))
        if isinstance(write, AppendAudit):
            return WriteResult(Outcome.DONE)
        return self._apply_to_device(write)

    async def write_meta(self, name: str, value: bytes, expected: bytes | None) -> bool:
        """See `firstboot.storage.Storage`."""
        if self._tables.meta.get(name) != expected:
            return False
        self._tables.meta[name] = value
        return True

    async def backup(self, path: str) -> None:
        """Refuse: there is nothing to keep.

        Raises: `InvalidValue`, always.
        """
        raise InvalidValue("A storage in memory cannot be backed up.")
