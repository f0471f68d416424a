"""A request meets the same route as if all routes were looked at in order, and fewer are looked at."""

from __future__ import annotations

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, Router

from firstboot_plugins.transports.http.routing import GroupedRouter

PATHS = ("/", "/health", "/health/ready", "/api/device/{id}", "/api/device", "/api/v1/provision",
         "/api/v1/{token}/rpc", "/api/v1/{token}/rpc/{number}", "/{any}/device/x", "/{any}/{thing}")  # fmt: skip


async def answer(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"{request.scope['route'].path} {request.path_params}")


def app(router: type[Router]) -> Starlette:
    made = Starlette()
    routes = [Route(path, answer, methods=["GET"]) for path in PATHS]
    made.router = router(routes) if router is GroupedRouter else Router(routes, redirect_slashes=False)
    return made


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
@pytest.mark.parametrize(
    "path",
    ["/", "/health", "/health/", "/health/ready", "/api", "/api/", "/api/device", "/api/device/7",
     "/api/v1/provision", "/api/v1/t/rpc", "/api/v1/t/rpc/1", "/api/v1/t/other", "/api/device/x", "/a/b",
     "/a/device/x", "//", "/a//b"],
)  # fmt: skip
async def test_the_answer_is_that_of_a_router_that_looks_at_every_route(method: str, path: str) -> None:
    answers = []
    for router in (GroupedRouter, Router):
        transport = httpx2.ASGITransport(app(router))
        async with httpx2.AsyncClient(transport=transport, base_url="http://h") as client:
            response = await client.request(method, path)
        answers.append((response.status_code, response.text, response.headers.get("allow")))

    assert answers[0] == answers[1]


def test_a_device_is_not_compared_with_the_administrators_calls() -> None:
    router = GroupedRouter([Route(path, answer) for path in PATHS])

    looked_at = [route.path for route in router._groups["/api/v1"].routes if isinstance(route, Route)]

    assert looked_at == [
        "/api/v1/provision", "/api/v1/{token}/rpc", "/api/v1/{token}/rpc/{number}",
        "/{any}/device/x", "/{any}/{thing}",
    ]  # fmt: skip
