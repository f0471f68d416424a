"""Nobody fills the database with keys that he makes up, or with what is under them (MQ-17)."""

from __future__ import annotations

import pytest

from firstboot import key_limit
from firstboot.errors import InvalidValue
from firstboot.key_limit import KeyLimit


class Stored:
    def __init__(self, **sizes: dict[str, int]) -> None:
        self.sizes = sizes
        self.reads: list[str] = []

    async def read(self, owner: str) -> dict[str, int]:
        self.reads.append(owner)
        return dict(self.sizes.get(owner, {}))


def sizes(keys: str, each: int = 1) -> dict[str, int]:
    return dict.fromkeys(keys, each)


async def test_keys_that_are_known_are_counted_once_and_read_once() -> None:
    stored = Stored(meter=sizes("ab"))
    limit = KeyLimit(stored.read, max_keys=3)

    for _ in range(3):
        await limit.admit("meter", sizes("ac"))

    assert stored.reads == ["meter"]


async def test_mq_17_keys_beyond_the_limit_are_refused_and_not_counted() -> None:
    stored = Stored(meter=sizes("ab"))
    limit = KeyLimit(stored.read, max_keys=3)

    with pytest.raises(InvalidValue):
        await limit.admit("meter", sizes("cd"))
    await limit.admit("meter", sizes("c"))
    stored.sizes["meter"] = sizes("abc")
    with pytest.raises(InvalidValue):
        await limit.admit("meter", sizes("d"))
    await limit.admit("another", sizes("def"))


async def test_mq_17_bytes_beyond_the_limit_are_refused_and_not_counted() -> None:
    stored = Stored(meter=sizes("ab", 40))
    limit = KeyLimit(stored.read, max_bytes=100)

    with pytest.raises(InvalidValue):
        await limit.admit("meter", sizes("c", 21))
    await limit.admit("meter", sizes("c", 20))
    stored.sizes["meter"] = {**sizes("ab", 40), "c": 20}
    with pytest.raises(InvalidValue):
        await limit.admit("meter", sizes("a", 41))
    await limit.admit("meter", {"a": 30, "b": 50})
    await limit.admit("another", sizes("a", 100))


async def test_whoever_has_too_much_from_before_may_have_less() -> None:
    limit = KeyLimit(Stored(meter=sizes("abc", 50)).read, max_keys=2, max_bytes=100)

    await limit.admit("meter", sizes("ab", 40))
    await limit.admit("meter", sizes("a", 40))
    with pytest.raises(InvalidValue):
        await limit.admit("meter", sizes("a", 51))


async def test_room_that_was_made_elsewhere_is_found() -> None:
    stored = Stored(meter=sizes("ab"))
    limit = KeyLimit(stored.read, max_keys=2)
    await limit.admit("meter", sizes("a"))
    stored.sizes["meter"] = sizes("a")

    await limit.admit("meter", sizes("c"))


async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_limit, "MAX_REMEMBERED", 4)
    stored = Stored()
    limit = KeyLimit(stored.read, max_keys=3)
    for owner in ("one", "two", "three", "one"):
        await limit.admit(owner, sizes("ab"))

    assert stored.reads == ["one", "two", "three", "one"]  # the one that was quiet longest was forgotten
