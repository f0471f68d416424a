"""Calling plugins for a request: sync or async, cut off in time, and contained.

`txaio.as_future` is the seam: whatever an implementation is (a coroutine function, a plain function in a
thread, a function that returns a future), it comes back as one future. Everything that can go wrong in a
plugin (threats PL-1, PL-2, PL-3, PL-6) becomes a `PluginFailed`.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NoReturn

import txaio

from firstboot.errors import FirstbootError, Refused, Unavailable

logger = logging.getLogger(__name__)

BREAKER_FAILURES = 10
"""Failures in a row after which a plugin is left alone for `BREAKER_PAUSE_S`."""
BREAKER_PAUSE_S = 30.0
MAX_THREADS = 16
"""Threads that one plugin may occupy; a thread cannot be stopped, only abandoned."""
LOG_INTERVAL_S = 6.0
"""A plugin's failures are logged no more often than this (threat SE-6); all of them are counted."""

_REFUSAL_CODE = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


def is_refusal_code(code: object) -> bool:
    """Say whether a plugin may refuse with this code: lower-case letters, digits and ``-``."""
    return isinstance(code, str) and _REFUSAL_CODE.fullmatch(code) is not None


class PluginFailed(FirstbootError):
    """A plugin raised, took too long, or is left alone because it keeps failing. Names the plugin."""

    code = "plugin-error"

    def __init__(self, plugin: str, what: str) -> None:
        super().__init__(f"plugin {plugin!r} {what}")
        self.plugin = plugin


class PluginRunner:
    """Calls one plugin's functions, counts its failures, and leaves it alone while it keeps failing."""

    def __init__(self, name: str, timeout_s: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self.timeout_s = timeout_s
        self.calls = 0
        self.failures = 0
        self._monotonic = monotonic
        self._failures_in_a_row = 0
        self._failures_before_answer = 0
        self._closed_until = float("-inf")
        self._log_again_at = float("-inf")
        self._threads = 0
        self._threads_lock = threading.Lock()

    @property
    def failing(self) -> bool:
        """Whether the plugin is being left alone."""
        return self._monotonic() < self._closed_until

    async def call(self, function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
        """Call an implementation with those of the arguments that it takes, and return its answer.

        Raises: as `run`.
        """
        taken = _parameters(function)
        given = {name: value for name, value in arguments.items() if name in taken}
        if inspect.iscoroutinefunction(function) or getattr(function, "firstboot_on_event_loop", False):
            return await self.run(lambda: function(**given))
        return await self.run(lambda: self._in_thread(function, given))

    async def ask(self, start: Callable[[], Any]) -> Any:
        """Return what ``start`` returns; only an awaitable, which may take its time, costs a task.

        Raises: as `run`.
        """
        self._refuse_while_failing()
        try:
            answer = start()
            if not _is_pending(answer):
                self.calls += 1
                self._succeeded()
                return answer
        except BaseException as error:  # nobody cancels a plain call: also CancelledError is the plugin's own
            self.calls += 1
            self._raise(error)
        return await self.run(lambda: answer)

    async def run(self, start: Callable[[], Any]) -> Any:
        """Wait for what ``start`` returns (a value, coroutine or future), no longer than the time-out.

        Raises: `PluginFailed`. `Refused` and `Unavailable` pass through and do not count as failures.
        """
        self._refuse_while_failing()
        self.calls += 1
        # A future of its own: a plugin that ignores its cancellation must not hold up the request.
        future = txaio.as_future(_contained, start)  # type: ignore[attr-defined]
        try:
            await asyncio.wait([future], timeout=self.timeout_s)
        except asyncio.CancelledError:
            future.cancel()
            raise
        if not future.done():
            future.cancel()
            raise self._failed(f"did not answer within {self.timeout_s:g} s")
        if future.cancelled():
            raise self._failed("raised CancelledError")
        value, error = future.result()
        if error is not None:
            self._raise(error)
        self._succeeded()
        return value

    def count_failure(self, what: str) -> PluginFailed:
        """Count an answer that cannot be used as a failure, and return the error to raise.

        To be called before anything else is awaited: the answer was no success then.
        """
        self._failures_in_a_row = self._failures_before_answer
        return self._failed(what)

    def _refuse_while_failing(self) -> None:
        if self.failing:
            raise PluginFailed(self.name, "failed too often and is left alone for a while")

    def _succeeded(self) -> None:
        self._failures_before_answer = self._failures_in_a_row
        self._failures_in_a_row = 0

    def _raise(self, error: BaseException) -> NoReturn:
        if isinstance(error, _TooManyThreads):
            raise self._failed(f"has {MAX_THREADS} calls that do not end") from None
        if isinstance(error, Refused) and not is_refusal_code(error.code):
            raise self._failed("refused with a code that is not lower-case letters, digits and '-'") from error
        if isinstance(error, Refused | Unavailable):
            self._succeeded()
            raise error
        raise self._failed(f"raised {type(error).__name__}", error) from error

    def _failed(self, what: str, error: BaseException | None = None) -> PluginFailed:
        self.failures += 1
        self._failures_in_a_row += 1
        now = self._monotonic()
        if now >= self._log_again_at:
            self._log_again_at = now + LOG_INTERVAL_S
            logger.warning(
                "plugin failed",
                extra={"plugin": self.name, "what": what, "failures": self.failures},
                exc_info=error,
            )
        if self._failures_in_a_row >= BREAKER_FAILURES:
            self._closed_until = now + BREAKER_PAUSE_S
            self._failures_in_a_row = 0
            logger.error("plugin %s failed %d times in a row; paused", self.name, BREAKER_FAILURES)
        return PluginFailed(self.name, what)

    async def _in_thread(self, function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
        """Run a plain function in a daemon thread: one that hangs must not keep the process alive."""
        with self._threads_lock:
            if self._threads >= MAX_THREADS:
                raise _TooManyThreads
            self._threads += 1
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()

        def settle(value: Any, error: BaseException | None) -> None:
            if not answer.done():
                answer.set_result((value, error))

        def run() -> None:
            value, error = None, None
            try:
                value = function(**arguments)
            except BaseException as raised:
                error = raised
            with self._threads_lock:
                self._threads -= 1
            try:
                loop.call_soon_threadsafe(settle, value, error)
            except RuntimeError:  # the server has stopped meanwhile
                pass

        try:
            threading.Thread(target=run, name=f"plugin {self.name}", daemon=True).start()
        except RuntimeError:  # the system gives no more threads
            with self._threads_lock:
                self._threads -= 1
            raise
        value, error = await answer
        if error is not None:
            raise error
        return await _settled(value)


class _TooManyThreads(Exception):
    """All threads that the plugin may have are in calls that have not ended."""


@lru_cache(maxsize=1024)
def _parameters(function: Callable[..., Any]) -> frozenset[str]:
    return frozenset(inspect.signature(function).parameters)


async def _contained(start: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    """Return the answer or the error; raise neither, because SystemExit in a task stops the event loop."""
    try:
        return await _settled(start()), None
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        return None, error  # the plugin raised it itself
    except BaseException as error:
        return None, error


def _is_pending(value: Any) -> bool:
    return inspect.isawaitable(value) or hasattr(value, "asFuture")


async def _settled(value: Any) -> Any:
    if hasattr(value, "asFuture"):
        # A Twisted Deferred is not awaited by an asyncio task; it says itself how to become a future.
        value = value.asFuture(asyncio.get_running_loop())
    return await value if inspect.isawaitable(value) else value
