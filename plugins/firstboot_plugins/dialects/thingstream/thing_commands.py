"""``firstboot thingstream thing``: Things."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from firstboot.cli.common import (
    TENANT,
    ConfigOption,
    JsonOption,
    TenantOption,
    actor,
    moment,
    print_rows,
    with_core,
)

if TYPE_CHECKING:
    from firstboot.core import Core
    from firstboot.model import Device
    from firstboot_plugins.dialects.thingstream.thing_record import ThingRecord

app = typer.Typer(help="Things; what else there is to do with them: firstboot device.", no_args_is_help=True)

Ids = Annotated[list[str] | None, typer.Argument(metavar="[THING]...", help="Ids, such as device:<uuid>.")]
Id = Annotated[str, typer.Argument(help="Its id, such as device:<uuid>.")]
State = Literal["allocated", "active", "deactivated"]
OfProfile = Annotated[str | None, typer.Option("--profile", help="All that fit of this profile.")]


@app.command("list")
def list_(
    profile: Annotated[str | None, typer.Option(help="Only Things of this profile.")] = None,
    state: Annotated[State | None, typer.Option(help="Only Things in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most Things to print.")] = 100,
    tenant: TenantOption = TENANT,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List Things in the order in which they were made."""

    async def work(core: Core) -> None:
        from firstboot_plugins.dialects.thingstream.profiles import ThingstreamProfiles
        from firstboot_plugins.dialects.thingstream.thing_record import record_of
        from firstboot_plugins.dialects.thingstream.things import Things

        tenant_id = (await core.tenant(tenant)).id
        profiles = ThingstreamProfiles(core)
        chosen = (await profiles.get(tenant_id, profile))[0] if profile is not None else None
        names = {each.id: each.name for each, _ in await profiles.all(tenant_id, deleted=True)}
        found: list[ThingRecord] = []
        async for device in Things(core).all(tenant_id, chosen):
            if device.profile_id not in names:
                continue
            record = record_of(device, names[device.profile_id])
            if state in (None, record.state.value):
                found.append(record)
            if len(found) == limit:
                break
        fields = [_fields(record) for record in found]
        columns = ("id", "name", "hardware id", "profile", "plan", "state", "created")
        print_rows(fields, columns, as_json, what="Thing", core=core, widest=60)

    with_core(config, work)


@app.command()
def activate(
    things: Ids = None, profile: OfProfile = None, tenant: TenantOption = TENANT, config: ConfigOption = None
) -> None:
    """Let Things log in, with the credentials that they have; with --profile all that are allocated."""
    _each(things, profile, tenant, config, "activated")


@app.command()
def deactivate(
    things: Ids = None, profile: OfProfile = None, tenant: TenantOption = TENANT, config: ConfigOption = None
) -> None:
    """Let Things log in no more; with --profile all that were replaced. Their sessions end."""
    _each(things, profile, tenant, config, "deactivated")


@app.command()
def compromised(thing: Id, tenant: TenantOption = TENANT, config: ConfigOption = None) -> None:
    """Have a receiver of AssistNow told another chipcode when it asks again."""

    async def work(core: Core) -> None:
        from firstboot_plugins.dialects.thingstream.things import Things

        things = Things(core)
        device = await things.get((await core.tenant(tenant)).id, thing)
        typer.echo(f"{(await things.compromised(device, actor=actor())).name} gets another chipcode")

    with_core(config, work)


def _each(ids: list[str] | None, profile: str | None, tenant: str, config: ConfigOption, done: str) -> None:
    if bool(ids) == (profile is not None):
        raise typer.BadParameter("give ids of Things, or --profile")

    async def work(core: Core) -> None:
        from firstboot_plugins.dialects.thingstream.profiles import ThingstreamProfiles
        from firstboot_plugins.dialects.thingstream.things import Things

        tenant_id, things = (await core.tenant(tenant)).id, Things(core)
        change = things.activate if done == "activated" else things.deactivate
        for id_ in ids or ():
            device: Device = await change(await things.get(tenant_id, id_), actor=actor())
            typer.echo(f"{device.name} {done}")
        if profile is not None:
            found, _ = await ThingstreamProfiles(core).get(tenant_id, profile)
            all_of = things.activate_all if done == "activated" else things.deactivate_superseded
            typer.echo(f"{await all_of(found, actor=actor())} Things {done}")

    with_core(config, work)


def _fields(record: ThingRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "name": record.name,
        "hardware id": record.hardware_id,
        "profile": record.profile,
        "plan": record.plan,
        "tags": list(record.tags),
        "state": record.state.value,
        "created": moment(record.created_ms),
        "activated": moment(record.activated_ms),
        "supersedes": record.supersedes,
        "superseded by": record.superseded_by,
    }
