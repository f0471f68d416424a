"""What an observing plugin does or fails to do costs nobody else anything (PL-1, PL-4)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import txaio

from firstboot.calls import BREAKER_FAILURES
from firstboot.config import PluginsConfig
from firstboot.errors import ProvisioningRefused, Unavailable
from firstboot.hookspecs import OBSERVING, hookimpl
from firstboot.observing import QUEUE_LENGTH, Observers
from firstboot.plugin_manager import PluginManager

HOOK = "firstboot_device_provisioned"
OTHER_HOOK = "firstboot_provisioning_refused"
WAIT_S = 10.0


class Watcher:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.seen: list[object] = []
        self._more = asyncio.Event()

    async def __call__(self, event: object) -> None:
        self.seen.append(event)
        self._more.set()

    async def has(self, count: int) -> list[object]:
        """Wait until it was told so many events; return them."""
        async with asyncio.timeout(WAIT_S):
            while len(self.seen) < count:
                self._more.clear()
                await self._more.wait()
        return self.seen


class Gate:
    """An observer that stands still until it is opened."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.opened = asyncio.Event()
        self.seen: list[object] = []

    async def __call__(self, event: object) -> None:
        self.seen.append(event)
        self.entered.set()
        await self.opened.wait()


def observers(**plugins: Callable[..., Any] | dict[str, Callable[..., Any]]) -> tuple[Observers, PluginManager]:
    txaio.use_asyncio()
    manager = PluginManager(PluginsConfig())
    for name, hooks in plugins.items():
        functions = hooks if isinstance(hooks, dict) else {HOOK: hooks}
        marked = {hook: hookimpl(_as_function(function)) for hook, function in functions.items()}
        manager.register(SimpleNamespace(FIRSTBOOT_API=1, **marked), name)
    return Observers(manager), manager


def _as_function(observer: Any) -> Callable[..., Any]:
    if not isinstance(observer, Watcher | Gate):
        return observer  # type: ignore[no-any-return]

    async def observe(event: object) -> None:
        await observer(event)

    return observe


async def test_events_are_told_to_everybody_in_their_order() -> None:
    one, two = Watcher(), Watcher()
    told, _ = observers(one=one, two={HOOK: two, OTHER_HOOK: two})

    for number in range(5):
        told.tell(HOOK, number)
    told.tell(OTHER_HOOK, "refused")

    assert await one.has(5) == [0, 1, 2, 3, 4]
    assert await two.has(6) == [0, 1, 2, 3, 4, "refused"]
    await told.stop(WAIT_S)
    assert one.seen == [0, 1, 2, 3, 4]


async def test_an_event_that_nobody_wants_need_not_be_made() -> None:
    told, _ = observers(one={HOOK: Watcher()})

    assert told.wanted(HOOK)
    assert [hook for hook in OBSERVING if told.wanted(hook)] == [HOOK]
    told.tell(OTHER_HOOK, "nobody hears this")


async def test_the_watcher_hears_everything_and_makes_events_wanted() -> None:
    class Recorder:
        def __init__(self) -> None:
            self.seen: list[object] = []

        def wanted(self, hook: str) -> bool:
            return hook == OTHER_HOOK

        def tell(self, hook: str, event: object) -> None:
            self.seen.append((hook, event))

    watcher = Recorder()
    told = Observers(PluginManager(PluginsConfig()), watcher)

    assert [hook for hook in OBSERVING if told.wanted(hook)] == [OTHER_HOOK]
    told.tell(OTHER_HOOK, "refused")
    assert watcher.seen == [(OTHER_HOOK, "refused")]


async def test_pl_3_a_plain_function_observes_too() -> None:
    heard = asyncio.Event()
    loop = asyncio.get_running_loop()
    told, _ = observers(plain=lambda event: loop.call_soon_threadsafe(heard.set))

    told.tell(HOOK, "event")

    await asyncio.wait_for(heard.wait(), WAIT_S)


