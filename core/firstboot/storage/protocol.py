"""What the services ask of a storage backend."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Protocol
from uuid import UUID

from firstboot.model import (
    ApiToken,
    ClaimWindow,
    Customer,
    Device,
    DeviceProfile,
    LatestValue,
    PoolMember,
    Resource,
    ResourceRow,
    Scope,
    StoredAttribute,
    Tenant,
    User,
    UserSession,
)
from firstboot.storage.audit import AuditChain, AuditQuery, AuditRow
from firstboot.storage.certificates import RevokedCertificate
from firstboot.storage.changes import Change
from firstboot.storage.credentials import FoundCredentials
from firstboot.storage.outcomes import WriteResult
from firstboot.storage.queries import DevicePageQuery, DeviceQuery, Page, PageQuery, RowQuery
from firstboot.storage.writes import Write


class Storage(Protocol):
    """An open storage. Reads and writes raise `firstboot.errors.Unavailable` when it cannot be reached."""

    async def close(self) -> None:
        """Let go of everything. Nothing else is called afterwards."""
        ...

    async def write(self, batch: Sequence[Write], chain: AuditChain) -> Sequence[WriteResult]:
        """Do all writes in one transaction that is durable when this returns.

        Each write succeeds or fails alone, as if they were done one after another in order: one that
        fails leaves nothing behind, its audit entry included. The audit entries of those that succeed are
        appended to the chain, in order.

        Raises: `firstboot.errors.Unavailable`; then nothing of the batch has happened.
        """
        ...

    async def read_meta(self, name: str) -> bytes | None:
        """Return a value that belongs to the installation as a whole."""
        ...

    async def write_meta(self, name: str, value: bytes, expected: bytes | None) -> bool:
        """Set such a value if it still is ``expected`` (None: not there); say whether it was."""
        ...

    async def find_tenant(self, name: str) -> Tenant | None: ...

    async def all_tenants(self) -> Sequence[Tenant]: ...

    async def all_profiles(self) -> Sequence[DeviceProfile]:
        """Return every profile of the installation; there are few, and the services keep them in memory."""
        ...

    async def count_devices(self, profile_id: int) -> int: ...

    async def find_device(self, tenant_id: int, name: str) -> Device | None: ...

    async def device_by_id(self, tenant_id: int, device_id: int) -> Device | None: ...

    async def device_by_public_id(self, tenant_id: int, public_id: UUID) -> Device | None: ...

    async def list_devices(self, query: DeviceQuery) -> Sequence[Device]: ...

    async def page_devices(self, query: DevicePageQuery) -> Page[Device]: ...

    async def find_customer(self, tenant_id: int, *, public_id: UUID) -> Customer | None: ...

    async def customers_by_id(self, tenant_id: int, ids: Collection[int]) -> Sequence[Customer]:
        """Return those of the ids that exist in the tenant, in any order."""
        ...

    async def page_customers(self, tenant_id: int, query: PageQuery) -> Page[Customer]: ...

    async def user_by_email(self, email: str) -> User | None:
        """Return a user of any tenant. ``email`` is in lower case."""
        ...

    async def user_by_public_id(self, public_id: UUID) -> User | None:
        """Return a user of any tenant; the caller compares the tenant."""
        ...

    async def user_by_activation(self, digest: bytes) -> User | None: ...

    async def page_users(
        self, tenant_id: int | None, query: PageQuery, *, customer_id: int | None = None
    ) -> Page[User]:
        """Return users of a tenant (None: those that belong to none), or only those of one customer."""
        ...

    async def user_session(self, session_id: UUID) -> tuple[UserSession, User] | None:
        """Return a login that has not ended, with its user. Expiry is for the caller to judge."""
        ...

    async def api_token_by_digest(self, digest: bytes) -> ApiToken | None: ...

    async def api_token(self, token_id: int) -> ApiToken | None: ...

    async def list_api_tokens(self, tenant_id: int) -> Sequence[ApiToken]: ...

    async def device_credentials(self, device_id: int) -> Sequence[FoundCredentials]:
        """Return a device's credentials, the current ones first."""
        ...

    async def find_credentials(self, digests: Sequence[bytes]) -> Sequence[FoundCredentials]:
        """Return those of the digests that exist, in any order. Asked for many logins at a time."""
        ...

    async def revoked_certificates(self, at_ms: int) -> Sequence[RevokedCertificate]:
        """Return the certificates that were taken back and would not have expired before this moment."""
        ...

    async def device_attributes(
        self, device_id: int, scope: Scope | None = None, keys: Collection[str] | None = None
    ) -> Sequence[StoredAttribute]:
        """Return attributes in the order of scope and key. None: of all scopes, or all keys."""
        ...

    async def claim_windows(self, device_id: int) -> Sequence[ClaimWindow]:
        """Return the claim windows of a device, also those that are over."""
        ...

    async def devices_behind(self, gateway_id: int) -> Sequence[Device]:
        """Return the devices for which a gateway speaks, in the order of their ids."""
        ...

    async def latest_telemetry(self, device_id: int, keys: Collection[str] | None = None) -> Sequence[LatestValue]:
        """Return the newest values in the order of their keys."""
        ...

    async def devices_of_hardware(self, tenant_id: int, hardware_id: str, *, limit: int = 100) -> Sequence[Device]:
        """Return devices that say that they are this hardware, the newest first: anybody may say it."""
        ...

    async def pool_members(self, profile_id: int, *, after_id: int = 0, limit: int = 100) -> Sequence[PoolMember]:
        """Return members of a profile's pool, in the order of their devices' ids."""
        ...

    async def count_ready(self, profile_id: int, now_ms: int) -> int:
        """Return how many members of a profile's pool are ready (`LeaseMember`), reserved ones among them."""
        ...

    async def find_resource(self, tenant_id: int, kind: str, name: str) -> Resource | None: ...

    async def resource(self, resource_id: int) -> Resource | None: ...

    async def list_resources(
        self, kind: str, *, tenant_id: int | None = None, after_id: int = 0, limit: int | None = None
    ) -> Sequence[Resource]:
        """Return resources of a kind, of one tenant or of all, in the order of their ids."""
        ...

    async def resource_rows(self, query: RowQuery) -> Sequence[ResourceRow]:
        """Return rows in the order of their moments, and those of one moment in that of their arrival."""
        ...

    async def list_audit(self, query: AuditQuery) -> Sequence[AuditRow]: ...

    async def last_change(self) -> int:
        """Return the id of the newest change, 0 when there is none."""
        ...

    async def changes_since(self, change_id: int) -> Sequence[Change]:
        """Return the changes after that one, oldest first."""
        ...

    async def backup(self, path: str) -> None:
        """Write a consistent copy to a file that does not exist yet, while others go on.

        Raises: `firstboot.errors.InvalidValue` when this backend leaves that to the database's own tools.
        """
        ...


class StorageBackend(Protocol):
    """Opens storages of certain URL schemes; this is what a plugin offers."""

    schemes: Iterable[str]
    """Such as ``("sqlite",)``."""

    async def open(self, url: str) -> Storage:
        """Connect, and bring the schema to this program's version.

        Raises: `firstboot.errors.StorageRefused` with what to do.
        """
        ...
