"""Accounts: what thinger.io calls a user is a tenant here."""

from __future__ import annotations

from firstboot.app import Services
from firstboot.errors import NotFound
from firstboot.model import Tenant


class Accounts:
    """Finds tenants by name. They are never renamed or deleted, so each is read once."""

    def __init__(self, services: Services) -> None:
        self._tenants = services.tenants
        self._by_name: dict[str, Tenant] = {}

    def is_known(self, name: str) -> bool:
        """Say whether an account of this name was found before."""
        return name in self._by_name

    async def find(self, name: str) -> Tenant | None:
        """Return the account of this name.

        Raises: `Unavailable`.
        """
        if name not in self._by_name:
            self._by_name = {tenant.name: tenant for tenant in await self._tenants.all()}
        return self._by_name.get(name)

    async def get(self, tenant_id: int) -> Tenant | None:
        """Return the account with this id.

        Raises: `Unavailable`.
        """
        try:
            found = await self._tenants.get(tenant_id)
        except NotFound:
            return None
        self._by_name.setdefault(found.name, found)
        return found
