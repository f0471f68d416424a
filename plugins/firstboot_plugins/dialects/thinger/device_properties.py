"""Properties of devices: named values that a device has of its own, or of its product (contract section 11)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from firstboot.model import Device
from firstboot_plugins.dialects.thinger.askers import Asker
from firstboot_plugins.dialects.thinger.body_fields import BodyFields, checked_id
from firstboot_plugins.dialects.thinger.device_json import own_details, with_own_details
from firstboot_plugins.dialects.thinger.errors import ThingerError, not_found

if TYPE_CHECKING:
    from firstboot_plugins.dialects.thinger.shared import Thinger

PROPERTIES = "properties"
"""Member of what is kept with a device."""
MAX_BYTES = 16_384
"""Of all properties of a device together: they are read with it, also in lists."""
_READING = ("ReadDeviceStatus", "UpdateDevice")


class DeviceProperties:
    """Keeps a device's own properties with it, and shows those of its product beside them."""

    def __init__(self, thinger: Thinger) -> None:
        self._thinger = thinger

    async def list(self, asker: Asker, device_id: str) -> list[dict[str, Any]]:
        """Return all of them, in the order of their names.

        Raises: `ThingerError`.
        """
        found = await self._of(asker, device_id)
        return [_json(name, found[name]) for name in sorted(found)]

    async def get(self, asker: Asker, device_id: str, name: str) -> dict[str, Any]:
        """Return one of them.

        Raises: `ThingerError`.
        """
        found = await self._of(asker, device_id)
        if name not in found:
            raise not_found()
        return _json(name, found[name])

    async def set(self, asker: Asker, device_id: str, body: object, name: str | None = None) -> dict[str, Any]:
        """Set one of them; ``name`` None: the body says which.

        Raises: `ThingerError`.
        """
        asker.check("Device", device_id, "UpdateDevice")
        fields = BodyFields(body)
        named = fields.id("property")
        property_ = checked_id(name if name is not None else named, "property")
        if named not in (None, property_):
            raise ThingerError(400, "the body names another property than the path")
        value = fields.take("value")
        fields.end()
        if value is None:
            raise ThingerError(400, "missing field: value")

        def changed(device: Device) -> Device:
            own = {**_own(device), property_: value}
            if len(json.dumps(own)) > MAX_BYTES:
                raise ThingerError(400, "the properties of the device are too large")
            return with_own_details(device, {PROPERTIES: own})

        await self._thinger.devices.change(asker, device_id, changed)
        return _json(property_, value)

    async def delete(self, asker: Asker, device_id: str, name: str) -> dict[str, Any]:
        """Take one of a device's own away.

        Raises: `ThingerError`.
        """
        asker.check("Device", device_id, "UpdateDevice")

        def changed(device: Device) -> Device:
            own = dict(_own(device))
            if name not in own:
                raise not_found()
            del own[name]
            return with_own_details(device, {PROPERTIES: own or None})

        await self._thinger.devices.change(asker, device_id, changed)
        return {}

    async def _of(self, asker: Asker, device_id: str) -> Mapping[str, Any]:
        asker.check("Device", device_id, *_READING)
        device = await self._thinger.devices.existing(asker.account, device_id)
        product = own_details(device).get("product", "")
        return {**self._thinger.products.properties(asker.account, product), **_own(device)}


def _own(device: Device) -> Mapping[str, Any]:
    own: Mapping[str, Any] = own_details(device).get(PROPERTIES, {})
    return own


def _json(name: str, value: Any) -> dict[str, Any]:
    return {"property": name, "value": value}
