"""Wall time that does not run backwards, so that nothing that has ended begins again (threat CM-8)."""

from __future__ import annotations

from firstboot.clock import Clock


class SteadyClock:
    """Follows the wall clock; while that is behind, what has passed since is measured in monotonic time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._latest_ms = clock.now_ms()
        self._latest_at = clock.monotonic()

    def now_ms(self) -> int:
        """Return milliseconds since 1970, in UTC."""
        passed_ms = int((self._clock.monotonic() - self._latest_at) * 1000)
        wall_ms = self._clock.now_ms()
        if wall_ms < self._latest_ms + passed_ms:
            return self._latest_ms + passed_ms
        self._latest_ms, self._latest_at = wall_ms, self._clock.monotonic()
        return wall_ms
