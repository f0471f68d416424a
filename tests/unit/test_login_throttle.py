"""Guessing passwords, in a time that stands still (LG-2)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from firstboot.config import LoginConfig
from firstboot.errors import NotAuthenticated
from firstboot.login_throttle import HOUR_S, KNOWN_FOR_S, MAX_PAIRS, Account, LoginThrottle

ANN = Account("ann@example.com", 1)
OFFICE, CAFE = "192.0.2.1", "198.51.100.1"
MINUTE_S = 60.0


class Now:
    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def throttle(now: Now) -> LoginThrottle:
    return LoginThrottle(LoginConfig(), now)


async def try_(throttle: LoginThrottle, address: str, *, right: bool, account: Account = ANN) -> bool:
    """Try a password; say whether it was looked at."""
    try:
        async with throttle.attempt(account, address) as attempt:
            attempt.judge(right)
    except NotAuthenticated as refusal:
        if (refusal.code, str(refusal)) != ("locked", "User account is locked due to security policy"):
            raise
        return False
    return True


async def fail(throttle: LoginThrottle, address: str, times: int = 1, account: Account = ANN) -> int:
    """Try wrong passwords; return how many were looked at."""
    return sum([await try_(throttle, address, right=False, account=account) for _ in range(times)])


async def test_lg_2_five_failures_are_evaluated_and_no_more(throttle: LoginThrottle) -> None:
    assert await fail(throttle, CAFE, 1000) == 5


async def test_lg_2_the_wait_is_said_in_seconds(throttle: LoginThrottle, now: Now) -> None:
    await fail(throttle, CAFE, 5)
    now.s += 5 * MINUTE_S

    with pytest.raises(NotAuthenticated) as refused:
        async with throttle.attempt(ANN, CAFE):
            raise AssertionError("not to be looked at")

    assert refused.value.retry_after_s == 600


async def test_lg_2_the_owner_logs_in_from_elsewhere_while_one_address_guesses(throttle: LoginThrottle) -> None:
    await fail(throttle, CAFE, 1000)

    assert await try_(throttle, OFFICE, right=True)


async def test_lg_2_the_right_password_does_not_help_while_the_pair_waits(throttle: LoginThrottle) -> None:
    await fail(throttle, CAFE, 5)

    assert not await try_(throttle, CAFE, right=True)


async def test_lg_2_after_fifteen_minutes_the_pair_may_try_again(throttle: LoginThrottle, now: Now) -> None:
    await fail(throttle, CAFE, 5)
    now.s += 15 * MINUTE_S - 1
    assert await fail(throttle, CAFE) == 0
    now.s += 1

    assert await fail(throttle, CAFE, 10) == 5


async def test_lg_2_tries_during_the_wait_do_not_make_it_longer(throttle: LoginThrottle, now: Now) -> None:
    await fail(throttle, CAFE, 5)
    for _ in range(14):
        now.s += MINUTE_S
        assert await fail(throttle, CAFE) == 0
    now.s += MINUTE_S

    assert await try_(throttle, CAFE, right=True)


async def test_lg_2_failures_count_for_fifteen_minutes(throttle: LoginThrottle, now: Now) -> None:
    for _ in range(50):
        assert await fail(throttle, CAFE) == 1
        now.s += 4 * MINUTE_S


async def test_lg_2_a_good_login_clears_the_failures_of_its_address(throttle: LoginThrottle) -> None:
    await fail(throttle, OFFICE, 4)
    assert await try_(throttle, OFFICE, right=True)

    assert await fail(throttle, OFFICE, 10) == 5


async def test_lg_2_another_account_from_the_same_address_is_free(throttle: LoginThrottle) -> None:
    await fail(throttle, CAFE, 5)

    assert await try_(throttle, CAFE, right=True, account=Account("bob@example.com", 1))


async def test_lg_2_addresses_of_one_ipv6_network_are_one(throttle: LoginThrottle) -> None:
    assert sum([await fail(throttle, f"2001:db8::{number:x}") for number in range(1, 20)]) == 5


async def test_lg_2_a_hundred_failures_an_hour_are_evaluated_over_all_addresses(
    throttle: LoginThrottle, now: Now
) -> None:
    assert sum([await fail(throttle, f"203.0.113.{number}") for number in range(200)]) == 100
    now.s += HOUR_S - 1
    assert not await try_(throttle, OFFICE, right=True)
    now.s += 1

    assert await try_(throttle, OFFICE, right=True)


async def test_lg_2_an_address_of_a_recent_good_login_is_not_shut_out_by_others(
    throttle: LoginThrottle, now: Now
) -> None:
    await try_(throttle, OFFICE, right=True)
    now.s += KNOWN_FOR_S - HOUR_S
    await asyncio.gather(*(fail(throttle, f"203.0.113.{number}") for number in range(200)))

    assert await try_(throttle, OFFICE, right=True)
    assert not await try_(throttle, CAFE, right=True)


async def test_lg_2_a_good_login_long_ago_is_not_recent(throttle: LoginThrottle, now: Now) -> None:
    await try_(throttle, OFFICE, right=True)
    now.s += KNOWN_FOR_S + 1
    await asyncio.gather(*(fail(throttle, f"203.0.113.{number}") for number in range(200)))

    assert not await try_(throttle, OFFICE, right=True)


async def test_lg_2_a_known_address_guesses_no_faster_than_others(throttle: LoginThrottle) -> None:
    await try_(throttle, OFFICE, right=True)

    assert await fail(throttle, OFFICE, 100) == 5


async def test_lg_2_a_changed_user_may_be_tried_again_from_everywhere(throttle: LoginThrottle) -> None:
    await fail(throttle, CAFE, 5)
    await asyncio.gather(*(fail(throttle, f"203.0.113.{number}") for number in range(200)))

    unlocked = Account(ANN.email, ANN.version + 1)

    assert await try_(throttle, CAFE, right=True, account=unlocked)


async def test_lg_2_guesses_side_by_side_are_no_more_than_one_after_another(throttle: LoginThrottle) -> None:
    looked_at = 0

    async def guess() -> None:
        nonlocal looked_at
        async with throttle.attempt(ANN, CAFE) as attempt:
            looked_at += 1
            await asyncio.sleep(0)  # the check of the password takes a while
            attempt.judge(right=False)

    results = await asyncio.gather(*(guess() for _ in range(50)), return_exceptions=True)

    assert looked_at == 5
    assert sum(isinstance(result, NotAuthenticated) for result in results) == 45


async def test_lg_2_right_passwords_side_by_side_are_all_served(throttle: LoginThrottle) -> None:
    assert all(await asyncio.gather(*(try_(throttle, OFFICE, right=True) for _ in range(50))))


async def test_lg_2_guesses_from_many_addresses_side_by_side_are_bounded_too(throttle: LoginThrottle) -> None:
    go = asyncio.Event()
    looked_at = 0

    async def guess(address: str) -> None:
        nonlocal looked_at
        async with throttle.attempt(ANN, address) as attempt:
            looked_at += 1
            await go.wait()
            attempt.judge(right=False)

    guesses = [asyncio.create_task(guess(f"203.0.113.{number}")) for number in range(250)]
    done, _ = await asyncio.wait(guesses, return_when=asyncio.FIRST_EXCEPTION)
    go.set()
    await asyncio.gather(*guesses, return_exceptions=True)

    assert all(isinstance(task.exception(), NotAuthenticated) for task in done)
    assert looked_at == 100


async def test_lg_4_what_was_not_checked_counts_for_nothing(throttle: LoginThrottle) -> None:
    for _ in range(200):
        with pytest.raises(TimeoutError):
            async with throttle.attempt(ANN, OFFICE):
                raise TimeoutError

    assert await fail(throttle, OFFICE, 10) == 5


async def test_what_is_remembered_is_bounded(throttle: LoginThrottle) -> None:
    for number in range(MAX_PAIRS + 100):
        await fail(throttle, CAFE, account=Account(f"user{number}@example.com", 0))

    assert len(throttle._pairs) == MAX_PAIRS
    assert len(throttle._accounts) < MAX_PAIRS
    assert len(throttle._turns) == 0


async def test_the_bounds_are_settings(now: Now) -> None:
    minute = timedelta(minutes=1)
    config = LoginConfig(failures=2, failure_window=minute, failure_wait=minute, failures_per_hour=3)
    throttle = LoginThrottle(config, now)

    assert await fail(throttle, CAFE, 10) == 2
    now.s += MINUTE_S
    assert await fail(throttle, CAFE, 10) == 1
