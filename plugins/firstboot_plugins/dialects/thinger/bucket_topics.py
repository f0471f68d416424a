"""Which buckets collect what is published on a topic (contract section 8, source ``mqtt``)."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from firstboot import json_profile
from firstboot.errors import InvalidValue
from firstboot.model import Resource, ResourceRow
from firstboot_plugins.dialects.thinger.bucket_documents import MQTT
from firstboot_plugins.dialects.thinger.buckets import is_on
from firstboot_plugins.dialects.thinger.topic_tree import TopicTree

if TYPE_CHECKING:
    from firstboot_plugins.dialects.thinger.shared import Thinger

logger = logging.getLogger(__name__)


class BucketTopics:
    """Collects messages. The topics of each account are a tree: buckets that do not match cost nothing."""

    def __init__(self, thinger: Thinger) -> None:
        self._thinger = thinger
        self._trees: dict[int, TopicTree] = {}
        """By the account's id."""
        self._warned: set[int] = set()
        """Buckets of which the log says already that a message was not collected."""
        thinger.buckets.mirror.on_change(self._changed)

    async def collect(self, tenant_id: int, topic: str, payload: bytes) -> None:
        """Add a message to every bucket of the account that is on and listens there; it is on disk then.

        What is not JSON, or too large, is not collected.

        Raises: `Unavailable`.
        """
        await self._thinger.ready()
        buckets = self.listening(tenant_id, topic)
        if not buckets:
            return
        most = self._thinger.config.max_collecting
        self._warn(buckets[most:], f"more than {most} buckets listen to one topic")
        try:
            value = json_profile.decode(payload, max_bytes=self._thinger.config.max_body)
            row = ResourceRow(self._thinger.services.clock.now_ms(), value)
            await self._thinger.services.resources.append_to_each(buckets[:most], row)
        except InvalidValue as error:
            self._warn(buckets[:most], str(error))

    def listening(self, tenant_id: int, topic: str) -> list[Resource]:
        """Return the buckets whose filters match a topic, in the order in which they were made."""
        tree = self._trees.get(tenant_id)
        if tree is None or topic.startswith("$"):
            return []
        mirror = self._thinger.buckets.mirror
        found = (mirror.get(id_) for id_ in sorted(tree.matching(topic)))
        return [bucket for bucket in found if bucket is not None]

    def _changed(self, before: Resource | None, after: Resource | None) -> None:
        if before is not None:
            self._warned.discard(before.id)
            if (topic := _topic(before)) is not None:
                tree = self._trees[before.tenant_id]
                tree.remove(topic, before.id)
                if not tree:
                    del self._trees[before.tenant_id]
        if after is not None and (topic := _topic(after)) is not None:
            self._trees.setdefault(after.tenant_id, TopicTree()).add(topic, after.id)

    def _warn(self, buckets: Iterable[Resource], reason: str) -> None:
        for bucket in buckets:
            if bucket.id not in self._warned:
                self._warned.add(bucket.id)
                logger.warning("a message was not collected", extra={"bucket": bucket.name, "reason": reason})


def _topic(bucket: Resource) -> str | None:
    """Return the filter of a bucket that is on and listens to messages."""
    config = bucket.document.get("config", {})
    topic: str | None = config["topic"] if is_on(bucket) and config.get("source") == MQTT else None
    return topic
