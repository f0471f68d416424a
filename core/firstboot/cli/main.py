"""Puts the commands together: Firstboot's own, and those that plugins offer."""

from __future__ import annotations

import os
import sys

import typer

from firstboot import __version__
from firstboot.cli import audit, device, plugins, profile, serve, upkeep
from firstboot.cli.common import source_of
from firstboot.errors import FirstbootError, StartRefused

EXIT_FAILED = 1
EXIT_START_REFUSED = 2

app = typer.Typer(
    name="firstboot",
    help="Onboards devices: they provision themselves on first boot and get credentials of their own.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("quickstart")(serve.quickstart)
app.command("serve")(serve.serve)
app.command("check-config")(serve.check_config)
app.add_typer(profile.app, name="profile")
app.add_typer(device.app, name="device")
app.add_typer(plugins.app, name="plugins")
app.add_typer(audit.app, name="audit")
app.add_typer(upkeep.key_app, name="key")
app.command("backup")(upkeep.backup)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"firstboot {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Onboards devices: they provision themselves on first boot and get credentials of their own."""


def main() -> None:
    """Run the command line; errors that are expected end it with a message and no traceback."""
    try:
        _add_plugin_commands()
        app()
    except StartRefused as error:
        _say(error)
        sys.exit(EXIT_START_REFUSED)
    except FirstbootError as error:
        _say(error)
        sys.exit(EXIT_FAILED)
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_FAILED)


def _say(error: FirstbootError) -> None:
    for line in str(error).splitlines():
        typer.echo(f"firstboot: {line}", err=True)


def _add_plugin_commands() -> None:
    """Offer plugins' commands, unless the first word is a command of Firstboot's own."""
    own = {command.name for command in app.registered_commands} | {group.name for group in app.registered_groups}
    if len(sys.argv) > 1 and sys.argv[1] in own:
        return
    from firstboot.core import load_plugins

    manager = load_plugins(source_of(None))
    for name, (plugin, commands) in manager.collect_mapping("firstboot_cli_commands").items():
        if name not in own and isinstance(commands, typer.Typer):
            app.add_typer(commands, name=name)
        else:
            typer.echo(
                f"firstboot: plugin {plugin!r} offers the command {name!r}, which cannot be added.", err=True
            )
