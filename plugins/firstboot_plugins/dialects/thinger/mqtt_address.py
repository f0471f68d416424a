"""Where devices find the MQTT broker, as answers tell them (contract 12.1)."""

from __future__ import annotations

from typing import Any

from firstboot.app import Services
from firstboot.config import ServerConfig


def mqtt_address(services: Services) -> dict[str, Any]:
    """Return host and ports; of those that nobody listens on there is none."""
    ports = {"port": "mqtt", "tls_port": "mqtts"}
    return {
        "host": services.config.section(ServerConfig).public_host,
        **{key: services.listeners[name].port for key, name in ports.items() if name in services.listeners},
    }
