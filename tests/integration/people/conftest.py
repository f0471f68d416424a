"""People on two kinds of storage; `test_people_on_servers.py` has them on servers with each database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.integration.people.people import People
from tests.integration.provisioning.fake_clock import FakeClock

from firstboot.keyring import Keyring
from firstboot.storage import Storage
from firstboot.testing import MemoryStorage
from firstboot_plugins.storage_tortoise.sqlite import SqliteStorage


@pytest.fixture
def time() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["memory", "sqlite"])
async def storage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Storage]:
    opened: Storage
    if request.param == "memory":
        opened = MemoryStorage()
    else:
        folder = tmp_path_factory.mktemp("database")
        opened = await SqliteStorage.open(f"sqlite://{folder / 'people.db'}", 5000)
    yield opened
    await opened.close()


@pytest.fixture
async def people(storage: Storage, time: FakeClock) -> AsyncIterator[People]:
    opened = await People.on(storage, Keyring.generate(), time)
    yield opened
    await opened.commits.drain()
