"""Bring the schema to this program's version: hand-written SQL, each step in one transaction, under a lock.

A program that is killed in the middle leaves the database as it was before the step.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from firstboot.errors import StorageRefused

WRITE_LOCK = 0x46425F77
"""PostgreSQL's advisory lock that whoever writes holds, for one write transaction or migration at a time."""


@dataclass(frozen=True, slots=True)
class Migration:
    """The step to schema ``version``."""

    version: int
    sql: str


def migrations(kind: str) -> Sequence[Migration]:
    """Return all steps for ``sqlite`` or ``postgres``, in order."""
    folder = resources.files(__package__) / "migrations"
    files = {file.name: file for file in folder.iterdir() if file.name.endswith(f".{kind}.sql")}
    return [Migration(int(name[:4]), file.read_text("utf-8")) for name, file in sorted(files.items())]


def _pending(steps: Sequence[Migration], version: int) -> Sequence[Migration]:
    newest = steps[-1].version
    if version > newest:
        raise StorageRefused(
            f"The database has schema version {version}, and this program knows versions up to {newest}. "
            "Start the newer program that used it last, or restore the backup made before the upgrade."
        )
    return [step for step in steps if step.version > version]


# -- SQLite ----------------------------------------------------------------------------------------


def migrate_sqlite(connection: sqlite3.Connection, path: Path, steps: Sequence[Migration]) -> None:
    """Do what is pending, with a copy of the database beside it before each step, unless it is new.

    Raises: `StorageRefused` when the file is not ours, or newer than this program.
    """
    new = connection.execute("SELECT name FROM sqlite_master LIMIT 1").fetchone() is None
    # A table that a step rebuilds must not take the rows with it that refer to it.
    connection.execute("PRAGMA foreign_keys=OFF")
    while _migrate_sqlite_once(connection, path, steps, copy=not new):
        pass
    connection.execute("PRAGMA foreign_keys=ON")


def _migrate_sqlite_once(
    connection: sqlite3.Connection, path: Path, steps: Sequence[Migration], *, copy: bool
) -> bool:
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _sqlite_version(connection, path)
        pending = _pending(steps, version)
        if pending:
            step = pending[0]
            if copy:
                _copy(path, path.with_name(f"{path.name}.before-{step.version}.bak"))
            for statement in _statements(step.sql):
                connection.execute(statement)
            broken = connection.execute("PRAGMA foreign_key_check").fetchone()
            if broken:
                raise StorageRefused(
                    f"Migration {step.version} would leave rows of {broken[0]} without what they refer to. "
                    "Nothing was changed; please report this."
                )
            connection.execute("INSERT INTO schema_version (version) VALUES (?)", (step.version,))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return bool(pending)


def _sqlite_version(connection: sqlite3.Connection, path: Path) -> int:
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables:
        return 0
    if "schema_version" not in tables:
        raise StorageRefused(f"{path} is a database of another program. Give the path of a file of its own.")
    version: int = connection.execute("SELECT max(version) FROM schema_version").fetchone()[0]
    return version


def _statements(script: str) -> Iterator[str]:
    # executescript() would commit first, and a step must be all or nothing.
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _copy(path: Path, backup: Path) -> None:
    # Over a connection of its own: on one that is in a write transaction, SQLite waits for ever. Nobody can
    # write in between, because that transaction holds the lock.
    # Under another name first: a copy that was cut off must not pass for a backup.
    unfinished = backup.with_name(f"{backup.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(unfinished)) as target:
        source.backup(target)
    unfinished.replace(backup)


# -- PostgreSQL ------------------------------------------------------------------------------------


async def migrate_postgres(connection: Any, steps: Sequence[Migration]) -> None:
    """Do what is pending, over an asyncpg connection.

    Raises: `StorageRefused` when the database is newer than this program.
    """
    while await _migrate_postgres_once(connection, steps):
        pass


async def _migrate_postgres_once(connection: Any, steps: Sequence[Migration]) -> bool:
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", WRITE_LOCK)
        version = 0
        if await connection.fetchval("SELECT to_regclass('schema_version') IS NOT NULL"):
            version = await connection.fetchval("SELECT max(version) FROM schema_version")
        pending = _pending(steps, version)
        if pending:
            await connection.execute(pending[0].sql)
            await connection.execute("INSERT INTO schema_version (version) VALUES ($1)", pending[0].version)
    return bool(pending)
