"""Reads through Tortoise, the same for both kinds of database."""

from __future__ import annotations

import asyncio
import contextvars
import dataclasses
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar
from uuid import UUID

from tortoise.context import TortoiseContext
from tortoise.exceptions import BaseORMException
from tortoise.expressions import RawSQL
from tortoise.queryset import QuerySet

from firstboot.errors import FirstbootError, Unavailable
from firstboot.model import PROVISION_STATE, Attribute, Device, DeviceProfile, Scope, Tenant
from firstboot.storage import (
    AuditQuery,
    AuditRow,
    Change,
    ChangeKind,
    DeviceQuery,
    FoundCredentials,
)
from firstboot_plugins.storage_tortoise import models
from firstboot_plugins.storage_tortoise.encoding import (
    FOUND_COLUMNS,
    found_credentials,
    from_json,
    read_audit_entry,
    read_settings,
)
from firstboot_plugins.storage_tortoise.statements import Many, ManySql, Row, Rows, Run

T = TypeVar("T")

_FIND_CREDENTIALS = ManySql(
    f"SELECT {FOUND_COLUMNS} FROM v"  # noqa: S608
    " JOIN credentials ON credentials.digest = v.digest JOIN device ON device.id = credentials.device_id",
    (("digest", "bytea"),),
)
_CREDENTIALS_OF = (
    f"SELECT {FOUND_COLUMNS} FROM credentials JOIN device ON device.id = credentials.device_id"  # noqa: S608
    " WHERE credentials.device_id = ?"
    " ORDER BY credentials.valid_until_ms IS NOT NULL, credentials.valid_until_ms DESC"
)
_ATTRIBUTES_OF = "SELECT scope, key, value FROM attribute WHERE device_id = ? ORDER BY scope, key"
_STATES_OF = ManySql(
    "SELECT attribute.device_id, attribute.value FROM v JOIN attribute"
    " ON attribute.device_id = v.device_id AND attribute.scope = v.scope AND attribute.key = v.key",
    (("device_id", "bigint"), ("scope", "smallint"), ("key", "text")),
)
_DEVICE_FIELDS = [field.name for field in dataclasses.fields(Device) if field.name != "provision_state"]
_FIND_DEVICE = (
    f"SELECT {', '.join(f'device.{name}' for name in _DEVICE_FIELDS)}, attribute.value"  # noqa: S608
    " FROM device LEFT JOIN attribute"
    " ON attribute.device_id = device.id AND attribute.scope = ? AND attribute.key = ?"
    " WHERE device.tenant_id = ? AND device.name = ?"
)
_STATE_KEY = (int(Scope.SERVER), PROVISION_STATE)
_PATIENCE_S = 5.0


