"""Tenants, customers, users with their logins, and API tokens, read from the database."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from uuid import UUID

from firstboot.model import ApiToken, Customer, Tenant, User, UserSession
from firstboot.storage import Page, PageQuery
from firstboot_plugins.storage_tortoise.encoding import storable
from firstboot_plugins.storage_tortoise.paging import Conditions, Listing, read_page
from firstboot_plugins.storage_tortoise.people_columns import (
    CUSTOMER_COLUMNS,
    SESSION_COLUMNS,
    TENANT_COLUMNS,
    TOKEN_COLUMNS,
    USER_COLUMNS,
    read_customer,
    read_session,
    read_tenant,
    read_token,
    read_user,
)
from firstboot_plugins.storage_tortoise.reader import Reader
from firstboot_plugins.storage_tortoise.statements import Run


def _of(table: str, columns: Sequence[str]) -> str:
    return ", ".join(f"{table}.{name}" for name in columns)


_TENANTS = f"SELECT {_of('tenant', TENANT_COLUMNS)} FROM tenant"  # noqa: S608
_CUSTOMER = _of("customer", CUSTOMER_COLUMNS)
_FIND_CUSTOMERS = f"SELECT {_CUSTOMER} FROM customer WHERE tenant_id = ?"  # noqa: S608
_CUSTOMERS = Listing(
    table="customer",
    columns=_CUSTOMER,
    sorts={"created_at_ms": "customer.created_at_ms", "name": "customer.title"},
)
_USER = _of("app_user", USER_COLUMNS)
_FIND_USER = f"SELECT {_USER} FROM app_user"  # noqa: S608
_USERS = Listing(
    table="app_user",
    columns=_USER,
    sorts={"created_at_ms": "app_user.created_at_ms", "name": "app_user.email"},
)
_FIND_SESSION = (
    f"SELECT {_of('user_session', SESSION_COLUMNS)}, {_USER}"  # noqa: S608
    " FROM user_session JOIN app_user ON app_user.id = user_session.user_id WHERE user_session.public_id = ?"
)
_TOKENS = f"SELECT {_of('api_token', TOKEN_COLUMNS)} FROM api_token"  # noqa: S608


class PeopleReads(Reader):
    """The part of an open storage that reads people; `firstboot.storage.Storage` says what each read answers."""

    async def find_tenant(self, name: str) -> Tenant | None:
        """See `firstboot.storage.Storage`."""
        rows = await self._fetch(Run(f"{_TENANTS} WHERE name = ?", (name,))) if storable(name) else []
        return read_tenant(rows[0]) if rows else None

    async def all_tenants(self) -> Sequence[Tenant]:
        """See `firstboot.storage.Storage`."""
        return [read_tenant(row) for row in await self._fetch(Run(f"{_TENANTS} ORDER BY id"))]

    async def find_customer(self, tenant_id: int, *, public_id: UUID) -> Customer | None:
        """See `firstboot.storage.Storage`."""
        rows = await self._fetch(Run(f"{_FIND_CUSTOMERS} AND public_id = ?", (tenant_id, public_id.bytes)))
        return read_customer(rows[0]) if rows else None

    async def customers_by_id(self, tenant_id: int, ids: Collection[int]) -> Sequence[Customer]:
        """See `firstboot.storage.Storage`."""
        sql = f"{_FIND_CUSTOMERS} AND id IN ({self.ids_from_json})"
        return [read_customer(row) for row in await self._fetch(Run(sql, (tenant_id, json.dumps(sorted(ids)))))]

    async def page_customers(self, tenant_id: int, query: PageQuery) -> Page[Customer]:
        """See `firstboot.storage.Storage`."""
        where = Conditions()
        where.add("customer.tenant_id = ?", tenant_id)
        where.contain(query.text, self.upper, "customer.title")
        rows, total = await read_page(self, _CUSTOMERS, where, query)
        return Page([read_customer(row) for row in rows], total)

    async def user_by_email(self, email: str) -> User | None:
        """See `firstboot.storage.Storage`."""
        return await self._user("email", email) if storable(email) else None

    async def user_by_public_id(self, public_id: UUID) -> User | None:
        """See `firstboot.storage.Storage`."""
        return await self._user("public_id", public_id.bytes)

    async def user_by_activation(self, digest: bytes) -> User | None:
        """See `firstboot.storage.Storage`."""
        return await self._user("activation_digest", digest)

    async def _user(self, column: str, value: str | bytes) -> User | None:
        rows = await self._fetch(Run(f"{_FIND_USER} WHERE {column} = ?", (value,)))
        return read_user(rows[0]) if rows else None

    async def page_users(
        self, tenant_id: int | None, query: PageQuery, *, customer_id: int | None = None
    ) -> Page[User]:
        """See `firstboot.storage.Storage`."""
        where = Conditions()
        if tenant_id is None:
            where.add("app_user.tenant_id IS NULL")
        where.equal("app_user.tenant_id", tenant_id)
        where.equal("app_user.customer_id", customer_id)
        where.contain(query.text, self.upper, "app_user.email")
        rows, total = await read_page(self, _USERS, where, query)
        return Page([read_user(row) for row in rows], total)

    async def user_session(self, session_id: UUID) -> tuple[UserSession, User] | None:
        """See `firstboot.storage.Storage`."""
        rows = await self._fetch(Run(_FIND_SESSION, (session_id.bytes,)))
        if not rows:
            return None
        values = list(rows[0])
        border = len(SESSION_COLUMNS)
        return read_session(values[:border]), read_user(values[border:])

    async def api_token_by_digest(self, digest: bytes) -> ApiToken | None:
        """See `firstboot.storage.Storage`."""
        rows = await self._fetch(Run(f"{_TOKENS} WHERE digest = ?", (digest,)))
        return read_token(rows[0]) if rows else None

    async def api_token(self, token_id: int) -> ApiToken | None:
        """See `firstboot.storage.Storage`."""
        rows = await self._fetch(Run(f"{_TOKENS} WHERE id = ?", (token_id,)))
        return read_token(rows[0]) if rows else None

    async def list_api_tokens(self, tenant_id: int) -> Sequence[ApiToken]:
        """See `firstboot.storage.Storage`."""
        rows = await self._fetch(Run(f"{_TOKENS} WHERE tenant_id = ? ORDER BY id", (tenant_id,)))
        return [read_token(row) for row in rows]
