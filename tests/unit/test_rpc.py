"""Calls to devices end with an answer or a reason, and calls of devices with what a plugin answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
import txaio

from firstboot import rpc as rpc_module
from firstboot.batching import Batcher
from firstboot.clock import Clock
from firstboot.config import PluginsConfig
from firstboot.downlink import Downlinks, RpcRequest
from firstboot.errors import (
    DeviceOffline,
    InvalidValue,
    ProvisioningRefused,
    RpcTimedOut,
    RpcUnanswered,
    Unavailable,
)
from firstboot.events import DeviceRpc
from firstboot.hookspecs import hookimpl
from firstboot.model import DeviceRef, Origin
from firstboot.plugin_manager import PluginManager
from firstboot.rpc import MAX_PENDING, RpcAnswer, RpcExchange
from firstboot.storage import AppendAudit, Outcome, Storage, Write, WriteResult

SOON = timedelta(milliseconds=1)
LONG = timedelta(seconds=60)
DEVICE = DeviceRef(id=7, public_id=UUID(int=7), tenant_id=1, profile_id=1, name="meter-7")
OTHER = DeviceRef(id=8, public_id=UUID(int=8), tenant_id=1, profile_id=1, name="meter-8")
ORIGIN = Origin(transport="mqtt", dialect="test", address="192.0.2.1")


class World:
    def __init__(self, **plugins: Callable[..., Any]) -> None:
        txaio.use_asyncio()
        self.manager = PluginManager(PluginsConfig())
        for name, function in plugins.items():
            plugin = SimpleNamespace(FIRSTBOOT_API=1, firstboot_device_rpc=hookimpl(function))
            self.manager.register(plugin, name)
        self.written: list[Write] = []
        self.error: Exception | None = None
        self.downlinks = Downlinks(cast(Storage, None))
        self.rpc = RpcExchange(self.downlinks, self.manager, Batcher(self._write), Clock())

    async def _write(self, batch: Sequence[Write]) -> Sequence[WriteResult]:
        if self.error is not None:
            raise self.error
        self.written += batch
        return [WriteResult(Outcome.DONE)] * len(batch)

    def call(self, timeout: timedelta = LONG, *, one_way: bool = False) -> asyncio.Task[RpcAnswer]:
        calling = self.rpc.call(
            DEVICE, "reboot", {"delay": 1}, timeout=timeout, one_way=one_way, actor="user:a@example.com"
        )
        return asyncio.ensure_future(calling)


@pytest.fixture
async def world() -> World:
    return World()


# -- to a device -----------------------------------------------------------------------------------


async def test_a_device_is_called_and_answers(world: World) -> None:
    calling = world.call()
    request = await world.rpc.next(DEVICE.id, 60)

    assert request == RpcRequest(id=1, method="reboot", params={"delay": 1})
    assert world.rpc.answer(DEVICE.id, request.id, {"done": True})
    assert await calling == RpcAnswer({"done": True})


async def test_a_one_way_call_is_over_when_the_device_is_told(world: World) -> None:
    calling = world.call(one_way=True)
    request = await world.rpc.next(DEVICE.id, 60)

    assert request is not None
    assert request.one_way
    assert await calling == RpcAnswer(None)
    assert not world.rpc.answer(DEVICE.id, request.id, "late")


async def test_only_the_device_that_was_called_answers(world: World) -> None:
    calling = world.call()
    request = await world.rpc.next(DEVICE.id, 60)
    assert request is not None

    assert not world.rpc.answer(OTHER.id, request.id, "forged")
    assert not world.rpc.answer(DEVICE.id, request.id + 1, "of another call")
    assert world.rpc.answer(DEVICE.id, request.id, "mine")
    assert not world.rpc.answer(DEVICE.id, request.id, "twice")
    assert await calling == RpcAnswer("mine")


async def test_a_device_that_nobody_can_reach_is_offline(world: World) -> None:
    with pytest.raises(DeviceOffline):
        await world.call(SOON)
    assert await world.rpc.next(DEVICE.id, 0.0) is None  # it is not told later


async def test_a_device_that_takes_the_call_and_says_nothing_has_timed_out(world: World) -> None:
    calling = world.call(timedelta(milliseconds=50))
    assert await world.rpc.next(DEVICE.id, 60) is not None

    with pytest.raises(RpcTimedOut):
        await calling


async def test_a_caller_who_gives_up_leaves_nothing_behind(world: World) -> None:
    calling = world.call()
    await asyncio.sleep(0)
    calling.cancel()
    await asyncio.wait([calling])

    assert await world.rpc.next(DEVICE.id, 0.0) is None


async def test_se_7_a_call_is_audited_without_its_parameters_before_the_device_hears_of_it(world: World) -> None:
    calling = world.call(one_way=True)
    await world.rpc.next(DEVICE.id, 60)
    await calling

    (written,) = world.written
    assert isinstance(written, AppendAudit)
    entry = written.audit
    assert (entry.event, entry.device, entry.actor, entry.detail) == (
        "device-called", "meter-7", "user:a@example.com", "reboot",
    )  # fmt: skip

    world.error = Unavailable("away")
    with pytest.raises(Unavailable):
        await world.call()
    assert await world.rpc.next(DEVICE.id, 0.0) is None


async def test_mq_17_too_many_calls_that_wait_are_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = [world.call() for _ in range(MAX_PENDING)]
    await asyncio.sleep(0)

    with pytest.raises(Unavailable):
        await world.call()
    for each in waiting:
        each.cancel()
    await asyncio.wait(waiting)
    monkeypatch.setattr(rpc_module, "MAX_PENDING_IN_ALL", 0)
    with pytest.raises(Unavailable):
        await world.call()


@pytest.mark.parametrize(
    ("method", "params", "timeout"),
    [("", {}, LONG), ("a\0", {}, LONG), ("m", float("nan"), LONG), ("m", {}, timedelta(0)),
     ("m", {}, timedelta(days=1))],
)  # fmt: skip
async def test_a_call_that_breaks_a_rule_is_refused(
    world: World, method: str, params: Any, timeout: timedelta
) -> None:
    with pytest.raises(InvalidValue):
        await world.rpc.call(DEVICE, method, params, timeout=timeout, one_way=True, actor="test")

    assert world.written == []


# -- from a device ---------------------------------------------------------------------------------


async def test_the_first_answer_counts_and_the_others_are_not_asked() -> None:
    asked: list[str] = []

    async def first(request: DeviceRpc) -> Any:
        asked.append(f"first {request.method}")
        return {"now": 5} if request.method == "time" else None

    def second(request: DeviceRpc) -> Any:
        asked.append(f"second {request.method}")
        return [request.device.name, request.params, request.origin.address]

    world = World(zz_second=second, first=first)

    assert await world.rpc.ask(DEVICE, "time", None, ORIGIN) == {"now": 5}
    assert await world.rpc.ask(DEVICE, "other", 1, ORIGIN) == ["meter-7", 1, "192.0.2.1"]
    assert asked == ["first time", "first other", "second other"]


@pytest.mark.parametrize("answer", [0, False, "", [], {}])
async def test_an_answer_that_is_empty_is_an_answer(answer: Any) -> None:
    world = World(plugin=lambda request: answer)

    assert await world.rpc.ask(DEVICE, "m", None, ORIGIN) == answer


async def test_a_method_that_nobody_knows_is_not_answered() -> None:
    world = World(plugin=lambda request: None)

    with pytest.raises(RpcUnanswered):
        await world.rpc.ask(DEVICE, "m", None, ORIGIN)


@pytest.mark.parametrize(
    "error", [ValueError("secret"), SystemExit(1), ProvisioningRefused("no"), Unavailable("no")],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
async def test_pl_1_a_plugin_that_fails_leaves_the_call_unanswered(error: BaseException) -> None:
    async def fail(request: DeviceRpc) -> Any:
        raise error

    world = World(zz=lambda request: "not asked", bad=fail)

    with pytest.raises(RpcUnanswered) as unanswered:
        await world.rpc.ask(DEVICE, "m", None, ORIGIN)
    assert "bad" in str(unanswered.value)


@pytest.mark.parametrize("answer", [object(), float("nan"), "x" * 100_000])
async def test_pl_5_an_answer_that_json_cannot_say_is_the_plugins_failure(answer: Any) -> None:
    world = World(bad=lambda request: answer)

    with pytest.raises(RpcUnanswered):
        await world.rpc.ask(DEVICE, "m", None, ORIGIN)
    assert world.manager.runner("bad").failures == 1
