"""What an SQLite storage does with files: who may read them, which are refused, how they are copied."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.integration.storage.databases import Database, world_in

from firstboot.errors import InvalidValue, StorageRefused, Unavailable
from firstboot.storage import Outcome
from firstboot_plugins.storage_tortoise.plugin import SqliteBackend
from firstboot_plugins.storage_tortoise.sqlite import SqliteStorage


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process that writes, and takes its time."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


# -- who may read ----------------------------------------------------------------------------------


async def test_only_the_owner_can_read_what_is_made(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    before = os.umask(0)
    try:
        storage = await SqliteBackend().open(f"sqlite://{folder}/firstboot.db")
        await world_in(storage)
        modes = {path.name: mode(path) for path in folder.iterdir()}
        await storage.close()
    finally:
        os.umask(before)

    assert mode(folder) == 0o700
    assert modes == {"firstboot.db": 0o600, "firstboot.db-wal": 0o600, "firstboot.db-shm": 0o600}


async def test_a_file_that_a_group_can_read_is_made_private(sqlite_database: Database) -> None:
    await (await sqlite_database.open()).close()
    sqlite_database.path.chmod(0o640)

    await (await sqlite_database.open()).close()

    assert mode(sqlite_database.path) == 0o600


async def test_a_file_that_everybody_can_read_is_refused(sqlite_database: Database) -> None:
    await (await sqlite_database.open()).close()
    sqlite_database.path.chmod(0o644)

    with pytest.raises(StorageRefused, match="chmod 600"):
        await sqlite_database.open()


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["sqlite://", "sqlite://:memory:", "sqlite://data/", "sqlite://data/x.db?mode=ro"])
async def test_a_url_without_a_file_is_refused(url: str) -> None:
    with pytest.raises(StorageRefused, match="names no database file"):
        await SqliteBackend().open(url)


async def test_a_path_is_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    await (await SqliteBackend().open("sqlite://data/firstboot.db")).close()

    assert (tmp_path / "data" / "firstboot.db").exists()


async def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageRefused, match=str(tmp_path)):
        await SqliteBackend().open(f"sqlite://{tmp_path}")


async def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(sqlite_database: Database) -> None:
    sqlite_database.path.write_bytes(b"Dear diary, " * 1000)
    sqlite_database.path.chmod(0o600)

    with pytest.raises(StorageRefused, match="not an SQLite database"):
        await sqlite_database.open()

    assert sqlite_database.path.read_bytes() == b"Dear diary, " * 1000


async def test_a_file_whose_end_is_missing_is_refused(sqlite_database: Database) -> None:
    await (await sqlite_database.open()).close()
    os.truncate(sqlite_database.path, sqlite_database.path.stat().st_size // 2)

    with pytest.raises(StorageRefused, match=r"damaged.*Restore it from a backup"):
        await sqlite_database.open()


async def test_damage_in_the_middle_is_noticed_at_the_start_after_a_crash(sqlite_database: Database) -> None:
    path = sqlite_database.path
    storage = await sqlite_database.open()
    world = await world_in(storage)
    await world.do(*[world.device(f"meter-{number}") for number in range(500)])
    await storage.close()
    content = bytearray(path.read_bytes())
    content[8192:-8192] = os.urandom(len(content) - 16384)
    path.write_bytes(content)
    # What a process that was killed leaves behind.
    path.with_name("firstboot.db-wal").write_bytes(b"torn")

    with pytest.raises(StorageRefused, match="damaged"):
        await sqlite_database.open()


async def test_a_database_that_another_program_holds_locked_is_refused(sqlite_database: Database) -> None:
    await (await sqlite_database.open()).close()

    with locked(sqlite_database.path), pytest.raises(StorageRefused, match="locked by another program"):
        await SqliteBackend(busy_timeout_ms=1).open(sqlite_database.url)


# -- trouble while it is open ----------------------------------------------------------------------


async def test_writes_are_unavailable_while_another_process_holds_the_lock(sqlite_database: Database) -> None:
    storage = await sqlite_database.open(busy_timeout_ms=1)
    world = await world_in(storage)

    with locked(sqlite_database.path):
        with pytest.raises(Unavailable, match="locked"):
            await world.do(world.device("meter-1"))
        with pytest.raises(Unavailable, match="locked"):
            await storage.write_meta("name", b"value", None)
        assert await storage.find_device(1, "meter-1") is None
    outcomes = await world.do(world.device("meter-1"))

    await storage.close()
    assert outcomes == [Outcome.DONE]


async def test_a_full_disk_makes_writes_unavailable_and_not_reads(sqlite_database: Database) -> None:
    storage = await sqlite_database.open()
    assert isinstance(storage, SqliteStorage)
    world = await world_in(storage)
    (pages,) = await storage._writer.run(lambda connection: connection.execute("PRAGMA page_count").fetchone())
    await storage._writer.run(lambda connection: connection.execute(f"PRAGMA max_page_count={pages}").fetchone())

    with pytest.raises(Unavailable, match="full"):
        await world.do(*[world.device(f"meter-{number}") for number in range(200)])
    made = await storage.find_device(1, "meter-0")
    await storage._writer.run(lambda connection: connection.execute("PRAGMA max_page_count=1000000").fetchone())
    outcomes = await world.do(world.device("meter-0"))

    await storage.close()
    assert made is None
    assert outcomes == [Outcome.DONE]


# -- backup ----------------------------------------------------------------------------------------


async def test_a_backup_under_load_is_complete_and_private(sqlite_database: Database, tmp_path: Path) -> None:
    storage = await sqlite_database.open()
    world = await world_in(storage)
    await world.do(*[world.device(f"first-{number}") for number in range(300)])
    target = tmp_path / "copy.db"

    async def load() -> None:
        for number in range(40):
            await world.do(*[world.device(f"meter-{number}-{each}") for each in range(25)])

    await asyncio.gather(load(), storage.backup(str(target)))
    await storage.close()

    assert mode(target) == 0o600
    with closing(sqlite3.connect(target)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        devices, credentials, counted = (
            connection.execute(sql).fetchone()[0]
            for sql in (
                "SELECT count(*) FROM device",
                "SELECT count(*) FROM credentials",
                "SELECT devices FROM profile_usage",
            )
        )
    assert devices >= 300
    assert devices == credentials == counted
    copy = await Database(f"sqlite://{target}").open()
    assert await copy.find_device(1, "first-299") is not None
    await copy.close()


async def test_a_backup_never_overwrites(sqlite_database: Database, tmp_path: Path) -> None:
    storage = await sqlite_database.open()
    target = tmp_path / "precious"
    target.write_text("last year's backup")

    with pytest.raises(InvalidValue, match="exists already"):
        await storage.backup(str(target))

    await storage.close()
    assert target.read_text() == "last year's backup"


async def test_a_backup_into_a_folder_that_is_not_there_is_refused(
    sqlite_database: Database, tmp_path: Path
) -> None:
    storage = await sqlite_database.open()

    with pytest.raises(InvalidValue, match="cannot be written"):
        await storage.backup(str(tmp_path / "nowhere" / "copy.db"))

    await storage.close()
