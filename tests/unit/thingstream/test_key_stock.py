"""Keys that are there before anybody asks."""

from __future__ import annotations

import asyncio

import pytest

from firstboot_plugins.dialects.thingstream import key_stock
from firstboot_plugins.dialects.thingstream.key_stock import DeviceKey, KeyStock, make_key


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[DeviceKey]:
    """Return the keys that are made, which are no real ones: those take long."""
    keys: list[DeviceKey] = []

    def make() -> DeviceKey:
        keys.append(DeviceKey(f"key {len(keys)}", b""))
        return keys[-1]

    monkeypatch.setattr(key_stock, "make_key", make)
    return keys


async def test_nobody_gets_the_key_of_another_whether_there_are_some_or_not(made: list[DeviceKey]) -> None:
    stock = KeyStock(3)
    await stock.fill()

    taken = await asyncio.gather(*(stock.take() for _ in range(10)))

    assert len(set(taken)) == len(made) == 10


async def test_the_stock_is_filled_to_its_size_and_no_further(made: list[DeviceKey]) -> None:
    stock = KeyStock(3)
    for _ in range(2):
        await stock.fill()
    await stock.take()
    left = len(stock)
    await stock.fill()

    assert (left, len(stock), len(made)) == (2, 3, 4)


async def test_whoever_waits_takes_what_has_come_in_meanwhile(made: list[DeviceKey]) -> None:
    stock = KeyStock(1)
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(stock.take()) for _ in range(5)]
        group.create_task(stock.fill())

    assert len({task.result() for task in waiting}) == 5
    assert len(made) == 5 + len(stock)


def test_a_key_does_not_show_itself() -> None:
    key = make_key()

    assert key.private_pem.startswith("-----BEGIN RSA PRIVATE KEY-----")
    assert "PRIVATE" not in repr(key)
