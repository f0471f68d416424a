"""Nobody fills the database with keys that he makes up (MQ-17)."""

from __future__ import annotations

import pytest

from firstboot import key_limit
from firstboot.errors import InvalidValue
from firstboot.key_limit import KeyLimit


class Stored:
    def __init__(self, **keys: set[str]) -> None:
        self.keys = keys
        self.reads: list[str] = []

    async def read(self, owner: str) -> set[str]:
        self.reads.append(owner)
        return set(self.keys.get(owner, ()))


async def test_keys_that_are_known_are_counted_once_and_read_once() -> None:
    stored = Stored(meter={"a", "b"})
    limit = KeyLimit(3, stored.read)

    for _ in range(3):
        await limit.admit("meter", {"a", "c"})

    assert stored.reads == ["meter"]


async def test_mq_17_keys_beyond_the_limit_are_refused_and_not_counted() -> None:
    stored = Stored(meter={"a", "b"})
    limit = KeyLimit(3, stored.read)

    with pytest.raises(InvalidValue):
        await limit.admit("meter", {"c", "d"})
    await limit.admit("meter", {"c"})
    stored.keys["meter"].add("c")
    with pytest.raises(InvalidValue):
        await limit.admit("meter", {"d"})
    await limit.admit("another", {"d", "e", "f"})


async def test_room_that_was_made_elsewhere_is_found() -> None:
    stored = Stored(meter={"a", "b"})
    limit = KeyLimit(2, stored.read)
    await limit.admit("meter", {"a"})
    stored.keys["meter"] = {"a"}

    await limit.admit("meter", {"c"})


async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_limit, "MAX_REMEMBERED", 4)
    stored = Stored()
    limit = KeyLimit(3, stored.read)
    for owner in ("one", "two", "three", "one"):
        await limit.admit(owner, {"a", "b"})

    assert stored.reads == ["one", "two", "three", "one"]  # the one that was quiet longest was forgotten
