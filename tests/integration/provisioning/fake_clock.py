"""A clock that stands still until a test moves it."""

from __future__ import annotations

from firstboot.clock import Clock


class FakeClock:
    """Wall time and monotonic time, moved together."""

    def __init__(self, now_ms: int = 1_800_000_000_000) -> None:
        self.now_ms = now_ms
        self.monotonic_s = 1000.0
        self.clock = Clock(now_ms=lambda: self.now_ms, monotonic=lambda: self.monotonic_s)

    def advance(self, seconds: float) -> None:
        self.now_ms += round(seconds * 1000)
        self.monotonic_s += seconds
