"""Everything that a bucket has collected, as a file that is written while it is read."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from firstboot.csv_cells import safe_cell
from firstboot.model import ResourceRow
from firstboot_plugins.dialects.thinger.bucket_data import told

_CHUNK = 32_768
"""Characters that are sent at once."""

Export = Callable[[AsyncIterator[ResourceRow]], AsyncIterator[str]]


def as_json(rows: AsyncIterator[ResourceRow]) -> AsyncIterator[str]:
    """Write one array. Without its end it is no JSON: whoever got only a part notices."""
    return _in_chunks(_json(rows))


def as_csv(rows: AsyncIterator[ResourceRow]) -> AsyncIterator[str]:
    """Write a line for each member of a row, because the rows of a bucket need not have the same ones."""
    return _in_chunks(_csv(rows))


EXPORTS: Mapping[str, tuple[str, Export]] = {
    "json": ("application/json", as_json),
    "csv": ("text/csv; charset=utf-8", as_csv),
}
"""Content type, and what writes it, by the name of the format."""


async def _json(rows: AsyncIterator[ResourceRow]) -> AsyncIterator[str]:
    before = "["
    async for row in rows:
        yield before + _encoded(told(row))
        before = ","
    yield "[]" if before == "[" else "]"


async def _csv(rows: AsyncIterator[ResourceRow]) -> AsyncIterator[str]:
    yield _line("ts", "key", "value")
    async for row in rows:
        members = row.value if isinstance(row.value, dict) else {"": row.value}
        for key, value in members.items():
            cell = safe_cell(value) if isinstance(value, str) else _encoded(value)
            yield _line(row.at_ms, safe_cell(key), cell)


def _line(*cells: object) -> str:
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue()


def _encoded(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


async def _in_chunks(pieces: AsyncIterator[str]) -> AsyncIterator[str]:
    waiting, size = [], 0
    async for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= _CHUNK:
            yield "".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield "".join(waiting)
