"""What waits to be told to a device: changes of its shared attributes, and calls.

Every change of shared attributes reaches the listeners through the log of changes, wherever it was made: one
way, so each is told once, and in order. The log names the keys; the values are read when they are told.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from firstboot.errors import Unavailable
from firstboot.model import Scope, StoredAttribute
from firstboot.storage import AttributeChange, Change, ChangeKind, Storage

logger = logging.getLogger(__name__)

READS_AT_A_TIME = 16
RETRY_S = 0.3


@dataclass(frozen=True, slots=True)
class AttributeUpdate:
    """Shared attributes that were set, with their newest values, and those that were deleted."""

    values: Mapping[str, Any]
    deleted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RpcRequest:
    """A call that a device is to answer, unless it is ``one_way``."""

    id: int
    method: str
    params: Any
    one_way: bool = False


class DownlinkListener(Protocol):
    """A session of a device. Both methods are called on the event loop and may not wait."""

    def attributes_changed(self, update: AttributeUpdate) -> None: ...

    def rpc_requested(self, request: RpcRequest) -> bool:
        """Take a call, and say so; False: not interested, such as without a subscription."""
        ...


class Downlinks:
    """The devices that listen on this node, and what waits for them."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._listeners: dict[int, list[DownlinkListener]] = {}
        self._calls: dict[int, dict[int, tuple[RpcRequest, Callable[[], None]]]] = {}
        self._changes: dict[int, list[AttributeChange]] = {}
        """What was not told yet, oldest first."""
        self._told: dict[int, dict[str, StoredAttribute | None]] = {}
        """What was told last: a value that was read before its own change was noticed is not told twice."""
        self._news = asyncio.Event()

    # -- listening ---------------------------------------------------------------------------------

    def listen(self, device_id: int, listener: DownlinkListener) -> Callable[[], None]:
        """Tell ``listener`` from now on; return what stops it. It may take waiting calls before this returns."""
        self._listeners.setdefault(device_id, []).append(listener)
        self.offer_again(device_id)

        def stop() -> None:
            listeners = self._listeners.get(device_id, [])
            if listener in listeners:
                listeners.remove(listener)
            if not listeners:
                self._listeners.pop(device_id, None)
                self._told.pop(device_id, None)

        return stop

    def is_listening(self, device_id: int) -> bool:
        """Say whether the device has a session on this node that may be told something."""
        return device_id in self._listeners

    async def next_update(self, device_id: int, timeout_s: float) -> AttributeUpdate | None:
        """Wait for the next change of shared attributes; None when there was none in time."""
        waiting = _OneUpdate()
        stop = self.listen(device_id, waiting)
        try:
            async with asyncio.timeout(timeout_s):
                return await waiting.update
        except TimeoutError:
            return None
        finally:
            stop()

    # -- calls -------------------------------------------------------------------------------------

    def call(self, device_id: int, request: RpcRequest, taken: Callable[[], None]) -> Callable[[], None]:
        """Offer a call to the device's listeners, now and later; return what withdraws it.

        ``taken`` is called once, when a listener has taken it; perhaps before this returns.
        """
        self._calls.setdefault(device_id, {})[request.id] = (request, taken)
        self.offer_again(device_id)

        def withdraw() -> None:
            waiting = self._calls.get(device_id, {})
            waiting.pop(request.id, None)
            if not waiting:
                self._calls.pop(device_id, None)

        return withdraw

    def offer_again(self, device_id: int) -> None:
        """Offer the calls that wait, because a listener may be interested now: it has subscribed."""
        if device_id not in self._calls:
            return
        waiting = self._calls[device_id]
        for request, taken in list(waiting.values()):
            # The newest first: of a device with a gateway's session and one of its own it is likelier alive.
            if any(_takes(listener, request) for listener in reversed(self._listeners.get(device_id, ()))):
                waiting.pop(request.id, None)
                taken()
        if not waiting:
            self._calls.pop(device_id, None)

    # -- shared attributes -------------------------------------------------------------------------

    def note(self, changes: Iterable[Change]) -> None:
        """Take note of changes of shared attributes, oldest first; those of devices elsewhere do not matter."""
        for change in changes:
            if change.kind is ChangeKind.ATTRIBUTES and change.ref in self._listeners:
                named = AttributeChange.from_json(change.detail or "[[],[]]")
                self._changes.setdefault(change.ref, []).append(named)
                self._news.set()

    async def tell(self) -> None:
        """Tell what was noted, until cancelled. While the storage is away it waits."""
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                await self.tell_noted()
            except Unavailable:
                await asyncio.sleep(RETRY_S)
                self._news.set()
            except Exception:
                logger.exception("shared attributes cannot be read")
                await asyncio.sleep(RETRY_S)
                self._news.set()

    async def tell_noted(self) -> None:
        """Tell everything that was noted before.

        Raises: `Unavailable`; what was not told stays noted.
        """
        while self._changes:
            some = list(self._changes)[:READS_AT_A_TIME]
            done = await asyncio.gather(*map(self._tell_one, some), return_exceptions=True)
            for error in done:
                if error is not None:
                    raise error

    async def _tell_one(self, device_id: int) -> None:
        changes = self._changes[device_id]
        count = len(changes)  # more may be noted while the values are read: those are for the next turn
        if device_id in self._listeners:
            keys = {key for change in changes[:count] for key in (*change.updated, *change.deleted)}
            stored = await self._storage.device_attributes(device_id, Scope.SHARED, keys)
            now: dict[str, StoredAttribute | None] = dict.fromkeys(keys)
            now.update((attribute.key, attribute) for attribute in stored)
            before = self._told.get(device_id, {})
            changed = {key for key in keys if key not in before or before[key] != now[key]}
            for update in _updates(changes[:count], now, changed):
                for listener in list(self._listeners.get(device_id, ())):
                    _contained(listener, update)
            if device_id in self._listeners:
                self._told[device_id] = now
        del changes[:count]
        if not changes:
            del self._changes[device_id]


def _updates(
    changes: Sequence[AttributeChange], now: Mapping[str, StoredAttribute | None], changed: set[str]
) -> list[AttributeUpdate]:
    """Return an update for each change; a key that changed several times is in the last one only."""
    left = set(changed)
    updates = []
    for change in reversed(changes):
        keys = [key for key in (*change.updated, *change.deleted) if key in left]
        left.difference_update(keys)
        values = {key: attribute.value for key in keys if (attribute := now[key]) is not None}
        deleted = tuple(dict.fromkeys(key for key in keys if now[key] is None))
        if values or deleted:
            updates.append(AttributeUpdate(values, deleted))
    return updates[::-1]


def _takes(listener: DownlinkListener, request: RpcRequest) -> bool:
    with suppress(Exception):
        return listener.rpc_requested(request)
    logger.error("a listener has failed to take a call")
    return False


def _contained(listener: DownlinkListener, update: AttributeUpdate) -> None:
    try:
        listener.attributes_changed(update)
    except Exception:
        logger.exception("a listener has failed to take a change of attributes")


class _OneUpdate:
    """A listener that waits for one update and takes no calls."""

    def __init__(self) -> None:
        self.update: asyncio.Future[AttributeUpdate] = asyncio.get_running_loop().create_future()

    def attributes_changed(self, update: AttributeUpdate) -> None:
        if not self.update.done():
            self.update.set_result(update)

    def rpc_requested(self, request: RpcRequest) -> bool:
        return False
