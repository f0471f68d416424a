"""The next member of a pool is found by an index, however many were given away before."""

from __future__ import annotations

import pytest
from tests.integration.storage.databases import Database

from firstboot.storage import PoolOrder
from firstboot.testing.samples import NOW_MS
from firstboot.testing.storage_base import World
from firstboot.testing.storage_leases import LATER_MS
from firstboot.testing.storage_pools import given, member
from firstboot_plugins.storage_tortoise.pool_changes import FREE_ENDED, NEXT

ASSIGNED = 5000
SERIES = {
    "sqlite": "WITH RECURSIVE series (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < {count})",
    "postgres": "WITH series (n) AS (SELECT generate_series(1, {count}))",
}
PUBLIC_ID = {"sqlite": "randomblob(16)", "postgres": "uuid_send(gen_random_uuid())"}
INDEXES = {
    NEXT[PoolOrder.FIFO]: "pool_member_first",
    NEXT[PoolOrder.LOWEST]: "pool_member_lowest",
    NEXT[PoolOrder.RANDOM]: "pool_member_random",
    FREE_ENDED: "pool_member_ends",
}


async def give_away(database: Database, world: World) -> None:
    """Add members that hardware has got and used."""
    series, public_id = SERIES[database.kind].format(count=ASSIGNED), PUBLIC_ID[database.kind]
    await database.sql(
        "INSERT INTO device (public_id, tenant_id, profile_id, name, created_at_ms, first_login_at_ms)"
        f" {series} SELECT {public_id}, {world.tenant.id}, {world.profile.id}, 'a-' || n, 1, 2 FROM series"
    )
    await database.sql(
        "INSERT INTO pool_member (device_id, profile_id, name, lot, hardware_id, reserved, free, leased_at_ms)"
        f" SELECT id, profile_id, name, id, 'HW ' || id, 0, 0, {NOW_MS} FROM device WHERE name LIKE 'a-%'"
    )


async def plan(database: Database, statement: str, world: World) -> str:
    """Return how the database is going to carry a statement out."""
    for value in (world.profile.id, NOW_MS):
        statement = statement.replace("?", str(value), 1)
    if database.kind == "sqlite":
        return "\n".join(str(row[3]) for row in await database.sql(f"EXPLAIN QUERY PLAN {statement}"))
    return "\n".join(row[0] for row in await database.sql(f"EXPLAIN {statement}"))


@pytest.mark.parametrize("order", [PoolOrder.FIFO, PoolOrder.LOWEST, PoolOrder.RANDOM])
async def test_the_one_that_is_left_is_found_among_many_that_are_assigned(
    database: Database, world: World, order: PoolOrder
) -> None:
    await give_away(database, world)
    await world.do(member(world, "m-1"))

    assert await world.storage.count_ready(world.profile.id, NOW_MS) == 1
    assert await given(world, "HW", order=order) == "m-1"
    assert await given(world, "another", order=order, at_ms=LATER_MS) == "m-1"


@pytest.mark.parametrize("statement", INDEXES)
async def test_no_statement_of_a_lease_looks_at_what_is_assigned(
    database: Database, world: World, statement: str
) -> None:
    await give_away(database, world)

    found = await plan(database, statement, world)

    assert INDEXES[statement] in found
    assert "Sort" not in found
    assert "TEMP B-TREE" not in found
