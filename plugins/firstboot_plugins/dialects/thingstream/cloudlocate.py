"""CloudLocate: a Thing with MQTT credentials (contract section 5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from firstboot.app import Services
from firstboot.config import ServerConfig
from firstboot.model import Origin
from firstboot.mqtt_passwords import parts_of
from firstboot_plugins.dialects.thingstream.requests import Wish, read_wish
from firstboot_plugins.dialects.thingstream.services import Thingstream
from firstboot_plugins.dialects.thingstream.settings import DeviceType
from firstboot_plugins.dialects.thingstream.things import ThingState
from firstboot_plugins.dialects.thingstream.tokens import Proven
from firstboot_plugins.dialects.thingstream.variant import check_hardware

ALIASES = "aliases"
BROKER_PORT = "brokerPort"
SUPPORTS_MQTT = "supportsMqtt"
SUBSCRIPTIONS = "subscriptions"
PARTS = (ALIASES, BROKER_PORT, SUPPORTS_MQTT, SUBSCRIPTIONS)
"""What a profile may leave out of its answers (`Settings.left_out`)."""


class CloudLocate:
    """Answers every request with a new Thing."""

    device_type = DeviceType.CLOUDLOCATE

    def __init__(self, services: Services) -> None:
        self._services = services
        self._thingstream = Thingstream.of(services)
        config = self._thingstream.config
        self._host = config.broker_host or services.config.section(ServerConfig).public_host
        listener = services.listeners.get("mqtts") or services.listeners.get("mqtt")
        self._port = config.broker_port or (listener.port if listener is not None else None)

    def read(self, body: dict[str, Any]) -> Wish:
        """Return what the device says of itself."""
        return read_wish(body)

    async def answer(self, wish: Wish, proven: Proven, payload: bytes, origin: Origin) -> Mapping[str, Any]:
        """Make a Thing, and tell its device where and as whom to log in."""
        await check_hardware(self._services, wish.hardware_id, proven, origin)
        made = await self._thingstream.renewal.provide(wish, proven, payload, origin)
        parts, left_out = parts_of(made.credentials), proven.settings.left_out
        client_id = parts["clientId"]
        told: dict[str, Any] = {
            "clientId": client_id,
            "brokerHost": self._host,
            "userName": parts["userName"],
            "password": parts["password"],
        }
        if ALIASES not in left_out:
            told |= {"username": parts["userName"], "hostname": self._host}
        if BROKER_PORT not in left_out and self._port is not None:
            told["brokerPort"] = self._port
        if SUPPORTS_MQTT not in left_out:
            told["supportsMqtt"] = True
        if SUBSCRIPTIONS not in left_out:
            path = f"{client_id}/{self._thingstream.config.cloudlocate_topic}"
            told["subscriptions"] = [{"description": "CloudLocate response topic", "path": path}]
        if made.state is not ThingState.ACTIVE:
            told["status"] = made.state.value
        return told
