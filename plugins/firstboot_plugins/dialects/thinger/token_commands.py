"""``firstboot thinger token``: how an operator gets the first token of an account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from firstboot.cli.common import (
    ConfigOption,
    JsonOption,
    actor,
    fail,
    moment,
    print_one,
    print_rows,
    with_core,
)
from firstboot.cli.token import ExpiresOption
from firstboot.model import DEFAULT_TENANT

if TYPE_CHECKING:
    from firstboot.core import Core
    from firstboot_plugins.dialects.thinger.known_token import KnownToken
    from firstboot_plugins.dialects.thinger.tokens import AccessTokens

app = typer.Typer(help="thinger.io's REST API: access to it.", no_args_is_help=True)
token_app = typer.Typer(help="Access tokens of an account, which is a tenant.", no_args_is_help=True)
app.add_typer(token_app, name="token")

Name = Annotated[str, typer.Argument(help="Id of the token: 1 to 50 letters, digits and _.")]
AccountOption = Annotated[str, typer.Option("--account", help="Name of the account.")]
Preset = Literal["sketch", "monitor", "node-red", "full"]


@token_app.command()
def create(
    name: Name,
    preset: Annotated[
        Preset, typer.Option(help="What it may do: as much as this kind of client needs.")
    ] = "sketch",
    short: Annotated[
        bool, typer.Option("--short", help="Also make a provisioning key, for devices with little memory.")
    ] = False,
    expires: ExpiresOption = None,
    account: AccountOption = DEFAULT_TENANT,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a token, and print it. Running servers know it at once."""

    async def work(core: Core) -> None:
        from firstboot_plugins.dialects.thinger.errors import ThingerError
        from firstboot_plugins.dialects.thinger.token_bodies import TokenChange, checked_token_id
        from firstboot_plugins.dialects.thinger.token_presets import PRESETS

        try:
            id_ = checked_token_id(name)
        except ThingerError as error:
            raise fail(f"{error}: it has 1 to 50 letters, digits and _.") from None
        wanted = TokenChange(kept={"name": name, "allow": PRESETS[preset], "short": short}, expires_at_ms=expires)
        tenant = await core.tenant(account)
        made = await _tokens(core).create(tenant, id_, wanted, actor=actor())
        fields: dict[str, object] = {"access token": made.secret.reveal()}
        if made.short is not None:
            fields["provisioning key"] = made.short.reveal()
        print_one({**fields, **_fields(made)}, as_json)

    with_core(config, work)


@token_app.command("list")
def list_(
    account: AccountOption = DEFAULT_TENANT, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """List the tokens of an account, without what opens it."""

    async def work(core: Core) -> None:
        rows = [_fields(known) for known in await _of_account(core, account)]
        columns = ("token", "name", "enabled", "created", "created by", "expires", "last used")
        print_rows(rows, columns, as_json, what="access token", core=core)

    with_core(config, work)


@token_app.command()
def delete(name: Name, account: AccountOption = DEFAULT_TENANT, config: ConfigOption = None) -> None:
    """Delete a token. Devices that were made with it go on."""

    async def work(core: Core) -> None:
        for known in await _of_account(core, account):
            if known.token.name == name:
                await _tokens(core).delete(known, actor=actor())
                typer.echo(f"token {name} deleted")
                return
        raise fail(f"The account {account!r} has no access token {name!r}.")

    with_core(config, work)


def _tokens(core: Core) -> AccessTokens:
    from firstboot_plugins.dialects.thinger.server_name import server_name
    from firstboot_plugins.dialects.thinger.tokens import AccessTokens
    from firstboot_plugins.transports.http.config import HttpConfig

    config = core.foundation.config
    server = server_name(config, config.section(HttpConfig).bind.port)
    return AccessTokens(core.api_tokens, core.keyring, core.clock, server)


async def _of_account(core: Core, account: str) -> list[KnownToken]:
    from firstboot_plugins.dialects.thinger.known_token import known_token

    tenant = await core.tenant(account)
    read = [known_token(core.keyring, token, tenant) for token in await core.api_tokens.list(tenant.id)]
    return [known for known in read if known is not None]


def _fields(known: KnownToken) -> dict[str, object]:
    token = known.token
    return {
        "token": token.name,
        "name": known.details["name"],
        "enabled": token.enabled,
        "created": moment(token.created_at_ms),
        "created by": token.created_by,
        "expires": moment(token.expires_at_ms),
        "last used": moment(token.last_used_at_ms),
    }
