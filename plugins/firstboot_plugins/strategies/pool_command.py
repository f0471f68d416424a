"""``firstboot pool``: prepared devices, of which each hardware that asks is given one."""

from __future__ import annotations

import enum
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
    fail,
    given,
    in_words,
    print_json,
    print_one,
    print_rows,
    with_core,
)
from firstboot.cli.line_files import lines_of
from firstboot.model import DeviceProfile
from firstboot.secret import Secret
from firstboot_plugins.strategies import pool_settings
from firstboot_plugins.strategies.pool_member_command import Name, fill, find_pool, members, release
from firstboot_plugins.strategies.pool_options import ANY, STRATEGY, OnEmpty, Order

if TYPE_CHECKING:
    from firstboot.core import Core

app = typer.Typer(help="Pools: prepared devices, one for each hardware that asks.", no_args_is_help=True)


class RebindWord(enum.StrEnum):
    """What a hardware gets that holds a device already."""

    UNTIL_CONFIRMED = "until_confirmed"
    ALWAYS = "always"
    NEVER = "never"


OrderOption = Annotated[
    Order | None,
    typer.Option(help="Which device is given to a hardware without one of its own; fifo in a new pool."),
]
LeaseOption = Annotated[
    timedelta | None,
    typer.Option(
        parser=duration,
        metavar="<time>",
        help="How long a device is held that never logs in, 0s: for ever; 10m in a new pool.",
    ),
]
OnEmptyOption = Annotated[
    OnEmpty | None, typer.Option(help="What happens when none is ready; fail in a new pool.")
]
PatternOption = Annotated[
    str | None, typer.Option(metavar="<pattern>", help="Names of new devices: meter-{seq:05d}, or meter-{hw}.")
]
RebindOption = Annotated[
    RebindWord | None,
    typer.Option(help="Whether a hardware that asks again gets its device again; until_confirmed in a new pool."),
]
FileOption = Annotated[Path | None, typer.Option(help="File with one a line; - reads standard input.")]


