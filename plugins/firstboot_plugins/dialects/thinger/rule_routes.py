"""REST calls of rules (contract 12.2)."""

from __future__ import annotations

from typing import Any

from starlette.routing import Route

from firstboot_plugins.dialects.thinger.http import Call, route
from firstboot_plugins.dialects.thinger.list_query import ListQuery
from firstboot_plugins.dialects.thinger.shared import Thinger

RULES = "/v1/users/{user}/autoprovisions"
_RULE = f"{RULES}/{{rule}}"


def rule_routes(thinger: Thinger) -> list[Route]:
    """Return the routes of rules."""
    return [
        route(thinger, RULES, "GET", _list),
        route(thinger, RULES, "POST", _create),
        route(thinger, _RULE, "GET", _get),
        route(thinger, _RULE, "PUT", _update),
        route(thinger, _RULE, "DELETE", _delete),
    ]


async def _list(call: Call) -> Any:
    return await call.thinger.rules.list(call.asker, ListQuery.of(call.query))


async def _create(call: Call) -> Any:
    return await call.thinger.rules.create(call.asker, call.body)


async def _get(call: Call) -> Any:
    return await call.thinger.rules.get(call.asker, call.params["rule"])


async def _update(call: Call) -> Any:
    return await call.thinger.rules.update(call.asker, call.params["rule"], call.body)


async def _delete(call: Call) -> Any:
    return await call.thinger.rules.delete(call.asker, call.params["rule"])
