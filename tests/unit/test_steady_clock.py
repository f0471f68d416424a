"""CM-8: time that has passed stays passed, whatever is done to the wall clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.integration.provisioning.fake_clock import FakeClock

from firstboot.steady_clock import SteadyClock

DAY_MS = 86_400_000


def test_it_follows_a_clock_that_runs() -> None:
    now = FakeClock()
    steady = SteadyClock(now.clock)

    for seconds in (0, 0.001, 5, 3600):
        now.advance(seconds)
        assert steady.now_ms() == now.now_ms


def test_it_follows_a_clock_that_is_put_forward() -> None:
    now = FakeClock()
    steady = SteadyClock(now.clock)

    now.now_ms += DAY_MS

    assert steady.now_ms() == now.now_ms


def test_it_runs_on_while_the_clock_is_behind_and_follows_again_when_it_has_caught_up() -> None:
    now = FakeClock()
    steady = SteadyClock(now.clock)
    began = now.now_ms

    now.now_ms -= DAY_MS
    assert steady.now_ms() == began
    now.advance(60)
    assert steady.now_ms() == began + 60_000
    now.now_ms += 2 * DAY_MS
    assert steady.now_ms() == now.now_ms


@given(st.lists(st.tuples(st.integers(0, 10**7), st.integers(-DAY_MS, DAY_MS), st.booleans())))
def test_it_never_runs_back_and_never_slower_than_time_passes(steps: list[tuple[int, int, bool]]) -> None:
    now = FakeClock()
    steady = SteadyClock(now.clock)
    began = latest = now.now_ms
    passed = 0

    for ms, jump_ms, looked_at in steps:
        now.advance(ms / 1000)
        now.now_ms += jump_ms
        passed += ms
        if looked_at:
            seen = steady.now_ms()
            assert seen >= max(latest, now.now_ms)
            assert seen >= began + passed - len(steps)  # each look may cut off a millisecond
            latest = seen
