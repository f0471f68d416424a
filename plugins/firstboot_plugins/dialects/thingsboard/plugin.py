"""ThingsBoard's wire contract as a plugin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from firstboot.hookspecs import hookimpl

if TYPE_CHECKING:
    from firstboot.app import Services

FIRSTBOOT_API = 1


@hookimpl
def firstboot_config_sections() -> Mapping[str, type]:
    from firstboot_plugins.dialects.thingsboard.config import ThingsBoardConfig

    return {"thingsboard": ThingsBoardConfig}


@hookimpl
def firstboot_mqtt_dialects(services: Services) -> Iterable[object]:
    from firstboot_plugins.dialects.thingsboard.mqtt import ThingsBoardMqtt

    return [ThingsBoardMqtt(services)]


@hookimpl
def firstboot_http_routes(services: Services) -> Iterable[object]:
    from firstboot_plugins.dialects.thingsboard.http import routes

    return routes(services)


@hookimpl
def firstboot_coap_resources(services: Services) -> Iterable[object]:
    from firstboot_plugins.dialects.thingsboard.coap_resources import resources

    return resources(services)
