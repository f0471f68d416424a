"""``firstboot serve``, ``quickstart`` and ``check-config``: running the server."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from firstboot.cli.common import ConfigOption, source_of

if TYPE_CHECKING:
    from firstboot.core import Foundation

_BINDS = ("bind", "tls_bind", "ws_bind", "wss_bind", "dtls_bind")
"""Settings of any section by these names say where to listen."""

HostOption = Annotated[
    str | None, typer.Option("--host", help="Listen here instead of 127.0.0.1; 0.0.0.0 opens all listeners.")
]
ReadyFileOption = Annotated[
    Path | None,
    typer.Option("--ready-file", help="Written once all listeners accept. [env: FIRSTBOOT_SERVER__READY_FILE]"),
]


def serve(config: ConfigOption = None, host: HostOption = None, ready_file: ReadyFileOption = None) -> None:
    """Run the server until SIGTERM or SIGINT."""
    from firstboot import process
    from firstboot.logs import set_up_logging

    foundation = _foundation(config, host, ready_file)
    settings = foundation.config.server
    set_up_logging(settings.log_level, settings.log_format)
    process.run(lambda: process.serve(foundation))


def quickstart(config: ConfigOption = None, host: HostOption = None, ready_file: ReadyFileOption = None) -> None:
    """Run the server with a demo profile. Shows how to provision the first device, and what devices do."""
    from firstboot import process
    from firstboot.cli.demo import show_demo
    from firstboot.cli.device_lines import DevicePrinter
    from firstboot.core import ExtraPlugin
    from firstboot.logs import set_up_logging

    quiet = {"FIRSTBOOT_SERVER__LOG_LEVEL": "WARNING", "FIRSTBOOT_SERVER__LOG_FORMAT": "text"}
    printer = ExtraPlugin("quickstart", DevicePrinter())
    foundation = _foundation(config, host, ready_file, defaults=quiet, extra=[printer])
    settings = foundation.config.server
    set_up_logging(settings.log_level, settings.log_format)
    process.run(lambda: process.serve(foundation, show_demo))


def check_config(config: ConfigOption = None) -> None:
    """Check configuration and plugins. All problems come in one report, with status 2; nothing is started."""
    from firstboot.clock import Clock
    from firstboot.tls_settings import open_tls

    foundation = _foundation(config, None, None)
    sections = sorted(foundation.plugins.config_sections())
    tls = open_tls(foundation.config, foundation.plugins.config_sections(), Clock())
    for warning in (*tls.faults(), *tls.warnings()) if tls is not None else ():
        typer.echo(f"firstboot: {warning}", err=True)
    typer.echo(f"The configuration is good. Sections: {', '.join(sections)}. Nothing was started.")


def _foundation(
    config: Path | None,
    host: str | None,
    ready_file: Path | None,
    *,
    defaults: dict[str, str] | None = None,
    extra: Any = (),
) -> Foundation:
    from firstboot.core import lay_foundation

    overrides: dict[str, dict[str, Any]] = {}
    if ready_file is not None:
        overrides["server"] = {"ready_file": ready_file}
    foundation = lay_foundation(source_of(config, overrides, defaults), extra)
    if host is None:
        return foundation
    for name, kind in foundation.plugins.config_sections().items():
        for key in _BINDS:
            bind = getattr(foundation.config.section(kind), key, None)
            if bind is not None:
                overrides.setdefault(name, {})[key] = dataclasses.replace(bind, host=host)
    return lay_foundation(source_of(config, overrides, defaults), extra)
