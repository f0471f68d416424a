"""The claim page as a plugin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from firstboot.hookspecs import hookimpl

if TYPE_CHECKING:
    from firstboot.app import Services

FIRSTBOOT_API = 1


@hookimpl
def firstboot_config_sections() -> Mapping[str, type]:
    from firstboot_plugins.claim_page.config import ClaimPageConfig

    return {"claim_page": ClaimPageConfig}


@hookimpl
def firstboot_http_routes(services: Services) -> Iterable[object]:
    from firstboot_plugins.claim_page.routes import claim_page_routes

    return claim_page_routes(services)
