"""REST calls of pools (contract 12.4)."""

from __future__ import annotations

from typing import Any

from starlette.routing import Route

from firstboot_plugins.dialects.thinger.body_fields import BodyFields
from firstboot_plugins.dialects.thinger.http import Call, route
from firstboot_plugins.dialects.thinger.list_query import ListQuery
from firstboot_plugins.dialects.thinger.shared import Thinger

POOLS = "/v1/users/{user}/pools"
_POOL = f"{POOLS}/{{pool}}"


def pool_routes(thinger: Thinger) -> list[Route]:
    """Return the routes of pools."""
    return [
        route(thinger, POOLS, "GET", _list),
        route(thinger, POOLS, "POST", _create),
        route(thinger, _POOL, "GET", _get),
        route(thinger, _POOL, "PUT", _update),
        route(thinger, _POOL, "DELETE", _delete),
        route(thinger, f"{_POOL}/hardware", "GET", _hardware),
        route(thinger, f"{_POOL}/hardware", "PUT", _set_hardware, document=True),
        route(thinger, f"{_POOL}/devices", "POST", _fill, document=True),
        route(thinger, f"{_POOL}/devices/{{device}}/release", "POST", _release),
        route(thinger, f"{_POOL}/claim", "POST", _claim, provisioning=True),
    ]


async def _list(call: Call) -> Any:
    return await call.thinger.pools.list(call.asker, ListQuery.of(call.query))


async def _create(call: Call) -> Any:
    return await call.thinger.pools.create(call.asker, call.body)


async def _get(call: Call) -> Any:
    return await call.thinger.pools.get(call.asker, call.params["pool"])


async def _update(call: Call) -> Any:
    return await call.thinger.pools.update(call.asker, call.params["pool"], call.body)


async def _delete(call: Call) -> Any:
    return await call.thinger.pools.delete(call.asker, call.params["pool"])


async def _hardware(call: Call) -> Any:
    return await call.thinger.pools.hardware(call.asker, call.params["pool"])


async def _set_hardware(call: Call) -> Any:
    return await call.thinger.pools.set_hardware(call.asker, call.params["pool"], call.body)


async def _fill(call: Call) -> Any:
    return await call.thinger.pools.fill(call.asker, call.params["pool"], call.body)


async def _release(call: Call) -> Any:
    return await call.thinger.pools.release(call.asker, call.params["pool"], call.params["device"])


async def _claim(call: Call) -> Any:
    fields = BodyFields(call.body)
    hardware_id = fields.take("hardware_id")
    fields.end()
    return await call.thinger.claims.claim(call.asker, call.params["pool"], hardware_id)
