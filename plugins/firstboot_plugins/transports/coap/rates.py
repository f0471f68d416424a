"""How many datagrams an address may send (threat CO-2)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from firstboot.throttle import source_of

MAX_SOURCES = 65_536


class Rates:
    """Counts before anything is read. Which address sends too much does not matter to the others."""

    def __init__(self, per_second: int, burst: int, monotonic: Callable[[], float]) -> None:
        self._per_second = per_second
        self._burst = burst
        self._monotonic = monotonic
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """What an address may still send, and since when it is so much; the least recently seen first."""

    def __len__(self) -> int:
        return len(self._left)

    def take(self, address: str) -> bool:
        """Count a datagram; say whether it may be read."""
        source = source_of(address)
        now = self._monotonic()
        left, since = self._left.pop(source, (float(self._burst), now))
        left = min(self._burst, left + (now - since) * self._per_second)
        allowed = left >= 1.0
        self._left[source] = (left - 1.0 if allowed else left, now)
        if len(self._left) > MAX_SOURCES:
            self._left.popitem(last=False)
        return allowed
