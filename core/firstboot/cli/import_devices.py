"""``firstboot import``: thousands of devices from a delivery list."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, cast

import typer

from firstboot.cli.common import (
    TENANT,
    ConfigOption,
    JsonOption,
    TenantOption,
    actor,
    duration,
    fail,
    parse_moment,
    print_one,
    with_core,
)

if TYPE_CHECKING:
    from firstboot.core import Core
    from firstboot.csv_records import Record
    from firstboot.device_import import Tally
    from firstboot.import_plans import Wishes
    from firstboot.import_rows import RowReader
    from firstboot.model import Tenant
    from firstboot.secrets_file import SecretsFile

_DELIMITERS = ",;\t"
_PEEKED_BYTES = 65_536
_SHOWN_EVERY_S = 0.2


def import_devices(
    file: Annotated[
        Path, typer.Argument(help="Delivery list: CSV in UTF-8 with a header; - reads standard input.")
    ],
    profile: Annotated[
        str | None, typer.Option(help="Profile of rows that name none; else the default one.")
    ] = None,
    customer: Annotated[str | None, typer.Option(help="Title of the customer who gets the devices.")] = None,
    generate_secrets: Annotated[
        bool, typer.Option("--generate-secrets", help="Make a claim secret for each device that has none.")
    ] = False,
    secrets: Annotated[
        Path | None,
        typer.Option(metavar="<file>", help="New CSV file for names and claim secrets: they are told once."),
    ] = None,
    claim_until: Annotated[
        int | None,
        typer.Option(parser=parse_moment, metavar="<date>", help="Until when devices may be claimed (UTC)."),
    ] = None,
    claim_for: Annotated[
        timedelta | None,
        typer.Option(parser=duration, metavar="<time>", help="For how long they may be.", show_default="365d"),
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Change devices that exist as their rows say.")
    ] = False,
    replace_secrets: Annotated[
        bool, typer.Option("--replace-secrets", help="Give devices that exist other claim secrets, too.")
    ] = False,
    name_column: Annotated[
        str, typer.Option(metavar="<title>", help="Column that has the names, such as DevEUI.")
    ] = "name",
    ignore: Annotated[
        list[str] | None, typer.Option(metavar="<title>", help="Column to leave out. Repeatable.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every row, and change nothing.")] = False,
    tenant: TenantOption = TENANT,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Make devices from a delivery list; running servers go on.

    Columns are found by their titles: name (needed), label, profile, description, gateway, token, client-id,
    username, password, certificate, secret, claim-until, server:KEY and shared:KEY for attributes. A row that
    fails is reported with its line, and the others are done; the status is 1 then. Type the same command again
    after an interruption: devices that exist are left alone.
    """
    if claim_until is not None and claim_for is not None:
        raise typer.BadParameter("give --claim-until or --claim-for")
    if generate_secrets and secrets is None and not dry_run:
        raise typer.BadParameter("secrets that are made have to go somewhere: give --secrets, too")
    if generate_secrets and customer is not None:
        raise typer.BadParameter("devices that belong to a customer cannot be claimed: no --generate-secrets")

    async def work(core: Core) -> None:
        from firstboot.clock import milliseconds
        from firstboot.import_plans import Wishes

        into_tenant = await core.tenant(tenant)
        tenant_id = into_tenant.id
        until_ms = claim_until if claim_for is None else core.clock.now_ms() + milliseconds(claim_for)
        wishes = Wishes(
            tenant_id=tenant_id,
            actor=actor(),
            profile=await core.profiles.get(tenant_id, profile) if profile is not None else None,
            customer=await core.customers.by_title(tenant_id, customer) if customer is not None else None,
            generate_secrets=generate_secrets,
            until_ms=until_ms,
            update=update,
            replace_secrets=replace_secrets,
        )
        with _records(file) as records:
            reader = _reader(records, name_column, ignore or [])
            tally, into = await _import(
                core, into_tenant, wishes, records, reader, None if dry_run else secrets, dry_run
            )
        _report(tally, into, as_json)

    with_core(config, work)


@contextmanager
def _records(file: Path) -> Iterator[Iterator[Record]]:
    """Open a list; its first line tells what stands between the cells."""
    from firstboot.csv_records import read_records

    raw: BinaryIO = sys.stdin.buffer if str(file) == "-" else _opened(file)
    with io.BufferedReader(cast(Any, raw), _PEEKED_BYTES) as bytes_:
        first_line = bytes_.peek(_PEEKED_BYTES).partition(b"\n")[0].decode("utf-8", "replace")
        delimiter = max(_DELIMITERS, key=first_line.count)
        with io.TextIOWrapper(bytes_, "utf-8", errors="surrogateescape", newline="") as text:
            yield read_records(text, delimiter)


def _opened(file: Path) -> BinaryIO:
    try:
        return file.open("rb", buffering=0)
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}") from None


def _reader(records: Iterator[Record], name_column: str, ignored: list[str]) -> RowReader:
    from firstboot.import_rows import RowReader

    header = next(records, None)
    if header is None:
        raise fail("The list is empty.")
    if header.error is not None:
        raise fail(f"line {header.line}: {header.error} Save the list as CSV in UTF-8.")
    return RowReader(header.cells, name_column=name_column, ignored=ignored)


async def _import(
    core: Core,
    tenant: Tenant,
    wishes: Wishes,
    records: Iterator[Record],
    reader: RowReader,
    path: Path | None,
    dry_run: bool,
) -> tuple[Tally, SecretsFile | None]:
    from firstboot.device_import import DeviceImport
    from firstboot.secrets_file import SecretsFile

    terminal = _Terminal()
    secrets = SecretsFile(path, tenant.public_id) if path is not None else None
    try:
        importing = DeviceImport(core, wishes, secrets, terminal.say_failed)
        doing = importing.check if dry_run else importing.run
        return await doing(records, reader, terminal.show), secrets
    finally:
        terminal.clear()
        if secrets is not None:
            if secrets.unfinished.exists():
                typer.echo(
                    f"The secrets so far are in {secrets.unfinished}. Type the same command again to go on.",
                    err=True,
                )
            secrets.close()


@dataclass
class _Terminal:
    """Shows how far an import is, on a terminal only."""

    _shown_at: float = 0.0
    _started_at: float = 0.0
    _visible: bool = False

    def show(self, tally: Tally) -> None:
        now = time.monotonic()
        self._started_at = self._started_at or now
        if now - self._shown_at < _SHOWN_EVERY_S or not sys.stderr.isatty():
            return
        self._shown_at = now
        passed_s = now - self._started_at
        rate = f", {tally.rows / passed_s:,.0f} a second" if passed_s >= 1 else ""
        self.clear()
        typer.echo(f"{tally.rows:,} rows{rate}", err=True, nl=False)
        self._visible = True

    def say_failed(self, line: int, reason: str) -> None:
        self.clear()
        typer.echo(f"line {line}: {reason}", err=True)

    def clear(self) -> None:
        if self._visible:
            typer.echo("\r\x1b[K", err=True, nl=False)
            self._visible = False


def _report(tally: Tally, secrets: SecretsFile | None, as_json: bool) -> None:
    fields: dict[str, object] = {name.replace("_", " "): count for name, count in asdict(tally).items()}
    if not tally.gone_on_with:
        del fields["gone on with"]
    if secrets is not None:
        fields["secrets"] = str(secrets.path) if secrets.path.exists() else None
    print_one(fields, as_json)
    if tally.failed:
        raise fail(f"{tally.failed} of {tally.rows} rows failed.")
