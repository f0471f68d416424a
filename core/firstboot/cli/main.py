"""Puts the commands together: Firstboot's own, and those that plugins offer."""

from __future__ import annotations

import io
import os
import sys

import typer

from firstboot import __version__
from firstboot.cli import (
    audit,
    certs,
    claim,
    device,
    import_devices,
    plugins,
    profile,
    serve,
    tenant,
    token,
    upkeep,
    user,
)
from firstboot.cli.common import source_of
from firstboot.errors import FirstbootError, StartRefused
from firstboot.logs import where

EXIT_FAILED = 1
EXIT_START_REFUSED = EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

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
app.command("import")(import_devices.import_devices)
app.add_typer(claim.app, name="claim")
app.add_typer(user.app, name="user")
app.add_typer(tenant.app, name="tenant")
app.add_typer(token.app, name="token")
app.add_typer(plugins.app, name="plugins")
app.add_typer(audit.app, name="audit")
app.add_typer(certs.app, name="certs")
app.add_typer(upkeep.key_app, name="key")
app.command("backup")(upkeep.backup)
_OWN = {command.name for command in app.registered_commands} | {group.name for group in app.registered_groups}


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
    """Run the command line; errors end it with a message and no traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # not closed, and not replaced by an embedding program
            stream.reconfigure(errors="backslashreplace")
    try:
        _check_arguments()
        _add_plugin_commands()
        app()
    except StartRefused as error:
        _say(error)
        sys.exit(EXIT_START_REFUSED)
    except FirstbootError as error:
        _say(error)
        sys.exit(EXIT_FAILED)
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        sys.exit(EXIT_FAILED)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except OSError as error:
        _say(
            FirstbootError(
                f"{error.strerror or type(error).__name__}{f': {error.filename}' if error.filename else ''}"
            )
        )
        sys.exit(EXIT_FAILED)
    except Exception as error:
        _say(FirstbootError(f"This should not happen, please report it: {where(error)}"))
        sys.exit(EXIT_FAILED)
    finally:
        _settle_output()


def _check_arguments() -> None:
    """Refuse arguments that are not text: nothing that Firstboot stores may be anything else."""
    for argument in sys.argv[1:]:
        try:
            argument.encode()
        except UnicodeEncodeError:
            _say(FirstbootError(f"The argument {argument!a} is not text in UTF-8."))
            sys.exit(EXIT_USAGE)


def _settle_output() -> None:
    """Send nowhere what nobody reads: Python would try again at the end, and exit with a status of its own."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        except (ValueError, AttributeError):  # closed, or never there
            pass


def _say(error: FirstbootError) -> None:
    for line in str(error).splitlines():
        typer.echo(f"firstboot: {line}", err=True)


def _add_plugin_commands() -> None:
    """Offer plugins' commands, unless the first word is a command of Firstboot's own."""
    if len(sys.argv) > 1 and sys.argv[1] in _OWN:
        return
    from firstboot.core import load_plugins

    manager = load_plugins(source_of(None))
    for name, (plugin, commands) in manager.collect_mapping("firstboot_cli_commands").items():
        if name not in _OWN and isinstance(commands, typer.Typer):
            # In place of what an earlier call in the same process has added.
            app.registered_groups = [group for group in app.registered_groups if group.name != name]
            app.add_typer(commands, name=name)
        else:
            typer.echo(
                f"firstboot: plugin {plugin!r} offers the command {name!r}, which cannot be added.", err=True
            )
