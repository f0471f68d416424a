"""What the commands share: finding the configuration, opening the database, printing."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from firstboot.config import ConfigSource, config_file, parse_duration
from firstboot.errors import FirstbootError, InvalidValue
from firstboot.model import DEFAULT_TENANT
from firstboot.moments import moment_text, read_moment

ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="Configuration file (TOML). [env: FIRSTBOOT_CONFIG]")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
TenantOption = Annotated[str, typer.Option("--tenant", help="Name of the tenant.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
TENANT = DEFAULT_TENANT
LONGEST = timedelta(days=36_500)


def source_of(
    file: Path | None, overrides: dict[str, dict[str, Any]] | None = None, defaults: dict[str, str] | None = None
) -> ConfigSource:
    """Gather the settings; ``defaults`` are environment variables that count where none is set."""
    return ConfigSource.read(config_file(file, os.environ), {**(defaults or {}), **os.environ}, overrides)


def actor() -> str:
    """Return who uses the command line, for the audit log."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a user id without a name
        return f"cli:{os.getuid()}"


def with_core(file: Path | None, work: Callable[[Any], Awaitable[None]]) -> None:
    """Open the database, with or without a running server, and do ``work`` with the core."""
    from firstboot.clock import Clock
    from firstboot.core import lay_foundation, open_core
    from firstboot.logs import set_up_logging
    from firstboot.process import run

    async def main() -> None:
        foundation = lay_foundation(source_of(file))
        set_up_logging("WARNING", "text")
        data_dir = foundation.config.server.data_dir.absolute()
        is_new = not data_dir.exists()
        async with open_core(foundation, Clock()) as core:
            if is_new:  # whatever is done now, a server that keeps its data elsewhere knows nothing of it
                typer.echo(f"firstboot: {data_dir} was made just now: is this the right folder?", err=True)
            await work(core)

    run(main)


def print_json(value: object) -> None:
    """Print for programs: keys without spaces, and ASCII only, whatever the terminal's encoding."""
    typer.echo(json.dumps(_with_plain_keys(value), indent=2, default=str))


def _with_plain_keys(value: object) -> object:
    if isinstance(value, dict):
        return {str(key).replace(" ", "_"): _with_plain_keys(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_plain_keys(item) for item in value]
    return value


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]], *, widest: int | None = None) -> None:
    """Print columns as wide as they need to be; nothing but text, so that it can be cut and grepped.

    ``widest``: characters of a cell; what is longer ends with ``…``, for columns that may hold anything.
    """
    texts = [[_cut(_cell(value), widest) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *texts, strict=True)]
    for line in (header, *texts):
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def print_rows(
    rows: Sequence[Mapping[str, object]],
    columns: Sequence[str],
    as_json: bool,
    *,
    what: str,
    core: Any,
    limit: int | None = None,
    widest: int | None = None,
) -> None:
    """Print these columns of rows as a table, or all of them as JSON.

    Beside a table it says when there is no row, or as many as ``limit``: the next ones are after its ``number``.
    """
    if as_json:
        print_json(rows)
        return
    print_table(columns, [[row[column] for column in columns] for row in rows], widest=widest)
    if not rows:
        say_none(what, core)
    elif len(rows) == limit:
        typer.echo(f"There may be more: --after {rows[-1]['number']}", err=True)


def say_none(what: str, core: Any) -> None:
    """Say, aside from the output, that there is nothing, and where was looked: perhaps it is the wrong place."""
    config = core.foundation.config
    typer.echo(f"No {what} found. The data directory is {config.server.data_dir.absolute()}.", err=True)


def print_one(fields: dict[str, object], as_json: bool) -> None:
    """Print one thing, as JSON or a field a line."""
    if as_json:
        print_json(fields)
    else:
        print_fields(fields)


def print_fields(fields: dict[str, object]) -> None:
    """Print one thing, a field a line."""
    width = max(map(len, fields))
    for name, value in fields.items():
        typer.echo(f"{name.ljust(width)}  {_cell(value)}".rstrip())


def moment(at_ms: int | None) -> str | None:
    """Return a moment as people and programs read it: ISO 8601, UTC."""
    return None if at_ms is None else moment_text(at_ms)


def parse_moment(text: str) -> int:
    """Read a date or moment, such as ``2030-01-31`` or ``2030-01-31T12:00:00Z``, as UTC milliseconds."""
    try:
        return read_moment(text)
    except InvalidValue as error:
        raise typer.BadParameter(str(error)) from None


def duration(value: Any) -> timedelta:
    """Read a duration such as ``10m``; what the options of commands are parsed with."""
    try:
        read = parse_duration(value)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if read > LONGEST:
        raise typer.BadParameter(f"give at most {LONGEST.days}d")
    return read


def in_words(value: timedelta) -> str:
    """Return a duration as it is written in options, such as ``24h``."""
    seconds = int(value.total_seconds())
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "m")):
        if seconds and seconds % size == 0 and seconds > size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def given(options: dict[str, Any]) -> dict[str, Any]:
    """Return those of the options that were given, which are not None."""
    return {name: value for name, value in options.items() if value is not None}


def fail(message: str) -> FirstbootError:
    return FirstbootError(message)


def _cut(text: str, widest: int | None) -> str:
    return text if widest is None or len(text) <= widest else f"{text[: widest - 1]}…"


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
