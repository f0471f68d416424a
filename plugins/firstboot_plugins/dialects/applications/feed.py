"""Hands the events of each tenant to the sessions that watch them."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from firstboot.live_events import LiveEvents, Subscription
from firstboot_plugins.dialects.applications.topics import payload_of, topic_of

logger = logging.getLogger(__name__)


class Watcher(Protocol):
    """A session with subscriptions."""

    tenant_id: int

    def wants(self, topic: str) -> int | None:
        """Return the QoS with which it wants messages of this topic, None if not at all."""
        ...

    def tell(self, topic: str, payload: bytes, qos: int) -> None: ...


class Feed:
    """Reads the live events of a tenant while any session watches them; each is encoded once for all."""

    def __init__(self, events: LiveEvents) -> None:
        self._events = events
        self._tenants: dict[int, _Tenant] = {}

    def join(self, watcher: Watcher) -> None:
        tenant = self._tenants.get(watcher.tenant_id)
        if tenant is None:
            tenant = self._tenants[watcher.tenant_id] = _Tenant(self._events.subscribe(watcher.tenant_id))
        tenant.watchers.add(watcher)

    def leave(self, watcher: Watcher) -> None:
        """Forget a watcher; one that never joined does not matter."""
        tenant = self._tenants.get(watcher.tenant_id)
        if tenant is None:
            return
        tenant.watchers.discard(watcher)
        if not tenant.watchers:
            del self._tenants[watcher.tenant_id]
            tenant.stop()


class _Tenant:
    def __init__(self, subscription: Subscription) -> None:
        self.watchers: set[Watcher] = set()
        self._subscription = subscription
        self._task = asyncio.get_running_loop().create_task(self._read())

    def stop(self) -> None:
        self._subscription.close()
        self._task.cancel()

    async def _read(self) -> None:
        async for event in self._subscription:
            topic = topic_of(event)
            payload = b""
            for watcher in tuple(self.watchers):
                qos = watcher.wants(topic)
                if qos is None:
                    continue
                payload = payload or payload_of(event)
                try:
                    watcher.tell(topic, payload, qos)
                except Exception:  # one session's trouble is not the others'
                    logger.exception("an event could not be sent to an application")
