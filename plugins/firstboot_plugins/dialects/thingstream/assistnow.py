"""AssistNow: a chipcode with which a receiver gets data that help it to find satellites (contract section 7)."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from firstboot.app import Services
from firstboot.keyring import Keyring
from firstboot.model import Device, Origin, WantedCredentials
from firstboot_plugins.admin.public_url import public_url
from firstboot_plugins.dialects.thingstream.errors import INVALID_REQUEST, ZtpError
from firstboot_plugins.dialects.thingstream.requests import Wish
from firstboot_plugins.dialects.thingstream.retrieval import Issued
from firstboot_plugins.dialects.thingstream.services import Thingstream
from firstboot_plugins.dialects.thingstream.settings import DeviceType
from firstboot_plugins.dialects.thingstream.things import CHIPCODE, kept_with
from firstboot_plugins.dialects.thingstream.tokens import Proven
from firstboot_plugins.dialects.thingstream.ubx import UNIQUE_ID, VERSION, chip_id, read_frame
from firstboot_plugins.dialects.thingstream.variant import check_hardware

DATA_PATH = "/GetAssistNowData.ashx"


class AssistNow:
    """Answers with the chipcode of a receiver, the same one each time it asks."""

    device_type = DeviceType.ASSISTNOW

    def __init__(self, services: Services) -> None:
        self._services = services
        self._thingstream = Thingstream.of(services)

    def read(self, body: dict[str, Any]) -> Wish:
        """Return the receiver that the two frames are from. Its id is its hardware code.

        Raises: `ZtpError` for frames that are not whole.
        """
        messages = body.get("messages")
        if not isinstance(messages, dict):
            raise ZtpError(400, INVALID_REQUEST)
        read_frame(messages.get("UBX-MON-VER"), VERSION)
        return Wish(hardware_id=chip_id(read_frame(messages.get("UBX-SEC-UNIQID"), UNIQUE_ID)))

    async def answer(self, wish: Wish, proven: Proven, payload: bytes, origin: Origin) -> Mapping[str, Any]:
        """Tell a receiver its chipcode. One that is not active yet has one too; the data come later."""
        await check_hardware(self._services, wish.hardware_id, proven, origin)
        found = await self._thingstream.retrieval.thing_of(
            wish, proven, origin, issue=self._issue, kept={CHIPCODE: 0}, allocated_too=True
        )
        config = self._thingstream.config
        return {
            "chipcode": chipcode(self._services.core.keyring, found.thing),
            "allowedData": config.assistnow_data,
            "serviceUrl": config.assistnow_url or public_url(self._services) + DATA_PATH,
        }

    async def _issue(self, public_id: UUID) -> Issued:
        """Have credentials made that nobody is told: a receiver logs in nowhere."""
        return Issued(WantedCredentials())


def chipcode(keyring: Keyring, thing: Device) -> str:
    """Return the chipcode of a receiver: another one after it was marked as compromised, or deleted."""
    number = kept_with(thing).get(CHIPCODE, 0)
    told = f"{thing.public_id}:{thing.created_at_ms}:{number}:{thing.hardware_id}"
    derived = hmac.digest(keyring.key("thingstream-chipcode"), told.encode(), "sha256")
    return base64.urlsafe_b64encode(derived).decode()
