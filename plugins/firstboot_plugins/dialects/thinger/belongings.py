"""What is made together with a device because of its product, type and group (contract sections 7, 10)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from firstboot.model import Device, ResourceDraft, Tenant
from firstboot_plugins.dialects.thinger.askers import Asker
from firstboot_plugins.dialects.thinger.device_bodies import NewDevice
from firstboot_plugins.dialects.thinger.device_json import own_details, type_of

if TYPE_CHECKING:
    from firstboot_plugins.dialects.thinger.shared import Thinger


class Belongings:
    """Knows what devices inherit. No right is needed for it: whoever made the product has decided."""

    def __init__(self, thinger: Thinger) -> None:
        self._thinger = thinger

    def with_product(self, account: Tenant, new: NewDevice) -> NewDevice:
        """Return the device with the product that it names, or else the one to which its id belongs."""
        product = new.product or self._thinger.products.matching(account, new.id)
        return new if product == new.product else replace(new, product=product)

    def of(self, account: Tenant, new: NewDevice) -> list[ResourceDraft]:
        """Return what is to be there with a device."""
        drafts: list[ResourceDraft] = []
        if self._thinger.config.auto_create_assets:
            drafts += self._thinger.types.missing(account, new.asset_type)
            drafts += self._thinger.groups.missing(account, new.asset_group)
        buckets = self._thinger.products.buckets(account, new.product) if new.product else {}
        if buckets:
            template: dict[str, Any] = {"device": new.id, "type": str(new.type), "name": new.name or new.id}
            inherited = self._thinger.companions.inherited(account.name, template, buckets)
            drafts += self._thinger.companions.fitting(account, inherited)
        return drafts

    async def make(self, asker: Asker, device: Device) -> None:
        """Make what is to be there with a device that was changed, as far as it is not there.

        Raises: `Unavailable`.
        """
        own = own_details(device)
        stored = NewDevice(
            id=device.name,
            type=type_of(device),
            name=device.label,
            asset_type=own.get("asset_type", ""),
            asset_group=own.get("asset_group", ""),
            product=own.get("product", ""),
        )
        drafts = self.of(asker.account, stored)
        if drafts:
            await self._thinger.services.resources.create_missing(asker.account.id, drafts, actor=asker.actor)
            await self._thinger.companions.known()
