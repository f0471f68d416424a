"""The topic filters of one session: those that its dialect serves, and those of the broker."""

from __future__ import annotations

from firstboot_plugins.transports.mqtt.client_session import ClientSession, Subscription
from firstboot_plugins.transports.mqtt.dialect import SessionTopics
from firstboot_plugins.transports.mqtt.packets import V5, Reason

V3_REFUSED = 0x80
_QOS = 0x03


class Subscriptions:
    """Keeps the number of filters within bounds, and answers with reason codes."""

    __slots__ = ("_level", "_most", "_session", "_topics")

    def __init__(self, topics: SessionTopics, session: ClientSession, level: int, most: int) -> None:
        self._topics = topics
        self._session = session
        self._level = level
        self._most = most

    def resume(self) -> None:
        """Subscribe again at the dialect; drop what the client may not have any more."""
        filters = self._session.filters
        for topic_filter, subscription in list(filters.items()):
            if subscription.inner is None:
                may_stay = (
                    self._topics.owns(topic_filter)
                    and self._topics.subscribe(topic_filter, subscription.options) is not None
                )
            else:
                may_stay = self._session.inner_filter(topic_filter) == subscription.inner
            if not may_stay:
                del filters[topic_filter]

    def inner(self, topic_filter: str) -> str | None:
        """Return a filter as the broker knows it; None when it is not for the broker, or refused."""
        return None if self._topics.owns(topic_filter) else self._session.inner_filter(topic_filter)

    def is_full_for(self, topic_filter: str) -> bool:
        filters = self._session.filters
        return len(filters) >= self._most and topic_filter not in filters

    def add(self, topic_filter: str, options: int) -> int:
        """Ask the dialect for a subscription; return the granted QoS, or why there is none."""
        if self.is_full_for(topic_filter):
            return self.refusal(Reason.QUOTA_EXCEEDED)
        if not self._topics.owns(topic_filter):
            shared = topic_filter.startswith("$share/")
            return self.refusal(
                Reason.SHARED_SUBSCRIPTIONS_NOT_SUPPORTED if shared else Reason.TOPIC_FILTER_INVALID
            )
        granted = self._topics.subscribe(topic_filter, min(options & _QOS, 1))
        if granted is None:
            return self.refusal(Reason.TOPIC_FILTER_INVALID)
        self._session.filters[topic_filter] = Subscription(None, granted)
        return granted

    def is_in_broker(self, topic_filter: str) -> bool:
        """Say whether the session has this subscription, and in the broker."""
        subscription = self._session.filters.get(topic_filter)
        return subscription is not None and subscription.inner is not None

    def remove(self, topic_filter: str) -> int:
        """Drop a subscription at the dialect."""
        existed = self._topics.unsubscribe(topic_filter)
        self._session.filters.pop(topic_filter, None)
        return Reason.SUCCESS if existed else Reason.NO_SUBSCRIPTION_EXISTED

    def refusal(self, reason: int) -> int:
        return reason if self._level == V5 else V3_REFUSED
