"""A plugin that is called for a request may do what it likes: it is cut off, counted and named (PL-1 to PL-6)."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import txaio

from firstboot.calls import (
    BREAKER_FAILURES,
    BREAKER_PAUSE_S,
    LOG_INTERVAL_S,
    MAX_THREADS,
    PluginFailed,
    PluginRunner,
)
from firstboot.errors import InvalidValue, ProfileNotProven, ProvisioningRefused, Unavailable
from firstboot.hookspecs import on_event_loop

WAIT_S = 10.0
SHORT_S = 0.02


@pytest.fixture(autouse=True)
def _asyncio_is_chosen() -> None:
    txaio.use_asyncio()


class Time:
    """A monotonic clock that stands still."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def runner(time: Time) -> PluginRunner:
    return PluginRunner("acme", WAIT_S, time)


@pytest.fixture
def hasty(time: Time) -> PluginRunner:
    return PluginRunner("acme", SHORT_S, time)


class Unprintable(Exception):
    def __str__(self) -> str:
        raise ZeroDivisionError

    __repr__ = __str__


async def fails(runner: PluginRunner, times: int = 1) -> None:
    async def fail() -> None:
        raise ValueError

    for _ in range(times):
        with pytest.raises(PluginFailed):
            await runner.call(fail, {})


async def succeeds(runner: PluginRunner) -> None:
    async def succeed() -> None:
        pass

    await runner.call(succeed, {})


# -- what an implementation may be -----------------------------------------------------------------


class DeferredLike:
    """As far as Firstboot sees a Twisted Deferred: awaiting it in a task is an error."""

    def asFuture(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[str]:
        future = loop.create_future()
        loop.call_soon(future.set_result, "answer")
        return future

    def __await__(self) -> Iterator[object]:
        raise AssertionError("awaited")


def plain() -> str:
    return "answer"


async def coroutine_function() -> str:
    await asyncio.sleep(0)
    return "answer"


def returns_a_coroutine() -> Any:
    return coroutine_function()


@on_event_loop
def returns_a_future() -> Any:
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.set_result, "answer")
    return future


@on_event_loop
def returns_a_txaio_future() -> Any:
    future = txaio.create_future()
    asyncio.get_running_loop().call_soon(txaio.resolve, future, "answer")
    return future


@on_event_loop
def returns_a_deferred() -> Any:
    return DeferredLike()


@on_event_loop
def answers_at_once() -> str:
    asyncio.get_running_loop()
    return "answer"


def returns_a_deferred_from_a_thread() -> Any:
    return DeferredLike()


@pytest.mark.parametrize(
    "function",
    [
        plain, coroutine_function, returns_a_coroutine, returns_a_future, returns_a_txaio_future,
        returns_a_deferred, answers_at_once, returns_a_deferred_from_a_thread,
    ],
)  # fmt: skip
async def test_an_implementation_may_be_of_any_kind(runner: PluginRunner, function: Callable[..., Any]) -> None:
    assert await runner.call(function, {}) == "answer"
    assert (runner.calls, runner.failures) == (1, 0)


async def test_an_implementation_gets_those_arguments_that_it_takes(runner: PluginRunner) -> None:
    async def takes_one(proposal: str) -> list[str]:
        return [proposal]

    async def takes_none() -> list[str]:
        return []

    def takes_all(proposal: str, request: str) -> list[str]:
        return [proposal, request]

    arguments = {"request": "r", "proposal": "p"}

    assert await runner.call(takes_one, arguments) == ["p"]
    assert await runner.call(takes_none, arguments) == []
    assert await runner.call(takes_all, arguments) == ["p", "r"]


async def test_pl_3_a_plain_function_is_called_in_a_thread_and_a_marked_one_on_the_loop(
    runner: PluginRunner,
) -> None:
    here = threading.get_ident()

    assert await runner.call(lambda: threading.get_ident(), {}) != here
    assert await runner.call(on_event_loop(lambda: threading.get_ident()), {}) == here


# -- PL-1: whatever it raises ----------------------------------------------------------------------

RAISED = [
    ValueError("text"), asyncio.CancelledError(), SystemExit(3), KeyboardInterrupt(), RecursionError(),
    MemoryError(), Unprintable(), StopIteration(), StopAsyncIteration(), GeneratorExit(), TimeoutError(),
    InvalidValue("the operator's"), BaseExceptionGroup("several", [SystemExit()]),
]  # fmt: skip


def _raise(error: BaseException) -> Any:
    raise error


