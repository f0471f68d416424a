"""REST calls of buckets and dashboards (contract sections 8, 9)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from firstboot.model import Resource
from firstboot_plugins.dialects.thinger.asset_routes import document_routes
from firstboot_plugins.dialects.thinger.bucket_data import bucket_data
from firstboot_plugins.dialects.thinger.bucket_exports import EXPORTS
from firstboot_plugins.dialects.thinger.bucket_queries import BucketQuery
from firstboot_plugins.dialects.thinger.errors import ThingerError
from firstboot_plugins.dialects.thinger.http import Call, route
from firstboot_plugins.dialects.thinger.shared import Thinger

_BUCKET = "/v1/users/{user}/buckets/{id}"


def bucket_routes(thinger: Thinger) -> list[Route]:
    """Return the routes of buckets, of what they have collected, and of dashboards."""
    return [
        route(thinger, f"{_BUCKET}/data", "POST", _written),
        route(thinger, f"{_BUCKET}/data", "GET", _read),
        route(thinger, f"{_BUCKET}/data", "DELETE", _cleared),
        route(thinger, f"{_BUCKET}/export", "GET", _exported, head=False),
        *document_routes(thinger, thinger.buckets),
        *document_routes(thinger, thinger.dashboards),
    ]


async def _bucket(call: Call, action: str) -> Resource:
    call.asker.check("Bucket", call.params["id"], action)
    return await call.thinger.buckets.existing(call.asker.account, call.params["id"])


async def _written(call: Call) -> Any:
    bucket = await _bucket(call, "WriteBucket")
    if call.body is None:
        raise ThingerError(400, "the body has no data")
    if not await call.thinger.buckets.collect(bucket, call.body, call.thinger.services.clock.now_ms()):
        raise ThingerError(403, "bucket is disabled")
    return {}


async def _read(call: Call) -> Any:
    bucket = await _bucket(call, "ReadBucket")
    config = call.thinger.config
    query = BucketQuery.of(call.query, config.max_query_rows)
    return await bucket_data(call.thinger.services.resources, bucket, query, most_summed=config.max_summed_rows)


async def _cleared(call: Call) -> Any:
    bucket = await _bucket(call, "ClearBucket")
    await call.thinger.services.resources.clear(bucket, actor=call.asker.actor)
    return {}


async def _exported(call: Call) -> Response:
    bucket = await _bucket(call, "ExportBucket")
    name = call.query.get("format", "json")
    if name not in EXPORTS:
        raise ThingerError(400, "invalid parameter: format")
    content_type, export = EXPORTS[name]
    span = BucketQuery.of(call.query, call.thinger.config.max_query_rows).rows_of(bucket.id)
    rows = call.thinger.services.resources.every_row(replace(span, oldest_first=True))
    headers = {
        "cache-control": "no-store",
        "content-disposition": f'attachment; filename="{bucket.name}.{name}"',
        "x-content-type-options": "nosniff",
    }
    return StreamingResponse(export(rows), media_type=content_type, headers=headers)
