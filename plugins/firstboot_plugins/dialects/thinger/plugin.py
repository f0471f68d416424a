"""thinger.io's wire contract as a plugin: accounts, devices, buckets and what belongs to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from firstboot.hookspecs import PeriodicJob, hookimpl

if TYPE_CHECKING:
    import typer

    from firstboot.app import Services
    from firstboot.config import Config
    from firstboot.credentials import CredentialGenerator

FIRSTBOOT_API = 1


@hookimpl
def firstboot_config_sections() -> Mapping[str, type]:
    from firstboot_plugins.dialects.thinger.config import ThingerConfig

    return {"thinger": ThingerConfig}


@hookimpl
def firstboot_cli_commands() -> Mapping[str, typer.Typer]:
    from firstboot_plugins.dialects.thinger.token_commands import app

    return {"thinger": app}


@hookimpl
def firstboot_credential_generators(config: Config) -> Iterable[CredentialGenerator]:
    from firstboot_plugins.dialects.thinger.credentials import ThingerCredentials

    return [ThingerCredentials()]


@hookimpl
def firstboot_http_routes(services: Services) -> Iterable[object]:
    from firstboot_plugins.dialects.thinger.routes import routes

    return routes(services)


@hookimpl
def firstboot_mqtt_dialects(services: Services) -> Iterable[object]:
    from firstboot_plugins.dialects.thinger.mqtt import ThingerMqtt

    return [ThingerMqtt(services)]


@hookimpl
def firstboot_coap_resources(services: Services) -> Iterable[object]:
    from firstboot_plugins.dialects.thinger.coap_resources import resources

    return resources(services)


@hookimpl
def firstboot_periodic_jobs(services: Services) -> Iterable[PeriodicJob]:
    from firstboot_plugins.dialects.thinger.retention import purge
    from firstboot_plugins.dialects.thinger.shared import Thinger

    thinger = Thinger.of(services)
    return [PeriodicJob(run=partial(purge, thinger), interval=thinger.config.retention_interval)]