class TortoiseReads:
    """An open Tortoise and what is read through it.

    Tortoise finds its connections by a context variable. Each storage has a context of its own in which its
    reads run as tasks, so that callers need not know, and storages do not meet.
    """

    tables: models.Models
    tables_module: str
    upper_name: str
    """SQL for the name of a device in capitals, beyond ASCII."""

    def __init__(self) -> None:
        self._variables = contextvars.copy_context()
        self._tortoise = TortoiseContext()
        self._variables.run(self._tortoise.__enter__)

    def why_unreachable(self, error: Exception) -> str | None:
        """Say why the database cannot be used now, if that is what the error means."""
        raise NotImplementedError

    async def _open_tortoise(self, engine: str, credentials: Mapping[str, Any]) -> None:
        connection = {"engine": engine, "credentials": dict(credentials)}
        app = {"models": [self.tables_module], "default_connection": "default"}
        await self._in_context(
            self._tortoise.init({"connections": {"default": connection}, "apps": {"firstboot": app}})
        )

    async def _close_tortoise(self) -> None:
        await self._in_context(self._tortoise.close_connections())

    async def _in_context(self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.get_running_loop().create_task(work, context=self._variables)

    async def _read(self, work: Callable[[], Awaitable[T]]) -> T:
        async def bounded() -> T:
            # A pool that is used up waits without limit by itself.
            async with asyncio.timeout(_PATIENCE_S):
                return await work()

        with self._translated():
            return await self._in_context(bounded())

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except FirstbootError:
            raise
        except Exception as error:
            wrapped = error.args[0] if isinstance(error, BaseORMException) and error.args else None
            reason = self.why_unreachable(wrapped if isinstance(wrapped, Exception) else error)
            if reason is None:
                raise
            raise Unavailable(f"The database cannot be used now: {reason}.") from error

    async def _fetch(self, request: Run | Many) -> Rows:
        """Read with SQL what is read for every device that logs in or asks for its credentials."""
        raise NotImplementedError

    # -- what the protocol asks --------------------------------------------------------------------

    async def read_meta(self, name: str) -> bytes | None:
        """See `firstboot.storage.Storage`, as for all reads."""
        found = await self._read(lambda: self.tables.meta.get_or_none(name=name))
        return None if found is None else bytes(found.value)

    async def find_tenant(self, name: str) -> Tenant | None:
        """See `firstboot.storage.Storage`."""
        found = await self._read(lambda: self.tables.tenant.get_or_none(name=name))
        return None if found is None else Tenant(found.id, found.name)

    async def all_profiles(self) -> Sequence[DeviceProfile]:
        """See `firstboot.storage.Storage`."""
        return [_profile(row) for row in await self._read(lambda: self.tables.profile.all().order_by("id"))]

    async def count_devices(self, profile_id: int) -> int:
        """See `firstboot.storage.Storage`."""
        found = await self._read(lambda: self.tables.usage.get_or_none(profile_id=profile_id))
        return 0 if found is None else found.devices

    async def find_device(self, tenant_id: int, name: str) -> Device | None:
        """See `firstboot.storage.Storage`."""
        rows = await self._fetch(Run(_FIND_DEVICE, (*_STATE_KEY, tenant_id, name)))
        return _device(rows[0][:-1], from_json(rows[0][-1])) if rows else None

    async def list_devices(self, query: DeviceQuery) -> Sequence[Device]:
        """See `firstboot.storage.Storage`."""
        rows: Rows = await self._read(
            lambda: self._devices(query).order_by("id").limit(query.limit).values_list(*_DEVICE_FIELDS)
        )
        found = await self._fetch(Many(_STATES_OF, [(row[0], *_STATE_KEY) for row in rows]))
        states = {device_id: from_json(value) for device_id, value in found}
        return [_device(row, states.get(row[0])) for row in rows]

    def _devices(self, query: DeviceQuery) -> QuerySet[Any]:
        found = self.tables.device.filter(tenant_id=query.tenant_id, id__gt=query.after_id)
        if query.profile_id is not None:
            found = found.filter(profile_id=query.profile_id)
        if query.text and query.text.isascii():
            found = found.filter(name__icontains=query.text)
        elif query.text:
            capitals = query.text.upper()
            found = found.annotate(upper_name=RawSQL(self.upper_name)).filter(upper_name__contains=capitals)
        return found

    async def device_credentials(self, device_id: int) -> Sequence[FoundCredentials]:
        """See `firstboot.storage.Storage`."""
        return [found_credentials(row) for row in await self._fetch(Run(_CREDENTIALS_OF, (device_id,)))]

    async def find_credentials(self, digests: Sequence[bytes]) -> Sequence[FoundCredentials]:
        """See `firstboot.storage.Storage`."""
        rows = await self._fetch(Many(_FIND_CREDENTIALS, [(digest,) for digest in set(digests)]))
        return [found_credentials(row) for row in rows]

    async def device_attributes(self, device_id: int) -> Sequence[Attribute]:
        """See `firstboot.storage.Storage`."""
        rows = await self._fetch(Run(_ATTRIBUTES_OF, (device_id,)))
        return [Attribute(Scope(scope), key, from_json(value)) for scope, key, value in rows]

    async def list_audit(self, query: AuditQuery) -> Sequence[AuditRow]:
        """See `firstboot.storage.Storage`."""
        order = "-id" if query.newest_first else "id"
        rows = await self._read(
            lambda: self.tables.audit.filter(id__gt=query.after_id).order_by(order).limit(query.limit)
        )
        return [AuditRow(row.id, read_audit_entry(row.entry), bytes(row.link)) for row in rows]

    async def last_change(self) -> int:
        """See `firstboot.storage.Storage`."""
        found = await self._read(lambda: self.tables.change.all().order_by("-id").first())
        return 0 if found is None else found.id

    async def changes_since(self, change_id: int) -> Sequence[Change]:
        """See `firstboot.storage.Storage`."""
        rows = await self._read(lambda: self.tables.change.filter(id__gt=change_id).order_by("id"))
        return [Change(row.id, ChangeKind(row.kind), row.ref) for row in rows]


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
        created_at_ms=row.created_at_ms,
        **read_settings(row.settings),
    )


def _device(values: Row, provision_state: Any) -> Device:
    fields = dict(zip(_DEVICE_FIELDS, values, strict=True))
    fields["public_id"] = UUID(bytes=fields["public_id"])
    fields["additional_info"] = from_json(fields["additional_info"])
    return Device(provision_state=provision_state, **fields)
