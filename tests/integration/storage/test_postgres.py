"""A PostgreSQL that refuses, goes away, comes back, or is slow."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from tests.integration.storage.databases import Database, world_in
from tests.services import PostgresServer, free_port

from firstboot.errors import InvalidValue, StorageRefused, Unavailable
from firstboot.storage import Outcome, RecordLogin, Storage
from firstboot.testing.storage_base import World, digest
from firstboot_plugins.storage_tortoise import postgres_writer
from firstboot_plugins.storage_tortoise.migrations import WRITE_LOCK
from firstboot_plugins.storage_tortoise.plugin import PostgresBackend
from firstboot_plugins.storage_tortoise.postgres import PostgresStorage


@pytest.fixture
async def storage(pg_database: Database) -> AsyncIterator[Storage]:
    storage = await pg_database.open()
    yield storage
    await storage.close()


# -- opening ---------------------------------------------------------------------------------------


async def refusal(url: str) -> str:
    with pytest.raises(StorageRefused) as caught:
        await PostgresBackend().open(url)
    return str(caught.value)


async def test_a_database_that_does_not_exist_is_named(postgres_url: str) -> None:
    text = await refusal(postgres_url.replace("/postgres", "/nowhere"))

    assert "'nowhere'" in text
    assert "no such database" in text


async def test_a_server_that_does_not_run_is_named() -> None:
    port = free_port()

    text = await refusal(f"postgres://app:hunter2@127.0.0.1:{port}/firstboot")

    assert f"127.0.0.1:{port}" in text
    assert "Start it" in text
    assert "hunter2" not in text


async def test_a_wrong_password_is_not_repeated(pg_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(*arguments: object, **options: object) -> None:
        raise asyncpg.InvalidPasswordError('password authentication failed for user "app"')

    monkeypatch.setattr(asyncpg, "connect", refused)

    text = await refusal(pg_database.url.replace("app@", "app:hunter2@"))

    assert "password" in text
    assert "hunter2" not in text


@pytest.mark.parametrize(
    "url",
    [
        "postgres://app:hun/ter2@127.0.0.1/x",
        "postgres://app:1/hunter2@127.0.0.1/x",
        "postgres://app:1?hunter2@127.0.0.1/x",
        "postgres://app:1#hunter2@127.0.0.1/x",
        "postgres://[hunter2",
    ],
)
async def test_a_badly_written_url_is_not_repeated(url: str) -> None:
    text = await refusal(url)

    assert "ter2" not in text
    assert ":1" not in text


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "asyncpg"])
async def test_all_schemes_open_the_same(pg_database: Database, scheme: str) -> None:
    storage = await PostgresBackend().open(pg_database.url.replace("postgres:", f"{scheme}:"))

    found = await storage.find_tenant("default")

    await storage.close()
    assert found is not None


async def test_a_database_in_another_encoding_is_refused(postgres_server: PostgresServer) -> None:
    postgres_server.sql("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")

    text = await refusal(postgres_server.url.replace("/postgres", "/latin"))

    assert "LATIN1" in text
    assert "ENCODING 'UTF8'" in text


async def test_a_backup_is_left_to_pg_dump(storage: Storage) -> None:
    with pytest.raises(InvalidValue, match="pg_dump"):
        await storage.backup("copy")


# -- going away ------------------------------------------------------------------------------------


async def cut(database: Database) -> None:
    """End every connection to the database but this one, as a restart does."""
    await database.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


class OwnServer(PostgresServer):
    """A server that may be stopped, because no other test uses it."""

    def start_again(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''"
        self._run("pg_ctl", "-D", "data", "-w", "-l", "log", "-o", options, "start")


@pytest.fixture
def own_server(postgres_server: PostgresServer) -> Iterator[OwnServer]:
    directory = Path(tempfile.mkdtemp(prefix="firstboot-postgres-"))
    server = OwnServer(postgres_server.programs, directory, free_port())
    try:
        if os.geteuid() == 0:
            shutil.chown(directory, "postgres")
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(directory)


async def test_a_server_that_stops_makes_everything_unavailable_until_it_is_back(own_server: OwnServer) -> None:
    storage = await PostgresStorage.open(own_server.url)
    world = await world_in(storage)
    await asyncio.to_thread(own_server.stop)
    try:
        with pytest.raises(Unavailable):
            await world.do(world.device("meter-1"))
        with pytest.raises(Unavailable):
            await storage.find_credentials([digest("token")])
        with pytest.raises(Unavailable):
            await storage.all_profiles()
        with pytest.raises(Unavailable):
            await storage.write_meta("name", b"value", None)
    finally:
        await asyncio.to_thread(own_server.start_again)
    outcomes = await world.do(world.device("meter-1"))
    found = await storage.find_device(world.tenant.id, "meter-1")

    await storage.close()
    assert outcomes == [Outcome.DONE]
    assert found is not None


async def test_a_node_that_was_paused_in_a_transaction_blocks_the_others_for_a_while_only(
    pg_database: Database, world: World
) -> None:
    paused = await asyncpg.connect(
        pg_database.url, server_settings={"idle_in_transaction_session_timeout": "300ms"}
    )
    await paused.execute("BEGIN")
    await paused.execute("SELECT pg_advisory_xact_lock($1)", WRITE_LOCK)

    outcomes = await world.do(world.device("meter-1"))

    paused.terminate()
    assert outcomes == [Outcome.DONE]


async def test_a_lock_that_is_not_given_back_makes_writes_unavailable(
    pg_database: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_writer, "PATIENCE_S", 0.2)
    other = await asyncpg.connect(pg_database.url)
    await other.execute("SELECT pg_advisory_lock($1)", WRITE_LOCK)

    with pytest.raises(Unavailable, match="did not answer in time"):
        await world.do(world.device("meter-1"))
    reading = await world.storage.find_device(world.tenant.id, "meter-1")
    await other.close()
    outcomes = await world.do(world.device("meter-1"))

    assert reading is None
    assert outcomes == [Outcome.DONE]


async def test_our_connections_give_up_by_themselves(storage: Storage, world: World) -> None:
    assert isinstance(storage, PostgresStorage)

    connection = storage._writer._connection
    limits = [
        await connection.fetchval(f"SHOW {name}")
        for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
    ]

    assert limits == ["5s", "5s", "5s"]


# -- a commit whose answer is lost -----------------------------------------------------------------


class CutAtCommit:
    """A connection that breaks at COMMIT, before or after the server has done it."""

    def __init__(self, connection: Any, *, committed: bool) -> None:
        self._connection = connection
        self._committed = committed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def execute(self, sql: str) -> str:
        if sql != "COMMIT":
            return str(await self._connection.execute(sql))
        if self._committed:
            await self._connection.execute(sql)
        self._connection.terminate()
        raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")


@pytest.mark.parametrize("committed", [True, False])
async def test_how_a_commit_ended_is_found_out_when_its_answer_is_lost(world: World, committed: bool) -> None:
    assert isinstance(world.storage, PostgresStorage)
    writer = world.storage._writer
    writer._connection = CutAtCommit(writer._connection, committed=committed)

    if committed:
        assert await world.do(world.device("meter-1")) == [Outcome.DONE]
    else:
        with pytest.raises(Unavailable):
            await world.do(world.device("meter-1"))

    assert (await world.storage.find_device(world.tenant.id, "meter-1") is not None) is committed
    assert await world.do(world.device("meter-2")) == [Outcome.DONE]


async def test_a_commit_that_nobody_can_tell_about_is_unavailable(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert isinstance(world.storage, PostgresStorage)
    writer = world.storage._writer
    writer._connection = CutAtCommit(writer._connection, committed=True)
    monkeypatch.setattr(postgres_writer, "PATIENCE_S", 0.3)

    async def refused(*arguments: object, **options: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(postgres_writer, "connect", refused)

    with pytest.raises(Unavailable, match="during a commit"):
        await world.do(world.device("meter-1"))

    assert "did not come back" in caplog.text


async def test_a_write_whose_caller_gives_up_leaves_the_writer_usable(world: World) -> None:
    made = await world.make_device()
    task = asyncio.ensure_future(world.do(*[world.device(f"meter-{number}") for number in range(2000)]))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await world.do(RecordLogin(made.id, 1)) == [Outcome.DONE]


async def test_a_connection_that_was_cut_while_idle_is_replaced(pg_database: Database) -> None:
    world = await world_in(await pg_database.open())
    assert isinstance(world.storage, PostgresStorage)
    closed = asyncio.Event()
    world.storage._writer._connection.add_termination_listener(lambda connection: closed.set())

    await cut(pg_database)
    await closed.wait()

    assert await world.do(world.device("meter-1")) == [Outcome.DONE]
