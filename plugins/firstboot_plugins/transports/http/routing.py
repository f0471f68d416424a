"""Routing by the beginning of a path: a device's request is not compared with each call of the administrators."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import BaseRoute, Route, Router
from starlette.types import Receive, Scope, Send

_SEGMENTS = 2
"""Of a path, that tell the groups of routes apart, such as ``/api/v1`` and ``/api/device``."""


class GroupedRouter(Router):
    """Looks only at those routes whose fixed beginning a path has, in the order in which they were offered."""

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        # A redirect would go to whatever host the request named (threat HT-5).
        super().__init__(routes, redirect_slashes=False)
        heads = {_head_of(route) for route in self.routes} - {None}
        self._groups = {head: self._group(head) for head in heads}
        self._others = self._group(None)

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        group = self._groups.get(_head(scope["path"]), self._others)
        scope.setdefault("router", self)
        await group.app(scope, receive, send)

    def _group(self, head: str | None) -> Router:
        fitting = [route for route in self.routes if _head_of(route) in (head, None)]
        return Router(fitting, redirect_slashes=False)


def _head_of(route: BaseRoute) -> str | None:
    """Return the beginning that all paths of a route have; None when they differ there."""
    if not isinstance(route, Route):
        return None
    head = _head(route.path)
    return None if "{" in head else head


def _head(path: str) -> str:
    return "/".join(path.split("/", _SEGMENTS + 1)[: _SEGMENTS + 1])
