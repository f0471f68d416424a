"""Deletes what buckets have collected when its time is over (contract section 8)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from firstboot.model import Resource
from firstboot.storage import RowQuery

if TYPE_CHECKING:
    from firstboot_plugins.dialects.thinger.shared import Thinger

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_UNIT_MS = {
    "hours": _HOUR_MS,
    "days": _DAY_MS,
    "weeks": 7 * _DAY_MS,
    "months": 30 * _DAY_MS,
    "years": 365 * _DAY_MS,
}


async def purge(thinger: Thinger) -> None:
    """Delete what is too old by the server's clock.

    Raises: `Unavailable`.
    """
    await thinger.ready()
    resources, now_ms = thinger.services.resources, thinger.services.clock.now_ms()
    for bucket in thinger.buckets.mirror.all():
        period_ms = period_of(bucket)
        if not period_ms:
            continue
        before_ms = now_ms - period_ms
        # Reading first: most buckets have nothing to delete, and a commit for each would keep devices waiting.
        oldest = RowQuery(resource_id=bucket.id, until_ms=before_ms - 1, oldest_first=True, limit=1)
        if await resources.rows(oldest):
            await resources.clear(bucket, before_ms=before_ms)


def period_of(bucket: Resource) -> int:
    """Return for how many milliseconds a bucket keeps its rows; 0: for ever."""
    retention = bucket.document.get("retention")
    return math.ceil(retention["period"] * _UNIT_MS[retention["unit"]]) if retention else 0
