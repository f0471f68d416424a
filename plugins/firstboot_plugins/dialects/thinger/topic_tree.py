"""A tree of MQTT topic filters, which finds those that match a topic without looking at the others."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class _Level:
    """What follows one level of the filters."""

    below: dict[str, _Level] = field(default_factory=dict)
    ids: set[int] = field(default_factory=set)
    """Of those whose filter ends here."""

    def __bool__(self) -> bool:
        return bool(self.below or self.ids)


class TopicTree:
    """Filters, each with the id of whoever listens. Empty it counts as false."""

    def __init__(self) -> None:
        self._root = _Level()

    def __bool__(self) -> bool:
        return bool(self._root)

    def add(self, topic_filter: str, id_: int) -> None:
        """Let somebody listen."""
        level = self._root
        for name in topic_filter.split("/"):
            level = level.below.setdefault(name, _Level())
        level.ids.add(id_)

    def remove(self, topic_filter: str, id_: int) -> None:
        """Let somebody who was added listen no more."""
        path = [("", self._root)]
        for name in topic_filter.split("/"):
            path.append((name, path[-1][1].below[name]))
        path[-1][1].ids.discard(id_)
        while len(path) > 1 and not path[-1][1]:
            name, _ = path.pop()
            del path[-1][1].below[name]

    def matching(self, topic: str) -> set[int]:
        """Return who listens to a topic (MQTT 3.1.1, 4.7); one that begins with ``$`` is the caller's matter."""
        ids: set[int] = set()
        levels = [self._root]
        for name in topic.split("/"):
            ids.update(*(level.below["#"].ids for level in levels if "#" in level.below))
            levels = [level.below[each] for level in levels for each in (name, "+") if each in level.below]
        for level in levels:
            ids |= level.ids
            if "#" in level.below:  # also matches the level above: ``a/#`` the topic ``a``
                ids |= level.below["#"].ids
        return ids
