"""SE-8: an operator hears in time that a certificate ends, and every hour that it has."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from datetime import timedelta
from pathlib import Path

import pytest
from tests.integration.tls.making import issue

from firstboot import tls as tls_module
from firstboot.clock import Clock
from firstboot.config import TlsConfig
from firstboot.tls import Tls

DAY_MS = 86_400_000
LIFE_DAYS = 100


@dataclasses.dataclass
class Calendar:
    """A clock that tests turn."""

    now_ms: int

    def clock(self) -> Clock:
        return Clock(now_ms=lambda: self.now_ms)


@pytest.fixture
def calendar() -> Calendar:
    return Calendar(Clock().now_ms())


@pytest.fixture
def tls(tmp_path: Path, calendar: Calendar) -> Tls:
    cert, key = issue("server", days=(-1, LIFE_DAYS)).write(tmp_path)
    return Tls.open(TlsConfig(cert=cert, key=key), calendar.clock())


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    words = [record.levelname for record in caplog.records]
    caplog.clear()
    return words


def test_it_is_said_once_30_7_and_1_days_before(
    tls: Tls, calendar: Calendar, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    heard = {}
    start_ms = calendar.now_ms
    for hour in range((LIFE_DAYS - 1) * 24 + 1, LIFE_DAYS * 24):  # the last day
        calendar.now_ms = start_ms + hour * 3_600_000
        tls.remind()
    assert said(caplog) == ["WARNING"]

    fresh = Tls.open(tls._config, Clock(now_ms=lambda: calendar.now_ms))
    for day in range(LIFE_DAYS):
        calendar.now_ms = start_ms + day * DAY_MS + DAY_MS // 2
        fresh.remind()
        fresh.remind()
        heard[LIFE_DAYS - day] = said(caplog)

    assert {days: words for days, words in heard.items() if words} == {
        30: ["WARNING"],
        7: ["WARNING"],
        1: ["WARNING"],
    }


def test_health_warns_in_the_last_30_days(tls: Tls, calendar: Calendar) -> None:
    assert tls.warnings() == ()

    calendar.now_ms += (LIFE_DAYS - 29) * DAY_MS

    (warning,) = tls.warnings()
    assert "server.crt ends at" in warning
    assert tls.faults() == ()


def test_what_has_expired_is_an_error_each_time_and_a_fault(
    tls: Tls, calendar: Calendar, caplog: pytest.LogCaptureFixture
) -> None:
    calendar.now_ms += (LIFE_DAYS + 1) * DAY_MS

    tls.remind()
    tls.remind()

    assert said(caplog) == ["ERROR", "ERROR"]
    (fault,) = tls.faults()
    assert fault.startswith("tls.cert: the certificate in ")
    assert fault.endswith("Renew it.")
    assert tls.warnings() == ()


async def test_a_renewed_certificate_is_spoken_of_anew(
    tls: Tls, calendar: Calendar, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    calendar.now_ms += (LIFE_DAYS - 5) * DAY_MS
    tls.remind()
    assert said(caplog) == ["WARNING"]

    issue("server", days=(-1, LIFE_DAYS + 1)).write(tmp_path)
    assert await tls.reload()

    assert said(caplog) == ["WARNING"]
    tls.remind()
    assert said(caplog) == []


async def test_the_reminder_comes_each_hour(
    tls: Tls, calendar: Calendar, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """OP-9: by the clock that never jumps."""
    monkeypatch.setattr(tls_module, "LOOK_INTERVAL_S", 0.001)
    calendar.now_ms += (LIFE_DAYS + 1) * DAY_MS
    elapsed = timedelta()
    looks = asyncio.Semaphore(0)
    monkeypatch.setattr(
        tls, "_clock", Clock(now_ms=lambda: calendar.now_ms, monotonic=lambda: elapsed.total_seconds())
    )
    look = tls.look

    async def counted() -> None:
        await look()
        looks.release()

    monkeypatch.setattr(tls, "look", counted)
    watch = asyncio.create_task(tls.watch())
    for hours in (0, 0.5, 1, 1.5, 2):
        elapsed = timedelta(hours=hours)
        for _ in range(3):
            await looks.acquire()
    watch.cancel()

    assert said(caplog) == ["ERROR"] * 3
