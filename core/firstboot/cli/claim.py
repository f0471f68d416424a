"""``firstboot claim``: opening devices for customers, and what came of it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from firstboot.cli.common import (
    TENANT,
    ConfigOption,
    JsonOption,
    TenantOption,
    YesOption,
    actor,
    duration,
    moment,
    parse_moment,
    print_fields,
    print_json,
    print_one,
    print_table,
    with_core,
)
from firstboot.cli.passwords import read_secret
from firstboot.model import ClaimWindow, Device

if TYPE_CHECKING:
    from firstboot.core import Core

app = typer.Typer(help="Claiming: open devices, close, release, look back.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the device.")]


@app.command("open")
def open_(
    name: Name,
    secret_file: Annotated[
        Path | None,
        typer.Option(
            "--secret-file",
            metavar="<file>",
            help="Read the secret from its first line; - is standard input. One is made when left out.",
        ),
    ] = None,
    until: Annotated[
        int | None,
        typer.Option(parser=parse_moment, metavar="<date>", help="Until when (UTC), such as 2030-01-31."),
    ] = None,
    for_: Annotated[
        timedelta | None,
        typer.Option("--for", parser=duration, metavar="<time>", help="For how long, such as 30d.",
                     show_default="365d"),
    ] = None,
    tenant: TenantOption = TENANT,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Let customers claim a device with a secret, which is printed once if it is made here.

    It takes the place of the secret that an administrator has given before.
    """
    if until is not None and for_ is not None:
        raise typer.BadParameter("give --until or --for")

    async def work(core: Core) -> None:
        from firstboot.clock import milliseconds

        secret = read_secret(secret_file) if secret_file is not None else None
        until_ms = until if for_ is None else core.clock.now_ms() + milliseconds(for_)
        device = await _device(core, tenant, name)
        opened = await core.claim_windows.open_by_administrator(
            device, secret=secret, until_ms=until_ms, actor=actor()
        )
        made = {"secret": opened.secret.reveal()} if secret is None else {}
        fields: dict[str, object] = {"name": device.name, **made, "open until": moment(opened.until_ms)}
        print_one(fields, as_json)

    with_core(config, work)


@app.command()
def close(name: Name, tenant: TenantOption = TENANT, config: ConfigOption = None) -> None:
    """Let nobody claim a device, whoever has opened it."""

    async def work(core: Core) -> None:
        device = await _device(core, tenant, name)
        await core.claim_windows.close(device, actor=actor())
        typer.echo(f"device {device.name} cannot be claimed")

    with_core(config, work)


@app.command()
def show(
    name: Name, tenant: TenantOption = TENANT, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Show who has opened a device and until when, and whose it is. Secrets are shown to nobody."""

    async def work(core: Core) -> None:
        device = await _device(core, tenant, name)
        now_ms = core.clock.now_ms()
        windows = [_window(each, now_ms) for each in await core.claim_windows.list(device)]
        owner = await _owner(core, device)
        if as_json:
            print_json({"name": device.name, "owner": owner, "windows": windows})
            return
        print_fields({"name": device.name, "owner": owner})
        columns = ("opened by", "opened", "until", "state", "weak secret")
        print_table(columns, [[window[column] for column in columns] for window in windows])

    with_core(config, work)


@app.command()
def release(
    name: Name,
    yes: YesOption = False,
    tenant: TenantOption = TENANT,
    config: ConfigOption = None,
) -> None:
    """Take a device from its customer; it belongs to nobody, and is not open for claiming."""

    async def work(core: Core) -> None:
        device = await _device(core, tenant, name)
        owner = await _owner(core, device)
        if owner is None:
            typer.echo(f"device {device.name} belongs to no customer")
            return
        if not yes:
            typer.confirm(f"Take device {device.name} from {owner}?", abort=True)
        await core.ownership.assign(device, None, actor=actor())
        typer.echo(f"device {device.name} belongs to no customer")

    with_core(config, work)


@app.command()
def history(
    name: Name,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most rows to print.")] = 100,
    tenant: TenantOption = TENANT,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List who opened, claimed, released and handed over a device, and who failed to; newest first."""

    async def work(core: Core) -> None:
        rows = await _history(core, await _device(core, tenant, name), limit)
        if as_json:
            print_json(rows)
            return
        columns = ("time", "event", "code", "actor", "from", "detail")
        print_table(columns, [[row[column] or None for column in columns] for row in rows])

    with_core(config, work)


async def _device(core: Core, tenant: str, name: str) -> Device:
    return await core.devices.get((await core.tenant(tenant)).id, name)


async def _owner(core: Core, device: Device) -> str | None:
    if device.customer_id is None:
        return None
    found = await core.customers.by_id(device.tenant_id, [device.customer_id])
    return found[device.customer_id].title if device.customer_id in found else None


async def _history(core: Core, device: Device, limit: int) -> list[dict[str, Any]]:
    from firstboot.device_history import entries_of
    from firstboot.ownership import OWNER_EVENTS

    rows: list[dict[str, Any]] = []
    async for row in entries_of(core.storage, device):
        entry = row.entry
        if entry.event.startswith("claim-") or entry.event in OWNER_EVENTS:
            rows.append(
                {"time": moment(entry.at_ms), "event": entry.event, "code": entry.code, "actor": entry.actor,
                 "from": entry.address, "detail": entry.detail}
            )  # fmt: skip
            if len(rows) == limit:
                break
    return rows


def _window(window: ClaimWindow, now_ms: int) -> dict[str, object]:
    state = "open" if now_ms <= window.expires_at_ms else "over"
    return {
        "opened by": window.opened_by.value,
        "opened": moment(window.opened_at_ms),
        "until": moment(window.expires_at_ms),
        "state": state if window.secret_digest is not None else "unreadable",
        "weak secret": window.weak,
    }
