"""Counting failures, so that guessing is slow and loud, and nobody but the guesser is held up (threat PV-2)."""

from __future__ import annotations

import heapq
import ipaddress
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

logger = logging.getLogger(__name__)

WINDOW_S = 60.0
MAX_SOURCES = 10_000
MAX_HELD_BACK = 200
"""Answers that are held back at the same time. Each occupies a connection: more are answered at once, so that
guessing on many connections does not leave none to the others."""
MAX_REPORTS = 1000
"""Failures a minute that are reported one by one, of all sources together. Over UDP anybody has as many source
addresses as he likes: each would get its lines in the log, and its rows in the audit log."""
_DELAY_STEP_S = 0.1


@lru_cache(maxsize=4096)
def source_of(address: str) -> str:
    """Return what counts as one peer: an IPv4 address, or the /64 of an IPv6 address."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((int(ip) >> 64 << 64, 64)))
    return address


@dataclass(slots=True)
class _Window:
    ends_at: float
    failures: int = 0
    suppressed: int = 0


@dataclass(frozen=True, slots=True)
class Penalty:
    """What a failing request earns."""

    delay_s: float
    """How long to hold back the failing answer."""
    report: bool
    """Whether it is reported by itself; otherwise it only counts in the summary."""


class FailureThrottle:
    """Counts failing requests in windows of a minute, per source. Successful ones never meet it."""

    def __init__(self, *, per_minute: int, max_delay_s: float, monotonic: Callable[[], float]) -> None:
        self._per_minute = per_minute
        self._max_delay_s = max_delay_s
        self._monotonic = monotonic
        self._windows: OrderedDict[str, _Window] = OrderedDict()
        self._reports = _Window(float("-inf"))
        self._held_until: list[float] = []

    def record(self, *sources: str) -> Penalty:
        """Count one failure for each of the sources, and return what the worst of them earns."""
        excess = self._count(sources)
        if excess <= 0:
            return Penalty(0.0, self._may_report())
        return Penalty(self._hold_back(min(self._max_delay_s, excess * _DELAY_STEP_S)), False)

    def is_news(self, source: str) -> bool:
        """Count something that is no failure of the asker; return whether it is reported by itself."""
        return self._count((source,)) <= 0

    def _count(self, sources: Sequence[str]) -> int:
        """Return how many failures the worst of the sources is above the bound."""
        now = self._monotonic()
        windows = [self._window(source, now) for source in sources]
        for window in windows:
            window.failures += 1
        worst = max(windows, key=lambda window: window.failures)
        excess = worst.failures - self._per_minute
        if excess > 0:
            worst.suppressed += 1
        return excess

    def _may_report(self) -> bool:
        now = self._monotonic()
        if self._reports.ends_at <= now:
            self._summarise("all", self._reports)
            self._reports = _Window(now + WINDOW_S)
        self._reports.failures += 1
        if self._reports.failures <= MAX_REPORTS:
            return True
        self._reports.suppressed += 1
        return False

    def _hold_back(self, delay_s: float) -> float:
        """Return the delay, or none when as many answers as may be are held back already."""
        now = self._monotonic()
        while self._held_until and self._held_until[0] <= now:
            heapq.heappop(self._held_until)
        if len(self._held_until) >= MAX_HELD_BACK:
            return 0.0
        heapq.heappush(self._held_until, now + delay_s)
        return delay_s

    def _window(self, source: str, now: float) -> _Window:
        window = self._windows.get(source)
        if window is None or window.ends_at <= now:
            if window is not None:
                self._summarise(source, window)
            window = self._windows[source] = _Window(now + WINDOW_S)
            self._windows.move_to_end(source)
            if len(self._windows) > MAX_SOURCES:
                self._summarise(*self._windows.popitem(last=False))
        return window

    def sweep(self) -> None:
        """Forget windows that are over, with a summary line where failures were not reported one by one."""
        now = self._monotonic()
        if self._reports.ends_at <= now:
            self._summarise("all", self._reports)
            self._reports = _Window(float("-inf"))
        while self._windows:
            source, window = next(iter(self._windows.items()))
            if window.ends_at > now:
                return
            del self._windows[source]
            self._summarise(source, window)

    def _summarise(self, source: str, window: _Window) -> None:
        if window.suppressed:
            logger.warning(
                "many failures from one source were not reported one by one",
                extra={"source": source, "failures": window.failures, "not_reported": window.suppressed},
            )


class TokenBucket:
    """Allows ``per_minute`` takings a minute; what was taken in vain can be put back."""

    def __init__(self, per_minute: int, monotonic: Callable[[], float]) -> None:
        self._capacity = float(per_minute)
        self._tokens = self._capacity
        self._monotonic = monotonic
        self._filled_at = monotonic()

    @property
    def per_minute(self) -> int:
        return int(self._capacity)

    def take(self) -> bool:
        """Take one, if there is one."""
        now = self._monotonic()
        self._tokens = min(self._capacity, self._tokens + (now - self._filled_at) * self._capacity / 60.0)
        self._filled_at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def put_back(self) -> None:
        """Return one that was taken."""
        self._tokens = min(self._capacity, self._tokens + 1.0)
