"""Failed claims hold up whoever fails, and nobody else (CM-1, CM-2, CM-3)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from tests.integration.provisioning.fake_clock import FakeClock

from firstboot.claim_throttle import MAX_COUNTED, ClaimThrottle
from firstboot.claimants import Claimant
from firstboot.config import ClaimingConfig
from firstboot.errors import ClaimRefused

DEVICE, OTHER_DEVICE = 7, 8


class Throttled:
    """A throttle, its clock, and people who claim."""

    def __init__(self, **settings: Any) -> None:
        self.now = FakeClock()
        self.throttle = ClaimThrottle(ClaimingConfig(**settings), self.now.clock)

    async def waits(self, claimant: Claimant, device_id: int | None = DEVICE) -> int | None:
        """Return how many seconds somebody has to wait; None when his secret is looked at."""
        try:
            async with self.throttle.turn(claimant):
                if device_id is not None:
                    self.throttle.check_device(claimant, device_id)
        except ClaimRefused as refusal:
            return refusal.retry_after_s
        return None

    def fail(self, claimant: Claimant, device_id: int | None = DEVICE, times: int = 1) -> list[bool]:
        return [self.throttle.failed(claimant, device_id) for _ in range(times)]


def somebody(person: int = 1, **fields: Any) -> Claimant:
    return Claimant(**{"person": person, "customer_id": person, "address": f"192.0.2.{person % 250}"} | fields)


async def test_cm_1_the_fifth_failure_in_15_minutes_is_the_last_one_that_is_looked_at() -> None:
    throttled, ada = Throttled(), somebody()

    for _ in range(5):
        assert await throttled.waits(ada) is None
        throttled.fail(ada)

    assert await throttled.waits(ada) == 900
    assert await throttled.waits(ada, None) == 900, "whatever the name"
    throttled.now.advance(899.5)
    assert await throttled.waits(ada) == 1
    throttled.now.advance(0.5)
    assert await throttled.waits(ada) is None


async def test_cm_1_failures_that_are_far_apart_do_not_add_up() -> None:
    throttled, ada = Throttled(), somebody()

    for _ in range(20):
        throttled.fail(ada, None)
        throttled.now.advance(226)
        assert await throttled.waits(ada) is None


async def test_cm_1_a_hundred_failures_in_an_hour_are_enough_for_anybody() -> None:
    throttled, ada = Throttled(failures=1000), somebody()
    for _ in range(100):
        assert await throttled.waits(ada, None) is None
        throttled.fail(ada, None)
        throttled.now.advance(30)

    assert await throttled.waits(ada, None) == 600
    throttled.now.advance(600)
    assert await throttled.waits(ada, None) is None


async def test_cm_1_people_of_one_customer_share_twenty_failures_on_a_device() -> None:
    throttled = Throttled(failures=1000)
    family = [somebody(person, customer_id=1) for person in range(4)]
    for person in family[:3]:
        throttled.fail(person, times=7)

    assert await throttled.waits(family[0]) == 3600
    assert await throttled.waits(family[0], OTHER_DEVICE) is None
    assert await throttled.waits(family[3]) is None, "CM-3: the first try of somebody is looked at"
    throttled.fail(family[3])
    assert await throttled.waits(family[3]) == 3600


async def test_cm_2_a_thousand_failures_of_one_do_not_hold_up_another() -> None:
    throttled, attacker = Throttled(), somebody(1, address="192.0.2.9")
    throttled.fail(attacker, times=1000)

    assert await throttled.waits(somebody(2, address="192.0.2.9")) is None
    assert await throttled.waits(attacker) == 900


async def test_an_address_with_many_failures_holds_up_those_who_have_failed() -> None:
    throttled = Throttled()
    for person in range(50):
        throttled.fail(somebody(person, address="2001:db8::1"), person, times=2)

    assert await throttled.waits(somebody(0, address="2001:db8::2")) == 3600, "an address is a /64"
    assert await throttled.waits(somebody(0, address="2001:db8:1::2")) is None
    assert await throttled.waits(somebody(99, address="2001:db8::1")) is None


async def test_cm_3_that_a_device_is_guessed_at_is_told_once_in_50_failures() -> None:
    throttled = Throttled()
    told = [throttled.fail(somebody(person)) for person in range(103)]

    assert [number for number, (guessed,) in enumerate(told, 1) if guessed] == [51, 102]
    assert throttled.fail(somebody(), None) == [False], "a name that is no device's"


async def test_cm_3_failures_of_more_than_an_hour_ago_are_not_told_of() -> None:
    throttled = Throttled()
    for person in range(200):
        assert throttled.fail(somebody(person)) == [False]
        throttled.now.advance(73)


async def test_a_wait_of_more_than_an_hour_is_not_forgotten_after_one() -> None:
    throttled, ada = Throttled(failure_wait=timedelta(hours=3), failure_window=timedelta(hours=4)), somebody()
    throttled.fail(ada, None, times=5)

    throttled.now.advance(2 * 3600)

    assert await throttled.waits(ada, None) == 3600


async def test_cm_1_somebody_claims_once_at_a_time() -> None:
    throttled, ada = Throttled(failures=1), somebody()
    looked_at = 0
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def guess() -> None:
        nonlocal looked_at
        async with throttled.throttle.turn(ada):
            looked_at += 1
            begun.set()
            await go_on.wait()
            throttled.fail(ada)

    guesses = [asyncio.create_task(guess()) for _ in range(50)]
    await begun.wait()
    assert await throttled.waits(somebody(2)) is None, "others do not wait for that"
    go_on.set()
    done = await asyncio.gather(*guesses, return_exceptions=True)

    assert looked_at == 1
    assert [each.code for each in done if isinstance(each, ClaimRefused)] == ["locked"] * 49


async def test_what_is_remembered_is_bounded_and_the_oldest_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_COUNTED >= 10_000
    monkeypatch.setattr("firstboot.claim_throttle.MAX_COUNTED", 100)
    throttled = Throttled()
    throttled.fail(somebody(1), None, times=5)
    for person in range(2, 300):
        throttled.fail(somebody(person, address="192.0.2.1"), None)

    assert await throttled.waits(somebody(1), None) is None
    assert len(throttled.throttle._counted) == 100
