"""What happens, as it happens, for consoles and applications that watch. Events of this node only."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from firstboot.events import (
    AttributesChanged,
    Claim,
    ClaimWindowOpened,
    CredentialsChanged,
    DeviceConnected,
    DeviceDisconnected,
    DeviceProvisioned,
    ProvisioningRefusal,
    TelemetryReceived,
)
from firstboot.model import DeviceRef, Origin

logger = logging.getLogger(__name__)

QUEUE_LENGTH = 1000
KINDS: Mapping[str, str] = {
    "firstboot_device_provisioned": "device-provisioned",
    "firstboot_provisioning_refused": "provisioning-refused",
    "firstboot_credentials_changed": "credentials-changed",
    "firstboot_device_connected": "device-connected",
    "firstboot_device_disconnected": "device-disconnected",
    "firstboot_telemetry_received": "telemetry",
    "firstboot_attributes_changed": "attributes",
    "firstboot_claim_window_opened": "claim-window-opened",
    "firstboot_device_claimed": "device-claimed",
    "firstboot_device_released": "device-released",
}
"""Kind of event by observing hook."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveEvent:
    """Something that happened just now. ``data`` is ready for JSON and has no secret in it."""

    id: int
    """Counts up from the start of this server."""
    kind: str
    tenant_id: int | None
    """None: nobody knows whose device it was."""
    at_ms: int
    data: Mapping[str, Any]


Callback = Callable[[LiveEvent], None]


class Subscription:
    """An asynchronous iterator of events. When its reader is too slow the oldest are dropped and counted."""

    def __init__(self, tenant_id: int | None, stop: Callable[[Subscription], None]) -> None:
        self.tenant_id = tenant_id
        self.dropped = 0
        self._stop = stop
        self._queue: deque[LiveEvent] = deque()
        self._more = asyncio.Event()
        self._closed = False

    def push(self, event: LiveEvent) -> None:
        if event.tenant_id != self.tenant_id:
            return
        if len(self._queue) >= QUEUE_LENGTH:
            self._queue.popleft()
            self.dropped += 1
        self._queue.append(event)
        self._more.set()

    def close(self) -> None:
        """End the iteration, once what is queued was read."""
        if not self._closed:
            self._closed = True
            self._more.set()
            self._stop(self)

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> LiveEvent:
        while not self._queue:
            if self._closed:
                raise StopAsyncIteration
            self._more.clear()
            await self._more.wait()
        return self._queue.popleft()


class LiveEvents:
    """Hands events to whoever watches; costs nothing while nobody does."""

    def __init__(self) -> None:
        self._callbacks: dict[object, tuple[Callback, frozenset[str]]] = {}
        self._subscriptions: dict[Subscription, Callable[[], None]] = {}
        self._watched: Counter[str] = Counter()
        self._ids = itertools.count(1)

    def subscribe(self, tenant_id: int | None, kinds: Collection[str] | None = None) -> Subscription:
        """Watch the events of a tenant, of these kinds (None: of all). To be closed at the end.

        ``tenant_id`` None: those that belong to no tenant.
        """
        subscription = Subscription(tenant_id, lambda ended: self._subscriptions.pop(ended)())
        self._subscriptions[subscription] = self.listen(subscription.push, kinds)
        return subscription

    def listen(self, callback: Callback, kinds: Collection[str] | None = None) -> Callable[[], None]:
        """Call ``callback`` on the event loop for the events of every tenant; return what stops it."""
        chosen = frozenset(KINDS.values() if kinds is None else kinds)
        key = object()
        self._callbacks[key] = callback, chosen
        self._watched.update(chosen)

        def stop() -> None:
            if self._callbacks.pop(key, None) is not None:
                self._watched.subtract(chosen)

        return stop

    def wanted(self, hook: str) -> bool:
        """Whether anybody watches what this observing hook tells."""
        return self._watched[KINDS.get(hook, "")] > 0

    def tell(self, hook: str, event: object) -> None:
        """Hand over an event of an observing hook. Never waits, never fails."""
        if not self.wanted(hook):
            return
        kind = KINDS[hook]
        tenant_id, at_ms, data = _described(event)
        live = LiveEvent(id=next(self._ids), kind=kind, tenant_id=tenant_id, at_ms=at_ms, data=data)
        for callback, kinds in list(self._callbacks.values()):
            if kind in kinds:
                try:
                    callback(live)
                except Exception:
                    logger.exception("a listener has failed to take an event")

    def close(self) -> None:
        """End every subscription."""
        for subscription in list(self._subscriptions):
            subscription.close()


def _described(event: object) -> tuple[int | None, int, dict[str, Any]]:
    """Return whose event it is, when it happened, and what is told of it."""
    match event:
        case DeviceProvisioned():
            told = {"profile": event.profile, "credentialsType": event.credentials_type, "how": event.how}
            return _of_device(event.device, event.at_ms, {**told, **_from(event.origin)})
        case ProvisioningRefusal():
            refusal = {
                "code": event.code, "reason": event.reason, "device": event.device_name, "profile": event.profile,
            }  # fmt: skip
            return event.tenant_id, event.at_ms, {**refusal, **_from(event.origin)}
        case CredentialsChanged():
            return _of_device(event.device, event.at_ms, {"credentialsType": event.credentials_type})
        case DeviceConnected():
            return _of_device(event.device, event.at_ms, _from(event.origin))
        case DeviceDisconnected():
            return _of_device(event.device, event.at_ms, {"reason": event.reason, **_from(event.origin)})
        case TelemetryReceived():
            points = [{"ts": point.at_ms, "values": dict(point.values)} for point in event.points]
            return _of_device(event.device, event.at_ms, {"points": points})
        case AttributesChanged():
            changed = {"values": dict(event.values), "deleted": [*event.deleted], "actor": event.actor}
            return _of_device(event.device, event.at_ms, {"scope": event.scope.name.lower(), **changed})
        case ClaimWindowOpened():
            opened = {"openedBy": event.opened_by, "untilMs": event.until_ms}
            return _of_device(event.device, event.at_ms, opened)
        case Claim():
            claim = {
                "customer": event.customer,
                "customerId": None if event.customer_id is None else str(event.customer_id),
                "how": event.how,
                "actor": event.actor,
            }
            return _of_device(event.device, event.at_ms, {**claim, **_from(event.origin)})
    raise TypeError(f"nothing is known of {type(event).__name__}")


def _of_device(device: DeviceRef, at_ms: int, more: Mapping[str, Any]) -> tuple[int, int, dict[str, Any]]:
    return device.tenant_id, at_ms, {"deviceId": str(device.public_id), "device": device.name, **more}


def _from(origin: Origin) -> dict[str, str]:
    return {"address": origin.address, "transport": origin.transport, "dialect": origin.dialect}
