"""HTTP devices: what is done with the data that somebody sends for them (contract section 11)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from firstboot import json_profile
from firstboot_plugins.dialects.thinger.askers import Asker
from firstboot_plugins.dialects.thinger.body_fields import BodyFields
from firstboot_plugins.dialects.thinger.device_json import own_details, with_own_details
from firstboot_plugins.dialects.thinger.errors import ThingerError

if TYPE_CHECKING:
    from firstboot_plugins.dialects.thinger.shared import Thinger

CALLBACK = "callback"
"""Member of what is kept with a device."""
_SENDING = ("AccessDeviceResources", "UpdateDevice")


class Callbacks:
    """What devices that do not connect report, and what becomes of it."""

    def __init__(self, thinger: Thinger) -> None:
        self._thinger = thinger
        self._now_ms = thinger.services.clock.now_ms

    async def get(self, asker: Asker, device_id: str) -> Mapping[str, Any]:
        """Return what is done with the data of a device.

        Raises: `ThingerError`.
        """
        asker.check("Device", device_id, "ReadDeviceStatus", "UpdateDevice")
        device = await self._thinger.devices.existing(asker.account, device_id)
        callback: Mapping[str, Any] = own_details(device).get(CALLBACK, {"actions": {}})
        return callback

    async def set(self, asker: Asker, device_id: str, body: object) -> Mapping[str, Any]:
        """Say what is to be done with the data of a device.

        Whoever lets it be written into a bucket must have the right to write there himself.

        Raises: `ThingerError`.
        """
        asker.check("Device", device_id, "UpdateDevice")
        fields = BodyFields(body)
        actions = BodyFields(fields.take("actions", {}))
        properties = fields.take("properties", {})
        fields.end()
        bucket = actions.id("write_bucket", empty=True)
        actions.end()
        if not isinstance(properties, dict):
            raise ThingerError(400, "invalid field: properties")
        if bucket:
            asker.check("Bucket", bucket, "WriteBucket")
        callback = {
            "actions": {"write_bucket": bucket} if bucket else {},
            **({"properties": properties} if properties else {}),
        }
        await self._thinger.devices.change(
            asker, device_id, lambda device: with_own_details(device, {CALLBACK: callback})
        )
        return callback

    async def take(self, asker: Asker, device_id: str, data: Any, ts: str | None) -> dict[str, Any]:
        """Take the data of a device; it is on disk when this returns. ``data`` None: there is none.

        Raises: `ThingerError` (404 for a device that is not there, for which clients wait to make it).
        """
        asker.check("Device", device_id, *_SENDING)
        at_ms = self._moment(ts)
        device = await self._thinger.devices.existing(asker.account, device_id)
        if not device.enabled:
            raise ThingerError(403, "device is disabled")
        actions = own_details(device).get(CALLBACK, {}).get("actions", {})
        bucket = actions.get("write_bucket")
        if bucket and data is not None:
            await self._thinger.buckets.write(asker.account, bucket, data, at_ms)
        return {}

    def _moment(self, ts: str | None) -> int:
        if ts is None:
            return self._now_ms()
        if not (ts.isascii() and ts.isdigit()) or len(ts) > 16 or int(ts) > json_profile.MAX_INTEGER:
            raise ThingerError(400, "invalid parameter: ts")
        return int(ts)
