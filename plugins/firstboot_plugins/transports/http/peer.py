"""Who is at the other end of a connection."""

from __future__ import annotations

from starlette.requests import HTTPConnection


def peer_address(request: HTTPConnection) -> str:
    """Return the IP address from which a request comes; empty when there is none."""
    client = request.scope.get("client")
    return client[0] if client else ""
