"""``firstboot thingstream profile``: groups of devices that share a token."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from firstboot.cli.common import (
    TENANT,
    ConfigOption,
    JsonOption,
    TenantOption,
    actor,
    duration,
    given,
    parse_moment,
    print_rows,
    with_core,
)
from firstboot_plugins.dialects.thingstream.profile_lines import codes_of, print_profile, profile_fields
from firstboot_plugins.dialects.thingstream.settings import DeviceType, Format, OldThing, Settings

if TYPE_CHECKING:
    from firstboot.core import Core

app = typer.Typer(help="Profiles: groups of devices that share a token.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the profile.")]
Title = Annotated[str | None, typer.Option("--title", help="Name for people.")]
Plan = Annotated[str | None, typer.Option(help="Plan of every new Thing.")]
Tag = Annotated[list[str] | None, typer.Option(help="Tag of every new Thing. Repeatable.")]
Form = Annotated[Format | None, typer.Option("--format", help="Of PointPerfect: how devices get corrections.")]
Activate = Annotated[
    bool | None, typer.Option("--auto-activate/--no-auto-activate", help="Whether new Things may log in at once.")
]
Mandatory = Annotated[
    bool | None,
    typer.Option("--hardware-code/--no-hardware-code", help="Whether requests must have a hardware code."),
]
Codes = Annotated[
    Path | None, typer.Option(metavar="<file>", help="The only hardware codes that get something, one a line.")
]
Old = Annotated[OldThing | None, typer.Option(help="What becomes of the Thing that a device had before.")]
Grace = Annotated[
    timedelta | None,
    typer.Option(parser=duration, metavar="<time>", help="How long it lives at most, with on_first_connect."),
]
Most = Annotated[int | None, typer.Option(min=0, help="Most Things; 0: no limit.")]


@app.command()
def create(
    name: Name,
    service: Annotated[DeviceType, typer.Option(help="Service for whose devices it is.")] = DeviceType.CLOUDLOCATE,
    title: Title = None,
    plan: Plan = None,
    tag: Tag = None,
    format_: Form = None,
    auto_activate: Activate = None,
    hardware_code: Mandatory = None,
    hardware_codes: Codes = None,
    old_thing: Old = None,
    grace: Grace = None,
    max_things: Most = None,
    expires: Annotated[
        int | None,
        typer.Option(parser=parse_moment, metavar="<date>", help="Date (UTC) from which on the token is no good."),
    ] = None,
    tenant: TenantOption = TENANT,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a profile, and print its token: only now."""

    if format_ is not None and service is not DeviceType.POINTPERFECT:
        raise typer.BadParameter("--format is for --service PointPerfect")

    async def work(core: Core) -> None:
        from firstboot_plugins.dialects.thingstream.profiles import ThingstreamProfiles

        options = _options(plan, tag, format_, auto_activate, hardware_code, old_thing, grace)
        profile, token = await ThingstreamProfiles(core).create(
            (await core.tenant(tenant)).id,
            name,
            replace(Settings(device_type=service), **options),
            title=title or "",
            max_things=max_things or 0,
            expires_ms=expires,
            hardware_codes=codes_of(hardware_codes),
            actor=actor(),
        )
        print_profile({"token": token.reveal(), **await profile_fields(core, profile)}, as_json)

    with_core(config, work)


@app.command()
def update(
    name: Name,
    title: Title = None,
    plan: Plan = None,
    tag: Tag = None,
    format_: Form = None,
    auto_activate: Activate = None,
    hardware_code: Mandatory = None,
    hardware_codes: Codes = None,
    any_hardware: Annotated[bool, typer.Option("--any-hardware", help="Take any hardware code again.")] = False,
    old_thing: Old = None,
    grace: Grace = None,
    max_things: Most = None,
    tenant: TenantOption = TENANT,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change a profile. Things that exist stay as they are."""

    async def work(core: Core) -> None:
        from firstboot_plugins.dialects.thingstream.profiles import ThingstreamProfiles

        profiles = ThingstreamProfiles(core)
        profile, _ = await profiles.get((await core.tenant(tenant)).id, name)
        options = _options(plan, tag, format_, auto_activate, hardware_code, old_thing, grace)
        profile, _ = await profiles.change(
            profile,
            lambda settings: replace(settings, **options),
            title=title,
            max_things=max_things,
            actor=actor(),
        )
        if any_hardware or hardware_codes is not None:
            codes = None if any_hardware else codes_of(hardware_codes)
            profile = await profiles.set_hardware_codes(profile, codes, actor=actor())
        print_profile(await profile_fields(core, profile), as_json)

    with_core(config, work)


@app.command("list")
def list_(tenant: TenantOption = TENANT, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List profiles."""

    async def work(core: Core) -> None:
        from firstboot_plugins.dialects.thingstream.profiles import ThingstreamProfiles

        found = await ThingstreamProfiles(core).all((await core.tenant(tenant)).id)
        fields = [await profile_fields(core, profile) for profile, _ in found]
        columns = ("profile", "service", "plan", "auto activate", "things")
        print_rows(fields, columns, as_json, what="Thingstream profile", core=core)

    with_core(config, work)


@app.command()
def show(
    name: Name, tenant: TenantOption = TENANT, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Show a profile and its tokens, without their texts, which nobody knows any more."""

    async def work(core: Core) -> None:
        from firstboot_plugins.dialects.thingstream.profiles import ThingstreamProfiles

        profile, _ = await ThingstreamProfiles(core).get((await core.tenant(tenant)).id, name)
        print_profile(await profile_fields(core, profile), as_json)

    with_core(config, work)


@app.command()
def delete(name: Name, tenant: TenantOption = TENANT, config: ConfigOption = None) -> None:
    """Delete a profile with its tokens. Its Things go on."""

    async def work(core: Core) -> None:
        from firstboot_plugins.dialects.thingstream.profiles import ThingstreamProfiles

        profiles = ThingstreamProfiles(core)
        profile, _ = await profiles.get((await core.tenant(tenant)).id, name)
        await profiles.delete(profile, actor=actor())
        typer.echo(f"profile {name} deleted")

    with_core(config, work)


def _options(
    plan: str | None,
    tags: list[str] | None,
    format_: Format | None,
    auto_activate: bool | None,
    hardware_code: bool | None,
    old_thing: OldThing | None,
    grace: timedelta | None,
) -> dict[str, Any]:
    """Return the settings that were given."""
    options = {
        "plan": plan,
        "tags": tuple(tags) if tags else None,
        "format": format_,
        "auto_activate": auto_activate,
        "hardware_code_mandatory": hardware_code,
        "old_thing": old_thing,
        "grace_s": int(grace.total_seconds()) if grace is not None else None,
    }
    return given(options)
