"""What a device is told when it asks for the limits of its session (contract DA-3)."""

from __future__ import annotations

from typing import Any

from firstboot.app import Services
from firstboot_plugins.transports.mqtt.config import MqttConfig

METHOD = "getSessionLimits"


def session_limits(services: Services, *, is_gateway: bool) -> dict[str, Any]:
    """Return the limits of a session over MQTT, in the form for a device or for a gateway."""
    config = services.config.section(MqttConfig)
    rates = {
        # A burst above the rate is borrowed from later: only the rate can be kept up second by second.
        "messages": f"{config.messages_per_second}:1,{config.messages_per_second * 60}:60",
        "telemetryMessages": None,
        "telemetryDataPoints": None,
    }
    limits: dict[str, Any] = {
        "maxPayloadSize": config.max_packet_size,
        "maxInflightMessages": config.max_in_flight,
        "rateLimits": rates,
    }
    if is_gateway:
        limits["gatewayRateLimits"] = rates
    return limits
