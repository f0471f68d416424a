"""The labels as a plugin: one command. Its libraries are loaded when it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from firstboot.hookspecs import hookimpl

if TYPE_CHECKING:
    import typer

FIRSTBOOT_API = 1


@hookimpl
def firstboot_cli_commands() -> Mapping[str, typer.Typer]:
    from firstboot_plugins.labels.command import app

    return {"labels": app}
