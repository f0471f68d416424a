"""``firstboot audit``: who did what, and whether the record is whole."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from firstboot.cli.common import ConfigOption, JsonOption, fail, moment, print_json, print_table, with_core

if TYPE_CHECKING:
    from firstboot.core import Core

app = typer.Typer(help="The audit log: every decision and change.", no_args_is_help=True)


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most rows to print.")] = 50,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the newest rows, newest first."""

    async def work(core: Core) -> None:
        from firstboot.storage import AuditQuery

        rows = await core.storage.list_audit(AuditQuery(limit=limit, newest_first=True))
        if as_json:
            print_json([{"id": row.id, **asdict(row.entry)} for row in rows])
            return
        print_table(
            ("time", "event", "code", "device", "profile", "actor", "from", "detail"),
            [
                (
                    moment(row.entry.at_ms),
                    row.entry.event,
                    row.entry.code,
                    row.entry.device,
                    row.entry.profile,
                    row.entry.actor,
                    row.entry.address or None,
                    row.entry.detail or None,
                )
                for row in rows
            ],
        )

    with_core(config, work)


@app.command()
def verify(config: ConfigOption = None) -> None:
    """Check that nobody changed the log. Status 1 when a row was changed, taken out or put in between."""

    async def work(core: Core) -> None:
        from firstboot.audit import verify_audit

        verified = await verify_audit(core.storage, core.keyring)
        if verified.broken_at is not None:
            raise fail(
                f"The audit log is broken at row {verified.broken_at}; {verified.rows} rows before it are whole."
            )
        typer.echo(f"{verified.rows} rows, the chain is whole")

    with_core(config, work)
