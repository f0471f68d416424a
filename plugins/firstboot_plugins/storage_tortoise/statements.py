"""What the write algorithm asks of a database, in terms that both kinds can do quickly.

An algorithm is a generator: it yields a `Run` or a `Many` and is sent the rows. It knows nothing of threads,
connections and event loops, so one text serves both kinds of database.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

Row: TypeAlias = Sequence[Any]
Rows: TypeAlias = Sequence[Row]
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Run:
    """One statement with ``?`` for its parameters."""

    sql: str
    params: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class ManySql:
    """A statement over any number of rows at once, which it reads from the table ``v``."""

    sql: str
    columns: tuple[tuple[str, str], ...]
    """Names of the columns of ``v``, and their types in PostgreSQL."""


@dataclass(frozen=True, slots=True)
class Many:
    """A `ManySql` with its rows. With no rows nothing is done."""

    statement: ManySql
    rows: Sequence[tuple[Any, ...]]


Request: TypeAlias = Run | Many
Algorithm: TypeAlias = Generator[Request, Rows, Result]


class Rejected(Exception):
    """The database is well, but does not take these values. Says only the error's kind: texts quote values."""


def numbered(sql: str) -> str:
    """Return ``sql`` with ``$1``, ``$2``, ... for its ``?``. No text in our SQL has a question mark in it."""
    head, *tail = sql.split("?")
    return head + "".join(f"${number}{part}" for number, part in enumerate(tail, 1))


def inserting(table: str, columns: Sequence[str]) -> str:
    """Return the statement that inserts a row and gives its id."""
    marks = ", ".join("?" for _ in columns)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}) RETURNING id"  # noqa: S608


def updating(table: str, columns: Sequence[str]) -> str:
    """Return the statement that sets the columns of the row with an id, and counts its version up."""
    values = ", ".join(f"{name} = ?" for name in columns)
    return f"UPDATE {table} SET {values}, version = version + 1 WHERE id = ? RETURNING version"  # noqa: S608
