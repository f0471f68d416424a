"""A bound on the requests that are worked on at the same time."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SLOT = "firstboot.slot"
BODY_HEADERS = (b"content-length", b"transfer-encoding")
"""The headers without which a request has no body."""


class Busy(Exception):
    """Too many requests are under way to begin with this one."""


class InFlightLimit:
    """Answers 503 with Retry-After when too many requests are under way.

    A request counts from the moment when it has arrived completely: a peer that sends its body slowly
    occupies a connection, and no place in the queue of those that can be answered (threat HT-1).
    """

    def __init__(self, app: ASGIApp, most: int, busy: Callable[[str], Response]) -> None:
        """``busy``: makes the answer to a request that comes when too many are under way, of its path."""
        self._app = app
        self._free = most
        self._busy = busy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def counted_receive() -> Message:
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body"):
                self._enter(scope)
            return message

        try:
            if not any(name in BODY_HEADERS for name, _ in scope["headers"]):
                self._enter(scope)
            await self._app(scope, counted_receive, send)
        except Busy:  # of a request without a body; the application answers the others
            await self._busy(scope["path"])(scope, receive, send)
        finally:
            self.leave(scope)

    def _enter(self, scope: Scope) -> None:
        if _SLOT in scope:
            return
        if self._free <= 0:
            raise Busy
        self._free -= 1
        scope[_SLOT] = self

    def leave(self, scope: Scope) -> None:
        """Stop counting a request."""
        if scope.get(_SLOT) is not None:
            self._free += 1
            # Kept: to look whether the peer is still there is not to begin anew.
            scope[_SLOT] = None


def free_slot(request: Request) -> None:
    """Stop counting a request that only waits, such as one whose refusal is held back (threat PV-2)."""
    limit: InFlightLimit | None = request.scope.get(_SLOT)
    if limit is not None:
        limit.leave(request.scope)
