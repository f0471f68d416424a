"""A storage in an SQLite file: one connection writes, one looks credentials up, Tortoise reads the rest."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from firstboot.batching import Batcher
from firstboot.errors import InvalidValue, StorageRefused
from firstboot.storage import AuditChain, Write, WriteResult
from firstboot_plugins.storage_tortoise import sqlite_models
from firstboot_plugins.storage_tortoise.migrations import Migration, migrate_sqlite, migrations
from firstboot_plugins.storage_tortoise.reading import TortoiseReads
from firstboot_plugins.storage_tortoise.sqlite_worker import Worker, answer, connect, why_unreachable
from firstboot_plugins.storage_tortoise.statements import Algorithm, Many, Rejected, Rows, Run
from firstboot_plugins.storage_tortoise.writer import set_meta, write_batch, write_each

T = TypeVar("T")

_MAX_FETCHES = 64
_OLDEST_SQLITE = (3, 35, 0)  # RETURNING


def path_of(url: str) -> Path:
    """Return the file that an ``sqlite://`` URL names: relative to the working directory, or with a third slash.

    Raises: `StorageRefused` when it names none.
    """
    text = url.partition("://")[2]
    if not text or text.endswith("/") or ":memory:" in text or "?" in text:
        raise StorageRefused(
            f"{url!r} names no database file. Write sqlite://folder/firstboot.db, or "
            "sqlite:///folder/firstboot.db for a path from the root; databases in memory and options after a "
            "question mark are not supported."
        )
    return Path(text)


def prepare_file(path: Path) -> None:
    """Make the file and its folder, or see to it that only their owner can read them.

    Raises: `StorageRefused`.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise StorageRefused(f"{path} is not a file. Give the path of a file.")
            if status.st_mode & stat.S_IRWXO:
                raise StorageRefused(
                    f"{path} can be read by everybody on this machine. Run: chmod 600 {path}  "
                    "and consider the secrets in it as known."
                )
            os.fchmod(descriptor, 0o600)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StorageRefused(
            f"{path} cannot be opened: {error.strerror}. Give Firstboot's user the right to read and write it."
        ) from None


def bring_up_to_date(path: Path, steps: Sequence[Migration], busy_timeout_ms: int) -> None:
    """Check the file and migrate it.

    Raises: `StorageRefused`.
    """
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        oldest = ".".join(map(str, _OLDEST_SQLITE))
        raise StorageRefused(f"SQLite {sqlite3.sqlite_version} is too old. Use a Python with {oldest} or newer.")
    log = path.with_name(f"{path.name}-wal")
    unclean = log.exists() and log.stat().st_size > 0
    try:
        with closing(connect(path, busy_timeout_ms)) as connection:
            if unclean:
                _check(connection, path)
            migrate_sqlite(connection, path, steps)
    except sqlite3.Error as error:
        raise StorageRefused(_why_refused(path, error)) from None
    except OSError as error:
        raise StorageRefused(f"{path} cannot be migrated: {error}. Nothing was changed.") from None


def _check(connection: sqlite3.Connection, path: Path) -> None:
    # After a crash only: it reads the whole file.
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise StorageRefused(f"{path} is damaged. Restore it from a backup.")


def _why_refused(path: Path, error: sqlite3.Error) -> str:
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_NOTADB:
            return f"{path} is not an SQLite database. Give the path of a file of its own."
        case sqlite3.SQLITE_CORRUPT:
            return f"{path} is damaged ({error}). Restore it from a backup."
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return f"{path} is locked by another program. End that program, then start again."
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_CANTOPEN:
            return (
                f"{path} cannot be written ({error}). Give Firstboot's user the right to write it and its folder."
            )
        case sqlite3.SQLITE_FULL:
            return f"{path} cannot be opened: the disk is full. Make space, then start again."
        case _:
            return f"{path} cannot be brought up to date ({error}). Nothing was changed; please report this."


