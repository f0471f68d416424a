"""The ``$firstboot`` topics of one application's session."""

from __future__ import annotations

from firstboot.model import ApiToken
from firstboot_plugins.dialects.applications.feed import Feed
from firstboot_plugins.dialects.applications.topics import is_ours, matches, scopes_needed
from firstboot_plugins.transports.mqtt.dialect import Message, Reply, Sender
from firstboot_plugins.transports.mqtt.packets import Publish, Reason


class ApplicationTopics:
    """Grants filters that the token's scopes wholly cover, and sends the tenant's events that match them.

    What an absent application misses is not kept; a connected one gets each event once, with the highest QoS
    of the filters that match it.
    """

    def __init__(self, token: ApiToken, send: Sender, feed: Feed) -> None:
        self.tenant_id = token.tenant_id
        self._scopes = frozenset(token.scopes)
        self._send = send
        self._feed = feed
        self._filters: dict[str, tuple[list[str], int]] = {}

    def owns(self, topic: str) -> bool:
        return is_ours(topic)

    def subscribe(self, topic_filter: str, qos: int) -> int | None:
        needed = scopes_needed(topic_filter)
        if not needed or not needed <= self._scopes:
            return None
        granted = min(qos, 1)
        self._filters[topic_filter] = topic_filter.split("/"), granted
        self._feed.join(self)
        return granted

    def unsubscribe(self, topic_filter: str) -> bool:
        existed = self._filters.pop(topic_filter, None) is not None
        if not self._filters:
            self._feed.leave(self)
        return existed

    async def publish(self, message: Publish) -> Reply:
        return Reply(Reason.NOT_AUTHORIZED)  # nobody but the server speaks here

    def close(self) -> None:
        self._filters.clear()
        self._feed.leave(self)

    def wants(self, topic: str) -> int | None:
        levels = topic.split("/")
        return max((qos for wanted, qos in self._filters.values() if matches(wanted, levels)), default=None)

    def tell(self, topic: str, payload: bytes, qos: int) -> None:
        self._send(Message(topic, payload, qos))
