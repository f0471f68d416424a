"""Wrong credentials offered for devices that exist: counted, so that nobody finds the right ones by trying."""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Callable

from firstboot_plugins.dialects.thinger.errors import too_many

MAX_DEVICES = 20_000
"""Those that were quiet longest are forgotten first."""


class WrongCredentials:
    """Counts for each device, in a window that goes along with time (contract 12.1)."""

    def __init__(self, most: int, window_s: float, monotonic: Callable[[], float]) -> None:
        self._most = most
        self._window_s = window_s
        self._monotonic = monotonic
        self._moments: OrderedDict[int, deque[float]] = OrderedDict()

    def check(self, device_id: int) -> None:
        """Refuse to say whether any credentials are right, once too many were wrong: a yes would be the answer.

        Raises: `ThingerError` (429).
        """
        now = self._monotonic()
        moments = self._recent(device_id, now)
        if len(moments) >= self._most:
            raise too_many(max(1, math.ceil(moments[0] + self._window_s - now)))

    def count(self, device_id: int) -> int:
        """Count one, and return how many there were within the window."""
        now = self._monotonic()
        moments = self._recent(device_id, now)
        moments.append(now)
        self._moments[device_id] = moments
        self._moments.move_to_end(device_id)
        if len(self._moments) > MAX_DEVICES:
            self._moments.popitem(last=False)
        return len(moments)

    def _recent(self, device_id: int, now: float) -> deque[float]:
        moments = self._moments.get(device_id, deque[float]())
        while moments and moments[0] + self._window_s <= now:
            moments.popleft()
        return moments
