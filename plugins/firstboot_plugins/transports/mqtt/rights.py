"""What devices and applications may do on the topics of the broker."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from firstboot_plugins.transports.mqtt.topic_syntax import covers

_OWN = "devices/me"


@dataclass(frozen=True, slots=True)
class DeviceRights:
    """A device has a subtree of its own, ``devices/me/``; others know it as ``devices/<public id>/``."""

    tenant_id: int
    device_public_id: UUID
    may_retain: bool = False

    def publish_to(self, topic: str) -> str | None:
        if not topic.startswith(f"{_OWN}/"):
            return None
        return self._subtree + topic[len(_OWN) :]

    def subscribe_to(self, topic_filter: str) -> str | None:
        # ``devices/+/#`` would be wider, and ``+/me/#`` not be what it seems: only the literal words will do.
        return self.publish_to(topic_filter)

    def seen_as(self, inner_topic: str) -> str | None:
        subtree = self._subtree
        if inner_topic != subtree and not inner_topic.startswith(f"{subtree}/"):
            return None
        return _OWN + inner_topic[len(subtree) :]

    @property
    def _subtree(self) -> str:
        return f"{self.tenant_id}/devices/{self.device_public_id}"


@dataclass(frozen=True, slots=True)
class ApplicationRights:
    """An application may publish and subscribe what its topic filters cover: without any, nothing."""

    tenant_id: int
    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
    may_retain: bool = False

    def publish_to(self, topic: str) -> str | None:
        return self._inner(topic, self.publish)

    def subscribe_to(self, topic_filter: str) -> str | None:
        """Return the inner filter if all that it matches is allowed."""
        return self._inner(topic_filter, self.subscribe)

    def seen_as(self, inner_topic: str) -> str | None:
        tenant, _, topic = inner_topic.partition("/")
        if tenant != str(self.tenant_id) or not self._inner(topic, self.subscribe):
            return None
        return topic

    def _inner(self, topic: str, allowed: tuple[str, ...]) -> str | None:
        if topic.startswith("$") or not any(covers(each, topic) for each in allowed):
            return None
        return f"{self.tenant_id}/{topic}"