def _outcome(connection: sqlite3.Connection, request: Run | Many) -> Rows | Exception:
    try:
        return answer(connection, request)
    except Exception as error:  # for whoever has asked, and not for those beside
        return error


class SqliteStorage(TortoiseReads):
    """An open SQLite database."""

    tables = sqlite_models.MODELS
    tables_module = sqlite_models.__name__
    upper = "firstboot_upper({})"
    ids_from_json = "SELECT value FROM json_each(?)"

    def __init__(self, path: Path, busy_timeout_ms: int) -> None:
        super().__init__()
        self._path = path
        self._busy_timeout_ms = busy_timeout_ms
        self._writer = Worker("writer", path, busy_timeout_ms)
        self._look_up = Worker("look-up", path, busy_timeout_ms)
        # Going to the thread and back costs more than most look-ups: those that wait go together.
        self._fetches: Batcher[Run | Many, Rows | Exception] = Batcher(self._fetch_all, max_batch=_MAX_FETCHES)

    @classmethod
    async def open(
        cls, url: str, busy_timeout_ms: int = 5000, steps: Sequence[Migration] | None = None
    ) -> SqliteStorage:
        """Open the file, which is made when it is not there."""
        path = path_of(url)
        if steps is None:
            steps = migrations("sqlite")
        await asyncio.to_thread(prepare_file, path)
        await asyncio.to_thread(bring_up_to_date, path, steps, busy_timeout_ms)
        storage = cls(path, busy_timeout_ms)
        await storage._open_tortoise(
            f"{__package__}.sqlite_engine",
            {"file_path": str(path), "busy_timeout": busy_timeout_ms, "query_only": "ON"},
        )
        return storage

    def why_unreachable(self, error: Exception) -> str | None:
        """See `TortoiseReads`."""
        return why_unreachable(error)

    async def close(self) -> None:
        """See `firstboot.storage.Storage`."""
        await self._writer.close()
        await self._look_up.close()
        await self._close_tortoise()

    async def write(self, batch: Sequence[Write], chain: AuditChain) -> Sequence[WriteResult]:
        """See `firstboot.storage.Storage`."""
        if not batch:
            return []
        try:
            return await self._transact(lambda: write_batch(batch, chain))
        except Rejected:
            return await self._transact(lambda: write_each(batch, chain))

    async def write_meta(self, name: str, value: bytes, expected: bytes | None) -> bool:
        """See `firstboot.storage.Storage`."""
        return await self._transact(lambda: set_meta(name, value, expected))

    async def _transact(self, algorithm: Callable[[], Algorithm[T]]) -> T:
        with self._translated():
            return await self._writer.transact(algorithm)

    async def _fetch(self, request: Run | Many) -> Rows:
        with self._translated():
            rows = await self._fetches.submit(request)
            if isinstance(rows, Exception):
                raise rows
            return rows

    async def _fetch_all(self, requests: Sequence[Run | Many]) -> Sequence[Rows | Exception]:
        return await self._look_up.run(lambda connection: [_outcome(connection, each) for each in requests])

    async def search(self, request: Run) -> Rows:
        """See `Reader`: over Tortoise's connection, which logins do not wait for."""
        return await self._run_in_tortoise(request.sql, request.params)

    async def backup(self, path: str) -> None:
        """See `firstboot.storage.Storage`."""
        with self._translated():
            await asyncio.to_thread(self._back_up, Path(path))

    def _back_up(self, target: Path) -> None:
        try:
            # SQLite fills an empty file, and keeps its mode.
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            raise InvalidValue(f"{target} exists already. Give the name of a new file.") from None
        except OSError as error:
            raise InvalidValue(f"{target} cannot be written: {error.strerror}. Give another path.") from None
        try:
            with closing(connect(self._path, self._busy_timeout_ms)) as connection:
                connection.execute("VACUUM INTO ?", (str(target),))
            descriptor = os.open(target, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except BaseException:
            target.unlink()
            raise
