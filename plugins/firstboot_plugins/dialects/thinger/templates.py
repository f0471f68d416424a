"""What rules and pools say about the devices that they make (contract 12.2, 12.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from firstboot.model import DeviceDetails, ResourceDraft, Tenant
from firstboot_plugins.dialects.thinger.askers import Asker
from firstboot_plugins.dialects.thinger.belongings import Belongings
from firstboot_plugins.dialects.thinger.body_fields import BodyFields
from firstboot_plugins.dialects.thinger.device_bodies import (
    MIN_CREDENTIALS_LENGTH,
    DeviceType,
    EnsuredDevice,
    NewDevice,
    ensured_device,
)
from firstboot_plugins.dialects.thinger.device_json import DESCRIPTION, details_of
from firstboot_plugins.dialects.thinger.errors import ThingerError
from firstboot_plugins.dialects.thinger.permissions import ANY

if TYPE_CHECKING:
    from firstboot_plugins.dialects.thinger.shared import Thinger

_MEMBERS = (
    "type", "name", "description", "asset_type", "asset_group", "product", "buckets", "dashboards"
)  # fmt: skip
_LONGEST_ID = "x" * 32
_SAMPLE_CREDENTIALS = "x" * MIN_CREDENTIALS_LENGTH


class Templates:
    """Fills templates in for devices, and checks them beforehand: later nobody is there to be told."""

    def __init__(self, thinger: Thinger) -> None:
        self._companions = thinger.companions
        self._belongings = Belongings(thinger)

    def check(self, asker: Asker, template: object) -> dict[str, Any]:
        """Return a template that devices can be made by, and that the asker may have devices made by.

        Raises: `ThingerError` (400, 403), `InvalidValue`.
        """
        fields = BodyFields({} if template is None else template)
        checked = {name: fields.take(name) for name in _MEMBERS if fields.has(name)}
        fields.end()
        ensured = _ensured(checked, _LONGEST_ID, _SAMPLE_CREDENTIALS)
        if not ensured.device.type.connects:
            raise ThingerError(400, "invalid field: template.type")
        self._companions.plan(asker.account.name, ensured.template)
        asker.check("Device", ANY, "CreateDevice")
        for name, title in (("buckets", "Bucket"), ("dashboards", "Dashboard")):
            if checked.get(name):
                asker.check(title, ANY, f"Create{title}")
        return checked

    def device(
        self, account: Tenant, template: Mapping[str, Any], device_id: str, password: str | None = None
    ) -> NewDevice:
        """Return the device with this id, and with the product to which that belongs.

        Raises: `ThingerError` (400).
        """
        new = _ensured(template, device_id, _SAMPLE_CREDENTIALS).device
        return self._belongings.with_product(account, replace(new, credentials=password))

    def companions(self, account: Tenant, template: Mapping[str, Any], device_id: str) -> list[ResourceDraft]:
        """Return what is to be there beside the device with this id.

        Raises: `ThingerError` (400).
        """
        ensured = _ensured(template, device_id, _SAMPLE_CREDENTIALS)
        return self._companions.fitting(account, self._companions.plan(account.name, ensured.template))

    def details(self, account: Tenant, template: Mapping[str, Any], device_id: str = _LONGEST_ID) -> DeviceDetails:
        """Return what is kept with the device with this id, or with one of which the id is not known yet."""
        new = self.device(account, template, device_id)
        return DeviceDetails(
            label=new.name or None,
            additional_info={DESCRIPTION: new.description} if new.description else {},
            details=details_of(new),
        )


def _ensured(template: Mapping[str, Any], device_id: str, credentials: str) -> EnsuredDevice:
    return ensured_device({"type": DeviceType.MQTT.value, **template, "credentials": credentials}, device_id)
