"""Health says in a word whether the server can work, and to operators why not."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from firstboot import health as health_module
from firstboot.calls import BREAKER_FAILURES, PluginFailed
from firstboot.config import Address, PluginsConfig
from firstboot.errors import Unavailable
from firstboot.health import Health, HealthCheck
from firstboot.plugin_manager import PluginManager
from firstboot.storage import Storage

LOOPBACK = {"mqtt": Address("127.0.0.1", 1883), "http": Address("::1", 8080)}


class Database:
    def __init__(self) -> None:
        self.error: Exception | None = None
        self.hangs = False
        self.write_failed = asyncio.Event()

    async def last_change(self) -> int:
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        return 0


def check(database: Database, plugins: PluginManager | None = None, **listeners: Address) -> HealthCheck:
    return HealthCheck(
        cast(Storage, database),
        database.write_failed,
        plugins or PluginManager(PluginsConfig()),
        {**LOOPBACK, **listeners},
    )


async def test_a_server_that_has_its_database_is_well() -> None:
    assert await check(Database())() == Health("ok")


async def test_op_8_a_database_that_is_away_degrades_the_server_and_it_recovers() -> None:
    database = Database()
    health = check(database)
    database.error = Unavailable("postgres://app:secret@host")

    degraded = await health()
    assert degraded.status == "degraded"
    assert degraded.reasons == ("The database cannot be reached.",)  # without its address

    database.error = None
    assert (await health()).status == "ok"


async def test_op_3_a_disk_that_takes_no_writes_degrades_the_server_until_one_succeeds() -> None:
    database = Database()
    database.write_failed.set()
    assert (await check(database)()).reasons == ("The last write to the database has failed.",)

    database.write_failed.clear()
    assert (await check(database)()).status == "ok"


async def test_op_4_a_database_that_does_not_answer_holds_health_up_no_longer_than_its_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health_module, "STORAGE_TIMEOUT_S", 0.001)
    database = Database()
    database.hangs = True

    assert (await check(database)()).reasons == ("The database does not answer in time.",)


async def test_pl_6_a_plugin_that_is_left_alone_degrades_the_server() -> None:
    plugins = PluginManager(PluginsConfig())

    class Plugin:
        FIRSTBOOT_API = 1

    plugins.register(Plugin(), "bad")
    for _ in range(BREAKER_FAILURES):
        with pytest.raises(PluginFailed):
            await plugins.runner("bad").ask(lambda: 1 // 0)

    health = await check(Database(), plugins)()

    assert health.status == "degraded"
    assert "'bad'" in health.reasons[0]


async def test_se_9_an_open_listener_is_named_and_no_fault() -> None:
    health = await check(Database(), mqtt=Address("0.0.0.0", 1883))()

    assert health.status == "ok"
    assert health.warnings == ("Listener 'mqtt' is open to the network without encryption (0.0.0.0:1883).",)
