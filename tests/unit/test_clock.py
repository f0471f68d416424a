"""Time in two forms, and identifiers that are ordered by it."""

from __future__ import annotations

import time
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firstboot.clock import Clock, new_public_id

MOMENTS = st.integers(0, 2**48 - 1)


def test_the_wall_clock_counts_milliseconds_since_1970() -> None:
    before = time.time()
    now_ms = Clock().now_ms()
    after = time.time()

    assert int(before * 1000) - 1 <= now_ms <= int(after * 1000) + 1
    assert isinstance(now_ms, int)


def test_op_9_rates_and_time_outs_use_a_clock_that_never_jumps() -> None:
    assert Clock().monotonic is time.monotonic


def test_a_test_may_stop_both_clocks() -> None:
    clock = Clock(now_ms=lambda: 5, monotonic=lambda: 7.0)

    assert (clock.now_ms(), clock.monotonic()) == (5, 7.0)


@given(MOMENTS)
@example(0)
@example(2**48 - 1)
def test_a_public_id_is_a_version_7_uuid_with_its_moment_in_front(now_ms: int) -> None:
    public_id = new_public_id(now_ms)

    assert public_id.version == 7
    assert public_id.variant == "specified in RFC 4122"
    assert int.from_bytes(public_id.bytes[:6]) == now_ms


@given(MOMENTS, MOMENTS)
def test_public_ids_are_ordered_by_their_moments(one: int, other: int) -> None:
    if one != other:
        assert (new_public_id(one) < new_public_id(other)) == (one < other)


def test_ids_of_one_moment_differ_in_74_random_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len({new_public_id(1) for _ in range(1000)}) == 1000

    fixed = []
    for byte in (b"\x00", b"\xff"):
        monkeypatch.setattr("firstboot.clock.random_bytes", lambda size, byte=byte: byte * size)
        fixed.append(new_public_id(0).int)
    assert (fixed[0] ^ fixed[1]).bit_count() == 74
    assert UUID(int=fixed[0]) == UUID("00000000-0000-7000-8000-000000000000")
