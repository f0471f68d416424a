"""Bursts and an even pace after them (contract section 13)."""

from __future__ import annotations

import logging

import pytest
from tests.integration.provisioning.fake_clock import FakeClock

from firstboot_plugins.dialects.thinger.config import ThingerConfig
from firstboot_plugins.dialects.thinger.errors import ThingerError
from firstboot_plugins.dialects.thinger.limits import MAX_KEYS, Limits, Pace


def passed(pace: Pace, key: str, tries: int) -> int:
    """Return how many of so many requests at once go through."""
    count = 0
    for _ in range(tries):
        if pace.wait_s(key) <= 0:
            pace.take(key)
            count += 1
    return count


def test_tg_13_a_burst_goes_through_and_then_one_for_each_interval() -> None:
    time = FakeClock()
    pace = Pace(10, 60, lambda: time.monotonic_s)

    assert passed(pace, "a", 100) == 10
    time.advance(1)
    assert passed(pace, "a", 100) == 1
    time.advance(5)
    assert passed(pace, "a", 100) == 5
    time.advance(3600)
    assert passed(pace, "a", 100) == 10


def test_tg_13_keys_do_not_slow_each_other_down() -> None:
    time = FakeClock()
    pace = Pace(2, 60, lambda: time.monotonic_s)

    assert [passed(pace, key, 5) for key in ("a", "b", "c")] == [2, 2, 2]


def test_tg_13_whoever_has_to_wait_is_told_how_long() -> None:
    time = FakeClock()
    pace = Pace(1, 6, lambda: time.monotonic_s)
    pace.take("a")

    assert pace.wait_s("a") == 10
    time.advance(4)
    assert pace.wait_s("a") == 6


def test_tg_13_no_more_keys_are_kept_than_there_is_room_for() -> None:
    time = FakeClock()
    pace = Pace(1, 60, lambda: time.monotonic_s)
    for number in range(MAX_KEYS + 1):
        pace.take(str(number))

    assert pace.wait_s("0") == 0
    assert pace.wait_s("1") > 0


def test_tg_13_provisioning_is_counted_for_the_token_and_for_the_address() -> None:
    time = FakeClock()
    limits = Limits(ThingerConfig(provisioning_burst=2), 6000, lambda: time.monotonic_s)
    limits.provisioning("token 1", "192.0.2.1")
    limits.provisioning("token 1", "192.0.2.2")

    with pytest.raises(ThingerError) as by_token:
        limits.provisioning("token 1", "192.0.2.3")
    limits.provisioning("token 2", "192.0.2.1")
    with pytest.raises(ThingerError) as by_address:
        limits.provisioning("token 3", "192.0.2.1")

    assert [(each.value.status, each.value.retry_after_s) for each in (by_token, by_address)] == [(429, 1)] * 2


def test_tg_13_what_is_refused_counts_for_nothing() -> None:
    time = FakeClock()
    limits = Limits(ThingerConfig(provisioning_burst=1), 6000, lambda: time.monotonic_s)
    limits.provisioning("token 1", "192.0.2.1")
    for _ in range(50):
        with pytest.raises(ThingerError):
            limits.provisioning("token 2", "192.0.2.1")

    limits.provisioning("token 2", "192.0.2.2")


def test_tg_13_neighbours_in_one_ipv6_network_count_as_one() -> None:
    time = FakeClock()
    limits = Limits(ThingerConfig(failed_tokens_per_minute=1), 6000, lambda: time.monotonic_s)
    limits.failed_token("2001:db8::1")

    with pytest.raises(ThingerError):
        limits.failed_token("2001:db8::2")
    limits.failed_token("2001:db8:0:1::1")
    assert not limits.may_search("2001:db8::3")


def test_tg_13_operators_are_told_once_a_minute_who_asks_too_often(caplog: pytest.LogCaptureFixture) -> None:
    time = FakeClock()
    config = ThingerConfig(provisioning_burst=1, provisioning_per_minute=1)
    limits = Limits(config, 1000, lambda: time.monotonic_s)
    limits.provisioning("token 1", "192.0.2.7")

    def refused(times: int) -> list[str]:
        caplog.clear()
        for _ in range(times):
            with pytest.raises(ThingerError):
                limits.provisioning("token 1", "192.0.2.7")
        return [f"{record.message}: {record.__dict__['source']}" for record in caplog.records]

    with caplog.at_level(logging.INFO):
        assert refused(5) == ["too many provisioning requests: from 192.0.2.7"]
        time.advance(59.9)
        assert refused(5) == []
