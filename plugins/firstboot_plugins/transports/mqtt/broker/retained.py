"""Retained messages, within bounds."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass

from firstboot_plugins.transports.mqtt.broker.message import BrokerMessage

logger = logging.getLogger(__name__)

_OVERHEAD = 256
"""Bytes that a message costs beside its own."""
_WARN_AGAIN_S = 60.0


@dataclass(frozen=True, slots=True)
class _Kept:
    message: BrokerMessage
    publisher: str

    @property
    def size(self) -> int:
        return self.message.size + _OVERHEAD


class _Level:
    """The topics below one level."""

    __slots__ = ("children", "kept")

    def __init__(self) -> None:
        self.children: dict[str, _Level] = {}
        self.kept: _Kept | None = None


class RetainedMessages:
    """The last retained message of each topic. The first level of a topic, the tenant, has its own bounds."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._root = _Level()
        self._topics: dict[str, set[str]] = {}
        """By publisher."""
        self._count: dict[str, int] = {}
        self._bytes: dict[str, int] = {}
        self._warned_at: dict[str, float] = {}

    def __len__(self) -> int:
        return sum(self._count.values())

    def keep(self, message: BrokerMessage, publisher: str) -> None:
        """Keep a message in place of the former one of its topic; an empty payload only removes that."""
        self._remove(message.topic)
        if not message.payload:
            return
        tenant = message.topic.partition("/")[0]
        kept = _Kept(message, publisher)
        count, size = self._count.get(tenant, 0), self._bytes.get(tenant, 0)
        if count >= self._most or size + kept.size > self._most_bytes:
            self._warn(tenant)
            return
        self._count[tenant] = count + 1
        self._bytes[tenant] = size + kept.size
        self._topics.setdefault(publisher, set()).add(message.topic)
        level = self._root
        for name in message.topic.split("/"):
            level = level.children.setdefault(name, _Level())
        level.kept = kept

    def _warn(self, tenant: str) -> None:
        now = time.monotonic()
        if now - self._warned_at.get(tenant, -_WARN_AGAIN_S) >= _WARN_AGAIN_S:  # threat SE-6
            self._warned_at[tenant] = now
            logger.warning("messages are not retained: the tenant has too many", extra={"tenant": tenant})

    def matching(self, topic_filter: str) -> list[BrokerMessage]:
        """Return the messages of the topics that a filter matches."""
        now = time.monotonic()
        found = list(_walk(self._root, topic_filter.split("/"), 0))
        return [kept.message for kept in found if kept.message.expires_at > now]

    def forget(self, publisher: str) -> None:
        """Drop what somebody has published who may publish no longer (threats MQ-9, MQ-10)."""
        for topic in list(self._topics.get(publisher, ())):
            self._remove(topic)

    def drop_expired(self, now: float) -> None:
        """Drop what has expired, so that it takes no room."""
        for kept in list(_walk(self._root, ["#"], 0)):
            if kept.message.expires_at <= now:
                self._remove(kept.message.topic)

    def _remove(self, topic: str) -> None:
        names = topic.split("/")
        path = [self._root]
        for name in names:
            child = path[-1].children.get(name)
            if child is None:
                return
            path.append(child)
        kept = path[-1].kept
        if kept is None:
            return
        path[-1].kept = None
        self._topics[kept.publisher].discard(topic)
        if not self._topics[kept.publisher]:
            del self._topics[kept.publisher]
        tenant = names[0]
        self._count[tenant] -= 1
        self._bytes[tenant] -= kept.size
        if not self._count[tenant]:
            del self._count[tenant], self._bytes[tenant]
        for parent, name in zip(reversed(path[:-1]), reversed(names), strict=True):
            child = parent.children[name]
            if child.kept or child.children:
                return
            del parent.children[name]


def _walk(level: _Level, names: list[str], depth: int) -> Iterator[_Kept]:
    if depth == len(names):
        if level.kept:
            yield level.kept
        return
    name = names[depth]
    if name == "#":
        yield from _everything(level)
    elif name == "+":
        for child in level.children.values():
            yield from _walk(child, names, depth + 1)
    elif (found := level.children.get(name)) is not None:
        yield from _walk(found, names, depth + 1)


def _everything(level: _Level) -> Iterator[_Kept]:
    if level.kept:
        yield level.kept
    for child in level.children.values():
        yield from _everything(child)
