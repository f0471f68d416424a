"""Applications over MQTT, as a plugin: they log in with API tokens and watch a tenant's devices."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from firstboot.hookspecs import hookimpl

if TYPE_CHECKING:
    from firstboot.app import Services

FIRSTBOOT_API = 1


@hookimpl
def firstboot_mqtt_dialects(services: Services) -> Iterable[object]:
    from firstboot_plugins.dialects.applications.mqtt import ApplicationsMqtt

    return [ApplicationsMqtt(services)]
