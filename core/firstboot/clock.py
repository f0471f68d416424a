"""Time, in the two forms that the services need."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from firstboot.randomness import random_bytes


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Clock:
    """Wall time for what is stored and expires, monotonic time for rates and time-outs (fault OP-9)."""

    now_ms: Callable[[], int] = _wall_ms
    """Milliseconds since 1970, UTC."""
    monotonic: Callable[[], float] = time.monotonic
    """Seconds since some moment; never jumps."""


def milliseconds(duration: timedelta) -> int:
    """Return a duration in the unit of what is stored."""
    return duration // timedelta(milliseconds=1)


def new_public_id(now_ms: int) -> UUID:
    """Return a version 7 UUID (RFC 9562): ordered by time, so that its index grows at one end."""
    random = int.from_bytes(random_bytes(10))
    high = (now_ms & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | (random >> 68) << 64
    return UUID(int=high | 0b10 << 62 | random & 0x3FFF_FFFF_FFFF_FFFF)