async def _raise_async(error: BaseException) -> Any:
    await asyncio.sleep(0)
    raise error


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("kind", ["async", "plain", "on the loop", "future", "asked", "asked, async"])
async def test_pl_1_whatever_a_plugin_raises_is_its_failure_and_no_more(
    runner: PluginRunner, kind: str, error: BaseException
) -> None:
    def future() -> Any:
        if isinstance(error, StopIteration):  # asyncio takes it for no future
            raise error
        made = asyncio.get_running_loop().create_future()
        made.set_exception(error)
        return made

    calls: dict[str, Callable[[], Any]] = {
        "async": lambda: runner.call(lambda: _raise_async(error), {}),
        "plain": lambda: runner.call(lambda: _raise(error), {}),
        "on the loop": lambda: runner.call(on_event_loop(lambda: _raise(error)), {}),
        "future": lambda: runner.call(on_event_loop(future), {}),
        "asked": lambda: runner.ask(lambda: _raise(error)),
        "asked, async": lambda: runner.ask(lambda: _raise_async(error)),
    }

    with pytest.raises(PluginFailed, match="'acme' raised") as caught:
        await calls[kind]()

    assert caught.value.plugin == "acme"
    assert caught.value.code == "plugin-error"
    assert (runner.calls, runner.failures) == (1, 1)
    # The loop and the task are as they were.
    await succeeds(runner)


@pytest.mark.parametrize("refusal", [ProvisioningRefused("no", code="pool-empty"), ProfileNotProven("no")])
async def test_a_refusal_passes_and_is_no_failure(runner: PluginRunner, refusal: Exception) -> None:
    with pytest.raises(type(refusal)) as caught:
        await runner.call(lambda: _raise(refusal), {})
    with pytest.raises(type(refusal)):
        await runner.ask(lambda: _raise(refusal))

    assert caught.value is refusal
    assert runner.failures == 0


async def test_that_the_storage_is_away_passes_and_is_no_failure(runner: PluginRunner) -> None:
    with pytest.raises(Unavailable):
        await runner.ask(lambda: _raise_async(Unavailable("later")))

    assert runner.failures == 0


@pytest.mark.parametrize("code", ["", "Upper", "two words", "x" * 65, "a\nb", None, 5, ["a"]])
async def test_pl_5_a_refusal_with_a_code_that_is_none_is_a_failure(runner: PluginRunner, code: Any) -> None:
    refusal = ProvisioningRefused("no")
    refusal.code = code

    with pytest.raises(PluginFailed, match="code"):
        await runner.ask(lambda: _raise(refusal))

    assert runner.failures == 1


async def test_the_cancellation_of_a_request_is_no_failure_of_the_plugin(runner: PluginRunner) -> None:
    began = asyncio.Event()
    ended = asyncio.Event()

    async def hang() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    request = asyncio.create_task(runner.call(hang, {}))
    await began.wait()
    request.cancel()

    with pytest.raises(asyncio.CancelledError):
        await request
    await ended.wait()
    assert runner.failures == 0


# -- PL-2, PL-3: it takes its time -----------------------------------------------------------------


async def test_pl_2_a_plugin_that_hangs_is_cancelled_after_its_time_out(hasty: PluginRunner) -> None:
    cancelled = asyncio.Event()

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with pytest.raises(PluginFailed, match=r"did not answer within 0\.02 s"):
        await hasty.call(hang, {})

    await asyncio.wait_for(cancelled.wait(), WAIT_S)
    assert hasty.failures == 1


async def test_pl_2_a_future_that_is_never_resolved_is_given_up(hasty: PluginRunner) -> None:
    with pytest.raises(PluginFailed, match="did not answer"):
        await hasty.call(on_event_loop(lambda: asyncio.get_running_loop().create_future()), {})
    with pytest.raises(PluginFailed, match="did not answer"):
        await hasty.ask(lambda: asyncio.get_running_loop().create_future())


async def test_pl_2_one_that_ignores_its_cancellation_is_abandoned(hasty: PluginRunner) -> None:
    release = asyncio.Event()
    ended = asyncio.Event()

    async def stubborn() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        ended.set()

    with pytest.raises(PluginFailed, match="did not answer"):
        await hasty.call(stubborn, {})

    assert hasty.failures == 1
    assert not ended.is_set()
    release.set()
    await asyncio.wait_for(ended.wait(), WAIT_S)


async def test_pl_3_a_plain_function_that_blocks_does_not_block_the_loop_and_is_cut_off(
    hasty: PluginRunner,
) -> None:
    release = threading.Event()
    in_plugin = threading.Event()
    ended = threading.Event()

    def block() -> None:
        in_plugin.set()
        release.wait(WAIT_S)
        ended.set()

    try:
        with pytest.raises(PluginFailed, match="did not answer"):
            await hasty.call(block, {})

        assert in_plugin.is_set()
        assert not ended.is_set()
    finally:
        release.set()
    assert await asyncio.to_thread(ended.wait, WAIT_S)


