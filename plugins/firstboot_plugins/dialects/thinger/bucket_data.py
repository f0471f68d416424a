"""Reading what a bucket has collected: as it is, or summed up (contract section 8)."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

from firstboot.model import Resource, ResourceRow
from firstboot.resources import ResourceService
from firstboot_plugins.dialects.thinger.aggregates import Steps
from firstboot_plugins.dialects.thinger.bucket_queries import BucketQuery
from firstboot_plugins.dialects.thinger.errors import ThingerError


async def bucket_data(
    resources: ResourceService, bucket: Resource, query: BucketQuery, *, most_summed: int
) -> list[dict[str, Any]]:
    """Return what is asked for, in the order that is asked for; ``most_summed``: rows that are summed up.

    Raises: `ThingerError` (400) for a question that would take too long; `Unavailable`.
    """
    if not query.step_ms:
        return [told(row) for row in await resources.rows(query.rows_of(bucket.id))]
    steps = Steps(query.step_ms, query.items, oldest_first=query.oldest_first)
    summed = 0
    async with aclosing(resources.every_row(query.rows_of(bucket.id))) as rows:
        async for row in rows:
            summed += 1
            if summed > most_summed:
                raise ThingerError(400, f"more than {most_summed} rows: ask for less time")
            if not steps.take(row):
                break
    return steps.told(query.aggregate)


def told(row: ResourceRow) -> dict[str, Any]:
    """Return a row as the API tells it."""
    return {"ts": row.at_ms, "val": row.value}
