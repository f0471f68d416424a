"""Wrong credentials for devices that exist (contract 12.1), and queries of lists (contract 4.1)."""

from __future__ import annotations

import pytest
from tests.integration.provisioning.fake_clock import FakeClock

from firstboot_plugins.dialects.thinger import wrong_credentials
from firstboot_plugins.dialects.thinger.errors import ThingerError
from firstboot_plugins.dialects.thinger.list_query import MAX_ROWS, ListQuery
from firstboot_plugins.dialects.thinger.wrong_credentials import WrongCredentials


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def wrong(clock: FakeClock) -> WrongCredentials:
    return WrongCredentials(2, 600.0, clock.clock.monotonic)


def retry_after(wrong: WrongCredentials, device_id: int = 1) -> int | None:
    """Return for how long a device is closed, None when it is open."""
    try:
        wrong.check(device_id)
    except ThingerError as error:
        return error.retry_after_s if error.status == 429 else 0
    return None


def test_tg_12_1_the_window_goes_along_with_time(wrong: WrongCredentials, clock: FakeClock) -> None:
    assert wrong.count(1) == 1
    clock.advance(100)
    assert wrong.count(1) == 2
    clock.advance(200.5)

    assert retry_after(wrong) == 300
    clock.advance(299.5)
    assert retry_after(wrong) is None
    assert wrong.count(1) == 2
    assert retry_after(wrong) == 100


def test_tg_12_1_devices_are_counted_apart(wrong: WrongCredentials) -> None:
    wrong.count(1)
    wrong.count(1)
    wrong.count(2)

    assert retry_after(wrong, 1) == 600
    assert retry_after(wrong, 2) is None


def test_tg_12_1_what_is_remembered_is_bounded(wrong: WrongCredentials, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wrong_credentials, "MAX_DEVICES", 3)
    for device_id in (1, 1, 2, 3, 1, 4):
        wrong.count(device_id)

    assert retry_after(wrong, 1) is not None  # the quietest was forgotten, and that was another
    assert wrong.count(2) == 1


def test_tg_4_1_a_list_that_is_asked_for_nothing_is_a_long_page_from_the_start() -> None:
    assert ListQuery.of({}) == ListQuery(name="", id="", index=0, count=MAX_ROWS)
    assert ListQuery.of({"count": "5000", "index": "7", "name": "a", "authorization": "x"}) == ListQuery(
        name="a", index=7, count=MAX_ROWS
    )


@pytest.mark.parametrize("number", ["", "-1", "+1", "1.0", "1e3", "٣", "9" * 17, " 1"])
def test_tg_4_1_a_number_is_decimal_digits(number: str) -> None:
    with pytest.raises(ThingerError, match="invalid parameter: count"):
        ListQuery.of({"count": number})
