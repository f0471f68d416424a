"""What waits for a device reaches its sessions once, and in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from firstboot import downlink as downlink_module
from firstboot.downlink import AttributeUpdate, Downlinks, RpcRequest
from firstboot.errors import Unavailable
from firstboot.model import Scope, StoredAttribute
from firstboot.storage import AttributeChange, Change, ChangeKind, Storage

WAIT_S = 10.0
DEVICE = 7


class Database:
    """Shared attributes of one device, and the log of their changes."""

    def __init__(self) -> None:
        self.values: dict[str, StoredAttribute] = {}
        self.log: list[Change] = []
        self.moment = 0
        self.reads = 0
        self.reading = asyncio.Event()
        self.error: Exception | None = None

    def save(self, **values: Any) -> None:
        self.moment += 1
        for key, value in values.items():
            self.values[key] = StoredAttribute(Scope.SHARED, key, value, self.moment)
        self._log(AttributeChange(updated=tuple(values)))

    def delete(self, *keys: str) -> None:
        for key in keys:
            self.values.pop(key, None)
        self._log(AttributeChange(deleted=keys))

    async def read_again(self) -> None:
        """Wait until it was read three times: whoever reads does not give up."""
        while self.reads < 3:
            self.reading.clear()
            await self.reading.wait()

    def _log(self, change: AttributeChange) -> None:
        self.log.append(Change(len(self.log) + 1, ChangeKind.ATTRIBUTES, DEVICE, change.to_json()))

    def new_changes(self) -> list[Change]:
        taken, self.log = self.log, []
        return taken

    async def device_attributes(
        self, device_id: int, scope: Scope | None = None, keys: Collection[str] | None = None
    ) -> Sequence[StoredAttribute]:
        self.reads += 1
        self.reading.set()
        if self.error is not None:
            raise self.error
        assert (device_id, scope) == (DEVICE, Scope.SHARED)
        return [each for key, each in self.values.items() if keys is None or key in keys]


class Session:
    """A listener that keeps what it is told, and takes calls when it is interested."""

    def __init__(self, *, interested: bool = True) -> None:
        self.updates: list[AttributeUpdate] = []
        self.calls: list[RpcRequest] = []
        self.interested = interested

    def attributes_changed(self, update: AttributeUpdate) -> None:
        self.updates.append(update)

    def rpc_requested(self, request: RpcRequest) -> bool:
        if self.interested:
            self.calls.append(request)
        return self.interested


class World:
    def __init__(self) -> None:
        self.database = Database()
        self.downlinks = Downlinks(cast(Storage, self.database))

    async def follow(self) -> None:
        self.downlinks.note(self.database.new_changes())
        await self.downlinks.tell_noted()

    @asynccontextmanager
    async def telling(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.downlinks.tell())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])


@pytest.fixture
async def world() -> World:
    return World()


def call(number: int = 1) -> RpcRequest:
    return RpcRequest(id=number, method="reboot", params={})


# -- shared attributes -----------------------------------------------------------------------------


async def test_each_change_is_told_once_and_in_order(world: World) -> None:
    session = Session()
    world.downlinks.listen(DEVICE, session)
    world.database.save(a=1, b=2)
    world.database.delete("a")
    world.database.save(c=3)

    await world.follow()
    await world.follow()

    assert session.updates == [
        AttributeUpdate({"b": 2}),  # what became of "a" is in the change that follows
        AttributeUpdate({}, ("a",)),
        AttributeUpdate({"c": 3}),
    ]


async def test_a_key_that_changed_often_is_told_with_its_newest_value(world: World) -> None:
    session = Session()
    world.downlinks.listen(DEVICE, session)
    for number in range(5):
        world.database.save(a=number)

    await world.follow()

    assert session.updates == [AttributeUpdate({"a": 4})]


async def test_a_value_that_was_read_before_its_change_was_noticed_is_not_told_twice(world: World) -> None:
    session = Session()
    world.downlinks.listen(DEVICE, session)
    world.database.save(a=1)
    noticed = world.database.new_changes()
    world.database.save(a=2)

    world.downlinks.note(noticed)
    await world.downlinks.tell_noted()
    await world.follow()

    assert session.updates == [AttributeUpdate({"a": 2})]


async def test_the_same_value_written_again_is_told_again(world: World) -> None:
    session = Session()
    world.downlinks.listen(DEVICE, session)
    for _ in range(2):
        world.database.save(a=1)
        await world.follow()

    assert session.updates == [AttributeUpdate({"a": 1})] * 2


async def test_every_session_of_a_device_is_told_until_it_stops(world: World) -> None:
    one, two = Session(), Session()
    stop = world.downlinks.listen(DEVICE, one)
    world.downlinks.listen(DEVICE, two)
    world.database.save(a=1)
    await world.follow()

    stop()
    stop()
    world.database.save(a=2)
    await world.follow()

    assert one.updates == [AttributeUpdate({"a": 1})]
    assert two.updates == [AttributeUpdate({"a": 1}), AttributeUpdate({"a": 2})]


async def test_changes_of_devices_that_do_not_listen_here_cost_no_reading(world: World) -> None:
    world.database.save(a=1)

    await world.follow()

    assert world.database.reads == 0
    assert not world.downlinks.is_listening(DEVICE)


async def test_op_8_what_could_not_be_read_is_told_when_the_storage_is_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downlink_module, "RETRY_S", 0.0)
    world.database.error = Unavailable("away")
    waiting = asyncio.ensure_future(world.downlinks.next_update(DEVICE, WAIT_S))
    await asyncio.sleep(0)
    world.database.save(a=1)
    async with world.telling():
        world.downlinks.note(world.database.new_changes())
        await asyncio.wait_for(world.database.read_again(), WAIT_S)
        world.database.error = None
        update = await waiting

    assert update == AttributeUpdate({"a": 1})


async def test_a_session_that_fails_keeps_nothing_from_the_others(world: World) -> None:
    class Broken(Session):
        def attributes_changed(self, update: AttributeUpdate) -> None:
            raise ValueError

    good = Session()
    world.downlinks.listen(DEVICE, Broken())
    world.downlinks.listen(DEVICE, good)
    world.database.save(a=1)

    await world.follow()

    assert good.updates == [AttributeUpdate({"a": 1})]


async def test_a_poll_ends_without_an_update_and_leaves_no_listener(world: World) -> None:
    assert await world.downlinks.next_update(DEVICE, 0.0) is None
    assert not world.downlinks.is_listening(DEVICE)


# -- calls -----------------------------------------------------------------------------------------


async def test_a_call_is_taken_by_the_newest_session_that_takes_calls(world: World) -> None:
    absent, one, two = Session(interested=False), Session(), Session()
    for session in (two, one, absent):
        world.downlinks.listen(DEVICE, session)
    taken: list[int] = []

    world.downlinks.call(DEVICE, call(), lambda: taken.append(1))
    world.downlinks.offer_again(DEVICE)

    assert (absent.calls, one.calls, two.calls, taken) == ([], [call()], [], [1])


async def test_a_call_waits_for_a_session_and_for_its_interest(world: World) -> None:
    session = Session(interested=False)
    world.downlinks.call(DEVICE, call(1), lambda: None)
    world.downlinks.call(DEVICE, call(2), lambda: None)
    world.downlinks.listen(DEVICE, session)
    assert session.calls == []

    session.interested = True
    world.downlinks.offer_again(DEVICE)

    assert session.calls == [call(1), call(2)]


async def test_a_call_that_was_withdrawn_is_not_offered(world: World) -> None:
    withdraw = world.downlinks.call(DEVICE, call(), lambda: None)
    withdraw()
    session = Session()
    world.downlinks.listen(DEVICE, session)

    assert session.calls == []


async def test_a_call_to_one_device_is_not_offered_to_another(world: World) -> None:
    other = Session()
    world.downlinks.listen(DEVICE + 1, other)

    world.downlinks.call(DEVICE, call(), lambda: None)

    assert other.calls == []
