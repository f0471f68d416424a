"""REST calls of asset types, groups and products (contract sections 7, 10)."""

from __future__ import annotations

from typing import Any

from starlette.routing import Route

from firstboot_plugins.dialects.thinger.assets import Documents
from firstboot_plugins.dialects.thinger.http import Call, route
from firstboot_plugins.dialects.thinger.list_query import ListQuery
from firstboot_plugins.dialects.thinger.shared import Thinger

_LARGE = ("dashboard", "product")
"""Kinds whose documents may be larger than other bodies."""
_SERVED = ("device", "bucket", "dashboard", "type", "group", "product")


def asset_routes(thinger: Thinger) -> list[Route]:
    """Return the routes of every kind of asset."""
    routes = [route(thinger, "/v1/server/assets", "GET", _served)]
    for assets in (thinger.types, thinger.groups, thinger.products):
        routes += document_routes(thinger, assets)
    return routes


async def _served(call: Call) -> Any:
    """Tell Node-RED what it may iterate over: the resources of this role are below the user's path."""
    return [{"asset": asset, "role": "user"} for asset in _SERVED]


def document_routes(thinger: Thinger, documents: Documents) -> list[Route]:
    """Return the routes that every kind of document has."""

    async def listed(call: Call) -> Any:
        return await documents.list(call.asker, ListQuery.of(call.query))

    async def created(call: Call) -> Any:
        return await documents.create(call.asker, call.body)

    async def shown(call: Call) -> Any:
        return await documents.get(call.asker, call.params["id"])

    async def updated(call: Call) -> Any:
        return await documents.update(call.asker, call.params["id"], call.body)

    async def deleted(call: Call) -> Any:
        return await documents.delete(call.asker, call.params["id"])

    large = documents.kind.id in _LARGE
    every = f"/v1/users/{{user}}/{documents.kind.id}s"
    one = f"{every}/{{id}}"
    return [
        route(thinger, every, "GET", listed),
        route(thinger, every, "POST", created, document=large),
        route(thinger, one, "GET", shown),
        route(thinger, one, "PUT", updated, document=large),
        route(thinger, one, "DELETE", deleted),
    ]
