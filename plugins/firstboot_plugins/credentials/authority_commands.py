"""``firstboot ca``: the authority that issues certificates to devices."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from firstboot.cli.common import TENANT, ConfigOption, TenantOption, actor, fail, with_core

app = typer.Typer(help="The authority that issues certificates to devices.", no_args_is_help=True)


@app.command()
def show(config: ConfigOption = None) -> None:
    """Print the authority's certificate (PEM); it is made when there is none."""

    async def work(core: Any) -> None:
        typer.echo(await core.certificates.certificate(), nl=False)

    with_core(config, work)


@app.command(name="import")
def import_(
    certificate: Annotated[Path, typer.Argument(help="Certificate (PEM), then those that vouch for it.")],
    key: Annotated[Path, typer.Argument(help="Its private key (PEM), without a passphrase.")],
    config: ConfigOption = None,
) -> None:
    """Issue with another authority from now on. What was issued before stays good for logging in."""

    async def work(core: Any) -> None:
        await core.certificates.install(_read(certificate), _read(key))
        typer.echo("Certificates are issued with this authority from now on.")

    with_core(config, work)


@app.command()
def crl(
    file: Annotated[Path, typer.Argument(help="Where the list of revoked certificates goes (DER).")],
    config: ConfigOption = None,
) -> None:
    """Write the signed list of revoked certificates, as GET /api/firstboot/ca.crl answers it."""

    async def work(core: Any) -> None:
        try:
            file.write_bytes(await core.certificates.revocation_list())
        except OSError as error:
            raise fail(f"{file} cannot be written: {error.strerror}.") from None

    with_core(config, work)


@app.command()
def revoke(
    device: Annotated[str, typer.Argument(help="Name of the device.")],
    tenant: TenantOption = TENANT,
    config: ConfigOption = None,
) -> None:
    """Revoke all credentials of a device. Its sessions end, and its certificates come onto the list."""

    async def work(core: Any) -> None:
        found = await core.devices.get((await core.tenant(tenant)).id, device)
        await core.devices.revoke_credentials(found, actor=actor())
        typer.echo(f"The credentials of {found.name} are revoked.")

    with_core(config, work)


@app.command()
def trust(
    profile: Annotated[str, typer.Argument(help="Name of the device profile.")],
    authority: Annotated[Path, typer.Argument(help="Certificate (PEM) that vouches for its devices.")],
    pattern: Annotated[
        str | None, typer.Option(help="Finds the device's name in the common name: its first group.")
    ] = None,
    allow_create: Annotated[
        bool | None, typer.Option("--allow-create/--no-create", help="Whether devices are made.")
    ] = None,
    lax: Annotated[
        bool | None, typer.Option("--lax/--strict", help="Whether signatures alone are looked at.")
    ] = None,
    tenant: TenantOption = TENANT,
    config: ConfigOption = None,
) -> None:
    """Let certificates of an authority prove the devices of a profile.

    Nobody has to prove to have its key here, as over REST: you answer for all tenants.
    """
    from firstboot_plugins.strategies.authority_proof import save
    from firstboot_plugins.strategies.certificate_settings import CertificateSettings, applied

    async def work(core: Any) -> None:
        found = await core.profiles.get((await core.tenant(tenant)).id, profile)
        settings = CertificateSettings(
            authority=_read(authority), counts=True, pattern=pattern, allow_create=allow_create, lax=lax
        )
        wanted = applied(settings, found, core.profiles)
        await save(core, wanted, expected_version=found.version, actor=actor())
        typer.echo(f"Certificates of this authority prove the devices of {found.name}.")

    with_core(config, work)


def _read(file: Path) -> str:
    try:
        return file.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no PEM"
        raise fail(f"{file} cannot be read: {reason}.") from None
