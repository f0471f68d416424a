"""``firstboot tenant``: whose profiles and devices there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from firstboot.cli.common import (
    ConfigOption,
    JsonOption,
    actor,
    moment,
    print_json,
    print_one,
    print_table,
    with_core,
)
from firstboot.model import Tenant

if TYPE_CHECKING:
    from firstboot.core import Core

app = typer.Typer(help="Tenants: owners of profiles, customers and devices.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Name of the tenant.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a tenant. Make its administrator next: firstboot user create --tenant NAME."""

    async def work(core: Core) -> None:
        print_one(_fields(await core.tenants.create(name, actor=actor())), as_json)

    with_core(config, work)


@app.command("list")
def list_(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List tenants."""

    async def work(core: Core) -> None:
        rows = [_fields(tenant) for tenant in await core.tenants.all()]
        if as_json:
            print_json(rows)
        else:
            print_table(("name", "id", "created"), [list(row.values()) for row in rows])

    with_core(config, work)


def _fields(tenant: Tenant) -> dict[str, object]:
    return {
        "name": tenant.name,
        "id": str(tenant.public_id),
        # The tenant of a database of the first version has no moment.
        "created": moment(tenant.created_at_ms) if tenant.created_at_ms else None,
    }
