"""What one device has subscribed to, and with which quality of service it is told."""

from __future__ import annotations

from firstboot_plugins.dialects.thingsboard.device_topics import Downlink, Subscribed, subscribed

MAX_QOS = 1
UNSUBSCRIBED_QOS = 1
"""With which an answer is sent to a device that has not subscribed to it (contract DA-1)."""

_PUSHED = (Downlink.ATTRIBUTES_CHANGED, Downlink.CALL)
"""What a device is told without asking each time."""


class Filters:
    """The filters of a session that were granted."""

    __slots__ = ("_granted",)

    def __init__(self) -> None:
        self._granted: dict[str, int] = {}
        """QoS by filter, the newest subscription last."""

    def grant(self, topic_filter: str, qos: int) -> int | None:
        """Return the granted QoS, None to refuse."""
        if subscribed(topic_filter) is None:
            return None
        self._granted.pop(topic_filter, None)
        self._granted[topic_filter] = granted = min(qos, MAX_QOS)
        return granted

    def remove(self, topic_filter: str) -> bool:
        """Say whether there was such a filter."""
        return self._granted.pop(topic_filter, None) is not None

    def newest(self, *kinds: Downlink) -> tuple[Subscribed, int] | None:
        """Return the newest of these kinds: a device with two is told once, by the one it subscribed to last."""
        for topic_filter, qos in reversed(self._granted.items()):
            meant = subscribed(topic_filter)
            if meant is not None and meant.kind in kinds:
                return meant, qos
        return None

    def granted_qos(self, topic: str) -> int | None:
        """Return the QoS of the subscription to exactly this topic; None when there is none."""
        return self._granted.get(topic)

    def wants_news(self) -> bool:
        """Say whether the device is to be told anything without asking each time."""
        return self.newest(*_PUSHED) is not None

    def qos_of(self, topic: str) -> int:
        """Return with which QoS an answer is sent, whose topic begins so and ends with a number."""
        return self._granted.get(f"{topic}+", UNSUBSCRIBED_QOS)
