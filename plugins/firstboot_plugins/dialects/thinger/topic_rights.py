"""What a device may do on the topics of the broker: they are private to its account (contract 6.1)."""

from __future__ import annotations

from dataclasses import dataclass

ROOT = "thinger"
"""First level of all topics of an account's devices, as applications see them."""


@dataclass(frozen=True, slots=True)
class AccountRights:
    """All topics of the account; applications of the tenant know them below ``thinger/``."""

    tenant_id: int
    only_below: str | None = None
    """The first level of the only topics that there are for this device; None: it may use all."""
    may_retain: bool = False

    def publish_to(self, topic: str) -> str | None:
        return f"{self._prefix}{topic}" if self._is_within(topic) else None

    def subscribe_to(self, topic_filter: str) -> str | None:
        # A wildcard in the first level is not the device's id, so nothing wider than its own topics gets through.
        return self.publish_to(topic_filter)

    def seen_as(self, inner_topic: str) -> str | None:
        topic = inner_topic.removeprefix(self._prefix)
        return topic if topic != inner_topic and self._is_within(topic) else None

    def _is_within(self, topic: str) -> bool:
        return self.only_below is None or topic.startswith(f"{self.only_below}/")

    @property
    def _prefix(self) -> str:
        return f"{self.tenant_id}/{ROOT}/"
