"""ThingsBoard's import of many devices from one table (contract 5.5)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Annotated

from pydantic import Field

from firstboot.csv_records import Record, read_records
from firstboot.errors import FirstbootError, InvalidValue
from firstboot_plugins.admin.failures import failure_of
from firstboot_plugins.admin.operation import Call, operation, tenant_admins
from firstboot_plugins.admin.thingsboard.devices import TAG
from firstboot_plugins.admin.thingsboard.errors import THINGSBOARD
from firstboot_plugins.admin.thingsboard.import_rows import Column, ImportedDevice, check_columns, read_row
from firstboot_plugins.admin.thingsboard.imported_devices import Importer
from firstboot_plugins.admin.thingsboard.shapes import Shape

MAX_ROWS = 100_000
MAX_ERRORS_LISTED = 1000
ROWS_AT_A_TIME = 100
"""As many as one commit takes: others wait while they are read."""
MAX_COLUMNS = 1000


class Mapping(Shape):
    """How to read the table."""

    columns: Annotated[list[Column], Field(min_length=1, max_length=MAX_COLUMNS)]
    delimiter: str = ","
    header: bool = False
    """Whether the first line names the columns, and is no device."""
    update: bool = False
    """Whether attributes and telemetry of devices that exist are set."""


class ImportBody(Shape):
    """A table in CSV, and how to read it."""

    file: str
    mapping: Mapping


class ImportResult(Shape):
    """What became of the rows."""

    created: int
    updated: int
    errors: int
    errors_list: list[str]
    """The first of them, each with its line."""


@operation(
    "POST",
    "/api/device/bulk_import",
    dialect=THINGSBOARD,
    tag=TAG,
    access=tenant_admins("devices:create"),
    body=ImportBody,
    answers=ImportResult,
    is_import=True,
)
async def import_devices(call: Call) -> object:
    """Create or change a device for each row of a table; a row that fails fails alone.

    An API token needs ``devices:write`` to change devices that exist.
    """
    body: ImportBody = call.body
    mapping = body.mapping
    check_columns(mapping.columns)
    if len(mapping.delimiter) != 1 or mapping.delimiter in '"\r\n':
        raise InvalidValue("The delimiter must be one character, and neither a quote nor a line end!")
    records = read_records(body.file, mapping.delimiter)
    if mapping.header:
        next(records, None)
    importer = Importer(call, update=mapping.update)
    tally = _Tally()
    kept = islice(records, MAX_ROWS)
    while some := list(islice(kept, ROWS_AT_A_TIME)):
        await _import(some, mapping.columns, importer, tally)
    for left in records:
        tally.fail(left.line, f"The table has more than {MAX_ROWS} rows; all from here on were left out.")
        break
    return tally.result()


async def _import(records: Sequence[Record], columns: Sequence[Column], importer: Importer, tally: _Tally) -> None:
    rows: list[tuple[int, ImportedDevice]] = []
    for record in records:
        try:
            if record.error is not None:
                raise InvalidValue(record.error)
            rows.append((record.line, read_row(columns, record.cells)))
        except FirstbootError as error:
            tally.fail(record.line, str(failure_of(error, THINGSBOARD)))
    saved = await importer.save_all([row for _, row in rows])
    for (line, _), result in zip(rows, saved, strict=True):
        if isinstance(result, FirstbootError):
            tally.fail(line, str(failure_of(result, THINGSBOARD)))
        else:
            tally.done(created=result)


class _Tally:
    def __init__(self) -> None:
        self._created = 0
        self._updated = 0
        self._errors: list[tuple[int, str]] = []

    def done(self, *, created: bool) -> None:
        self._created += created
        self._updated += not created

    def fail(self, line: int, message: str) -> None:
        self._errors.append((line, message))

    def result(self) -> ImportResult:
        listed = sorted(self._errors)[:MAX_ERRORS_LISTED]
        return ImportResult(
            created=self._created,
            updated=self._updated,
            errors=len(self._errors),
            errors_list=[f"Line {line}: {message}" for line, message in listed],
        )


OPERATIONS = (import_devices,)
