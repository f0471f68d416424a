"""Everything that is read, the same for both kinds of database."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from firstboot.model import DeviceProfile
from firstboot_plugins.storage_tortoise import models
from firstboot_plugins.storage_tortoise.device_reads import DeviceReads
from firstboot_plugins.storage_tortoise.encoding import read_settings
from firstboot_plugins.storage_tortoise.log_reads import LogReads
from firstboot_plugins.storage_tortoise.people_reads import PeopleReads
from firstboot_plugins.storage_tortoise.pool_reads import PoolReads
from firstboot_plugins.storage_tortoise.resource_reads import ResourceReads


class TortoiseReads(DeviceReads, PeopleReads, PoolReads, ResourceReads, LogReads):
    """The reads of an open storage."""

    async def read_meta(self, name: str) -> bytes | None:
        """See `firstboot.storage.Storage`, as for all reads."""
        found = await self._read(lambda: self.tables.meta.get_or_none(name=name))
        return None if found is None else bytes(found.value)

    async def all_profiles(self) -> Sequence[DeviceProfile]:
        """See `firstboot.storage.Storage`."""
        return [_profile(row) for row in await self._read(lambda: self.tables.profile.all().order_by("id"))]


def _profile(row: models.DeviceProfile) -> DeviceProfile:
    return DeviceProfile(
        id=row.id,
        public_id=UUID(bytes=row.public_id),
        tenant_id=row.tenant_id,
        name=row.name,
        strategy=row.strategy,
        provision_key=row.provision_key,
        secret_digest=row.secret_digest,
        secret_sealed=row.secret_sealed,
        previous_secret_digest=row.previous_secret_digest,
        previous_secret_until_ms=row.previous_secret_until_ms,
        enabled=bool(row.enabled),
        is_default=bool(row.is_default),
        version=row.version,
        created_at_ms=row.created_at_ms,
        **read_settings(row.settings),
    )
