"""``firstboot certs``: certificates to try TLS with, and a look at those in use."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from firstboot.cli.common import ConfigOption, JsonOption, moment, print_json, print_table, source_of

if TYPE_CHECKING:
    from firstboot.config import Config
    from firstboot.development_certificates import DevelopmentFiles

app = typer.Typer(help="Certificates of the server, for TLS.", no_args_is_help=True)

ALWAYS = ("localhost", "127.0.0.1", "::1")


@app.command()
def init(
    host: Annotated[
        list[str] | None,
        typer.Option(
            "--host",
            metavar="<host>",
            help="A name or address by which devices reach the server; several times for several.",
        ),
    ] = None,
    directory: Annotated[
        Path | None, typer.Option("--dir", help="Where the files go. Default: tls in the data directory.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Make a certificate for the server, and a CA of its own that devices are to trust. For development.

    Once more: makes a new server certificate, and keeps the CA.
    """
    from firstboot.development_certificates import DevelopmentFiles, make_certificates

    settings = _config(config)
    if directory is None and not settings.server.data_dir.exists():
        from firstboot.data_dir import prepare_data_dir

        prepare_data_dir(settings.server.data_dir)
    files = DevelopmentFiles((directory or settings.server.data_dir / "tls").absolute())
    hosts = list(dict.fromkeys([*(host or []), settings.server.public_host, *ALWAYS]))
    is_new = make_certificates(files, hosts)
    typer.echo(f"{files.server} is good for {', '.join(hosts)}.")
    typer.echo(f"{files.authority} is what devices trust; {'it is new' if is_new else 'it has stayed the same'}.")
    _show_what_next(files, hosts[0])


def _show_what_next(files: DevelopmentFiles, host: str) -> None:
    ca = shlex.quote(str(files.authority))
    typer.echo(
        f"""
Put this into the configuration, and start the server again:

[tls]
cert = {_toml(files.server)}
key = {_toml(files.server_key)}

[mqtt]
tls_bind = "0.0.0.0:8883"

[http]
tls_bind = "0.0.0.0:8443"

Then a device connects with its access token:

mosquitto_pub --cafile {ca} -h {host} -p 8883 -u ACCESS_TOKEN -q 1 \\
    -t v1/devices/me/telemetry -m '{{"temperature":21.5}}'"""
    )


def _toml(path: Path) -> str:
    text = str(path)
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@app.command()
def show(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show the certificates of the configuration: names, issuer, dates and fingerprint."""
    from cryptography.hazmat.primitives.hashes import SHA256

    from firstboot.clock import Clock
    from firstboot.config import TlsConfig
    from firstboot.errors import ConfigError
    from firstboot.moments import as_datetime
    from firstboot.tls_files import expired, read_files

    now = as_datetime(Clock().now_ms())
    files, problems = read_files(_config(config).section(TlsConfig), now)
    rows = [
        {
            "file": str(each.file),
            "names": list(each.names),
            "issuer": each.leaf.issuer.rfc4514_string(),
            "from": moment(int(each.leaf.not_valid_before_utc.timestamp() * 1000)),
            "until": moment(int(each.expires_at.timestamp() * 1000)),
            "sha256": each.leaf.fingerprint(SHA256()).hex(),
        }
        for each in files.certificates
    ]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(
            list(rows[0]),
            [[", ".join(cell) if isinstance(cell, list) else cell for cell in row.values()] for row in rows],
        )
    elif not problems:
        typer.echo("No certificate is configured. `firstboot certs init` makes one to try with.", err=True)
    problems += expired(files.certificates, now)
    if problems:
        raise ConfigError(*problems)


def _config(file: Path | None) -> Config:
    from firstboot.core import lay_foundation

    return lay_foundation(source_of(file)).config
