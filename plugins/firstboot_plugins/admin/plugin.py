"""The administrators' REST API as a plugin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from firstboot.hookspecs import hookimpl

if TYPE_CHECKING:
    import typer

    from firstboot.app import Services

FIRSTBOOT_API = 1


@hookimpl
def firstboot_http_routes(services: Services) -> Iterable[object]:
    from firstboot_plugins.admin.error_shapes import error_shapes
    from firstboot_plugins.admin.registry import own_operations
    from firstboot_plugins.admin.routes import routes

    return [*routes(own_operations(), services), *error_shapes(services)]


@hookimpl
def firstboot_cli_commands() -> Mapping[str, typer.Typer]:
    from firstboot_plugins.admin.openapi_command import app

    return {"openapi": app}
