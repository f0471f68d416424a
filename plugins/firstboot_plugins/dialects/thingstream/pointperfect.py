"""PointPerfect: corrections over MQTT with a certificate, or from an NTRIP server (contract section 6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from firstboot.app import Services
from firstboot.model import Origin
from firstboot_plugins.dialects.thingstream.requests import Wish, read_wish
from firstboot_plugins.dialects.thingstream.rtcm import Rtcm
from firstboot_plugins.dialects.thingstream.services import Thingstream
from firstboot_plugins.dialects.thingstream.settings import DeviceType, Format
from firstboot_plugins.dialects.thingstream.spartn import Spartn
from firstboot_plugins.dialects.thingstream.things import kept_with
from firstboot_plugins.dialects.thingstream.tokens import Proven
from firstboot_plugins.dialects.thingstream.variant import check_hardware


class PointPerfect:
    """Answers with the Thing that the hardware has. Devices ask again and again, for the next key."""

    device_type = DeviceType.POINTPERFECT

    def __init__(self, services: Services) -> None:
        self._services = services
        self._retrieval = Thingstream.of(services).retrieval
        self._formats: Mapping[Format, Spartn | Rtcm] = {
            Format.SPARTN: Spartn(services), Format.RTCM: Rtcm(services)
        }  # fmt: skip

    def read(self, body: dict[str, Any]) -> Wish:
        """Return what the device says of itself."""
        return read_wish(body)

    async def answer(self, wish: Wish, proven: Proven, payload: bytes, origin: Origin) -> Mapping[str, Any]:
        """Tell a device where corrections are, and as whom it gets them."""
        await check_hardware(self._services, wish.hardware_id, proven, origin)
        wanted = proven.settings.format
        found = await self._retrieval.thing_of(
            wish, proven, origin, issue=self._formats[wanted].issue, kept={"format": wanted.value}
        )
        # A Thing keeps the form in which it was made, whatever the profile says now.
        form = self._formats[Format(kept_with(found.thing).get("format", wanted))]
        issued = found.issued
        told = issued.told if issued is not None else await form.again(found.thing, origin)
        return form.answer(found.thing, told)
