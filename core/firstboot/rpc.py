"""Calls between the server and its devices, in both directions."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from firstboot.attribute_values import check_value
from firstboot.batching import Batcher
from firstboot.calls import PluginFailed, PluginRunner
from firstboot.clock import Clock
from firstboot.downlink import Downlinks, RpcRequest
from firstboot.errors import DeviceOffline, InvalidValue, Refused, RpcTimedOut, RpcUnanswered, Unavailable
from firstboot.events import DeviceRpc
from firstboot.model import DeviceRef, Origin
from firstboot.names import clean_name
from firstboot.plugin_manager import PluginManager
from firstboot.storage import AppendAudit, AuditEntry, Write, WriteResult

logger = logging.getLogger(__name__)

MAX_PENDING = 20
"""Calls to one device that may wait at the same time."""
MAX_PENDING_IN_ALL = 10_000
MAX_TIMEOUT = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class RpcAnswer:
    """What a device answered; the value of a one-way call is None."""

    value: Any


class RpcExchange:
    """Calls devices that have a session on this node, and asks plugins what devices want to know."""

    def __init__(
        self, downlinks: Downlinks, plugins: PluginManager, commits: Batcher[Write, WriteResult], clock: Clock
    ) -> None:
        self._downlinks = downlinks
        self._commits = commits
        self._clock = clock
        self._plugins: list[tuple[PluginRunner, Callable[..., Any]]] = plugins.implementations(
            "firstboot_device_rpc"
        )
        self._ids = itertools.count(1)
        self._pending: dict[int, dict[int, asyncio.Future[Any]]] = {}
        self._count = 0

    # -- to a device -------------------------------------------------------------------------------

    async def call(
        self, device: DeviceRef, method: str, params: Any, *, timeout: timedelta, one_way: bool, actor: str
    ) -> RpcAnswer:
        """Call a device and return its answer; a one-way call returns when the device has been told.

        The call waits for a session that takes it, and then for the answer, no longer than ``timeout`` in all.

        Raises: `DeviceOffline` when no session took it, `RpcTimedOut`, `InvalidValue`, `Unavailable` when too
        many calls wait already.
        """
        method = clean_name(method, "method")
        if params is not None:
            check_value(params, "params")
        if not timedelta(0) < timeout <= MAX_TIMEOUT:
            raise InvalidValue(f"A time-out is above zero and at most {MAX_TIMEOUT}.")
        pending = self._pending.setdefault(device.id, {})
        if len(pending) >= MAX_PENDING or self._count >= MAX_PENDING_IN_ALL:
            raise Unavailable("Too many calls wait for devices.")
        request = RpcRequest(id=next(self._ids), method=method, params=params, one_way=one_way)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        pending[request.id] = answer
        self._count += 1
        try:
            # Before the device hears of it: a call that cannot be audited does not happen (threat SE-7).
            await self._commits.submit(AppendAudit(self._audit(device, request, actor)))
            return RpcAnswer(await self._exchange(device, request, answer, timeout))
        finally:
            self._count -= 1
            del pending[request.id]
            if not pending:
                self._pending.pop(device.id, None)

    async def _exchange(
        self, device: DeviceRef, request: RpcRequest, answer: asyncio.Future[Any], timeout: timedelta
    ) -> Any:
        taken = asyncio.Event()
        withdraw = self._downlinks.call(device.id, request, taken.set)
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                await taken.wait()
                return None if request.one_way else await answer
        except TimeoutError:
            if taken.is_set():
                raise RpcTimedOut(f"Device {device.name!r} gave no answer in time.") from None
            raise DeviceOffline(f"Device {device.name!r} has no session that takes calls.") from None
        finally:
            withdraw()

    def answer(self, device_id: int, rpc_id: int, value: Any) -> bool:
        """Take a device's answer; say whether somebody waited for it. Only its own calls count."""
        waiting = self._pending.get(device_id, {}).get(rpc_id)
        if waiting is None or waiting.done():
            return False
        waiting.set_result(value)
        return True

    async def next(self, device_id: int, timeout_s: float) -> RpcRequest | None:
        """Take the next call to a device; None when there was none in time. For transports that poll."""
        taker = _OneCall()
        stop = self._downlinks.listen(device_id, taker)
        try:
            async with asyncio.timeout(timeout_s):
                return await taker.request
        except TimeoutError:
            return taker.taken  # perhaps in the very last moment: nobody else would get it
        finally:
            stop()

    def _audit(self, device: DeviceRef, request: RpcRequest, actor: str) -> AuditEntry:
        return AuditEntry(
            at_ms=self._clock.now_ms(),
            event="device-called",
            tenant_id=device.tenant_id,
            device=device.name,
            device_id=device.public_id,
            actor=actor,
            detail=request.method,
        )

    # -- from a device -----------------------------------------------------------------------------

    async def ask(self, device: DeviceRef, method: str, params: Any, origin: Origin) -> Any:
        """Return what the first plugin that knows the method answers a device.

        Raises: `RpcUnanswered`.
        """
        for runner, function in self._plugins:
            request = DeviceRpc(
                device=device, method=method, params=params, origin=origin, at_ms=self._clock.now_ms()
            )
            try:
                answer = await runner.call(function, {"request": request})
            except PluginFailed as failure:
                raise RpcUnanswered(str(failure)) from failure
            except (Refused, Unavailable) as error:
                raise RpcUnanswered(f"plugin {runner.name!r} refused: {error}") from error
            if answer is None:
                continue
            try:
                check_value(answer, "answer")
            except InvalidValue as error:
                raise RpcUnanswered(str(runner.count_failure(f"gave an unusable answer: {error}"))) from error
            return answer
        raise RpcUnanswered(f"No plugin answers {method[:64]!r}.")


class _OneCall:
    """A listener that takes one call, and no attributes."""

    def __init__(self) -> None:
        self.request: asyncio.Future[RpcRequest] = asyncio.get_running_loop().create_future()
        self.taken: RpcRequest | None = None

    def attributes_changed(self, update: object) -> None:
        pass

    def rpc_requested(self, request: RpcRequest) -> bool:
        if self.request.done():
            return False
        self.taken = request
        self.request.set_result(request)
        return True
