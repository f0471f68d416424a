"""Databases of versions 1 and 2 get resources, and tokens that can be disabled, and keep all that is in them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.integration.storage.databases import Database
from tests.integration.storage.version_1 import KEYRING
from tests.integration.storage.version_2 import NEW_TABLES

from firstboot.model import ResourceRow
from firstboot.storage import (
    AppendRows,
    CreateResource,
    DeleteResource,
    Outcome,
    RowQuery,
    Storage,
    UpdateApiToken,
    Write,
    WriteResult,
)
from firstboot.testing.samples import NOW_MS, a_resource, an_audit_entry


@pytest.fixture
def storage(upgraded_2: Storage) -> Storage:
    return upgraded_2


async def do(storage: Storage, *writes: Write) -> list[WriteResult]:
    return list(await storage.write(writes, KEYRING.link))


async def test_tokens_are_kept_and_enabled(database: Database, storage: Storage) -> None:
    columns, rows = NEW_TABLES["api_token"]

    assert await database.sql(f"SELECT {columns} FROM api_token") == rows
    (token,) = await storage.list_api_tokens(1)
    assert (token.name, token.enabled, token.details) == ("dashboard", True, {})


async def test_a_token_of_an_upgraded_database_can_be_disabled(storage: Storage) -> None:
    (token,) = await storage.list_api_tokens(1)
    disabled = replace(token, enabled=False, details={"a": 1})

    (result,) = await do(storage, UpdateApiToken(token=disabled, audit=an_audit_entry()))

    assert result.outcome is Outcome.DONE
    assert list(await storage.list_api_tokens(1)) == [disabled]


async def test_resources_of_an_upgraded_database_collect_rows(database: Database, upgraded: Storage) -> None:
    (made,) = await do(upgraded, CreateResource(resource=a_resource()))
    (appended,) = await do(upgraded, AppendRows(made.id, [ResourceRow(NOW_MS, 21.5)]))

    assert (made.outcome, appended.outcome) == (Outcome.DONE, Outcome.DONE)
    assert list(await upgraded.resource_rows(RowQuery(resource_id=made.id))) == [ResourceRow(NOW_MS, 21.5)]
    await do(upgraded, DeleteResource(resource_id=made.id, at_ms=NOW_MS))
    assert await database.sql("SELECT count(*) FROM resource_row") == [(0,)]
