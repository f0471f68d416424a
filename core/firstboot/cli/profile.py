"""``firstboot profile``: device profiles."""

from __future__ import annotations

import enum
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from firstboot.cli.common import (
    TENANT,
    ConfigOption,
    JsonOption,
    TenantOption,
    actor,
    duration,
    fail,
    given,
    in_words,
    moment,
    parse_moment,
    print_one,
    print_rows,
    with_core,
)
from firstboot.model import DeviceProfile, ProfileLimits, ReprovisionPolicy
from firstboot.secret import Secret

if TYPE_CHECKING:
    from firstboot.core import Core

app = typer.Typer(help="Device profiles: kinds of devices.", no_args_is_help=True)

STRATEGY = "allow-create-new"


class Limit(enum.StrEnum):
    """What ``profile update --clear`` takes away."""

    MAX_DEVICES = "max-devices"
    MAX_PER_MINUTE = "max-per-minute"
    EXPIRES = "expires"
    NAME_PATTERN = "name-pattern"
    ALLOW_NETWORK = "allow-network"
    DESCRIPTION = "description"


Name = Annotated[str, typer.Argument(help="Name of the profile.")]
SecretOption = Annotated[str | None, typer.Option(help="Provision secret; drawn when left out.")]
StrategyOption = Annotated[
    str | None,
    typer.Option(help="allow-create-new, check-pre-provisioned, disabled, or a plugin's.", show_default=STRATEGY),
]
ReprovisionOption = Annotated[
    ReprovisionPolicy | None, typer.Option(help="What a device gets that asks again.", show_default="reject")
]
RetryWindowOption = Annotated[
    timedelta | None,
    typer.Option(
        parser=duration, metavar="<time>", help="For --reprovision retry and rotate.", show_default="10m"
    ),
]
RotationGraceOption = Annotated[
    timedelta | None,
    typer.Option(
        parser=duration, metavar="<time>", help="How long replaced credentials stay valid.", show_default="24h"
    ),
]
MaxDevicesOption = Annotated[int | None, typer.Option(help="Most devices of this profile.")]
MaxPerMinuteOption = Annotated[int | None, typer.Option(help="Most new devices a minute.")]
ExpiresOption = Annotated[
    int | None,
    typer.Option(
        parser=parse_moment, metavar="<date>", help="Date (UTC) from which on it provisions nobody: 2030-01-31."
    ),
]
NamePatternOption = Annotated[str | None, typer.Option(help="Regular expression that whole device names match.")]
AllowNetworkOption = Annotated[
    list[str] | None, typer.Option(metavar="<network>", help="Network of the devices: 192.0.2.0/24. Repeatable.")
]
DescriptionOption = Annotated[str | None, typer.Option(help="For people.")]
ClaimWithGatewayOption = Annotated[
    bool | None,
    typer.Option(help="Devices behind a gateway of this profile get the owner that the gateway gets."),
]
ReleaseByDeviceOption = Annotated[
    bool | None, typer.Option(help="A device may take itself from its owner, such as when it is reset.")
]


