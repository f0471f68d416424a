"""``firstboot acme``: commands of this plugin."""

from __future__ import annotations

from typing import Annotated

import typer

from firstboot_acme.serials import checked_serial

app = typer.Typer(help="ACME: serial numbers.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep Typer from folding a group with one command into that command."""


@app.command("check-serial")
def check_serial(
    serials: Annotated[list[str], typer.Argument(help="Serial numbers, such as AC104217-5.")],
) -> None:
    """Say which serial numbers are well-formed; status 1 when one is not."""
    bad = False
    for serial in serials:
        try:
            typer.echo(f"{checked_serial(serial)}: good")
        except ValueError as error:
            typer.echo(f"{serial}: {error}", err=True)
            bad = True
    raise typer.Exit(1 if bad else 0)
