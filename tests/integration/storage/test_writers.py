"""Several writers on one database, poisonous writes, processes that die, and what a copy of the data reveals."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.integration.storage.databases import Database

from firstboot.keyring import Keyring, credentials_place
from firstboot.model import Scope
from firstboot.storage import (
    AppendAudit,
    AuditQuery,
    ChangeKind,
    DeleteDevice,
    Outcome,
    SaveAttributes,
    SealedCredentials,
    Storage,
    Together,
    UpdateProfile,
    Write,
)
from firstboot.testing.samples import NOW_MS, an_audit_entry
from firstboot.testing.storage_base import World
from firstboot_plugins.storage_tortoise.writer import KEEP_CHANGES, KEEP_CHANGES_MS

# -- two nodes -------------------------------------------------------------------------------------


async def test_of_two_nodes_that_write_the_same_names_exactly_one_wins_each(
    database: Database, world: World
) -> None:
    other = World(await database.open(), world.chain, world.tenant, world.profile)
    names = [f"meter-{number}" for number in range(60)]

    async def make(node: World, order: list[str], who: str) -> list[tuple[str, Outcome]]:
        done: list[tuple[str, Outcome]] = []
        for start in range(0, len(order), 7):
            part = order[start : start + 7]
            outcomes = await node.do(*[node.device(name, f"{who} {name}") for name in part])
            done += zip(part, outcomes, strict=True)
        return done

    results = await asyncio.gather(make(world, names, "one"), make(other, names[::-1], "two"))

    outcomes = {
        name: sorted(outcome.value for node in results for n, outcome in node if n == name) for name in names
    }
    assert set(map(tuple, outcomes.values())) == {("done", "name-taken")}
    assert await world.storage.count_devices(world.profile.id) == 60


async def test_the_audit_chain_of_two_nodes_has_no_fork(database: Database, world: World) -> None:
    other = World(await database.open(), world.chain, world.tenant, world.profile)

    async def make(node: World, prefix: str) -> None:
        for number in range(20):
            await node.do(node.device(f"{prefix}-{number}"), AppendAudit(an_audit_entry(prefix)))

    await asyncio.gather(make(world, "one"), make(other, "two"))

    rows = await world.storage.list_audit(AuditQuery())
    link = b""
    for row in rows:
        link = world.chain(link, row.entry.canonical())
        assert row.link == link
    assert len(rows) == 81


async def test_a_limit_holds_against_two_nodes(database: Database, world: World) -> None:
    other = World(await database.open(), world.chain, world.tenant, world.profile)

    async def make(node: World, prefix: str) -> list[Outcome]:
        return [
            outcome
            for number in range(10)
            for outcome in await node.do(node.device(f"{prefix}-{number}", max_devices=13))
        ]

    one, two = await asyncio.gather(make(world, "one"), make(other, "two"))

    assert (one + two).count(Outcome.DONE) == 13


# -- poison ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "poison", [{"label": "\ud800"}, {"additional_info": {"a": {1, 2}}}, {"created_at_ms": 1 << 70}]
)
async def test_a_write_that_the_database_does_not_take_fails_alone(
    world: World, poison: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    outcomes = await world.do(world.device("meter-1"), world.device("meter-2", **poison), world.device("meter-3"))

    assert outcomes == [Outcome.DONE, Outcome.STALE, Outcome.DONE]
    assert [row.entry.device for row in await world.audit()][1:] == ["meter-1", "meter-3"]
    assert "does not take a CreateDevice" in caplog.text


async def test_of_writes_that_are_done_together_a_poisonous_one_undoes_its_own_only(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    def pair(name: str, bucket: str) -> Together:
        return Together((world.device(name), world.resource(bucket, keep_existing=True)))

    poisonous = world.resource("poison", document={"a": {1, 2}})
    outcomes = await world.do(
        pair("meter-1", "one"),
        Together((world.device("meter-2"), poisonous)),
        Together((world.resource("two"), Together((world.device("meter-3"), poisonous)))),
        pair("meter-2", "one"),
        poisonous,
        Together((world.device("meter-2", "another token"), world.resource("never"))),
    )

    done, stale = Outcome.DONE, Outcome.STALE
    assert outcomes == [done, stale, stale, done, stale, Outcome.NAME_TAKEN]
    assert [each.name for each in await world.storage.list_resources("bucket")] == ["one"]
    assert [row.entry.device for row in await world.audit() if row.entry.device] == ["meter-1", "meter-2"]
    assert await world.storage.count_devices(world.profile.id) == 2
    assert "does not take a Together" in caplog.text


async def test_any_text_of_a_stranger_can_be_audited(world: World) -> None:
    entry = an_audit_entry(device="\0 and \ud800 and ' and \u202e", detail="\r\n")

    assert await world.do(AppendAudit(entry)) == [Outcome.DONE]

    assert (await world.audit())[-1].entry == entry


# -- changes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [ChangeKind.PROFILE, ChangeKind.ATTRIBUTES])
async def test_changes_that_everybody_must_have_seen_are_forgotten(
    database: Database, world: World, kind: ChangeKind
) -> None:
    if kind is ChangeKind.PROFILE:
        write: Write = UpdateProfile(profile=world.profile, audit=an_audit_entry("profile-changed"))
    else:
        device_id = (await world.make_device("meter")).id
        write = SaveAttributes(device_id=device_id, scope=Scope.SHARED, values={"a": 1}, at_ms=NOW_MS)
    await world.do(*[write] * (KEEP_CHANGES + 100))
    assert {change.kind for change in (await world.storage.changes_since(0))[-100:]} == {kind}
    await database.sql(f"UPDATE change SET at_ms = {NOW_MS - KEEP_CHANGES_MS - 1}")

    for _ in range(64):
        await world.do(write)

    (kept,) = (await database.sql("SELECT count(*) FROM change"))[0]
    assert KEEP_CHANGES <= kept <= KEEP_CHANGES + 64


async def test_the_id_of_a_deleted_device_is_not_used_again(world: World) -> None:
    first = await world.make_device("meter-1")
    await world.do(DeleteDevice(device_id=first.id, audit=an_audit_entry("device-deleted")))

    second = await world.make_device("meter-1")

    assert second.id > first.id


# -- a process that dies ---------------------------------------------------------------------------

WRITE_FOR_EVER = """
import asyncio, itertools, sys
from firstboot.keyring import Keyring
from tests.integration.storage.databases import Database, world_in

