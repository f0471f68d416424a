"""The part of ``firstboot pool`` that is about its devices: adding, listing and releasing them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from firstboot.cli.common import (
    TENANT,
    ConfigOption,
    JsonOption,
    TenantOption,
    actor,
    fail,
    moment,
    print_json,
    print_rows,
    with_core,
)
from firstboot.cli.line_files import lines_of
from firstboot.credentials import nobodys_credentials
from firstboot.errors import FirstbootError
from firstboot.model import Device, DeviceProfile
from firstboot_plugins.strategies import pool_settings

if TYPE_CHECKING:
    from firstboot.core import Core

Name = Annotated[str, typer.Argument(help="Name of the pool, which is that of its device profile.")]


def fill(
    name: Name,
    names: Annotated[list[str] | None, typer.Argument(help="Names of devices.")] = None,
    count: Annotated[int | None, typer.Option(help="Make so many, named by --id-pattern.")] = None,
    id_pattern: Annotated[
        str | None, typer.Option(metavar="<pattern>", help="Such as meter-{seq:05d}; the pool's when left out.")
    ] = None,
    from_file: Annotated[
        Path | None,
        typer.Option(help="File with a name a line, and behind a comma the hardware for which it is reserved."),
    ] = None,
    tenant: TenantOption = TENANT,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add devices to a pool: a number of them, or by name.

    Names that cannot be added are reported, and the others are added. Status 1 when any failed.
    """
    rows = [(each, None) for each in names or []] + [_row(line) for line in lines_of(from_file)]
    if (count is None) == (not rows):
        raise typer.BadParameter("give --count, or names, or --from-file")

    async def work(core: Core) -> None:
        profile = await find_pool(core, tenant, name)
        if count is not None:
            added = await _fill_by_count(core, profile, count, id_pattern)
        else:
            added = await _fill_by_name(core, profile, rows)
        number = sum(isinstance(each, Device) for each in added)
        ready = await core.pools.ready(profile)
        if as_json:
            print_json({"added": number, "ready": ready})
        else:
            typer.echo(f"{number} devices added to pool {profile.name}; {ready} are ready")
        if number < len(added):
            raise fail(f"{len(added) - number} could not be added.")

    with_core(config, work)


async def _fill_by_count(
    core: Core, profile: DeviceProfile, count: int, text: str | None
) -> list[Device | Exception]:
    from firstboot.pool_names import read_pattern

    pattern = read_pattern(text) if text is not None else pool_settings.options_of(profile).id_pattern
    if pattern is None:
        raise typer.BadParameter("give --id-pattern, such as meter-{seq:05d}")
    added = await core.pools.fill_by_pattern(profile, pattern, count, actor=actor())
    for each in added:
        if isinstance(each, Exception):
            _say(each)
    return added


async def _fill_by_name(
    core: Core, profile: DeviceProfile, rows: list[tuple[str, str | None]]
) -> list[Device | Exception]:
    from firstboot.devices import DeviceDraft

    drafts = [(DeviceDraft(name=name, credentials=nobodys_credentials()), hardware) for name, hardware in rows]
    added = await core.pools.fill(profile, drafts, actor=actor())
    for (name, _), each in zip(rows, added, strict=True):
        if isinstance(each, Exception):
            _say(each, name)
    return added


def _say(error: Exception, name: str = "") -> None:
    if not isinstance(error, FirstbootError):
        raise error
    shown = name if name.isprintable() else ascii(name)[1:-1]
    typer.echo(f"{shown}: {error}" if name else str(error), err=True)


def members(
    name: Name,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most devices to print.")] = 100,
    after: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Go on after the device with this number.")] = 0,
    tenant: TenantOption = TENANT,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the devices of a pool, and which hardware has them."""

    async def work(core: Core) -> None:
        profile = await find_pool(core, tenant, name)
        now_ms = core.clock.now_ms()
        rows: list[dict[str, Any]] = [
            {
                "number": each.device_id,
                "name": each.device_name,
                "state": each.state(now_ms),
                "hardware": each.hardware_id,
                "reserved": each.reserved,
                "given": moment(each.leased_at_ms),
                "held until": moment(each.leased_until_ms),
                "first login": moment(each.first_login_at_ms),
            }
            for each in await core.pools.members(profile, after_id=after, limit=limit)
        ]
        columns = ("number", "name", "state", "hardware", "reserved", "given", "held until", "first login")
        print_rows(rows, columns, as_json, what="device", core=core, limit=limit)

    with_core(config, work)


def release(
    name: Name,
    devices: Annotated[list[str], typer.Argument(help="Names of devices.")],
    tenant: TenantOption = TENANT,
    config: ConfigOption = None,
) -> None:
    """Take devices back: what they were given opens nothing any more, and they are ready for the next hardware."""

    async def work(core: Core) -> None:
        profile = await find_pool(core, tenant, name)
        for each in devices:
            device = await core.devices.get(profile.tenant_id, each)
            if device.profile_id != profile.id:
                raise fail(f"Device {device.name!r} is not of pool {profile.name!r}.")
            await core.pools.release(device, actor=actor())
            typer.echo(f"device {device.name} is ready")

    with_core(config, work)


async def find_pool(core: Core, tenant: str, name: str) -> DeviceProfile:
    """Return the profile of a pool.

    Raises: `NotFound`, `InvalidValue` when it has none.
    """
    profile = await core.profiles.get((await core.tenant(tenant)).id, name)
    pool_settings.options_of(profile)
    return profile


def _row(line: str) -> tuple[str, str | None]:
    name, comma, hardware_id = line.partition(",")
    return name.strip(), hardware_id.strip() if comma else None
