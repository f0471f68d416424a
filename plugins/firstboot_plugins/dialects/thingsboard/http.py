"""ThingsBoard over HTTP: provisioning (contract 2.7, 2.8)."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from firstboot.app import Services
from firstboot.errors import ProfileNotProven, Refused, Unavailable
from firstboot.model import Origin
from firstboot_plugins.dialects.thingsboard import provisioning_json
from firstboot_plugins.dialects.thingsboard.provisioning_request import UnreadableRequest
from firstboot_plugins.transports.http.bodies import BodyEncoded, BodyTooLarge, read_body
from firstboot_plugins.transports.http.config import HttpConfig
from firstboot_plugins.transports.http.in_flight import free_slot

GENERAL = 2
BAD_ARGUMENTS = 31
TOO_MANY_REQUESTS = 33
_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


def routes(services: Services) -> list[BaseRoute]:
    """Return the routes of the device's side."""
    return [Route("/api/v1/provision", _Provision(services).answer, methods=["POST"])]


class _Provision:
    """``POST /api/v1/provision``: every outcome that was decided is 200; ``status`` tells which (PH-1)."""

    def __init__(self, services: Services) -> None:
        self._provisioning = services.provisioning
        self._clock = services.clock
        self._max_body = services.config.section(HttpConfig).max_device_body

    async def answer(self, request: Request) -> Response:
        try:
            body = await read_body(request, self._max_body)
        except BodyTooLarge:
            return self._error(413, BAD_ARGUMENTS, f"The request body has more than {self._max_body} bytes!")
        except BodyEncoded:
            return self._error(415, BAD_ARGUMENTS, "Compressed request bodies are not supported!")
        except ClientDisconnect:
            return Response(status_code=400)
        if not body:
            return self._error(400, BAD_ARGUMENTS, "Required request body is missing!")
        origin = Origin(
            transport="http", dialect="thingsboard", address=request.client.host if request.client else ""
        )
        try:
            wanted = provisioning_json.decode_request(body, origin, self._provisioning.credential_types)
        except UnreadableRequest as error:
            free_slot(request)
            await asyncio.sleep(await self._provisioning.refuse_unreadable(origin, str(error)))
            return self._error(500, GENERAL, str(error))
        try:
            provisioned = await self._provisioning.provision(wanted)
        except Refused as refusal:
            free_slot(request)
            if refusal.delay_s:
                await asyncio.sleep(refusal.delay_s)
            not_proven = isinstance(refusal, ProfileNotProven)
            return _json(provisioning_json.NOT_FOUND if not_proven else provisioning_json.FAILURE)
        except Unavailable as error:
            busy = self._error(503, TOO_MANY_REQUESTS, "The server cannot decide now; try again later!")
            busy.headers["retry-after"] = str(error.retry_after_s)
            return busy
        credentials = provisioned.credentials
        return _json(provisioning_json.success(credentials.type, self._provisioning.reveal(credentials)))

    def _error(self, status: int, code: int, message: str) -> Response:
        """Return ThingsBoard's error body (contract 5.2), which never repeats the request."""
        body = {"status": status, "message": message, "errorCode": code, "timestamp": self._clock.now_ms()}
        return JSONResponse(body, status, headers=_HEADERS)


def _json(text: bytes) -> Response:
    # ThingsBoard says text/plain here; every known client parses JSON whatever the type (contract, section 7).
    return Response(text, media_type="application/json", headers=_HEADERS)
