"""Endpoints of routes whose handlers put every refusal into their dialect's form."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send


class Endpoint:
    """Serves a route with a function of the request.

    To a plain function Starlette adds a look for exceptions of its own, behind the one that the application has
    for all routes; over thousands of requests a second that is dear.
    """

    def __init__(self, answer: Callable[[Request], Awaitable[Response]]) -> None:
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._answer(Request(scope, receive, send))
        await response(scope, receive, send)