async def test_pl_4_a_slow_observer_delays_neither_the_teller_nor_the_others() -> None:
    slow, quick = Gate(), Watcher()
    told, _ = observers(slow=slow, quick=quick)

    for number in range(20):
        told.tell(HOOK, number)

    assert await quick.has(20) == list(range(20))
    assert slow.seen == [0]
    slow.opened.set()
    await told.stop(WAIT_S)
    assert slow.seen == list(range(20))


async def test_pl_4_a_full_queue_drops_the_oldest_and_counts(caplog: pytest.LogCaptureFixture) -> None:
    slow = Gate()
    told, _ = observers(slow=slow)
    told.tell(HOOK, "first")
    await asyncio.wait_for(slow.entered.wait(), WAIT_S)

    for number in range(QUEUE_LENGTH + 3):
        told.tell(HOOK, number)

    assert told.dropped == {"slow": 3}
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert lines == ["plugin slow is too slow: 1 events dropped"]
    slow.opened.set()
    await told.stop(WAIT_S)
    assert slow.seen == ["first", *range(3, QUEUE_LENGTH + 3)]


@pytest.mark.parametrize(
    "error",
    [ValueError("text"), SystemExit(1), KeyboardInterrupt(), asyncio.CancelledError(), MemoryError()],
    ids=lambda error: type(error).__name__,
)
async def test_pl_1_a_failing_observer_is_counted_and_goes_on(error: BaseException) -> None:
    good, seen = Watcher(), []

    async def fail_once(event: object) -> None:
        seen.append(event)
        if len(seen) == 1:
            raise error

    told, manager = observers(bad=fail_once, good=good)
    told.tell(HOOK, 1)
    told.tell(HOOK, 2)
    await told.stop(WAIT_S)

    assert seen == [1, 2]
    assert good.seen == [1, 2]
    assert (manager.runner("bad").failures, manager.runner("good").failures) == (1, 0)


async def test_pl_6_an_observer_that_keeps_failing_is_skipped() -> None:
    calls = []

    async def fail(event: object) -> None:
        calls.append(event)
        raise ValueError

    told, manager = observers(bad=fail)
    for number in range(BREAKER_FAILURES + 5):
        told.tell(HOOK, number)
    await told.stop(WAIT_S)

    assert calls == list(range(BREAKER_FAILURES))
    assert manager.runner("bad").failing


@pytest.mark.parametrize("error", [ProvisioningRefused("no"), Unavailable("no")])
async def test_an_observer_can_refuse_nothing_and_trying_is_a_failure(error: Exception) -> None:
    async def refuse(event: object) -> None:
        raise error

    told, manager = observers(bad=refuse)
    for number in range(BREAKER_FAILURES):
        told.tell(HOOK, number)
    await told.stop(WAIT_S)

    assert manager.runner("bad").failures == BREAKER_FAILURES
    assert manager.runner("bad").failing


async def test_stopping_lets_the_observers_finish() -> None:
    slow = Gate()
    told, _ = observers(slow=slow)
    told.tell(HOOK, 1)
    told.tell(HOOK, 2)
    await asyncio.wait_for(slow.entered.wait(), WAIT_S)

    stopping = asyncio.create_task(told.stop(WAIT_S))
    slow.opened.set()
    await stopping

    assert slow.seen == [1, 2]
    assert told.dropped == {"slow": 0}


async def test_stopping_does_not_wait_for_ever_and_leaves_no_task(caplog: pytest.LogCaptureFixture) -> None:
    slow = Gate()
    told, _ = observers(slow=slow)
    for number in range(3):
        told.tell(HOOK, number)
    await asyncio.wait_for(slow.entered.wait(), WAIT_S)

    await told.stop(0.0)

    assert slow.seen == [0]
    assert told.dropped == {"slow": 2}
    assert "plugin slow was busy when the server stopped: 2 events dropped" in caplog.messages
    assert [task for task in asyncio.all_tasks() if "_work" in repr(task.get_coro())] == []
    for _ in range(3):  # the plugin's own task gets the turns that it needs to end
        await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_what_happens_after_the_stop_is_not_told() -> None:
    one = Watcher()
    told, _ = observers(one=one)
    await told.stop(WAIT_S)

    told.tell(HOOK, "late")

    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert one.seen == []
