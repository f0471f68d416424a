"""What is remembered of peers: for a while, and never more than so much (threats CO-2, CO-3)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


@dataclass(slots=True)
class _Entry(Generic[Value]):
    value: Value
    size: int
    ends_at: float


class Kept(Generic[Key, Value]):
    """A table of bounded number, size and age: where there is too much, the oldest is forgotten."""

    def __init__(
        self, monotonic: Callable[[], float], *, life_s: float, most: int, most_bytes: int | None = None
    ) -> None:
        self._monotonic = monotonic
        self._life_s = life_s
        self._most = most
        self._most_bytes = most_bytes
        self._entries: OrderedDict[Key, _Entry[Value]] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._entries)

    @property
    def size(self) -> int:
        """Bytes of all values."""
        return self._bytes

    def get(self, key: Key) -> Value | None:
        entry = self._entries.get(key)
        if entry is None or entry.ends_at <= self._monotonic():
            return None
        return entry.value

    def put(self, key: Key, value: Value, size: int = 0) -> None:
        """Keep a value of so many bytes, from now on; it takes the place of the former one."""
        self.drop(key)
        self._entries[key] = _Entry(value, size, self._monotonic() + self._life_s)
        self._bytes += size
        self.forget()

    def resize(self, key: Key, size: int) -> None:
        """Take note that the value of this key, if it is still there, has another size now."""
        entry = self._entries.get(key)
        if entry is not None:
            self._bytes += size - entry.size
            entry.size = size
            self.forget()

    def drop(self, key: Key) -> Value | None:
        """Forget a key, and return its value."""
        entry = self._entries.pop(key, None)
        if entry is None:
            return None
        self._bytes -= entry.size
        return entry.value

    def forget(self) -> None:
        """Forget what is too old or too much."""
        now = self._monotonic()
        while self._entries:
            key, entry = next(iter(self._entries.items()))
            too_much = len(self._entries) > self._most or (
                self._most_bytes is not None and self._bytes > self._most_bytes
            )
            if not too_much and entry.ends_at > now:
                return
            self.drop(key)
