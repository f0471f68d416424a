"""How a storage in memory is read; `firstboot.storage.Storage` says what each read answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, TypeVar
from uuid import UUID

from firstboot.model import (
    ApiToken,
    ClaimWindow,
    Customer,
    Device,
    DeviceProfile,
    LatestValue,
    PoolMember,
    Scope,
    StoredAttribute,
    Tenant,
    User,
    UserSession,
)
from firstboot.storage import (
    AuditEntry,
    AuditQuery,
    AuditRow,
    Change,
    DevicePageQuery,
    DeviceQuery,
    FoundCredentials,
    Page,
    PageQuery,
    RevokedCertificate,
)
from firstboot.testing.memory_tables import Kept, Tables

T = TypeVar("T")


class MemoryReads:
    """The part of a `firstboot.testing.MemoryStorage` that reads."""

    _tables: Tables

    async def read_meta(self, name: str) -> bytes | None:
        return self._tables.meta.get(name)

    async def find_tenant(self, name: str) -> Tenant | None:
        return _first(tenant for tenant in self._tables.tenants.values() if tenant.name == name)

    async def all_tenants(self) -> Sequence[Tenant]:
        return list(self._tables.tenants.values())

    async def all_profiles(self) -> Sequence[DeviceProfile]:
        return list(self._tables.profiles.values())

    async def count_devices(self, profile_id: int) -> int:
        return self._tables.count_devices(profile_id)

    async def find_device(self, tenant_id: int, name: str) -> Device | None:
        device_id = self._tables.names.get((tenant_id, name))
        return None if device_id is None else self._tables.devices[device_id]

    async def device_by_id(self, tenant_id: int, device_id: int) -> Device | None:
        device = self._tables.devices.get(device_id)
        return device if device is not None and device.tenant_id == tenant_id else None

    async def device_by_public_id(self, tenant_id: int, public_id: UUID) -> Device | None:
        devices = self._tables.devices.values()
        return _first(each for each in devices if (each.tenant_id, each.public_id) == (tenant_id, public_id))

    async def list_devices(self, query: DeviceQuery) -> Sequence[Device]:
        found = [
            device
            for device in self._tables.devices.values()
            if device.tenant_id == query.tenant_id
            and device.id > query.after_id
            and query.customer_id in (None, device.customer_id)
            and query.profile_id in (None, device.profile_id)
            and _contains(query.text, device.name)
        ]
        return found[: query.limit]

    async def page_devices(self, query: DevicePageQuery) -> Page[Device]:
        found = [
            device
            for device in self._tables.devices.values()
            if device.tenant_id == query.tenant_id
            and query.customer_id in (None, device.customer_id)
            and query.profile_id in (None, device.profile_id)
            and query.enabled in (None, device.enabled)
            and (query.ids is None or device.id in query.ids)
            and device.id not in query.not_ids
            and query.name in (None, device.name)
            and _contains(query.text, device.name, device.label)
        ]
        profiles = self._tables.profiles
        sorts: dict[str, Callable[[Device], Any]] = {
            "created_at_ms": lambda device: device.created_at_ms,
            "name": lambda device: device.name,
            "label": lambda device: device.label or "",
            "profile": lambda device: profiles[device.profile_id].name,
        }
        rows = _in_order(found, query, sorts)
        if query.exact_first and query.text:
            text = query.text.casefold()
            rows.sort(key=lambda device: device.name.casefold() != text)
        return Page(rows[query.start : query.start + query.page_size], len(rows))

    async def find_customer(self, tenant_id: int, *, public_id: UUID) -> Customer | None:
        customers = self._tables.customers.values()
        return _first(each for each in customers if (each.tenant_id, each.public_id) == (tenant_id, public_id))

    async def customers_by_id(self, tenant_id: int, ids: Collection[int]) -> Sequence[Customer]:
        customers = self._tables.customers.values()
        return [each for each in customers if each.tenant_id == tenant_id and each.id in ids]

    async def page_customers(self, tenant_id: int, query: PageQuery) -> Page[Customer]:
        found = [
            customer
            for customer in self._tables.customers.values()
            if customer.tenant_id == tenant_id and _contains(query.text, customer.title)
        ]
        sorts: dict[str, Callable[[Customer], Any]] = {
            "created_at_ms": lambda customer: customer.created_at_ms,
            "name": lambda customer: customer.title,
        }
        return _page(found, query, sorts)

    async def user_by_email(self, email: str) -> User | None:
        return _first(each for each in self._tables.users.values() if each.email == email)

    async def user_by_public_id(self, public_id: UUID) -> User | None:
        return _first(each for each in self._tables.users.values() if each.public_id == public_id)

    async def user_by_activation(self, digest: bytes) -> User | None:
        return _first(each for each in self._tables.users.values() if each.activation_digest == digest)

    async def page_users(
        self, tenant_id: int | None, query: PageQuery, *, customer_id: int | None = None
    ) -> Page[User]:
        found = [
            user
            for user in self._tables.users.values()
            if user.tenant_id == tenant_id
            and customer_id in (None, user.customer_id)
            and _contains(query.text, user.email)
        ]
        sorts: dict[str, Callable[[User], Any]] = {
            "created_at_ms": lambda user: user.created_at_ms,
            "name": lambda user: user.email,
        }
        return _page(found, query, sorts)

    async def user_session(self, session_id: UUID) -> tuple[UserSession, User] | None:
        session = self._tables.sessions.get(session_id)
        return None if session is None else (session, self._tables.users[session.user_id])

    async def api_token_by_digest(self, digest: bytes) -> ApiToken | None:
        return _first(each for each in self._tables.tokens.values() if each.digest == digest)

    async def api_token(self, token_id: int) -> ApiToken | None:
        return self._tables.tokens.get(token_id)

    async def list_api_tokens(self, tenant_id: int) -> Sequence[ApiToken]:
        return [each for each in self._tables.tokens.values() if each.tenant_id == tenant_id]

    async def device_credentials(self, device_id: int) -> Sequence[FoundCredentials]:
        found = [self._found(kept) for kept in self._tables.credentials.values() if kept.device_id == device_id]
        return sorted(found, key=lambda each: each.valid_until_ms is not None)

    async def find_credentials(self, digests: Sequence[bytes]) -> Sequence[FoundCredentials]:
        kept = self._tables.credentials
        return [self._found(kept[digest]) for digest in set(digests) if digest in kept]

    def _found(self, kept: Kept) -> FoundCredentials:
        device = self._tables.devices[kept.device_id]
        return FoundCredentials(
            digest=kept.credentials.digest,
            type=kept.credentials.type,
            sealed=kept.credentials.sealed,
            valid_until_ms=kept.valid_until_ms,
            device_id=device.id,
            device_public_id=device.public_id,
            device_name=device.name,
            tenant_id=device.tenant_id,
            profile_id=device.profile_id,
            first_login_at_ms=device.first_login_at_ms,
            device_enabled=device.enabled,
        )

    async def device_attributes(
        self, device_id: int, scope: Scope | None = None, keys: Collection[str] | None = None
    ) -> Sequence[StoredAttribute]:
        return [
            StoredAttribute(own_scope, key, json.loads(text), at_ms)
            for (owner, own_scope, key), (text, at_ms) in sorted(self._tables.attributes.items())
            if owner == device_id and scope in (None, own_scope) and (keys is None or key in keys)
        ]

    async def claim_windows(self, device_id: int) -> Sequence[ClaimWindow]:
        return [window for window in self._tables.windows.values() if window.device_id == device_id]

    async def revoked_certificates(self, at_ms: int) -> Sequence[RevokedCertificate]:
        there = [each for each in self._tables.revoked.values() if each.expires_at_ms >= at_ms]
        return sorted(there, key=lambda each: (each.revoked_at_ms, each.serial))

    async def devices_behind(self, gateway_id: int) -> Sequence[Device]:
        return [device for device in self._tables.devices.values() if device.gateway_id == gateway_id]

    async def latest_telemetry(self, device_id: int, keys: Collection[str] | None = None) -> Sequence[LatestValue]:
        return [
            LatestValue(key, latest.at_ms, json.loads(json.dumps(latest.value)))
            for (owner, key), latest in sorted(self._tables.telemetry.items(), key=lambda item: item[0])
            if owner == device_id and (keys is None or key in keys)
        ]

    async def devices_of_hardware(self, tenant_id: int, hardware_id: str, *, limit: int = 100) -> Sequence[Device]:
        devices = list(self._tables.devices.values())[::-1]
        wanted = (tenant_id, hardware_id)
        return [each for each in devices if (each.tenant_id, each.hardware_id) == wanted][:limit]

    async def pool_members(self, profile_id: int, *, after_id: int = 0, limit: int = 100) -> Sequence[PoolMember]:
        return [each for each in self._tables.members_in(profile_id) if each.device_id > after_id][:limit]

    async def count_ready(self, profile_id: int, now_ms: int) -> int:
        return sum(each.state(now_ms) == "ready" for each in self._tables.members_in(profile_id))

    async def list_audit(self, query: AuditQuery) -> Sequence[AuditRow]:
        rows = [
            row
            for row in self._tables.audit
            if query.after_id < row.id
            and (query.before_id is None or row.id < query.before_id)
            and _is_asked_for(row.entry, query)
        ]
        return rows[::-1][: query.limit] if query.newest_first else rows[: query.limit]

    async def last_change(self) -> int:
        return len(self._tables.changes)

    async def changes_since(self, change_id: int) -> Sequence[Change]:
        return [change for change in self._tables.changes if change.id > change_id]


def _is_asked_for(entry: AuditEntry, query: AuditQuery) -> bool:
    asked = ("tenant_id", "event", "code", "device_id", "device", "profile", "actor")
    return (
        all(getattr(query, name) in (None, getattr(entry, name)) for name in asked)
        and not (query.refusals and entry.code == "ok")
        and (query.from_ms is None or query.from_ms <= entry.at_ms)
        and (query.until_ms is None or entry.at_ms < query.until_ms)
    )


def _contains(text: str | None, *names: str | None) -> bool:
    return any((text or "").casefold() in (name or "").casefold() for name in names)


def _page(rows: Iterable[T], query: PageQuery, sorts: dict[str, Callable[[T], Any]]) -> Page[T]:
    found = _in_order(rows, query, sorts)
    return Page(found[query.start : query.start + query.page_size], len(found))


def _in_order(rows: Iterable[T], query: PageQuery, sorts: dict[str, Callable[[T], Any]]) -> list[T]:
    # Sorting is stable, and the rows come in the order of their ids.
    found = sorted(rows, key=sorts[query.sort])
    if query.descending:
        found.reverse()
    return found


def _first(rows: Iterable[T]) -> T | None:
    return next(iter(rows), None)
