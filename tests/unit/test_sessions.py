"""A device has one live session, and none with credentials that have ended."""

from __future__ import annotations

import time

import pytest

from firstboot import sessions as sessions_module
from firstboot.sessions import Owner, SessionEnd, Sessions, device_owner


class Session:
    def __init__(self) -> None:
        self.ended: list[SessionEnd] = []

    def end(self, why: SessionEnd) -> None:
        self.ended.append(why)


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Time:
    clock = Time()
    monkeypatch.setattr(sessions_module.time, "monotonic", clock)
    return clock


@pytest.fixture
def sessions(clock: Time) -> Sessions:
    return Sessions()


def opened(sessions: Sessions, device: int, judged_at: float = 100.0) -> Session:
    session = Session()
    assert sessions.open(device_owner(device), session, judged_at=judged_at)
    return session


def test_a_second_session_of_a_device_takes_over(sessions: Sessions) -> None:
    first = opened(sessions, 1)
    other = opened(sessions, 2)

    second = opened(sessions, 1)

    assert first.ended == [SessionEnd.TAKEN_OVER]
    assert (second.ended, other.ended) == ([], [])
    assert len(sessions) == 2


def test_a_session_that_was_taken_over_may_close_without_closing_its_successor(sessions: Sessions) -> None:
    first = opened(sessions, 1)
    second = opened(sessions, 1)

    assert not sessions.close(device_owner(1), first)
    assert len(sessions) == 1
    assert sessions.close(device_owner(1), second)
    assert not sessions.close(device_owner(1), second)
    assert len(sessions) == 0


def test_a_session_may_close_itself_while_it_is_taken_over(sessions: Sessions) -> None:
    class Closing(Session):
        def end(self, why: SessionEnd) -> None:
            super().end(why)
            assert not sessions.close(device_owner(1), self)

    first = Closing()
    sessions.open(device_owner(1), first, judged_at=100.0)

    second = opened(sessions, 1)

    assert first.ended == [SessionEnd.TAKEN_OVER]
    assert sessions.end(device_owner(1), SessionEnd.KICKED)
    assert second.ended == [SessionEnd.KICKED]


def test_a_session_is_ended_once_with_the_reason(sessions: Sessions) -> None:
    session = opened(sessions, 1)

    assert sessions.end(device_owner(1), SessionEnd.CREDENTIALS_CHANGED)
    assert not sessions.end(device_owner(1), SessionEnd.KICKED)

    assert session.ended == [SessionEnd.CREDENTIALS_CHANGED]
    assert len(sessions) == 0


def test_a_login_that_was_judged_before_its_credentials_ended_opens_nothing(
    sessions: Sessions, clock: Time
) -> None:
    judged_at = clock.now
    clock.now += 0.5
    sessions.end(device_owner(1), SessionEnd.CREDENTIALS_CHANGED)
    late = Session()

    assert not sessions.open(device_owner(1), late, judged_at=judged_at)
    assert not sessions.open(
        device_owner(1), late, judged_at=clock.now
    )  # in the same instant: it may be the old ones
    assert len(sessions) == 0
    assert late.ended == []

    clock.now += 0.5
    opened(sessions, 1, clock.now)
    opened(sessions, 2, judged_at)


def test_a_refused_login_does_not_touch_the_session_that_is_there(sessions: Sessions, clock: Time) -> None:
    judged_at = clock.now
    clock.now += 1
    sessions.end(device_owner(1), SessionEnd.KICKED)
    clock.now += 1
    fresh = opened(sessions, 1, clock.now)

    assert not sessions.open(device_owner(1), Session(), judged_at=judged_at)

    assert fresh.ended == []
    assert len(sessions) == 1


def test_an_end_is_remembered_as_long_as_logins_take_and_not_for_ever(sessions: Sessions, clock: Time) -> None:
    sessions.end(device_owner(1), SessionEnd.KICKED)
    clock.now += 9.9
    sessions.end(device_owner(2), SessionEnd.KICKED)
    assert not sessions.open(device_owner(1), Session(), judged_at=100.0)

    clock.now += 0.1
    sessions.end(device_owner(3), SessionEnd.KICKED)

    assert len(sessions._ended_at) == 2
    opened(sessions, 1, 100.0)


def test_an_end_that_is_repeated_counts_from_the_last_time(sessions: Sessions, clock: Time) -> None:
    sessions.end(device_owner(1), SessionEnd.KICKED)
    sessions.end(device_owner(2), SessionEnd.KICKED)
    clock.now += 6
    sessions.end(device_owner(1), SessionEnd.KICKED)
    clock.now += 6
    sessions.end(device_owner(3), SessionEnd.KICKED)

    assert not sessions.open(device_owner(1), Session(), judged_at=clock.now - 6)
    opened(sessions, 2, judged_at=100.0)


def test_all_sessions_end_with_the_server(sessions: Sessions) -> None:
    many = [opened(sessions, number) for number in range(100)]

    sessions.end_all(SessionEnd.SERVER_STOPS)

    assert [session.ended for session in many] == [[SessionEnd.SERVER_STOPS]] * 100
    assert len(sessions) == 0


def test_ending_one_session_does_not_look_at_all_that_ended_before(clock: Time) -> None:
    sessions = Sessions()
    looked = 0

    class Counting(dict[Owner, float]):
        def __getitem__(self, key: Owner) -> float:
            nonlocal looked
            looked += 1
            return super().__getitem__(key)

        def items(self):  # type: ignore[no-untyped-def]
            raise AssertionError("looked at all of them")

    sessions._ended_at = Counting()
    for number in range(1000):
        sessions.end(device_owner(number), SessionEnd.KICKED)

    assert looked <= 2 * 1000


def test_without_a_frozen_clock_a_new_login_opens() -> None:
    sessions = Sessions()
    sessions.end(device_owner(1), SessionEnd.KICKED)
    ended_at = sessions._ended_at[device_owner(1)]

    assert sessions.open(device_owner(1), Session(), judged_at=max(time.monotonic(), ended_at + 0.001))


def test_an_owner_has_one_session_in_each_slot_and_all_end_together(sessions: Sessions) -> None:
    owner = Owner("api-token", 1)
    first, second = Session(), Session()

    assert sessions.open(owner, first, judged_at=100.0, slot="a")
    assert sessions.open(owner, second, judged_at=100.0, slot="b")

    assert (first.ended, second.ended) == ([], [])
    assert sessions.is_open(owner)
    assert not sessions.is_open(device_owner(1))
    assert not sessions.close(owner, first, slot="b")
    assert sessions.end(owner, SessionEnd.CREDENTIALS_CHANGED)
    assert first.ended == second.ended == [SessionEnd.CREDENTIALS_CHANGED]
    assert not sessions.is_open(owner)


def test_one_of_an_owners_sessions_is_ended_and_the_others_go_on(sessions: Sessions) -> None:
    owner = Owner("api-token", 1)
    one, other = Session(), Session()
    for slot, session in (("one", one), ("other", other)):
        assert sessions.open(owner, session, judged_at=100.0, slot=slot)
    told: list[Owner] = []
    sessions.on_end(lambda owner, why: told.append(owner))

    sessions.end_one(owner, "one", SessionEnd.TIME_OVER)
    sessions.end_one(owner, "nobody", SessionEnd.TIME_OVER)

    assert (one.ended, other.ended, told) == ([SessionEnd.TIME_OVER], [], [])
    assert list(sessions.of(owner)) == [other]
    assert sessions.open(owner, Session(), judged_at=100.0, slot="one")  # its rights have not ended