async def main():
    world = await world_in(await Database(sys.argv[1]).open())
    for batch in itertools.count():
        names = [f"meter-{batch}-{number}" for number in range(20)]
        await world.do(*map(world.device, names))
        print("\\n".join(names), flush=True)

asyncio.run(main())
"""


async def test_what_was_acknowledged_is_there_after_a_kill(database: Database) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITE_FOR_EVER, database.url, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    acknowledged = [await process.stdout.readline() for _ in range(500)]
    process.kill()
    acknowledged += (await process.stdout.read()).splitlines(keepends=True)
    await process.wait()

    storage = await database.open()
    found = {name for (name,) in await database.sql("SELECT name FROM device")}
    (counted,) = (await database.sql("SELECT devices FROM profile_usage"))[0]
    await storage.close()

    names = {line.decode().strip() for line in acknowledged if line.endswith(b"\n")}
    assert len(names) >= 500
    assert names <= found
    assert counted == len(found)
    assert len(found) % 20 == 0, "a batch is all or nothing"


# -- a copy of the data ----------------------------------------------------------------------------

SECRET = "correct-horse-battery-staple"


async def test_a_dump_contains_no_secret(database: Database, storage: Storage, world: World) -> None:
    keyring = Keyring.generate()
    device = world.device("meter-7", label="on the roof")
    place = credentials_place(device.public_id.bytes)
    credentials = SealedCredentials("ACCESS_TOKEN", keyring.digest("c", SECRET), keyring.seal(SECRET, place))

    await world.do(world.device("meter-7", label="on the roof", credentials=credentials))

    dump = b"".join(dumped(database))
    assert b"on the roof" in dump
    assert SECRET.encode() not in dump
    assert SECRET.encode().hex().encode() not in dump


def dumped(database: Database) -> list[bytes]:
    if database.kind == "sqlite":
        return [path.read_bytes() for path in database.path.parent.iterdir()]
    (pg_dump,) = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_dump"))[-1:]
    return [subprocess.run([pg_dump, database.url], capture_output=True, check=True).stdout]
