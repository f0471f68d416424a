"""The storage goes away and comes back: bounded refusals, then full service (OP-3, OP-5, OP-8)."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import httpx2
import pytest
from tests.harness import MqttPeer, Profile, TestServer, login, running
from tests.services import PostgresServer, private_postgres

from firstboot_plugins.storage_tortoise.plugin import SqliteBackend
from firstboot_plugins.transports.mqtt.packets import Connack, Connect, Pingreq, Pingresp

BOUND_S = 20.0
"""Answers come long before this (5 s are promised); without a bound they would never come."""
HEALED_S = 10.0
"""Invariant I4."""


class Site:
    """A server with a profile, a device that knows its token, and a session of that device."""

    def __init__(self, server: TestServer, demo: Profile, token: str, session: MqttPeer) -> None:
        self.server = server
        self.demo = demo
        self.token = token
        self.session = session
        self._newcomer: MqttPeer | None = None

    async def over_http(self, name: str) -> httpx2.Response:
        async with httpx2.AsyncClient(timeout=BOUND_S) as client:
            return await client.post(f"{self.server.url}/api/v1/provision", json=self.demo.request(name))

    async def over_mqtt(self, name: str) -> str:
        peer = await self.server.provision_peer()
        try:
            async with asyncio.timeout(BOUND_S):
                status: str = (await peer.provision(self.demo.request(name)))["status"]
                return status
        finally:
            await peer.close()

    async def session_lives(self) -> bool:
        await self.session.send(Pingreq())
        return isinstance(await self.session.receive(), Pingresp)

    async def heals(self) -> None:
        """Wait until a device is provisioned again, over both transports."""
        numbers = iter(range(1_000_000))

        async def http() -> bool:
            return (await self.over_http(f"healed-h{next(numbers)}")).status_code == 200

        async def mqtt() -> bool:
            return await self.over_mqtt(f"healed-m{next(numbers)}") == "SUCCESS"

        for works in (http, mqtt):
            await until(works)


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + HEALED_S
    while not await holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


@asynccontextmanager
async def site(tmp_path: Path, database: str | None = None) -> AsyncIterator[Site]:
    async with running(tmp_path, database=database) as server:
        demo = await server.profile()
        token = (await server.post(demo.request("m-0")))["credentialsValue"]
        session = await server.peer(Connect(5, "m-0", True, 60, username=token))
        assert (await session.expect(Connack)).reason == 0
        try:
            yield Site(server, demo, token, session)
        finally:
            await session.close()


async def refused_while_away(away: Site) -> None:
    """HTTP says 503 and when to come back, MQTT says FAILURE (contract), nobody hangs."""
    answer, status = await asyncio.gather(away.over_http("lost-1"), away.over_mqtt("lost-2"))
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert status == "FAILURE"


# -- SQLite ----------------------------------------------------------------------------------------


def test_a_locked_file_is_waited_for_5_seconds() -> None:
    """OP-5."""
    assert SqliteBackend()._busy_timeout_ms == 5000


async def test_a_file_that_another_process_locks_refuses_and_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OP-5: devices that exist log in and stay meanwhile."""
    monkeypatch.setattr(SqliteBackend.__init__, "__defaults__", (300,))
    async with site(tmp_path) as locked:
        with closing(sqlite3.connect(tmp_path / "data/firstboot.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")

            await refused_while_away(locked)
            assert await login(locked.server, username=locked.token) == 0
            other.execute("ROLLBACK")

        await locked.heals()
        assert await locked.server.device("lost-1") is None
        assert await locked.server.device("lost-2") is None


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    disk = tmp_path / "data"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "none", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(ballast: Path) -> None:
    """Leave no room on the file system."""
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return


async def test_a_full_disk_refuses_and_recovers(tmp_path: Path, small_disk: Path) -> None:
    """OP-3: what is there is served, and nothing is half-made."""
    async with site(tmp_path) as full:
        ballast = small_disk / "ballast"
        fill(ballast)

        # What the log has room for is still taken.
        async def is_refused() -> bool:
            return (await full.over_http(f"filler-{time.monotonic_ns()}")).status_code == 503

        await until(is_refused)

        await refused_while_away(full)
        assert await login(full.server, username=full.token) == 0
        ballast.unlink()

        await full.heals()
        assert await full.server.device("lost-1") is None
        assert await full.server.device("lost-2") is None


async def test_a_database_file_that_is_taken_away_is_never_replaced_by_an_empty_one(tmp_path: Path) -> None:
    """OP-6: the next start says so, instead of forgetting every device."""
    async with site(tmp_path) as robbed:
        (tmp_path / "data/firstboot.db").rename(tmp_path / "taken.db")
        await robbed.over_http("m-1")

        assert not (tmp_path / "data/firstboot.db").exists()
        (tmp_path / "taken.db").rename(tmp_path / "data/firstboot.db")


# -- PostgreSQL ------------------------------------------------------------------------------------


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    with private_postgres() as server:
        yield server


async def test_a_postgresql_that_stops_and_starts_again_refuses_and_recovers(
    tmp_path: Path, own_postgres: PostgresServer
) -> None:
    """OP-8: sessions stay, and what the command line changed meanwhile elsewhere is noticed."""
    async with site(tmp_path, own_postgres.url) as away:
        await asyncio.to_thread(own_postgres.stop)

        await refused_while_away(away)
        assert await login(away.server, username=away.token) == 3
        assert await away.session_lives()

        await asyncio.to_thread(own_postgres.resume)
        await away.heals()
        assert await login(away.server, username=away.token) == 0
        assert await away.server.device("lost-1") is None


async def test_connections_that_postgresql_cuts_are_made_anew(
    tmp_path: Path, postgres_server: PostgresServer, postgres_database: str
) -> None:
    """OP-8: an administrator ends them, or a firewall does."""
    name = postgres_database.rpartition("/")[2]
    async with site(tmp_path, postgres_database) as cut:
        postgres_server.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")

        await cut.heals()
        assert await cut.session_lives()
