"""``firstboot device``: devices."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from firstboot.cli.common import (
    TENANT,
    ConfigOption,
    JsonOption,
    TenantOption,
    YesOption,
    actor,
    fail,
    moment,
    print_json,
    print_one,
    print_rows,
    print_table,
    say_none,
    with_core,
)
from firstboot.cli.line_files import lines_of
from firstboot.errors import FirstbootError
from firstboot.model import Credentials, Device, WantedCredentials
from firstboot.mqtt_passwords import readable_value

if TYPE_CHECKING:
    from firstboot.core import Core

app = typer.Typer(help="Devices: create, look at, switch off, re-open, delete.", no_args_is_help=True)

X509 = "X509_CERTIFICATE"
_WIDEST = 100
"""Characters that a table shows of an attribute; JSON has them all."""

Name = Annotated[str, typer.Argument(help="Name of the device.")]


@app.command("list")
def list_(
    profile: Annotated[str | None, typer.Option(help="Only devices of this profile.")] = None,
    text: Annotated[str | None, typer.Option(help="Only names that contain this.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most devices to print.")] = 100,
    after: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Go on after the device with this number.")] = 0,
    tenant: TenantOption = TENANT,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List devices in the order in which they were made."""

    async def work(core: Core) -> None:
        from firstboot.storage import DeviceQuery

        tenant_id = (await core.tenant(tenant)).id
        profiles = {found.id: found.name for found in await core.profiles.all(tenant_id)}
        profile_id = (await core.profiles.get(tenant_id, profile)).id if profile else None
        query = DeviceQuery(tenant_id=tenant_id, after_id=after, limit=limit, profile_id=profile_id, text=text)
        rows = [_fields(device, profiles) for device in await core.devices.list(query)]
        columns = ("number", "name", "profile", "state", "created", "first login")
        print_rows(rows, columns, as_json, what="device", core=core, limit=limit)

    with_core(config, work)


