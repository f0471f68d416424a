"""What a Thing of PointPerfect may do on the topics of the broker."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from firstboot_plugins.transports.mqtt.rights import DeviceRights


@dataclass(frozen=True, slots=True)
class PointPerfectRights:
    """A Thing hears the topics of its plan, by their very names, and publishes to none of them.

    ``devices/me/`` it has as every device.
    """

    tenant_id: int
    public_id: UUID
    topics: frozenset[str]
    may_retain: bool = False

    def publish_to(self, topic: str) -> str | None:
        return self._as_device.publish_to(topic)

    def subscribe_to(self, topic_filter: str) -> str | None:
        if topic_filter in self.topics:
            return f"{self.tenant_id}/{topic_filter}"
        return self._as_device.subscribe_to(topic_filter)

    def seen_as(self, inner_topic: str) -> str | None:
        tenant, _, topic = inner_topic.partition("/")
        if tenant == str(self.tenant_id) and topic in self.topics:
            return topic
        return self._as_device.seen_as(inner_topic)

    @property
    def _as_device(self) -> DeviceRights:
        return DeviceRights(self.tenant_id, self.public_id)
