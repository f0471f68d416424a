"""The authority that devices are to trust, where their programs fetch it (contract section 6.3)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from firstboot.app import Services
from firstboot.errors import Unavailable
from firstboot_plugins.dialects.thingstream.ca_file import read_certificates
from firstboot_plugins.dialects.thingstream.errors import INTERNAL, UNAVAILABLE
from firstboot_plugins.dialects.thingstream.services import Thingstream

PATHS = ("/ztp/ca.pem", "/repository/AmazonRootCA1.pem")
PREFIX = "/repository"
_HEADERS = {"x-content-type-options": "nosniff", "cache-control": "no-cache"}


def routes(services: Services) -> list[BaseRoute]:
    """Return both routes."""
    answer = _answer(services)
    return [Route(path, answer, methods=["GET"]) for path in PATHS]


def _answer(services: Services) -> Callable[[Request], Awaitable[Response]]:
    file = Thingstream.of(services).config.ca_file

    async def answer(request: Request) -> Response:
        try:
            if file is None:
                text = await services.certificates.certificate()
            else:  # again each time: it may have been replaced
                text = await asyncio.to_thread(read_certificates, file)
        except ValueError:
            return Response(INTERNAL, 500, media_type="text/plain", headers=_HEADERS)
        except Unavailable as error:
            headers = {**_HEADERS, "retry-after": str(error.retry_after_s)}
            return Response(UNAVAILABLE, 503, media_type="text/plain", headers=headers)
        return Response(text, media_type="application/x-pem-file", headers=_HEADERS)

    return answer