async def test_pl_3_a_plugin_occupies_a_bounded_number_of_threads(time: Time) -> None:
    runner = PluginRunner("acme", WAIT_S, time)
    release = threading.Event()
    blocked = threading.Semaphore(0)

    def block() -> str:
        blocked.release()
        release.wait(WAIT_S)
        return "at last"

    waiting = [asyncio.create_task(runner.call(block, {})) for _ in range(MAX_THREADS)]
    try:
        for _ in range(MAX_THREADS):
            assert await asyncio.to_thread(blocked.acquire, timeout=WAIT_S)
        with pytest.raises(PluginFailed, match=f"has {MAX_THREADS} calls that do not end"):
            await runner.call(block, {})
        assert runner.failures == 1
    finally:
        release.set()

    assert await asyncio.gather(*waiting) == ["at last"] * MAX_THREADS
    # The threads have ended, so there is room again.
    assert await runner.call(plain, {}) == "answer"


async def test_pl_3_a_thread_that_cannot_be_started_leaves_its_place_free(
    runner: PluginRunner, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_more_threads(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_more_threads)
        for _ in range(MAX_THREADS + 1):
            with pytest.raises(PluginFailed):
                await runner.call(plain, {})
            time.now += BREAKER_PAUSE_S

    assert await runner.call(plain, {}) == "answer"


async def test_what_an_object_returns_at_once_makes_no_task(runner: PluginRunner) -> None:
    tasks: list[set[asyncio.Task[Any]]] = []

    answer = await runner.ask(lambda: tasks.append(asyncio.all_tasks()) or "answer")  # type: ignore[func-returns-value]

    assert answer == "answer"
    assert tasks == [{asyncio.current_task()}]
    assert runner.calls == 1


async def test_what_an_object_awaits_is_waited_for(runner: PluginRunner) -> None:
    assert await runner.ask(coroutine_function) == "answer"
    assert await runner.ask(DeferredLike) == "answer"
    assert runner.calls == 2


# -- PL-6: the breaker -----------------------------------------------------------------------------


async def test_pl_6_a_plugin_that_keeps_failing_is_left_alone_for_a_while(
    runner: PluginRunner, time: Time
) -> None:
    await fails(runner, BREAKER_FAILURES - 1)
    assert not runner.failing

    await fails(runner)
    assert runner.failing
    with pytest.raises(PluginFailed, match="left alone"):
        await succeeds(runner)
    with pytest.raises(PluginFailed, match="left alone"):
        await runner.ask(lambda: "answer")
    assert (runner.calls, runner.failures) == (BREAKER_FAILURES, BREAKER_FAILURES)

    time.now += BREAKER_PAUSE_S - 0.001
    assert runner.failing

    time.now += 0.001
    assert not runner.failing
    await succeeds(runner)


async def test_pl_6_it_is_not_even_called_while_it_is_left_alone(runner: PluginRunner) -> None:
    called: list[str] = []
    await fails(runner, BREAKER_FAILURES)

    for call in (runner.ask, runner.run):
        with pytest.raises(PluginFailed):
            await call(lambda: called.append("called"))
    with pytest.raises(PluginFailed):
        await runner.call(lambda: called.append("called"), {})

    assert called == []


async def test_pl_6_a_success_in_between_starts_the_count_anew(runner: PluginRunner) -> None:
    for _ in range(3):
        await fails(runner, BREAKER_FAILURES - 1)
        await succeeds(runner)

    assert not runner.failing


@pytest.mark.parametrize("answered", ["awaited", "at once"])
async def test_pl_6_answers_that_cannot_be_used_open_the_breaker_too(runner: PluginRunner, answered: str) -> None:
    for number in range(BREAKER_FAILURES):
        assert not runner.failing, number
        answer = await (runner.run(coroutine_function) if answered == "awaited" else runner.ask(plain))
        assert str(runner.count_failure(f"answered {answer}")) == "plugin 'acme' answered answer"

    assert runner.failing
    assert runner.failures == BREAKER_FAILURES


async def test_pl_2_time_outs_open_the_breaker(hasty: PluginRunner) -> None:
    hasty.timeout_s = 0.0
    for _ in range(BREAKER_FAILURES):
        with pytest.raises(PluginFailed, match="did not answer"):
            await hasty.call(asyncio.Event().wait, {})

    assert hasty.failing


async def test_pl_6_the_log_names_the_plugin_that_is_left_alone(
    runner: PluginRunner, caplog: pytest.LogCaptureFixture
) -> None:
    await fails(runner, BREAKER_FAILURES)

    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert line == "plugin acme failed 10 times in a row; paused"


async def test_se_6_failures_are_logged_with_their_place_but_not_all_of_them(
    runner: PluginRunner, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    await fails(runner, 3)
    time.now += LOG_INTERVAL_S
    await fails(runner)

    lines = [record for record in caplog.records if record.message == "plugin failed"]
    assert [(line.plugin, line.what, line.failures) for line in lines] == [  # type: ignore[attr-defined]
        ("acme", "raised ValueError", 1),
        ("acme", "raised ValueError", 4),
    ]
    assert all(line.exc_info and line.exc_info[0] is ValueError for line in lines)
