"""The topic filters of one session."""

from __future__ import annotations

from firstboot_plugins.transports.mqtt.dialect import SessionTopics
from firstboot_plugins.transports.mqtt.packets import Reason

V5 = 5
V3_REFUSED = 0x80


class Subscriptions:
    """Asks the session's topics, and keeps the number of filters within bounds. Answers with reason codes."""

    __slots__ = ("_filters", "_level", "_most", "_topics")

    def __init__(self, topics: SessionTopics, level: int, most: int) -> None:
        self._topics = topics
        self._level = level
        self._most = most
        self._filters: set[str] = set()

    def add(self, topic_filter: str, qos: int) -> int:
        """Return the granted QoS, or why there is none."""
        if len(self._filters) >= self._most and topic_filter not in self._filters:
            return self._refusal(Reason.QUOTA_EXCEEDED)
        granted = self._topics.subscribe(topic_filter, qos)
        if granted is None:
            return self._refusal(Reason.TOPIC_FILTER_INVALID)
        self._filters.add(topic_filter)
        return granted

    def remove(self, topic_filter: str) -> int:
        existed = self._topics.unsubscribe(topic_filter)
        self._filters.discard(topic_filter)
        return Reason.SUCCESS if existed else Reason.NO_SUBSCRIPTION_EXISTED

    def _refusal(self, reason: int) -> int:
        return reason if self._level == V5 else V3_REFUSED
