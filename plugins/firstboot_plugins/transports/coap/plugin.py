"""The CoAP transport as a plugin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from firstboot.hookspecs import hookimpl

if TYPE_CHECKING:
    from firstboot.app import Transport
    from firstboot.config import Config

FIRSTBOOT_API = 1


@hookimpl
def firstboot_config_sections() -> Mapping[str, type]:
    from firstboot_plugins.transports.coap.config import CoapConfig

    return {"coap": CoapConfig}


@hookimpl
def firstboot_transports(config: Config) -> Iterable[Transport]:
    from firstboot_plugins.transports.coap.config import CoapConfig
    from firstboot_plugins.transports.coap.server import CoapTransport

    return [CoapTransport(config.section(CoapConfig))]
