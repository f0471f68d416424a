"""``firstboot plugins``: what is loaded, and why not."""

from __future__ import annotations

from dataclasses import asdict

import typer

from firstboot.cli.common import ConfigOption, JsonOption, print_json, print_table, source_of

app = typer.Typer(help="Plugins: what is loaded, and why not.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep Typer from folding a group with one command into that command."""


@app.command("list")
def list_(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List plugins with source, plugin API, state and reason."""
    from firstboot.core import load_plugins

    manager = load_plugins(source_of(config))
    infos = manager.infos()
    for error in manager.errors:
        if error.plugin not in {info.name for info in infos}:  # the others stand in the list
            typer.echo(f"firstboot: {error}", err=True)
    if as_json:
        print_json([asdict(info) for info in infos])
        return
    print_table(
        ("name", "source", "API", "state", "hooks, or reason"),
        [
            (info.name, info.source, info.api_version, info.state.value, info.reason or " ".join(info.hooks))
            for info in infos
        ],
    )
