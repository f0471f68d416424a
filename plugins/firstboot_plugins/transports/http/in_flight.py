"""A bound on the requests that are worked on at the same time."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

_SLOT = "firstboot.slot"


class InFlightLimit:
    """Answers 503 with Retry-After when too many requests are under way."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._free = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif self._free <= 0:
            await Response(status_code=503, headers={"retry-after": "1"})(scope, receive, send)
        else:
            self._free -= 1
            scope[_SLOT] = self
            try:
                await self._app(scope, receive, send)
            finally:
                self.leave(scope)

    def leave(self, scope: Scope) -> None:
        if scope.pop(_SLOT, None) is not None:
            self._free += 1


def free_slot(request: Request) -> None:
    """Stop counting a request that only waits, such as one whose refusal is held back (threat PV-2)."""
    limit: InFlightLimit | None = request.scope.get(_SLOT)
    if limit is not None:
        limit.leave(request.scope)
