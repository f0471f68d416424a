"""A server notices what other processes have changed (OP-8, OP-17)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import cast

import pytest

from firstboot import changes as changes_module
from firstboot.changes import MAX_AGE_S, ChangeFollower, are_changes
from firstboot.downlink import Downlinks
from firstboot.errors import Unavailable
from firstboot.model import Scope
from firstboot.profile_directory import ProfileDirectory
from firstboot.sessions import Owner, SessionEnd, Sessions
from firstboot.storage import (
    TOKEN_CREATED,
    AppendAudit,
    AuditEntry,
    Change,
    ChangeKind,
    DeleteDevice,
    RecordLogin,
    SaveAttributes,
    Storage,
    Together,
)

WAIT_S = 10.0


class Database:
    """The log of changes, and a count of how often it was read."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.error: Exception | None = None
        self.reads = 0
        self.read = asyncio.Event()
        self.gate: asyncio.Event | None = None

    def add(self, kind: ChangeKind, ref: int, detail: str | None = None) -> None:
        self.changes.append(Change(len(self.changes) + 1, kind, ref, detail))

    async def last_change(self) -> int:
        return len(self.changes)

    async def changes_since(self, change_id: int) -> Sequence[Change]:
        self.reads += 1
        self.read.set()
        if self.error is not None:
            raise self.error
        found = [change for change in self.changes if change.id > change_id]
        if self.gate is not None:
            await self.gate.wait()
        return found

    async def reads_again(self, times: int = 2) -> None:
        """Wait until it is read; twice, so that what followed the first time is done."""
        for _ in range(times):
            self.read.clear()
            await asyncio.wait_for(self.read.wait(), WAIT_S)


class Profiles:
    def __init__(self) -> None:
        self.reloads = 0
        self.error: Exception | None = None

    async def reload(self) -> None:
        if self.error is not None:
            raise self.error
        self.reloads += 1


class RecordedSessions(Sessions):
    def __init__(self) -> None:
        super().__init__()
        self.ends: list[tuple[int, SessionEnd]] = []
        self.owners: list[Owner] = []

    def end(self, owner: Owner, why: SessionEnd) -> bool:
        self.ends.append((owner.id, why))
        self.owners.append(owner)
        return super().end(owner, why)


class World:
    def __init__(self) -> None:
        self.database = Database()
        self.profiles = Profiles()
        self.sessions = RecordedSessions()
        self.downlinks = Downlinks(cast(Storage, self.database))
        self.changed = asyncio.Event()
        self.follower = ChangeFollower(
            cast(Storage, self.database),
            cast(ProfileDirectory, self.profiles),
            self.sessions,
            self.downlinks,
            self.changed,
        )

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.follower.follow())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])