@app.command()
def create(
    name: Name,
    strategy: StrategyOption = None,
    key: Annotated[str | None, typer.Option(help="Provision key; drawn when left out.")] = None,
    secret: SecretOption = None,
    reprovision: ReprovisionOption = None,
    retry_window: RetryWindowOption = None,
    rotation_grace: RotationGraceOption = None,
    max_devices: MaxDevicesOption = None,
    max_per_minute: MaxPerMinuteOption = None,
    expires: ExpiresOption = None,
    name_pattern: NamePatternOption = None,
    allow_network: AllowNetworkOption = None,
    description: DescriptionOption = None,
    claim_with_gateway: ClaimWithGatewayOption = None,
    release_by_device: ReleaseByDeviceOption = None,
    tenant: TenantOption = TENANT,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a profile, and print its provision key and secret."""

    async def work(core: Core) -> None:
        from uuid import UUID

        bare = DeviceProfile(
            id=0,
            public_id=UUID(int=0),
            tenant_id=(await core.tenant(tenant)).id,
            name=name,
            strategy=STRATEGY,
            provision_key=None,
            secret_digest=None,
            secret_sealed=None,
        )
        draft = _with_settings(
            bare, strategy, reprovision, retry_window, rotation_grace, max_devices, max_per_minute, expires,
            name_pattern, allow_network, description, claim_with_gateway, release_by_device,
        )  # fmt: skip
        made = await core.profiles.create(draft, key=key, secret=_secret(secret), actor=actor())
        print_one(_fields(made.profile, 0, secret=made.secret), as_json)

    with_core(config, work)


@app.command()
def update(
    name: Name,
    strategy: Annotated[str | None, typer.Option(help="Another provisioning strategy.")] = None,
    reprovision: Annotated[
        ReprovisionPolicy | None, typer.Option(help="What a device gets that asks again.")
    ] = None,
    retry_window: Annotated[
        timedelta | None,
        typer.Option(parser=duration, metavar="<time>", help="For --reprovision retry and rotate."),
    ] = None,
    rotation_grace: Annotated[
        timedelta | None,
        typer.Option(parser=duration, metavar="<time>", help="How long replaced credentials stay valid."),
    ] = None,
    max_devices: MaxDevicesOption = None,
    max_per_minute: MaxPerMinuteOption = None,
    expires: ExpiresOption = None,
    name_pattern: NamePatternOption = None,
    allow_network: AllowNetworkOption = None,
    description: DescriptionOption = None,
    claim_with_gateway: ClaimWithGatewayOption = None,
    release_by_device: ReleaseByDeviceOption = None,
    clear: Annotated[list[Limit] | None, typer.Option(help="Take this away. Repeatable.")] = None,
    tenant: TenantOption = TENANT,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change settings of a profile. What is not named stays as it is."""

    async def work(core: Core) -> None:
        profile = await _find(core, tenant, name)
        changed = _with_settings(
            _cleared(profile, clear or []), strategy, reprovision, retry_window, rotation_grace, max_devices,
            max_per_minute, expires, name_pattern, allow_network, description, claim_with_gateway,
            release_by_device,
        )  # fmt: skip
        if changed == profile:
            raise fail("Nothing to change: name an option, such as --max-devices 100.")
        await core.profiles.update(changed, expected_version=profile.version, actor=actor())
        print_one(_fields(changed, await core.storage.count_devices(profile.id)), as_json)

    with_core(config, work)


@app.command("list")
def list_(tenant: TenantOption = TENANT, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List profiles, without their secrets."""

    async def work(core: Core) -> None:
        profiles = await core.profiles.all((await core.tenant(tenant)).id)
        rows = [_fields(profile, await core.storage.count_devices(profile.id)) for profile in profiles]
        columns = ("name", "strategy", "provision key", "state", "reprovision", "devices")
        print_rows(rows, columns, as_json, what="profile", core=core)

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
        secret = core.profiles.reveal_secret(profile) if show_secret else None
        print_one(_fields(profile, await core.storage.count_devices(profile.id), secret=secret), as_json)

    with_core(config, work)


@app.command("rotate-secret")
def rotate_secret(
    name: Name,
    grace: Annotated[
        timedelta,
        typer.Option(
            parser=duration, metavar="<time>", help="How long the old secret stays valid.", show_default="24h"
        ),
    ] = timedelta(hours=24),
    secret: SecretOption = None,
    tenant: TenantOption = TENANT,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a profile another provision secret, and print it."""

    async def work(core: Core) -> None:
        profile = await _find(core, tenant, name)
        rotated = await core.profiles.rotate_secret(profile, grace=grace, secret=_secret(secret), actor=actor())
        devices = await core.storage.count_devices(profile.id)
        print_one(_fields(rotated.profile, devices, secret=rotated.secret), as_json)

    with_core(config, work)


@app.command()
def disable(name: Name, tenant: TenantOption = TENANT, config: ConfigOption = None) -> None:
    """Let a profile provision nobody; devices that it has go on."""
    _switch(name, tenant, config, enabled=False)


@app.command()
def enable(name: Name, tenant: TenantOption = TENANT, config: ConfigOption = None) -> None:
    """Let a disabled profile provision again."""
    _switch(name, tenant, config, enabled=True)


@app.command("set-default")
def set_default(name: Name, tenant: TenantOption = TENANT, config: ConfigOption = None) -> None:
    """Make a profile the one that devices get when none is named."""

    async def work(core: Core) -> None:
        profile = await core.profiles.set_default(await _find(core, tenant, name), actor=actor())
        typer.echo(f"profile {profile.name} is the default one")

    with_core(config, work)


@app.command()
def delete(name: Name, tenant: TenantOption = TENANT, config: ConfigOption = None) -> None:
    """Delete a profile that has no devices."""

    async def work(core: Core) -> None:
        await core.profiles.delete(await _find(core, tenant, name), actor=actor())
        typer.echo(f"profile {name} deleted")

    with_core(config, work)


def _switch(name: str, tenant: str, config: Any, *, enabled: bool) -> None:
    async def work(core: Core) -> None:
        profile = await _find(core, tenant, name)
        await core.profiles.set_enabled(profile, enabled, actor=actor())
        typer.echo(f"profile {profile.name} {'enabled' if enabled else 'disabled'}")

    with_core(config, work)


async def _find(core: Core, tenant: str, name: str) -> DeviceProfile:
    return await core.profiles.get((await core.tenant(tenant)).id, name)


def _secret(text: str | None) -> Secret | None:
    return None if text is None else Secret(text)


def _cleared(profile: DeviceProfile, limits: list[Limit]) -> DeviceProfile:
    empty = ProfileLimits()
    fields = {
        Limit.MAX_DEVICES: "max_devices",
        Limit.MAX_PER_MINUTE: "max_per_minute",
        Limit.EXPIRES: "expires_at_ms",
        Limit.NAME_PATTERN: "name_pattern",
        Limit.ALLOW_NETWORK: "allowed_networks",
    }
    for limit in limits:
        if limit in fields:
            field = fields[limit]
            profile = replace(profile, limits=replace(profile.limits, **{field: getattr(empty, field)}))
        else:
            profile = replace(profile, description="")
    return profile


def _with_settings(
    profile: DeviceProfile,
    strategy: str | None,
    reprovision: ReprovisionPolicy | None,
    retry_window: timedelta | None,
    rotation_grace: timedelta | None,
    max_devices: int | None,
    max_per_minute: int | None,
    expires: int | None,
    name_pattern: str | None,
    allow_network: list[str] | None,
    description: str | None,
    claim_with_gateway: bool | None,
    release_by_device: bool | None,
) -> DeviceProfile:
    """Return the profile with those settings changed that were given."""
    from firstboot.profiles import parse_networks, with_strategy

    if strategy is not None:
        profile = with_strategy(profile, strategy)
    settings = {
        "reprovision": reprovision,
        "retry_window": retry_window,
        "rotation_grace": rotation_grace,
        "description": description,
        "claim_with_gateway": claim_with_gateway,
        "release_by_device": release_by_device,
    }
    limits = {
        "max_devices": max_devices,
        "max_per_minute": max_per_minute,
        "expires_at_ms": expires,
        "name_pattern": name_pattern,
        "allowed_networks": parse_networks(allow_network) if allow_network else None,
    }
    return replace(
        profile,
        limits=replace(profile.limits, **given(limits)),
        **given(settings),
    )


def _fields(profile: DeviceProfile, devices: int, *, secret: Secret | None = None) -> dict[str, object]:
    limits = profile.limits
    return {
        "name": profile.name,
        "id": str(profile.public_id),
        "strategy": profile.strategy,
        "provision key": profile.provision_key,
        **({"provision secret": secret.reveal()} if secret else {}),
        "state": "enabled" if profile.enabled else "disabled",
        "default": profile.is_default,
        "reprovision": profile.reprovision.value,
        "retry window": in_words(profile.retry_window),
        "rotation grace": in_words(profile.rotation_grace),
        "devices": devices,
        "max devices": limits.max_devices,
        "max per minute": limits.max_per_minute,
        "expires": moment(limits.expires_at_ms),
        "name pattern": limits.name_pattern,
        "allowed networks": ", ".join(map(str, limits.allowed_networks)) or None,
        "old secret valid until": moment(profile.previous_secret_until_ms),
        "weak secret": profile.weak_secret,
        "claim with gateway": profile.claim_with_gateway,
        "release by device": profile.release_by_device,
        "description": profile.description or None,
        "created": moment(profile.created_at_ms),
    }
