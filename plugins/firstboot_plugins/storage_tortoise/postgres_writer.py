"""The PostgreSQL connection that writes, and how it carries out what the algorithms ask for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeVar

import asyncpg
from tortoise.exceptions import DBConnectionError

from firstboot.errors import Unavailable
from firstboot_plugins.storage_tortoise.migrations import WRITE_LOCK
from firstboot_plugins.storage_tortoise.statements import Algorithm, Many, ManySql, Rejected, Rows, Run, numbered

T = TypeVar("T")

_log = logging.getLogger(__name__)

PATIENCE_S = 5.0
_RETRY_S = 0.1
SETTINGS = {
    "application_name": "firstboot",
    "statement_timeout": "5s",
    "lock_timeout": "5s",
    # The write lock of a node that was paused in mid-transaction is free again after this.
    "idle_in_transaction_session_timeout": "5s",
    # Every statement finds its rows by an index. The planner, which may see a table while it is still small
    # and keeps its plan, is not to think otherwise; the penalty by which it is told would wake up the compiler.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}

_TROUBLE = (
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidTransactionStateError,
    asyncpg.TransactionRollbackError,
    asyncpg.PostgresSystemError,
    DBConnectionError,
)
"""Errors that speak of the server's state, and not of the statement."""


def why_unreachable(error: Exception) -> str | None:
    """Say why the database cannot be used now, if that is what the error means."""
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    if isinstance(error, _TROUBLE):
        # The kind only: a server's text may quote what it was sent.
        return type(error).__name__
    return None


def is_trouble(error: Exception) -> bool:
    """Whether the error speaks of the server's state, and not of the statement."""
    return why_unreachable(error) is not None


class Writer:
    """Runs algorithms in transactions, one at a time in the whole installation."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._lock = asyncio.Lock()
        self._connection: Any = None

    async def transact(self, algorithm: Callable[[], Algorithm[T]]) -> T:
        """Run an algorithm in a transaction that is durable when this returns.

        Raises: what the database raised, and then nothing has happened; `Unavailable` when that is not known.
        """
        async with self._lock:
            try:
                return await self._transact(algorithm())
            except BaseException as error:
                if not isinstance(error, Exception) or is_trouble(error):
                    # Nobody knows what state it is in. When it is gone, its transaction is.
                    self._drop()
                raise

    async def _transact(self, algorithm: Algorithm[T]) -> T:
        async with asyncio.timeout(PATIENCE_S):
            if self._connection is None or self._connection.is_closed():
                self._connection = await connect(self._dsn, SETTINGS)
            connection = self._connection
            await connection.execute("BEGIN")
            try:
                row = await connection.fetchrow("SELECT pg_advisory_xact_lock($1), txid_current()", WRITE_LOCK)
                result = await drive(connection, algorithm)
            except Exception as error:
                if not is_trouble(error):
                    await connection.execute("ROLLBACK")
                raise
        try:
            async with asyncio.timeout(PATIENCE_S):
                await connection.execute("COMMIT")
        except Exception as error:
            if not is_trouble(error):
                raise
            self._drop()
            if not await self._was_committed(row[1]):
                raise
        return result

    async def _was_committed(self, transaction: int) -> bool:
        """Find out how a COMMIT ended whose answer was lost."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    try:
                        if self._connection is None:
                            self._connection = await connect(self._dsn, SETTINGS)
                        status = await self._connection.fetchval("SELECT txid_status($1)", transaction)
                    except Exception as error:
                        if not is_trouble(error) or isinstance(error, TimeoutError):
                            raise
                        self._drop()
                        status = "in progress"
                    if status != "in progress":
                        return bool(status == "committed")
                    await asyncio.sleep(_RETRY_S)
        except TimeoutError:
            _log.error(
                "The connection broke during a commit, and PostgreSQL did not come back to say how it ended."
            )
            raise Unavailable("The database went away during a commit.") from None

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def close(self) -> None:
        """Wait for the transaction under way, and disconnect."""
        async with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                try:
                    await connection.close(timeout=PATIENCE_S)
                except (*_TROUBLE, OSError, TimeoutError):
                    connection.terminate()


async def connect(dsn: str, settings: dict[str, str]) -> Any:
    """Connect; the caller closes."""
    return await asyncpg.connect(
        dsn,
        timeout=PATIENCE_S,
        server_settings=settings,
        statement_cache_size=256,
        max_cached_statement_lifetime=0,
    )


async def drive(connection: Any, algorithm: Algorithm[T]) -> T:
    """Carry out what an algorithm asks for."""
    try:
        request = next(algorithm)
        while True:
            try:
                rows = await _answer(connection, request)
            except Exception as error:
                if is_trouble(error):
                    raise
                request = algorithm.throw(Rejected(type(error).__name__))
            else:
                request = algorithm.send(rows)
    except StopIteration as stop:
        result: T = stop.value
        return result


async def _answer(connection: Any, request: Run | Many) -> Rows:
    if isinstance(request, Many) and not request.rows:
        return []
    sql, values = rendered(request)
    rows: Rows = await connection.fetch(sql, *values)
    return rows


def rendered(request: Run | Many) -> tuple[str, Sequence[Any]]:
    """Return SQL and values as PostgreSQL takes them."""
    if isinstance(request, Run):
        return _numbered(request.sql), request.params
    columns = zip(*request.rows, strict=True) if request.rows else [() for _ in request.statement.columns]
    return _many_text(request.statement), [list(column) for column in columns]


_numbered = cache(numbered)


@cache
def _many_text(statement: ManySql) -> str:
    # The rows as one array for each column: one text serves any number of them.
    names = ", ".join(name for name, _ in statement.columns)
    arrays = ", ".join(f"${number}::{type_}[]" for number, (_, type_) in enumerate(statement.columns, 1))
    return f"WITH v ({names}) AS (SELECT * FROM unnest({arrays})) {statement.sql}"  # noqa: S608
