"""u-blox Thingstream's zero touch provisioning as a plugin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from firstboot.hookspecs import PeriodicJob, hookimpl

if TYPE_CHECKING:
    import typer

    from firstboot.app import Services
    from firstboot.config import Config
    from firstboot.credentials import CredentialGenerator

FIRSTBOOT_API = 1

_UPKEEP_INTERVAL = timedelta(seconds=1)


@hookimpl
def firstboot_config_sections() -> Mapping[str, type]:
    from firstboot_plugins.dialects.thingstream.config import ThingstreamConfig

    return {"thingstream": ThingstreamConfig}


@hookimpl
def firstboot_cli_commands() -> Mapping[str, typer.Typer]:
    from firstboot_plugins.dialects.thingstream.command import app

    return {"thingstream": app}


@hookimpl
def firstboot_credential_generators(config: Config) -> Iterable[CredentialGenerator]:
    from firstboot_plugins.dialects.thingstream.credentials import ThingCredentials

    return [ThingCredentials()]


@hookimpl
def firstboot_periodic_jobs(services: Services) -> Iterable[PeriodicJob]:
    from firstboot_plugins.dialects.thingstream.services import Thingstream

    thingstream = Thingstream.of(services)
    return [
        PeriodicJob(run=thingstream.endings.sweep, interval=_UPKEEP_INTERVAL),
        PeriodicJob(run=thingstream.uses.write, interval=_UPKEEP_INTERVAL, at_stop=True),
        PeriodicJob(run=thingstream.stock_keys, interval=_UPKEEP_INTERVAL),
    ]


@hookimpl
def firstboot_http_routes(services: Services) -> Iterable[object]:
    from firstboot_plugins.admin.routes import routes as operator_routes
    from firstboot_plugins.dialects.thingstream.http import routes
    from firstboot_plugins.dialects.thingstream.operator_api import OPERATIONS, error_shape

    return [*routes(services), *operator_routes(OPERATIONS, services), error_shape(services)]


@hookimpl
def firstboot_mqtt_dialects(services: Services) -> Iterable[object]:
    from firstboot_plugins.dialects.thingstream.mqtt import ThingstreamMqtt

    return [ThingstreamMqtt(services)]
