"""From what a row of a delivery list says to what is written of its device."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from firstboot.claim_secrets import new_claim_secret
from firstboot.claim_windows import ADMINISTRATORS_DURATION
from firstboot.claiming_data import opening
from firstboot.clock import milliseconds
from firstboot.devices import DeviceDraft
from firstboot.errors import InvalidValue
from firstboot.import_rows import DeviceRow
from firstboot.model import (
    CLAIMING_DATA,
    Attribute,
    Credentials,
    Customer,
    Device,
    DeviceProfile,
    Scope,
    WantedCredentials,
)
from firstboot.secret import Secret
from firstboot.storage import CreateDevice

if TYPE_CHECKING:
    from firstboot.core import Core


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What holds for all rows of an import."""

    tenant_id: int
    actor: str
    profile: DeviceProfile | None = None
    """Of the rows that name none; None: the tenant's default one."""
    customer: Customer | None = None
    """To whom the devices belong; None: to nobody."""
    generate_secrets: bool = False
    """Whether devices whose row has no claim secret get one."""
    until_ms: int | None = None
    """How long devices with a secret may be claimed whose row does not say; None: for a year."""
    update: bool = False
    """Whether devices that exist are changed as their rows say; their claim secrets are another matter."""
    replace_secrets: bool = False
    """Whether devices that exist get the claim secrets of their rows, or generated ones."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A row that can be written."""

    row: DeviceRow
    profile: DeviceProfile
    credentials: Credentials
    device: Device
    """As it will be, but for its id."""
    write: CreateDevice
    secret: Secret | None
    """The claim secret; None: the device cannot be claimed."""
    until_ms: int


@dataclass
class Planner:
    """Plans the rows of one import."""

    core: Core
    wishes: Wishes
    _profiles: dict[str | None, DeviceProfile] = field(default_factory=dict)

    async def plan(self, row: DeviceRow) -> Plan:
        """Return what to write.

        Raises: `FirstbootError` for a row that cannot be written as it is.
        """
        wishes, core = self.wishes, self.core
        profile = await self._profile(row.profile)
        credentials = await self._issue(row.wanted or WantedCredentials())
        secret = row.secret or (new_claim_secret() if wishes.generate_secrets else None)
        if secret is None and row.until_ms is not None:
            raise InvalidValue("There is no secret that could be used until then.")
        if secret is not None and wishes.customer is not None:
            raise InvalidValue("A device that belongs to a customer cannot be claimed, and needs no secret.")
        until_ms = row.until_ms or wishes.until_ms or core.clock.now_ms() + milliseconds(ADMINISTRATORS_DURATION)
        attributes = row.attributes
        if secret is not None:
            attributes = (*attributes, Attribute(Scope.SERVER, CLAIMING_DATA, opening(secret, until_ms)))
        draft = DeviceDraft(
            name=row.name,
            credentials=credentials,
            label=row.label,
            gateway=bool(row.gateway),
            attributes=attributes,
            customer_id=wishes.customer.id if wishes.customer else None,
            additional_info={"description": row.description} if row.description else None,
        )
        write, device = core.devices.planned(profile, draft, actor=wishes.actor, detail="imported")
        return Plan(row, profile, credentials, device, write, secret, until_ms)

    async def _profile(self, name: str | None) -> DeviceProfile:
        if name is None and self.wishes.profile is not None:
            return self.wishes.profile
        found = self._profiles.get(name)
        if found is None:
            tenant_id, profiles = self.wishes.tenant_id, self.core.profiles
            found = await (profiles.default(tenant_id) if name is None else profiles.get(tenant_id, name))
            self._profiles[name] = found
        return found

    async def _issue(self, wanted: WantedCredentials) -> Credentials:
        offered = self.core.foundation.generators.get(wanted.type)
        if offered is None:
            raise InvalidValue(f"No plugin makes credentials of type {wanted.type!r}.")
        issued = offered[1].issue(wanted)
        credentials: Credentials = await issued if inspect.isawaitable(issued) else issued
        return credentials