@app.command()
def show(
    name: Name,
    show_credentials: Annotated[bool, typer.Option("--show-credentials", help="Print its credentials.")] = False,
    tenant: TenantOption = TENANT,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one device."""

    async def work(core: Core) -> None:
        tenant_id = (await core.tenant(tenant)).id
        device = await core.devices.get(tenant_id, name)
        fields = _fields(device, {found.id: found.name for found in await core.profiles.all(tenant_id)})
        credentials = await core.devices.credentials(device)
        fields["credentials type"] = credentials.type
        if show_credentials:
            fields["credentials"] = _shown(credentials)
        print_one(fields, as_json)

    with_core(config, work)


@app.command()
def create(
    names: Annotated[list[str] | None, typer.Argument(help="Names of the devices.")] = None,
    profile: Annotated[str, typer.Option(help="Profile of the devices.")] = ...,  # type: ignore[assignment]
    from_file: Annotated[
        Path | None, typer.Option(help="File with a name a line; - reads standard input.")
    ] = None,
    token: Annotated[str | None, typer.Option(help="Access token; drawn when left out.")] = None,
    client_id: Annotated[str | None, typer.Option(help="MQTT client id.")] = None,
    username: Annotated[str | None, typer.Option(help="MQTT user name.")] = None,
    password: Annotated[str | None, typer.Option(help="MQTT password.")] = None,
    certificate: Annotated[Path | None, typer.Option(help="File with an X.509 certificate (PEM).")] = None,
    label: Annotated[str | None, typer.Option(help="Label of the device.")] = None,
    gateway: Annotated[bool, typer.Option("--gateway", help="The device is a gateway.")] = False,
    tenant: TenantOption = TENANT,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make devices beforehand, and print their credentials.

    They wait for their first boot. Without a credentials option each gets an access token. Names that cannot be
    made are reported, and the others are made. Status 1 when any failed.
    """
    wanted = _wanted(token, client_id, username, password, certificate)
    all_names = [*(names or []), *lines_of(from_file)]
    if not all_names:
        raise typer.BadParameter("give names, or --from-file")
    if wanted.given and len(all_names) > 1:
        raise typer.BadParameter("credentials can be given for one device only")

    async def work(core: Core) -> None:
        import inspect

        from firstboot.devices import DeviceDraft
        from firstboot.errors import Unavailable

        found = await core.profiles.get((await core.tenant(tenant)).id, profile)
        offered = core.foundation.generators.get(wanted.type)
        if offered is None:
            raise fail(f"No plugin makes credentials of type {wanted.type!r}.")
        made: list[dict[str, object]] = []
        failed = 0
        for name in all_names:
            try:
                issued = offered[1].issue(wanted)
                credentials = await issued if inspect.isawaitable(issued) else issued
                draft = DeviceDraft(name=name, credentials=credentials, label=label, gateway=gateway)
                await core.devices.create(found, draft, actor=actor())
            except Unavailable:
                raise
            except FirstbootError as error:
                if len(all_names) == 1:
                    raise
                failed += 1
                typer.echo(f"{name if name.isprintable() else ascii(name)[1:-1]}: {error}", err=True)
            else:
                made.append(
                    {"name": name, "credentials type": credentials.type, "credentials": _shown(credentials)}
                )
        if as_json:
            print_json(made)
        elif made:
            print_table(("name", "credentials type", "credentials"), [list(row.values()) for row in made])
        if failed:
            raise fail(f"{failed} of {len(all_names)} devices were not made.")

    with_core(config, work)


@app.command()
def disable(name: Name, tenant: TenantOption = TENANT, config: ConfigOption = None) -> None:
    """Let a device not log in; its sessions end."""
    _switch(name, tenant, config, enabled=False)


@app.command()
def enable(name: Name, tenant: TenantOption = TENANT, config: ConfigOption = None) -> None:
    """Let a disabled device log in again."""
    _switch(name, tenant, config, enabled=True)


@app.command()
def assign(
    name: Name,
    customer: Annotated[
        str | None, typer.Argument(help="Title of the customer; the device belongs to nobody when left out.")
    ] = None,
    tenant: TenantOption = TENANT,
    config: ConfigOption = None,
) -> None:
    """Give a device to a customer, or take it back."""

    async def work(core: Core) -> None:
        device = await core.devices.get((await core.tenant(tenant)).id, name)
        found = await core.customers.by_title(device.tenant_id, customer) if customer is not None else None
        await core.ownership.assign(device, found, actor=actor())
        typer.echo(f"device {device.name} belongs to {found.title if found else 'no customer'}")

    with_core(config, work)


@app.command()
def attributes(
    name: Name, tenant: TenantOption = TENANT, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """List the attributes of a device, with their values.

    The table cuts long values; JSON has the whole.
    """

    async def work(core: Core) -> None:
        import json

        device = await core.devices.get((await core.tenant(tenant)).id, name)
        stored = await core.storage.device_attributes(device.id)
        rows = [
            {"scope": each.scope.name.lower(), "key": each.key, "value": each.value,
             "updated": moment(each.updated_at_ms)}
            for each in stored
        ]  # fmt: skip
        if as_json:
            print_json(rows)
            return
        columns = ("scope", "key", "value", "updated")
        shown = [[row["scope"], row["key"], json.dumps(row["value"]), row["updated"]] for row in rows]
        print_table(columns, shown, widest=_WIDEST)
        if not rows:
            say_none("attribute", core)

    with_core(config, work)


@app.command()
def reopen(name: Name, tenant: TenantOption = TENANT, config: ConfigOption = None) -> None:
    """Let a device provision itself once more."""

    async def work(core: Core) -> None:
        device = await core.devices.get((await core.tenant(tenant)).id, name)
        await core.devices.reopen(device, actor=actor())
        typer.echo(f"device {device.name} may provision itself once more")

    with_core(config, work)


@app.command()
def delete(
    name: Name,
    yes: YesOption = False,
    tenant: TenantOption = TENANT,
    config: ConfigOption = None,
) -> None:
    """Delete a device; its sessions end."""

    async def work(core: Core) -> None:
        device = await core.devices.get((await core.tenant(tenant)).id, name)
        if not yes:
            typer.confirm(f"Delete device {device.name}?", abort=True)
        await core.devices.delete(device, actor=actor())
        typer.echo(f"device {device.name} deleted")

    with_core(config, work)


def _switch(name: str, tenant: str, config: Path | None, *, enabled: bool) -> None:
    async def work(core: Core) -> None:
        device = await core.devices.get((await core.tenant(tenant)).id, name)
        await core.devices.set_enabled(device, enabled, actor=actor())
        typer.echo(f"device {device.name} {'enabled' if enabled else 'disabled'}")

    with_core(config, work)


def _wanted(
    token: str | None, client_id: str | None, username: str | None, password: str | None, certificate: Path | None
) -> WantedCredentials:
    mqtt = any(part is not None for part in (client_id, username, password))
    if sum((token is not None, mqtt, certificate is not None)) > 1:
        raise typer.BadParameter("give a token, or MQTT credentials, or a certificate")
    if certificate:
        return WantedCredentials(type=X509, certificate=_certificate(certificate))
    if mqtt:
        return WantedCredentials(type="MQTT_BASIC", client_id=client_id, username=username, password=password)
    return WantedCredentials(token=token)


def _certificate(file: Path) -> str:
    # Whatever a device sends is stored, as the contract has it; here a slip of the hand is found at once.
    from cryptography import x509

    try:
        content = file.read_bytes()
        x509.load_pem_x509_certificate(content)
        return content.decode("ascii")
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}") from None
    except ValueError:
        raise typer.BadParameter(f"{file} holds no X.509 certificate in PEM form") from None


def _shown(credentials: Credentials) -> str:
    """Return what the device needs, or the hash of a certificate, which is the device's own."""
    return credentials.id if credentials.type == X509 else readable_value(credentials) or credentials.id


def _fields(device: Device, profiles: dict[int, str]) -> dict[str, Any]:
    return {
        "number": device.id,
        "name": device.name,
        "id": str(device.public_id),
        "profile": profiles.get(device.profile_id),
        "state": device.state if device.enabled else "disabled",
        "enabled": device.enabled,
        "label": device.label,
        "gateway": device.is_gateway,
        "provision state": device.provision_state,
        "created": moment(device.created_at_ms),
        "provisioned": moment(device.provisioned_at_ms),
        "first login": moment(device.first_login_at_ms),
    }
