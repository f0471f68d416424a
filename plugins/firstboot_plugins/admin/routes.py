"""From operations to Starlette routes: authenticate, check access, read, run, answer."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from firstboot.errors import FirstbootError
from firstboot.model import Origin
from firstboot.storage import ASKED_FROM
from firstboot_plugins.admin.answering import answer, error_answer
from firstboot_plugins.admin.asking import check_access, identify
from firstboot_plugins.admin.failures import failure_of
from firstboot_plugins.admin.operation import EVENT_STREAM, PARAMETER, Call, Operation
from firstboot_plugins.admin.reading import read_json
from firstboot_plugins.admin.validation import checked_path, checked_query
from firstboot_plugins.transports.http.config import HttpConfig
from firstboot_plugins.transports.http.peer import peer_address

if TYPE_CHECKING:
    from firstboot.app import Services


def routes(operations: Iterable[Operation], services: Services) -> list[Route]:
    """Return one route for each path. Fixed paths come before those with parameters that would match them."""
    by_path: dict[str, dict[str, Operation]] = defaultdict(dict)
    for each in operations:
        same = by_path[each.pattern]
        assert each.method not in same, f"{each.method} {each.path} is there twice"
        same[each.method] = each
    return [_route(path, by_path[path], services) for path in sorted(by_path, key=_specificity)]


def _specificity(path: str) -> list[tuple[bool, str]]:
    return [(bool(PARAMETER.search(segment)), segment) for segment in path.split("/")]


def _route(path: str, by_method: Mapping[str, Operation], services: Services) -> Route:
    runner = _Runner(by_method, services)
    route = _SoleRoute(path, runner.answer, methods=list(by_method))
    # HEAD of a stream would be an answer that never ends.
    if "GET" in by_method and by_method["GET"].media_type == EVENT_STREAM and route.methods:
        route.methods.discard("HEAD")
    return route


class _SoleRoute(Route):
    """The only route of its path: no other one, whose parameters would fit, gets the methods that it lacks."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child_scope = super().matches(scope)
        return (Match.FULL if match is Match.PARTIAL else match), child_scope


class _Runner:
    def __init__(self, by_method: Mapping[str, Operation], services: Services) -> None:
        self._by_method = by_method
        self._services = services
        self._config = services.config.section(HttpConfig)

    async def answer(self, request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        operation = self._by_method[method]
        address = peer_address(request)
        ASKED_FROM.set(Origin(transport="http", dialect=operation.dialect.name, address=address))
        try:
            return answer(operation, await operation.run(await self._call(operation, request)))
        except FirstbootError as error:
            failure = failure_of(error, operation.dialect)
        return error_answer(operation.dialect, failure, self._services.clock.now_ms())

    async def _call(self, operation: Operation, request: Request) -> Call:
        """Judge a request. Nothing of it is looked at before it is known who asks, and that he may."""
        services = self._services
        origin = ASKED_FROM.get()
        judged_at = time.monotonic()
        asker = None
        if operation.access is not None:
            asker = await identify(request, services, origin.address, browser=operation.browser)
            check_access(operation.access, asker)
        path = checked_path(operation.parameters, request.path_params)
        query = checked_query(operation.query, request.query_params) if operation.query else None
        return Call(
            services=services,
            request=request,
            origin=origin,
            asker=asker,
            judged_at=judged_at,
            path=path,
            query=query,
            body=await read_json(operation, request, self._config),
        )
