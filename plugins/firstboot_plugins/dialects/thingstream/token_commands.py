"""``firstboot thingstream profile token``: the tokens of a profile."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from firstboot.cli.common import (
    TENANT,
    ConfigOption,
    JsonOption,
    TenantOption,
    actor,
    duration,
    print_json,
    with_core,
)
from firstboot_plugins.dialects.thingstream.profile_commands import Name
from firstboot_plugins.dialects.thingstream.settings import TokenState

if TYPE_CHECKING:
    from firstboot.core import Core

app = typer.Typer(help="Tokens of a profile.", no_args_is_help=True)

Token = Annotated[
    str, typer.Argument(help="Id of the token, as firstboot thingstream profile show tells it; or its text.")
]


@app.command()
def rotate(
    name: Name,
    grace: Annotated[
        timedelta,
        typer.Option(
            parser=duration, metavar="<time>", help="How long those that are active stay good.", show_default="7d"
        ),
    ] = timedelta(days=7),
    tenant: TenantOption = TENANT,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a profile another token, and print it: only now."""

    async def work(core: Core) -> None:
        from firstboot_plugins.dialects.thingstream.profiles import ThingstreamProfiles

        profiles = ThingstreamProfiles(core)
        profile, _ = await profiles.get((await core.tenant(tenant)).id, name)
        _, token = await profiles.rotate(profile, grace_s=int(grace.total_seconds()), actor=actor())
        if as_json:
            print_json({"token": token.reveal()})
        else:
            typer.echo(token.reveal())

    with_core(config, work)


@app.command()
def disable(name: Name, token: Token, tenant: TenantOption = TENANT, config: ConfigOption = None) -> None:
    """Let a token be of no use. Things that were made with it go on."""
    _set(name, token, TokenState.DISABLED, tenant, config)


@app.command()
def enable(name: Name, token: Token, tenant: TenantOption = TENANT, config: ConfigOption = None) -> None:
    """Let a token be of use again."""
    _set(name, token, TokenState.ACTIVE, tenant, config)


@app.command()
def delete(name: Name, token: Token, tenant: TenantOption = TENANT, config: ConfigOption = None) -> None:
    """Delete a token. Things that were made with it go on."""
    _set(name, token, None, tenant, config)


def _set(name: str, named: str, state: TokenState | None, tenant: str, config: ConfigOption) -> None:
    """Give a token another state; None: delete it."""

    async def work(core: Core) -> None:
        from firstboot_plugins.dialects.thingstream.profiles import ThingstreamProfiles
        from firstboot_plugins.dialects.thingstream.tokens import found, with_token

        profiles = ThingstreamProfiles(core)
        profile, settings = await profiles.get((await core.tenant(tenant)).id, name)
        meant = found(settings, core.keyring, named)
        changed = replace(meant, state=state) if state is not None else None
        await profiles.change(profile, lambda settings: with_token(settings, meant, changed), actor=actor())
        done = "deleted" if state is None else "disabled" if state is TokenState.DISABLED else "enabled"
        typer.echo(f"token ...{meant.last4} {done}")

    with_core(config, work)
