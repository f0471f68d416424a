"""``firstboot profile``: device profiles."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from firstboot.cli.common import (
    TENANT,
    ConfigOption,
    JsonOption,
    TenantOption,
    actor,
    moment,
    parse_moment,
    print_fields,
    print_json,
    print_table,
    with_core,
)
from firstboot.config import parse_duration
from firstboot.model import DeviceProfile, ReprovisionPolicy
from firstboot.secret import Secret

if TYPE_CHECKING:
    from firstboot.core import Core

app = typer.Typer(help="Device profiles: kinds of devices, and how they may provision.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the profile.")]


def _duration(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


@app.command()
def create(
    name: Name,
    strategy: Annotated[
        str, typer.Option(help="allow-create-new, check-pre-provisioned, disabled, or a plugin's.")
    ] = "allow-create-new",
    key: Annotated[str | None, typer.Option(help="Provision key; drawn when left out.")] = None,
    secret: Annotated[str | None, typer.Option(help="Provision secret; drawn when left out.")] = None,
    reprovision: Annotated[
        ReprovisionPolicy, typer.Option(help="What a device gets that asks again.")
    ] = ReprovisionPolicy.REJECT,
    retry_window: Annotated[str, typer.Option(help="For --reprovision retry and rotate.")] = "10m",
    rotation_grace: Annotated[str, typer.Option(help="How long replaced credentials stay valid.")] = "24h",
    max_devices: Annotated[int | None, typer.Option(help="Most devices of this profile.")] = None,
    max_per_minute: Annotated[int | None, typer.Option(help="Most new devices a minute.")] = None,
    expires: Annotated[str | None, typer.Option(help="Date after which it provisions nobody.")] = None,
    name_pattern: Annotated[str | None, typer.Option(help="Regular expression that device names match.")] = None,
    allow_network: Annotated[list[str] | None, typer.Option(help="Network of the devices; repeatable.")] = None,
    description: Annotated[str, typer.Option(help="For people.")] = "",
    tenant: TenantOption = TENANT,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a profile, and print its provision key and secret."""

    async def work(core: Core) -> None:
        from uuid import UUID

        from firstboot.model import ProfileLimits
        from firstboot.profiles import parse_networks

        draft = DeviceProfile(
            id=0,
            public_id=UUID(int=0),
            tenant_id=(await core.tenant(tenant)).id,
            name=name,
            strategy=strategy,
            provision_key=None,
            secret_digest=None,
            secret_sealed=None,
            reprovision=reprovision,
            retry_window=_duration(retry_window),
            rotation_grace=_duration(rotation_grace),
            limits=ProfileLimits(
                expires_at_ms=parse_moment(expires) if expires else None,
                max_devices=max_devices,
                max_per_minute=max_per_minute,
                name_pattern=name_pattern,
                allowed_networks=parse_networks(allow_network or []),
            ),
            description=description,
        )
        made = await core.profiles.create(
            draft, key=key, secret=Secret(secret) if secret is not None else None, actor=actor()
        )
        _print_one({**_fields(made.profile, 0), "provision secret": made.secret.reveal()}, as_json)

    with_core(config, work)


@app.command("list")
def list_(tenant: TenantOption = TENANT, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List profiles, without their secrets."""

    async def work(core: Core) -> None:
        profiles = await core.profiles.all((await core.tenant(tenant)).id)
        rows = [_fields(profile, await core.storage.count_devices(profile.id)) for profile in profiles]
        if as_json:
            print_json(rows)
            return
        columns = ("name", "strategy", "provision key", "state", "reprovision", "devices")
        print_table(columns, [[row[column] for column in columns] for row in rows])

    with_core(config, work)


@app.command()
def show(
    name: Name,
    show_secret: Annotated[bool, typer.Option("--show-secret", help="Print the provision secret too.")] = False,
    tenant: TenantOption = TENANT,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one profile."""

    async def work(core: Core) -> None:
        profile = await _find(core, tenant, name)
        fields = _fields(profile, await core.storage.count_devices(profile.id))
        if show_secret:
            secret = core.profiles.reveal_secret(profile)
            fields["provision secret"] = secret.reveal() if secret else None
        _print_one(fields, as_json)

    with_core(config, work)


@app.command("rotate-secret")
def rotate_secret(
    name: Name,
    grace: Annotated[str, typer.Option(help="How long the old secret stays valid.")] = "24h",
    secret: Annotated[str | None, typer.Option(help="The new secret; drawn when left out.")] = None,
    tenant: TenantOption = TENANT,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a profile another provision secret, and print it."""

    async def work(core: Core) -> None:
        profile = await _find(core, tenant, name)
        rotated = await core.profiles.rotate_secret(
            profile,
            grace=_duration(grace),
            secret=Secret(secret) if secret is not None else None,
            actor=actor(),
        )
        fields = _fields(rotated.profile, await core.storage.count_devices(profile.id))
        _print_one({**fields, "provision secret": rotated.secret.reveal()}, as_json)

    with_core(config, work)


@app.command()
def disable(name: Name, tenant: TenantOption = TENANT, config: ConfigOption = None) -> None:
    """Let a profile provision nobody; devices that it has go on."""
    _switch(name, tenant, config, enabled=False)


@app.command()
def enable(name: Name, tenant: TenantOption = TENANT, config: ConfigOption = None) -> None:
    """Let a disabled profile provision again."""
    _switch(name, tenant, config, enabled=True)


@app.command()
def delete(name: Name, tenant: TenantOption = TENANT, config: ConfigOption = None) -> None:
    """Delete a profile that has no devices."""

    async def work(core: Core) -> None:
        await core.profiles.delete(await _find(core, tenant, name), actor=actor())
        typer.echo(f"profile {name} deleted")

    with_core(config, work)


def _switch(name: str, tenant: str, config: Any, *, enabled: bool) -> None:
    async def work(core: Core) -> None:
        from dataclasses import replace

        profile = await _find(core, tenant, name)
        event = "profile-enabled" if enabled else "profile-disabled"
        await core.profiles.update(replace(profile, enabled=enabled), actor=actor(), event=event)
        typer.echo(f"profile {profile.name} {'enabled' if enabled else 'disabled'}")

    with_core(config, work)


async def _find(core: Core, tenant: str, name: str) -> DeviceProfile:
    return await core.profiles.get((await core.tenant(tenant)).id, name)


def _print_one(fields: dict[str, object], as_json: bool) -> None:
    if as_json:
        print_json(fields)
    else:
        print_fields(fields)


def _fields(profile: DeviceProfile, devices: int) -> dict[str, object]:
    limits = profile.limits
    return {
        "name": profile.name,
        "id": str(profile.public_id),
        "strategy": profile.strategy,
        "provision key": profile.provision_key,
        "state": "enabled" if profile.enabled else "disabled",
        "reprovision": profile.reprovision.value,
        "devices": devices,
        "max devices": limits.max_devices,
        "max per minute": limits.max_per_minute,
        "expires": moment(limits.expires_at_ms),
        "name pattern": limits.name_pattern,
        "allowed networks": ", ".join(map(str, limits.allowed_networks)) or None,
        "old secret valid until": moment(profile.previous_secret_until_ms),
        "weak secret": profile.weak_secret,
        "description": profile.description or None,
        "created": moment(profile.created_at_ms),
    }
