"""``firstboot user``: people who may log in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
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
    in_words,
    moment,
    print_one,
    print_rows,
    with_core,
)
from firstboot.cli.passwords import PasswordFileOption, read_password
from firstboot.model import Authority, User

if TYPE_CHECKING:
    from firstboot.core import Core

app = typer.Typer(help="Users: people who may log in.", no_args_is_help=True)

Email = Annotated[str, typer.Argument(help="E-mail address of the user.")]
_PAGE_SIZE = 100


@app.command()
def create(
    email: Email,
    authority: Annotated[
        Authority, typer.Option(help="What the user may do at all.", case_sensitive=False)
    ] = Authority.TENANT_ADMIN,
    customer: Annotated[str | None, typer.Option(help="Title of the customer of a CUSTOMER_USER.")] = None,
    first_name: Annotated[str | None, typer.Option(help="First name.")] = None,
    last_name: Annotated[str | None, typer.Option(help="Last name.")] = None,
    password_file: PasswordFileOption = None,
    must_change: Annotated[
        bool, typer.Option("--must-change", help="Mark the password as one to be changed.")
    ] = False,
    tenant: TenantOption = TENANT,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a user with a password. A SYS_ADMIN belongs to no tenant."""
    if authority is Authority.SYS_ADMIN and tenant != TENANT:
        raise typer.BadParameter("a SYS_ADMIN belongs to no tenant", param_hint="'--tenant'")

    async def work(core: Core) -> None:
        tenant_id = None if authority is Authority.SYS_ADMIN else (await core.tenant(tenant)).id
        customer_id = None
        if customer is not None and tenant_id is not None:
            customer_id = (await core.customers.by_title(tenant_id, customer)).id
        user = await core.users.create(
            tenant_id,
            email=email,
            authority=authority,
            customer_id=customer_id,
            first_name=first_name,
            last_name=last_name,
            password=read_password(password_file),
            must_change=must_change,
            actor=actor(),
        )
        print_one(_fields(user), as_json)

    with_core(config, work)


@app.command("list")
def list_(
    tenant: TenantOption = TENANT,
    sys_admins: Annotated[bool, typer.Option("--sys-admins", help="List those that belong to no tenant.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List users of a tenant."""

    async def work(core: Core) -> None:
        from firstboot.storage import PageQuery

        tenant_id = None if sys_admins else (await core.tenant(tenant)).id
        rows: list[dict[str, object]] = []
        number = 0
        while True:
            query = PageQuery(page=number, page_size=_PAGE_SIZE, sort="name")
            page = await core.users.page(tenant_id, query)
            rows += [_fields(user) for user in page.rows]
            number += 1
            if number * _PAGE_SIZE >= page.total:
                break
        columns = ("email", "authority", "state", "name", "created")
        print_rows(rows, columns, as_json, what="user", core=core)

    with_core(config, work)


@app.command("set-password")
def set_password(
    email: Email,
    password_file: PasswordFileOption = None,
    must_change: Annotated[
        bool, typer.Option("--must-change", help="Mark the password as one to be changed.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Give a user another password. All logins of the user end."""

    async def work(core: Core) -> None:
        user = await core.users.by_email(email)
        password = read_password(password_file)
        await core.users.set_password(user, password, must_change=must_change, actor=actor())
        typer.echo(f"password of {user.email} set")

    with_core(config, work)


@app.command()
def disable(email: Email, config: ConfigOption = None) -> None:
    """Let a user log in no more. All logins of the user end."""
    _do(email, config, lambda core, user: core.users.disable(user, actor=actor()), "disabled")


@app.command()
def enable(email: Email, config: ConfigOption = None) -> None:
    """Let a disabled user log in again."""
    _do(email, config, lambda core, user: core.users.enable(user, actor=actor()), "enabled")


@app.command()
def unlock(email: Email, config: ConfigOption = None) -> None:
    """Let a user log in at once who was locked out.

    Wrong passwords that were tried count no more.
    """
    _do(email, config, lambda core, user: core.users.unlock(user, actor=actor()), "unlocked")


@app.command()
def delete(
    email: Email,
    yes: YesOption = False,
    config: ConfigOption = None,
) -> None:
    """Delete a user. All logins of the user end."""

    async def confirmed(core: Core, user: User) -> None:
        if not yes:
            typer.confirm(f"Delete user {user.email}?", abort=True)
        await core.users.delete(user, actor=actor())

    _do(email, config, confirmed, "deleted")


@app.command("rotate-signing-key")
def rotate_signing_key(
    overlap: Annotated[
        timedelta,
        typer.Option(
            parser=duration,
            metavar="<time>",
            help="How long tokens of the old key stay good; 0s ends all logins.",
            show_default="7d",
        ),
    ] = timedelta(days=7),
    config: ConfigOption = None,
) -> None:
    """Sign the tokens of people with another key."""

    async def work(core: Core) -> None:
        from firstboot.clock import milliseconds
        from firstboot.signing_keys import SigningKeys
        from firstboot.storage import AppendAudit, AuditEntry

        keys = SigningKeys(core.storage, core.keyring, core.clock)
        await keys.rotate(overlap_ms=milliseconds(overlap))
        entry = AuditEntry(
            at_ms=core.clock.now_ms(),
            event="signing-key-rotated",
            actor=actor(),
            detail=f"overlap {in_words(overlap)}",
        )
        await core.commits.submit(AppendAudit(entry))
        typer.echo("signing key rotated")

    with_core(config, work)


def _do(email: str, config: Any, change: Callable[[Core, User], Awaitable[object]], done: str) -> None:
    async def work(core: Core) -> None:
        user = await core.users.by_email(email)
        await change(core, user)
        typer.echo(f"user {user.email} {done}")

    with_core(config, work)


def _fields(user: User) -> dict[str, object]:
    return {
        "email": user.email,
        "id": str(user.public_id),
        "authority": user.authority.value,
        "state": _state(user),
        "name": " ".join(filter(None, (user.first_name, user.last_name))) or None,
        "must change password": user.must_change,
        "created": moment(user.created_at_ms),
    }


def _state(user: User) -> str:
    if not user.enabled:
        return "disabled"
    return "active" if user.password_hash is not None else "not activated"
