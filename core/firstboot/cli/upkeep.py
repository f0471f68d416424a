"""``firstboot backup`` and ``firstboot key``: keeping an installation safe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from firstboot.cli.common import ConfigOption, actor, with_core

if TYPE_CHECKING:
    from firstboot.core import Core

key_app = typer.Typer(help="The server key, which opens what the database keeps sealed.", no_args_is_help=True)


def backup(
    path: Annotated[Path, typer.Argument(help="File to write; it must not exist yet.")],
    config: ConfigOption = None,
) -> None:
    """Copy the database while the server runs. The server key is not in the copy: keep it elsewhere."""

    async def work(core: Core) -> None:
        await core.storage.backup(str(path))
        typer.echo(f"written to {path}; without the server key nobody can use its secrets, you included")

    with_core(config, work)


@key_app.callback()
def _group() -> None:
    """Keep Typer from folding a group with one command into that command."""


@key_app.command()
def rotate(config: ConfigOption = None) -> None:
    """Replace the server key; running servers go on. Copies of the old key open old backups only."""

    async def work(core: Core) -> None:
        from firstboot.server_key import rotate_server_key
        from firstboot.storage import AppendAudit, AuditEntry

        # First, because what cannot be recorded is not done (threat SE-7).
        entry = AuditEntry(at_ms=core.clock.now_ms(), event="server-key-rotated", actor=actor())
        await core.commits.submit(AppendAudit(entry))
        file = await rotate_server_key(core.storage, core.foundation.config.server)
        typer.echo(f"{file} has a new key")

    with_core(config, work)
