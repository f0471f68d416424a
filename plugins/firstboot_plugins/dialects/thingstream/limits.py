"""How often one address may ask, and how often it may be wrong (contract section 10)."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable

from firstboot.throttle import source_of

WINDOW_S = 60.0
MAX_SOURCES = 10_000


class PerAddress:
    """Lets each address do something so many times a minute."""

    def __init__(self, most: int, monotonic: Callable[[], float]) -> None:
        self._most = most
        self._monotonic = monotonic
        self._windows: OrderedDict[str, tuple[float, int]] = OrderedDict()
        """When the minute of a source ends, and how often it was there."""

    def wait_s(self, address: str) -> int:
        """Count once; return 0 when that is allowed, else the seconds until it is."""
        source, now = source_of(address), self._monotonic()
        ends_at, count = self._windows.get(source, (0.0, 0))
        if ends_at <= now:
            ends_at, count = now + WINDOW_S, 0
        self._windows[source] = ends_at, count + 1
        self._windows.move_to_end(source)
        if len(self._windows) > MAX_SOURCES:
            self._windows.popitem(last=False)
        return 0 if count < self._most else math.ceil(ends_at - now)