@pytest.fixture
async def world() -> World:
    return World()


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait between the polls."""
    monkeypatch.setattr(changes_module, "POLL_INTERVAL_S", 0.0)


async def test_a_start_takes_the_present_as_read(world: World) -> None:
    world.database.add(ChangeKind.CREDENTIALS, 7)

    await world.follower.start()
    await world.follower.catch_up()

    assert world.profiles.reloads == 1
    assert world.sessions.ends == []


async def test_each_change_is_acted_on_once(world: World) -> None:
    await world.follower.start()
    world.database.add(ChangeKind.CREDENTIALS, 7)
    world.database.add(ChangeKind.DEVICE_DELETED, 8)
    world.database.add(ChangeKind.PROFILE, 1)
    world.database.add(ChangeKind.PROFILE, 2)

    await world.follower.catch_up()
    await world.follower.catch_up()

    assert world.sessions.ends == [(7, SessionEnd.CREDENTIALS_CHANGED), (8, SessionEnd.DEVICE_DELETED)]
    assert world.profiles.reloads == 2  # at the start, and once for both


async def test_profiles_are_not_read_again_for_other_changes(world: World) -> None:
    await world.follower.start()
    world.database.add(ChangeKind.CREDENTIALS, 7)

    await world.follower.catch_up()

    assert world.profiles.reloads == 1


async def test_a_change_whose_handling_failed_is_handled_again(world: World) -> None:
    await world.follower.start()
    world.database.add(ChangeKind.PROFILE, 1)
    world.database.add(ChangeKind.CREDENTIALS, 7)
    world.profiles.error = Unavailable("away")
    with pytest.raises(Unavailable):
        await world.follower.catch_up()

    world.profiles.error = None
    await world.follower.catch_up()

    assert world.profiles.reloads == 2
    assert world.sessions.ends == [(7, SessionEnd.CREDENTIALS_CHANGED)]


async def test_many_who_wait_to_catch_up_share_one_look(world: World) -> None:
    await world.follower.start()
    world.database.gate = asyncio.Event()
    first = asyncio.create_task(world.follower.catch_up())
    await asyncio.wait_for(world.database.read.wait(), WAIT_S)
    world.database.add(ChangeKind.CREDENTIALS, 7)  # too late for the first

    others = asyncio.gather(*(world.follower.catch_up() for _ in range(10)))
    await asyncio.sleep(0)  # now they all wait
    world.database.gate.set()
    await asyncio.gather(first, others)

    assert world.database.reads == 2
    assert world.sessions.ends == [(7, SessionEnd.CREDENTIALS_CHANGED)]


async def test_two_who_catch_up_at_a_time_act_once(world: World) -> None:
    await world.follower.start()
    world.database.add(ChangeKind.CREDENTIALS, 7)
    world.database.gate = asyncio.Event()

    both = asyncio.gather(world.follower.catch_up(), world.follower.catch_up())
    await asyncio.wait_for(world.database.read.wait(), WAIT_S)
    world.database.gate.set()
    await both

    assert world.sessions.ends == [(7, SessionEnd.CREDENTIALS_CHANGED)]


@pytest.mark.usefixtures("at_once")
async def test_changes_are_noticed_without_being_asked(world: World) -> None:
    await world.follower.start()
    async with world.following():
        world.database.add(ChangeKind.CREDENTIALS, 7)
        await world.database.reads_again()

    assert world.sessions.ends == [(7, SessionEnd.CREDENTIALS_CHANGED)]


async def test_mq_10_each_lost_right_ends_the_sessions_of_its_owner(world: World) -> None:
    await world.follower.start()
    world.database.add(ChangeKind.DEVICE_DISABLED, 7)
    world.database.add(ChangeKind.USER, 8)
    world.database.add(ChangeKind.API_TOKEN, 9)

    await world.follower.catch_up()

    assert world.sessions.owners == [Owner("device", 7), Owner("user", 8), Owner("api-token", 9)]
    assert [why for _, why in world.sessions.ends] == [
        SessionEnd.KICKED, SessionEnd.CREDENTIALS_CHANGED, SessionEnd.CREDENTIALS_CHANGED,
    ]  # fmt: skip


async def test_what_was_opened_with_a_token_since_it_was_made_goes_on(world: World) -> None:
    """LG-9: whoever makes a token uses it at once, and the log of changes is read a little later."""
    await world.follower.start()
    world.database.add(ChangeKind.API_TOKEN, 9, TOKEN_CREATED)

    await world.follower.catch_up()

    assert world.sessions.owners == []


async def test_what_this_process_changes_is_noticed_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes_module, "POLL_INTERVAL_S", 3600.0)
    await world.follower.start()
    async with world.following():
        world.database.add(ChangeKind.CREDENTIALS, 7)
        world.changed.set()
        await asyncio.wait_for(world.database.read.wait(), WAIT_S)

    assert world.sessions.ends == [(7, SessionEnd.CREDENTIALS_CHANGED)]
    assert not world.changed.is_set()


def test_only_writes_that_others_are_told_of_are_worth_a_look() -> None:
    audit = AuditEntry(at_ms=1, event="test")
    shared, client = (
        SaveAttributes(device_id=1, scope=scope, values={"a": 1}, at_ms=1)
        for scope in (Scope.SHARED, Scope.CLIENT)
    )

    assert are_changes([RecordLogin(1, 1), DeleteDevice(device_id=1, audit=audit)])
    assert are_changes([shared])
    assert are_changes([Together((RecordLogin(1, 1), Together((shared,))))])
    assert not are_changes([Together((RecordLogin(1, 1), client))])
    assert not are_changes([client, RecordLogin(1, 1), AppendAudit(audit)])


def test_changes_are_noticed_within_a_second() -> None:
    assert changes_module.POLL_INTERVAL_S < 1.0


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("error", [Unavailable("the database is away"), ZeroDivisionError()])
async def test_op_8_a_gap_is_logged_once_and_made_up_by_a_full_read(
    world: World, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    await world.follower.start()
    async with world.following():
        world.database.error = error
        await world.database.reads_again(5)
        world.database.add(ChangeKind.CREDENTIALS, 7)
        world.database.error = None
        await world.database.reads_again()
        assert world.sessions.ends == [(7, SessionEnd.CREDENTIALS_CHANGED)]
        assert world.profiles.reloads >= 2

        world.database.error = error
        await world.database.reads_again(3)

    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2  # one for each gap
    assert set(caplog.messages) == {"changes cannot be read"}


async def test_op_17_a_process_that_was_paused_reads_before_it_answers(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(changes_module.time, "monotonic", lambda: now[0])
    await world.follower.start()
    await world.follower.catch_up()
    world.database.add(ChangeKind.CREDENTIALS, 7)

    now[0] += MAX_AGE_S
    await world.follower.ensure_fresh()
    assert world.database.reads == 1

    now[0] += 0.001
    await asyncio.gather(*(world.follower.ensure_fresh() for _ in range(10)))
    assert world.database.reads == 2
    assert world.sessions.ends == [(7, SessionEnd.CREDENTIALS_CHANGED)]

    world.database.error = Unavailable("away")
    now[0] += MAX_AGE_S + 0.001
    with pytest.raises(Unavailable):
        await world.follower.ensure_fresh()
