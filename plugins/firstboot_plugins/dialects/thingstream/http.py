"""Requests for credentials over HTTP (contract sections 1, 10)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

from pydantic_core import to_json
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from firstboot.app import Services
from firstboot.errors import ProfileNotProven, Refused, Unavailable
from firstboot.model import Origin
from firstboot.tls_settings import PEER_CERTIFICATE
from firstboot_plugins.dialects.thingstream import ca_download
from firstboot_plugins.dialects.thingstream.assistnow import AssistNow
from firstboot_plugins.dialects.thingstream.cloudlocate import CloudLocate
from firstboot_plugins.dialects.thingstream.errors import INTERNAL, TOO_MANY, UNAVAILABLE, ZtpError, error_of
from firstboot_plugins.dialects.thingstream.limits import PerAddress
from firstboot_plugins.dialects.thingstream.pointperfect import PointPerfect
from firstboot_plugins.dialects.thingstream.requests import read_object, read_token
from firstboot_plugins.dialects.thingstream.services import Thingstream
from firstboot_plugins.dialects.thingstream.settings import NAME
from firstboot_plugins.dialects.thingstream.variant import Variant
from firstboot_plugins.transports.http.answers import UNCACHED, ErrorShape, UncachedJson
from firstboot_plugins.transports.http.bodies import BodyEncoded, BodyTooLarge, read_body
from firstboot_plugins.transports.http.endpoints import Endpoint
from firstboot_plugins.transports.http.in_flight import free_slot
from firstboot_plugins.transports.http.peer import peer_address

PREFIX = "/ztp"
VARIANTS: Mapping[str, Callable[[Services], Variant]] = {
    "cloudlocate": CloudLocate, "pointperfect": PointPerfect, "assistnow": AssistNow
}  # fmt: skip
"""The services by their names in paths."""
_JSON = "application/json"
_TEXTS = {500: INTERNAL, 503: UNAVAILABLE}


def path_of(service: str) -> str:
    """Return the path at which a service answers."""
    return f"{PREFIX}/{service}/credentials"


def routes(services: Services) -> list[BaseRoute | ErrorShape]:
    """Return a route for each service, and the form of errors that none of them answers."""
    requests = Requests(services)
    offered: list[BaseRoute | ErrorShape] = [
        Route(path_of(name), Endpoint(requests.to(make(services))), methods=["POST"])
        for name, make in VARIANTS.items()
    ]
    downloads = ca_download.routes(services)
    return [*offered, *downloads, ErrorShape(PREFIX, _unanswered), ErrorShape(ca_download.PREFIX, _unanswered)]


class Requests:
    """Bounds and reads requests, proves their tokens, and has them answered by a service."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._thingstream = Thingstream.of(services)
        config, monotonic = self._thingstream.config, services.clock.monotonic
        self._max_body = config.max_body
        self._rate = PerAddress(config.requests_per_minute, monotonic)
        self._bad_tokens = PerAddress(config.bad_tokens_per_minute, monotonic)

    def to(self, variant: Variant) -> Callable[[Request], Awaitable[Response]]:
        """Return what answers the requests to a service."""

        async def answer(request: Request) -> Response:
            try:
                return await self._answer(request, variant)
            except ZtpError as error:
                return _error(request, error)
            except Refused as refusal:
                if refusal.delay_s:
                    free_slot(request)
                    await asyncio.sleep(refusal.delay_s)
                return _error(request, error_of(refusal))
            except Unavailable as error:
                return _error(request, error_of(error))
            except ClientDisconnect:
                return Response(status_code=400)

        return answer

    async def _answer(self, request: Request, variant: Variant) -> Response:
        origin = Origin(
            transport="http",
            dialect=NAME,
            address=peer_address(request),
            certificate=request.scope.get(PEER_CERTIFICATE),
        )
        wait_s = self._rate.wait_s(origin.address)
        if wait_s:
            raise ZtpError(429, TOO_MANY, retry_after_s=wait_s)
        payload = await self._payload(request)
        body = read_object(payload, self._max_body)
        wish, token = variant.read(body), read_token(body)
        services = self._services
        await services.changes.ensure_fresh()
        try:
            proven = self._thingstream.tokens.prove(token, variant.device_type)
        except ProfileNotProven as refusal:
            # Good tokens are looked at all the same: one wrong device does not stop those beside it.
            wait_s = self._bad_tokens.wait_s(origin.address)
            if wait_s:
                raise ZtpError(429, TOO_MANY, retry_after_s=wait_s) from None
            await services.provisioning.report_refusal(refusal, origin)
            raise
        told = await variant.answer(wish, proven, payload, origin)
        self._thingstream.uses.count(proven.profile, proven.token.id)
        return UncachedJson(to_json(told))

    async def _payload(self, request: Request) -> bytes:
        try:
            return await read_body(request, self._max_body)
        except BodyTooLarge:
            raise ZtpError(413, HTTPStatus.REQUEST_ENTITY_TOO_LARGE.phrase) from None
        except BodyEncoded:
            raise ZtpError(415, HTTPStatus.UNSUPPORTED_MEDIA_TYPE.phrase) from None


def _error(request: Request, error: ZtpError) -> Response:
    headers = dict(UNCACHED)
    if error.retry_after_s:
        headers["retry-after"] = str(error.retry_after_s)
    if _JSON in request.headers.get("accept", "").lower():
        body = to_json({"message": error.text})
        return Response(body, error.status, media_type=_JSON, headers=headers)
    return Response(error.text, error.status, media_type="text/plain", headers=headers)


def _unanswered(status: int, headers: Mapping[str, str]) -> Response:
    """Return the answer to another method or path, or to what could not be answered."""
    text = _TEXTS.get(status, HTTPStatus(status).phrase)
    return Response(text, status, media_type="text/plain", headers={**UNCACHED, **headers})
