"""Who has subscribed to what: the part of amqtt that gets slower with every subscription, made anew."""

from __future__ import annotations


class _Node:
    """A level of the filters that have wildcards."""

    __slots__ = ("children", "clients")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.clients: set[str] = set()


class SubscriptionIndex:
    """Finds the clients of a topic in a time that does not depend on how many others there are."""

    def __init__(self) -> None:
        self._exact: dict[str, set[str]] = {}
        self._wild = _Node()
        self._filters: dict[str, set[str]] = {}
        """By client."""

    def __len__(self) -> int:
        return sum(map(len, self._filters.values()))

    def add(self, topic_filter: str, client: str) -> None:
        """Note a subscription; one that exists stays as it is."""
        self._filters.setdefault(client, set()).add(topic_filter)
        if "+" not in topic_filter and "#" not in topic_filter:
            self._exact.setdefault(topic_filter, set()).add(client)
            return
        node = self._wild
        for level in topic_filter.split("/"):
            node = node.children.setdefault(level, _Node())
        node.clients.add(client)

    def remove(self, topic_filter: str, client: str) -> bool:
        """Forget a subscription; say whether there was one."""
        filters = self._filters.get(client)
        if filters is None or topic_filter not in filters:
            return False
        filters.discard(topic_filter)
        if not filters:
            del self._filters[client]
        if "+" in topic_filter or "#" in topic_filter:
            self._remove_wild(topic_filter.split("/"), client)
            return True
        clients = self._exact[topic_filter]
        clients.discard(client)
        if not clients:
            del self._exact[topic_filter]
        return True

    def remove_all(self, client: str) -> None:
        """Forget every subscription of a client."""
        for topic_filter in list(self._filters.get(client, ())):
            self.remove(topic_filter, client)

    def clients_of(self, topic: str) -> set[str]:
        """Return the clients with a filter that matches, each once."""
        found = set(self._exact.get(topic, ()))
        nodes = [self._wild]
        for level in topic.split("/"):
            following = []
            for node in nodes:
                for key in (level, "+", "#"):
                    child = node.children.get(key)
                    if child is None:
                        continue
                    if key == "#":
                        found |= child.clients
                    else:
                        following.append(child)
            nodes = following
            if not nodes:
                return found
        for node in nodes:
            found |= node.clients
            rest = node.children.get("#")  # which matches the level above it, too
            if rest is not None:
                found |= rest.clients
        return found

    def _remove_wild(self, levels: list[str], client: str) -> None:
        path = [self._wild]
        for level in levels:
            path.append(path[-1].children[level])
        path[-1].clients.discard(client)
        for parent, level in zip(reversed(path[:-1]), reversed(levels), strict=True):
            child = parent.children[level]
            if child.clients or child.children:
                return
            del parent.children[level]
