"""SQLite connections, each with a thread of its own, and how they carry out what the algorithms ask for."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from firstboot_plugins.storage_tortoise.statements import Algorithm, Many, ManySql, Rejected, Row, Run

T = TypeVar("T")

_SIZES = (256, 192, 128, 96, 64, 48, 32, 24, 16, 12, 8, 6, 4, 3, 2, 1)
"""Numbers of rows for which there are statements: few, and most batches are one or two of them."""
_STATEMENT_CACHE = 512
_AUTOCHECKPOINT_PAGES = 4000

_TROUBLE = {
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_AUTH, sqlite3.SQLITE_NOLFS,
}  # fmt: skip
"""Primary result codes that speak of the database's state, and not of the statement."""


def why_unreachable(error: Exception) -> str | None:
    """Say why the database cannot be used now, if that is what the error means."""
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, OSError | MemoryError):
        return str(error) or type(error).__name__
    if isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _TROUBLE:
        return str(error)
    return None


def is_trouble(error: Exception) -> bool:
    """Whether the error speaks of the database's state, and not of the statement."""
    return why_unreachable(error) is not None


def connect(path: Path, busy_timeout_ms: int) -> sqlite3.Connection:
    """Open a file that exists."""
    # Without the URI SQLite would make an empty database when the file has been taken away.
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_STATEMENT_CACHE,
    )
    try:
        connection.execute(f"PRAGMA busy_timeout={busy_timeout_ms}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA wal_autocheckpoint={_AUTOCHECKPOINT_PAGES}")
    except BaseException:
        connection.close()
        raise
    return connection


class Worker:
    """A thread with a connection that nobody else uses."""

    def __init__(self, name: str, path: Path, busy_timeout_ms: int) -> None:
        self._path = path
        self._busy_timeout_ms = busy_timeout_ms
        self._executor = ThreadPoolExecutor(1, f"firstboot-sqlite-{name}")
        self._connection: sqlite3.Connection | None = None

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do something with the connection, in the thread."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._run, work)

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._connection is None:
            self._connection = connect(self._path, self._busy_timeout_ms)
        return work(self._connection)

    async def transact(self, algorithm: Callable[[], Algorithm[T]]) -> T:
        """Run an algorithm in a write transaction."""
        return await self.run(lambda connection: self._transact(connection, algorithm()))

    def _transact(self, connection: sqlite3.Connection, algorithm: Algorithm[T]) -> T:
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = drive(connection, algorithm)
            connection.execute("COMMIT")
        except BaseException:
            self._roll_back(connection)
            raise
        return result

    def _roll_back(self, connection: sqlite3.Connection) -> None:
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            # A connection in an unknown state holds its lock until it is closed.
            connection.close()
            self._connection = None

    async def close(self) -> None:
        """End the thread, after what it has begun."""
        await asyncio.get_running_loop().run_in_executor(self._executor, self._close)
        self._executor.shutdown()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def drive(connection: sqlite3.Connection, algorithm: Algorithm[T]) -> T:
    """Carry out what an algorithm asks for."""
    try:
        request = next(algorithm)
        while True:
            try:
                rows = answer(connection, request)
            except Exception as error:
                if is_trouble(error):
                    raise
                request = algorithm.throw(Rejected(type(error).__name__))
            else:
                request = algorithm.send(rows)
    except StopIteration as stop:
        result: T = stop.value
        return result


def answer(connection: sqlite3.Connection, request: Run | Many) -> list[Row]:
    """Run one request."""
    if isinstance(request, Run):
        return connection.execute(request.sql, request.params).fetchall()
    return _run_many(connection, request.statement, request.rows)


_sql: dict[tuple[ManySql, int], str] = {}


def _run_many(connection: sqlite3.Connection, statement: ManySql, rows: Sequence[tuple[Any, ...]]) -> list[Row]:
    """Run a statement over many rows.

    Of a few sizes, so that SQLite finds their texts prepared.
    """
    found: list[Row] = []
    start = 0
    while start < len(rows):
        size = next(size for size in _SIZES if size <= len(rows) - start)
        sql = _sql.get((statement, size))
        if sql is None:
            sql = _sql[statement, size] = _text(statement, size)
        values = [value for row in rows[start : start + size] for value in row]
        found += connection.execute(sql, values).fetchall()
        start += size
    return found


def _text(statement: ManySql, size: int) -> str:
    names = ", ".join(name for name, _ in statement.columns)
    row = f"({', '.join('?' for _ in statement.columns)})"
    return f"WITH v ({names}) AS (VALUES {', '.join([row] * size)}) {statement.sql}"
