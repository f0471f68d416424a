"""What a Thing may do on the topics of the broker."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from firstboot_plugins.dialects.thingstream.credentials import thing_id
from firstboot_plugins.transports.mqtt.rights import DeviceRights


@dataclass(frozen=True, slots=True)
class ThingRights:
    """A Thing has a subtree ``device:<uuid>/``, and ``devices/me/`` as every device has."""

    tenant_id: int
    public_id: UUID
    may_retain: bool = False

    def publish_to(self, topic: str) -> str | None:
        if topic.startswith(f"{thing_id(self.public_id)}/"):
            return f"{self.tenant_id}/{topic}"
        return self._as_device.publish_to(topic)

    def subscribe_to(self, topic_filter: str) -> str | None:
        return self.publish_to(topic_filter)

    def seen_as(self, inner_topic: str) -> str | None:
        tenant, _, topic = inner_topic.partition("/")
        if tenant == str(self.tenant_id) and topic.startswith(f"{thing_id(self.public_id)}/"):
            return topic
        return self._as_device.seen_as(inner_topic)

    @property
    def _as_device(self) -> DeviceRights:
        return DeviceRights(self.tenant_id, self.public_id)