@app.command()
def create(
    name: Name,
    order: OrderOption = None,
    lease: LeaseOption = None,
    on_empty: OnEmptyOption = None,
    id_pattern: PatternOption = None,
    rebind: RebindOption = None,
    key: Annotated[str | None, typer.Option(help="Provision key; drawn when left out.")] = None,
    secret: Annotated[str | None, typer.Option(help="Provision secret; drawn when left out.")] = None,
    tenant: TenantOption = TENANT,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a pool with its device profile, and print the provision key and secret.

    Limits and whatever else a profile has: firstboot profile update.
    """

    async def work(core: Core) -> None:
        from firstboot.profiles import plain_profile

        options = _options(order, lease, on_empty, id_pattern, rebind)
        draft = pool_settings.applied(options, plain_profile((await core.tenant(tenant)).id, name))
        made = await core.profiles.create(
            draft, key=key, secret=None if secret is None else Secret(secret), actor=actor()
        )
        fields = await _fields(core, made.profile)
        fields["provision secret"] = made.secret.reveal()
        print_one(fields, as_json)

    with_core(config, work)


@app.command()
def update(
    name: Name,
    order: OrderOption = None,
    lease: LeaseOption = None,
    on_empty: OnEmptyOption = None,
    id_pattern: PatternOption = None,
    rebind: RebindOption = None,
    tenant: TenantOption = TENANT,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change options of a pool. What is not named stays; a profile with another strategy becomes a pool."""
    options = _options(order, lease, on_empty, id_pattern, rebind)

    async def work(core: Core) -> None:
        profile = await core.profiles.get((await core.tenant(tenant)).id, name)
        if not options:
            raise fail("Nothing to change: name an option, such as --lease 1h.")
        changed = await pool_settings.change(core.profiles, profile, options, actor=actor())
        print_one(await _fields(core, changed), as_json)

    with_core(config, work)


@app.command("list")
def list_(tenant: TenantOption = TENANT, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List pools."""

    async def work(core: Core) -> None:
        profiles = await core.profiles.all((await core.tenant(tenant)).id)
        rows = [await _fields(core, profile) for profile in profiles if profile.strategy == STRATEGY]
        columns = ("name", "order", "lease", "on empty", "rebind", "devices", "ready")
        print_rows(rows, columns, as_json, what="pool", core=core)

    with_core(config, work)


@app.command()
def show(
    name: Name, tenant: TenantOption = TENANT, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Show one pool. Its provision secret: firstboot profile show --show-secret."""

    async def work(core: Core) -> None:
        print_one(await _fields(core, await find_pool(core, tenant, name)), as_json)

    with_core(config, work)


for command in (fill, members, release):
    app.command()(command)


@app.command()
def hardware(
    name: Name,
    ids: Annotated[list[str] | None, typer.Argument(help="Hardware ids that may ask.")] = None,
    from_file: FileOption = None,
    allow_any: Annotated[bool, typer.Option("--any", help="Let every hardware ask.")] = False,
    tenant: TenantOption = TENANT,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print which hardware may ask for a device; or set it, in place of what was set before."""
    wanted = [*(ids or []), *lines_of(from_file)]
    if allow_any and wanted:
        raise typer.BadParameter("give hardware ids, or --any")

    async def work(core: Core) -> None:
        profile = await find_pool(core, tenant, name)
        if allow_any or wanted or from_file is not None:
            options = {"hardware_ids": ANY if allow_any else wanted}
            profile = await pool_settings.change(core.profiles, profile, options, actor=actor())
        allowed = pool_settings.options_of(profile).hardware_ids
        if as_json:
            print_json(ANY if allowed is None else sorted(allowed))
        else:
            typer.echo("\n".join([ANY] if allowed is None else sorted(allowed)))

    with_core(config, work)


@app.command()
def delete(
    name: Name,
    yes: YesOption = False,
    tenant: TenantOption = TENANT,
    config: ConfigOption = None,
) -> None:
    """Delete a pool with the devices that are ready. One whose devices hardware has stays: release those first."""

    async def work(core: Core) -> None:
        profile = await find_pool(core, tenant, name)
        devices, ready = await core.storage.count_devices(profile.id), await core.pools.ready(profile)
        if devices > ready:
            raise fail(
                f"{devices - ready} devices of {profile.name} are not ready: hardware has them, or they are no"
                " members. Release or delete them first."
            )
        if not yes:
            typer.confirm(f"Delete pool {profile.name} and its {ready} devices?", abort=True)
        # Nobody is given one of them while they go.
        profile = await core.profiles.set_enabled(profile, False, actor=actor())
        deleted = await core.pools.empty(profile, actor=actor())
        await core.profiles.delete(profile, actor=actor())
        typer.echo(f"pool {name} deleted, with {deleted} devices")

    with_core(config, work)


def _options(
    order: Order | None,
    lease: timedelta | None,
    on_empty: OnEmpty | None,
    id_pattern: str | None,
    rebind: RebindWord | None,
) -> dict[str, Any]:
    """Return those of the options that were given."""
    options = {
        "order": order and order.value,
        "lease": None if lease is None else round(lease.total_seconds()),
        "on_empty": on_empty and on_empty.value,
        "id_pattern": id_pattern,
        "rebind": rebind and rebind.value,
    }
    return given(options)


async def _fields(core: Core, profile: DeviceProfile) -> dict[str, object]:
    options = pool_settings.options_of(profile)
    return {
        "name": profile.name,
        "id": str(profile.public_id),
        "provision key": profile.provision_key,
        "state": "enabled" if profile.enabled else "disabled",
        "order": options.order.value,
        "lease": None if options.lease is None else in_words(options.lease),
        "on empty": options.on_empty.value,
        "id pattern": options.id_pattern and options.id_pattern.text,
        "rebind": options.told()["rebind"],
        "hardware": ANY if options.hardware_ids is None else f"{len(options.hardware_ids)} on the list",
        "devices": await core.storage.count_devices(profile.id),
        "ready": await core.pools.ready(profile),
    }
