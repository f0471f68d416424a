"""How often an address may ask."""

from __future__ import annotations

from firstboot_plugins.dialects.thingstream.limits import MAX_SOURCES, PerAddress


class _Time:
    now = 100.0


def _limit(most: int) -> tuple[PerAddress, _Time]:
    time = _Time()
    return PerAddress(most, lambda: time.now), time


def test_an_address_may_ask_so_often_in_each_minute() -> None:
    limit, time = _limit(2)

    waits = [limit.wait_s("192.0.2.1") for _ in range(3)]
    time.now += 59.5
    late = limit.wait_s("192.0.2.1")
    time.now += 0.5

    assert (waits, late, limit.wait_s("192.0.2.1")) == ([0, 0, 60], 1, 0)


def test_addresses_do_not_hold_each_other_up_but_those_of_one_network_are_one() -> None:
    limit, _ = _limit(1)

    asked = ["192.0.2.1", "192.0.2.2", "::ffff:192.0.2.1", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"]

    assert [limit.wait_s(address) for address in asked] == [0, 0, 60, 0, 60, 0]


def test_many_addresses_do_not_fill_the_memory() -> None:
    limit, _ = _limit(1)

    for number in range(MAX_SOURCES + 10):
        limit.wait_s(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")

    assert len(limit._windows) == MAX_SOURCES
