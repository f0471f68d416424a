"""Counting failures and taking tokens, in a time that stands still."""

from __future__ import annotations

import logging

import pytest

from firstboot.throttle import (
    MAX_HELD_BACK,
    MAX_REPORTS,
    MAX_SOURCES,
    WINDOW_S,
    FailureThrottle,
    TokenBucket,
    source_of,
)


class Now:
    def __init__(self) -> None:
        self.s = 100.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def throttle(now: Now) -> FailureThrottle:
    return FailureThrottle(per_minute=3, max_delay_s=2.0, monotonic=now)


def summaries(caplog: pytest.LogCaptureFixture) -> list[tuple[str, int, int]]:
    return [
        (record.__dict__["source"], record.__dict__["failures"], record.__dict__["not_reported"])
        for record in caplog.records
    ]


def test_pv_2_up_to_the_bound_a_failure_is_reported_and_answered_at_once(throttle: FailureThrottle) -> None:
    penalties = [throttle.record("a") for _ in range(3)]

    assert [(penalty.delay_s, penalty.report) for penalty in penalties] == [(0.0, True)] * 3


def test_pv_2_above_the_bound_the_delay_grows_to_its_longest(throttle: FailureThrottle) -> None:
    penalties = [throttle.record("a") for _ in range(40)][3:]

    assert [penalty.delay_s for penalty in penalties[:3]] == pytest.approx([0.1, 0.2, 0.3])
    assert max(penalty.delay_s for penalty in penalties) == 2.0
    assert not any(penalty.report for penalty in penalties)


def test_pv_2_one_source_does_not_pay_for_another(throttle: FailureThrottle) -> None:
    for _ in range(100):
        throttle.record("a")

    assert throttle.record("b").delay_s == 0.0


def test_pv_2_the_worst_of_several_sources_counts(throttle: FailureThrottle) -> None:
    for number in range(3):
        throttle.record(f"address {number}", "profile p")

    assert throttle.record("address 9", "profile p").delay_s > 0
    assert throttle.record("address 9").delay_s == 0.0


def test_pv_2_after_a_minute_a_source_begins_anew(throttle: FailureThrottle, now: Now) -> None:
    for _ in range(10):
        throttle.record("a")
    now.s += WINDOW_S

    assert throttle.record("a").report


def test_pv_2_what_was_not_reported_is_summed_up_in_one_line(
    throttle: FailureThrottle, now: Now, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(10):
        throttle.record("a")
    throttle.record("quiet")

    throttle.sweep()
    assert summaries(caplog) == []
    now.s += WINDOW_S
    throttle.sweep()
    throttle.sweep()

    assert summaries(caplog) == [("a", 10, 7)]
    assert caplog.records[0].levelno == logging.WARNING


def test_pv_2_many_addresses_that_guess_one_profile_are_one_line(
    throttle: FailureThrottle, now: Now, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(10):
        throttle.record(f"address {number}", "profile p")
    now.s += WINDOW_S
    throttle.sweep()

    assert summaries(caplog) == [("profile p", 10, 7)]


def test_pv_2_sources_are_bounded_and_the_oldest_gives_way(
    throttle: FailureThrottle, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(5):
        throttle.is_news("first")
    for number in range(MAX_SOURCES):
        throttle.is_news(str(number))

    assert summaries(caplog) == [("first", 5, 2)]
    assert throttle.is_news("first")


def test_pv_2_answers_held_back_at_the_same_time_are_bounded(throttle: FailureThrottle, now: Now) -> None:
    for _ in range(3):
        throttle.record("a")

    delays = [throttle.record("a").delay_s for _ in range(MAX_HELD_BACK + 50)]
    now.s += 2.0
    later = throttle.record("a").delay_s

    assert sum(delay > 0 for delay in delays) == MAX_HELD_BACK
    assert later == 2.0


def test_se_6_sources_without_end_are_not_all_reported(
    throttle: FailureThrottle, now: Now, caplog: pytest.LogCaptureFixture
) -> None:
    reported = [throttle.record(str(number)) for number in range(MAX_REPORTS + 5)]
    now.s += WINDOW_S
    again = throttle.record("another")

    assert [each.report for each in reported] == [True] * MAX_REPORTS + [False] * 5
    assert {each.delay_s for each in reported} == {0.0}
    assert again.report
    assert summaries(caplog) == [("all", MAX_REPORTS + 5, 5)]


def test_what_is_only_counted_holds_nothing_back(throttle: FailureThrottle) -> None:
    news = [throttle.is_news("a") for _ in range(MAX_HELD_BACK * 2)]
    for _ in range(3):
        throttle.record("b")

    assert news.count(True) == 3
    assert throttle.record("b").delay_s > 0


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("a socket", "a socket"),
    ],
)
def test_pv_2_a_peer_is_an_ipv4_address_or_an_ipv6_network(address: str, source: str) -> None:
    assert source_of(address) == source


def test_a_bucket_gives_what_it_has_and_is_filled_evenly(now: Now) -> None:
    bucket = TokenBucket(6, now)

    first = [bucket.take() for _ in range(7)]
    now.s += 10.0
    second = [bucket.take() for _ in range(2)]

    assert first == [True] * 6 + [False]
    assert second == [True, False]


def test_a_bucket_never_holds_more_than_a_minute_s_worth(now: Now) -> None:
    bucket = TokenBucket(2, now)

    now.s += 3600
    bucket.put_back()

    assert [bucket.take() for _ in range(3)] == [True, True, False]


def test_what_is_put_back_can_be_taken_again(now: Now) -> None:
    bucket = TokenBucket(1, now)
    assert bucket.take()

    bucket.put_back()

    assert bucket.take()
    assert not bucket.take()
