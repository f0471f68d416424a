"""How a database is read: through Tortoise, in a context of its own for each storage."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from tortoise.context import TortoiseContext
from tortoise.exceptions import BaseORMException

from firstboot.errors import FirstbootError, Unavailable
from firstboot_plugins.storage_tortoise import models
from firstboot_plugins.storage_tortoise.statements import Many, Rows, Run

T = TypeVar("T")

_PATIENCE_S = 5.0


class Reader:
    """An open Tortoise, and how it is asked.

    Tortoise finds its connections by a context variable. Each storage has a context of its own in which its
    reads run as tasks, so that callers need not know, and storages do not meet.
    """

    tables: models.Models
    tables_module: str
    upper: str
    """SQL for a text in capitals, beyond ASCII, with ``{}`` for the text."""
    ids_from_json: str
    """SQL for the numbers of a JSON list in a parameter, as rows."""

    def __init__(self) -> None:
        self._variables = contextvars.copy_context()
        self._tortoise = TortoiseContext()
        self._variables.run(self._tortoise.__enter__)

    def why_unreachable(self, error: Exception) -> str | None:
        """Say why the database cannot be used now, if that is what the error means."""
        raise NotImplementedError

    async def _open_tortoise(self, engine: str, credentials: Mapping[str, Any]) -> None:
        connection = {"engine": engine, "credentials": dict(credentials)}
        app = {"models": [self.tables_module], "default_connection": "default"}
        await self._in_context(
            self._tortoise.init({"connections": {"default": connection}, "apps": {"firstboot": app}})
        )

    async def _close_tortoise(self) -> None:
        await self._in_context(self._tortoise.close_connections())

    async def _in_context(self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.get_running_loop().create_task(work, context=self._variables)

    async def _read(self, work: Callable[[], Awaitable[T]]) -> T:
        async def bounded() -> T:
            # A pool that is used up waits without limit by itself.
            async with asyncio.timeout(_PATIENCE_S):
                return await work()

        with self._translated():
            return await self._in_context(bounded())

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except FirstbootError:
            raise
        except Exception as error:
            wrapped = error.args[0] if isinstance(error, BaseORMException) and error.args else None
            reason = self.why_unreachable(wrapped if isinstance(wrapped, Exception) else error)
            if reason is None:
                raise
            raise Unavailable(f"The database cannot be used now: {reason}.") from error

    async def _fetch(self, request: Run | Many) -> Rows:
        """Read with SQL what an index finds at once. Logins of devices wait for it."""
        raise NotImplementedError

    async def search(self, request: Run) -> Rows:
        """Read with SQL what may take its time, without holding up logins."""
        raise NotImplementedError

    async def _run_in_tortoise(self, sql: str, values: Sequence[Any]) -> Rows:
        async def fetch() -> Rows:
            _, rows = await self._tortoise.db().execute_query(sql, list(values))
            return cast("Rows", rows)  # rows of both drivers are sequences too, whatever Tortoise says

        return await self._read(fetch)
