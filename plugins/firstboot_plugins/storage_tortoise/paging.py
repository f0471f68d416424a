"""The SQL of lists that are filtered, searched, sorted and paged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from firstboot.storage import PageQuery
from firstboot_plugins.storage_tortoise.encoding import storable
from firstboot_plugins.storage_tortoise.reader import Reader
from firstboot_plugins.storage_tortoise.statements import Row, Rows, Run

_MAX_OFFSET = 2**62


class Conditions:
    """What rows must fulfil, with the values for it."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self.values: list[Any] = []

    def add(self, sql: str, *values: Any) -> None:
        """Add a condition with ``?`` for its values."""
        self._texts.append(sql)
        self.values += values

    def equal(self, column: str, value: Any) -> None:
        """Add that a column has a value, unless the value is None."""
        if value is not None:
            self.add(f"{column} = ?", value)

    def contain(self, text: str | None, upper: str, *columns: str) -> None:
        """Add that one of the columns contains a text, whatever the case; ``upper`` as in `Reader`."""
        if not text:
            return
        if not storable(text):
            self.add("1 = 0")
            return
        upper = _upper_for(text, upper)
        pattern = text.upper().replace("!", "!!").replace("%", "!%").replace("_", "!_")
        found = [f"{upper.format(f'coalesce({column}, {_EMPTY})')} LIKE ? ESCAPE '!'" for column in columns]
        self.add(f"({' OR '.join(found)})", *[f"%{pattern}%"] * len(columns))

    def __str__(self) -> str:
        return " AND ".join(self._texts) or "1 = 1"


_EMPTY = "''"


def _upper_for(text: str, upper: str) -> str:
    """Return how to compare with this text in capitals: what is ASCII needs no help."""
    return "upper({})" if text.isascii() else upper


@dataclass(frozen=True, slots=True)
class Listing:
    """A table as a list: what a row has, and by what rows can be sorted."""

    table: str
    columns: str
    sorts: Mapping[str, str]
    """Columns by the names in `PageQuery.sort`."""
    joins: str = ""
    """What the columns and sorts need beside the table; one row for each of the table."""


@dataclass(frozen=True, slots=True)
class First:
    """Which rows come before all others."""

    sql: str
    """A condition with ``?`` for its value."""
    value: Any

    @classmethod
    def with_text(cls, text: str | None, upper: str, column: str) -> First | None:
        """Return that a column is the whole text, whatever the case; None without text, or when it is nowhere."""
        if not text or not storable(text):
            return None
        return cls(f"{_upper_for(text, upper).format(column)} = ?", text.upper())


async def read_page(
    reader: Reader, listing: Listing, where: Conditions, query: PageQuery, first: First | None = None
) -> tuple[list[Row], int]:
    """Return the rows of one page, and how many rows there are on all pages."""
    counted = await reader.search(
        Run(f"SELECT count(*) FROM {listing.table} WHERE {where}", tuple(where.values))  # noqa: S608
    )
    direction = "DESC" if query.descending else "ASC"
    order = f"{listing.sorts[query.sort]} {direction}, {listing.table}.id {direction}"
    values = list(where.values)
    if first is not None:
        order = f"CASE WHEN {first.sql} THEN 0 ELSE 1 END, {order}"
        values.append(first.value)
    rows: Rows = await reader.search(
        Run(
            f"SELECT {listing.columns} FROM {listing.table} {listing.joins} WHERE {where}"  # noqa: S608
            f" ORDER BY {order} LIMIT ? OFFSET ?",
            (*values, query.page_size, min(query.start, _MAX_OFFSET)),
        )
    )
    return list(rows), counted[0][0]
