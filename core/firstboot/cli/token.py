"""``firstboot token``: API tokens for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

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
    say_none,
    with_core,
)
from firstboot.model import ApiToken

if TYPE_CHECKING:
    from firstboot.core import Core

app = typer.Typer(help="API tokens: secrets for programs, with scopes.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the token.")]
ExpiresOption = Annotated[
    int | None,
    typer.Option(
        parser=parse_moment, metavar="<date>", help="Date (UTC) from which on it opens nothing: 2030-01-31."
    ),
]


@app.command()
def create(
    name: Name,
    scope: Annotated[
        list[str],
        typer.Option(metavar="<scope>", help="What it may do: devices:read, 'publish:cmd/#', ... Repeatable."),
    ],
    expires: ExpiresOption = None,
    tenant: TenantOption = TENANT,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a token, and print it: only now."""

    async def work(core: Core) -> None:
        tenant_id = (await core.tenant(tenant)).id
        token, secret = await core.api_tokens.create(tenant_id, name, scope, expires, actor=actor())
        fields = {"token": secret.reveal(), **_fields(token)}
        if as_json:
            print_json(fields)
        else:
            print_fields({**fields, "scopes": " ".join(token.scopes)})

    with_core(config, work)


@app.command("list")
def list_(tenant: TenantOption = TENANT, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List tokens, without the secrets, which nobody knows any more."""

    async def work(core: Core) -> None:
        tokens = await core.api_tokens.list((await core.tenant(tenant)).id)
        if as_json:
            print_json([_fields(token) for token in tokens])
            return
        columns = ("name", "enabled", "created", "created by", "expires", "last used")
        rows = [[*(_fields(token)[column] for column in columns), " ".join(token.scopes)] for token in tokens]
        print_table((*columns, "scopes"), rows)
        if not tokens:
            say_none("API token", core)

    with_core(config, work)


@app.command()
def revoke(name: Name, tenant: TenantOption = TENANT, config: ConfigOption = None) -> None:
    """Delete a token. What was opened with it ends."""

    async def work(core: Core) -> None:
        token = await core.api_tokens.by_name((await core.tenant(tenant)).id, name)
        await core.api_tokens.revoke(token, actor=actor())
        typer.echo(f"token {token.name} revoked")

    with_core(config, work)


def _fields(token: ApiToken) -> dict[str, object]:
    return {
        "name": token.name,
        "enabled": token.enabled,
        "id": str(token.public_id),
        "scopes": list(token.scopes),
        "created": moment(token.created_at_ms),
        "created by": token.created_by,
        "expires": moment(token.expires_at_ms),
        "last used": moment(token.last_used_at_ms),
    }
