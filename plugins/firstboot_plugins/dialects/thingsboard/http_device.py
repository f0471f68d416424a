"""ThingsBoard over HTTP: the device API, with the access token in the path (contract 3.5, section 6)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import wraps

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from firstboot.app import Services
from firstboot.attributes import DEVICE
from firstboot.errors import InvalidValue, NotAllowed, NotFound, Unavailable
from firstboot.json_profile import MalformedJson
from firstboot.model import DeviceRef, Origin, Scope
from firstboot.sessions import SessionEnd
from firstboot_plugins.dialects.thingsboard import device_json
from firstboot_plugins.dialects.thingsboard.claim_json import BadClaim, check_release, decode_claim
from firstboot_plugins.dialects.thingsboard.config import ThingsBoardConfig
from firstboot_plugins.dialects.thingsboard.device_requests import ask, device_of_token, read_attributes
from firstboot_plugins.dialects.thingsboard.device_topics import request_id
from firstboot_plugins.dialects.thingsboard.error_codes import (
    BAD_ARGUMENTS,
    GENERAL,
    PERMISSION_DENIED,
    TOO_MANY_REQUESTS,
)
from firstboot_plugins.dialects.thingsboard.http_answers import (
    busy_answer,
    empty_answer,
    error_answer,
    json_answer,
    origin_of,
)
from firstboot_plugins.dialects.thingsboard.http_bodies import UnusableBody, device_body
from firstboot_plugins.dialects.thingsboard.long_polls import LongPolls, PollEnded, TooManyPolls
from firstboot_plugins.dialects.thingsboard.refused_messages import RefusedMessages
from firstboot_plugins.transports.http.config import HttpConfig
from firstboot_plugins.transports.http.in_flight import free_slot

NO_NEWS = 408
UNKNOWN_TOKEN = 401


@dataclass(frozen=True, slots=True)
class _Asker:
    """The device whose token a request has, and what else a handler needs of the request."""

    device: DeviceRef
    origin: Origin
    body: bytes
    judged_at: float


_Handler = Callable[["DeviceApi", Request, _Asker], Awaitable[Response]]


def _for_devices(handler: _Handler) -> Callable[[DeviceApi, Request], Awaitable[Response]]:
    """Find the device first, and answer in ThingsBoard's form whatever goes wrong."""

    @wraps(handler)
    async def answer(self: DeviceApi, request: Request) -> Response:
        return await self.serve(handler, request)

    return answer


class DeviceApi:
    """The endpoints of a device."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._clock = services.clock
        self._max_body = services.config.section(HttpConfig).max_device_body
        self._config = services.config.section(ThingsBoardConfig)
        self._polls = LongPolls(services.sessions, self._config)
        self._refused = RefusedMessages(services.clock)

    # -- reports -----------------------------------------------------------------------------------

    @_for_devices
    async def telemetry(self, request: Request, asker: _Asker) -> Response:
        points = device_json.telemetry(asker.body, self._clock.now_ms())
        await self._services.telemetry.save(asker.device, points, asker.origin)
        return empty_answer()

    @_for_devices
    async def attributes(self, request: Request, asker: _Asker) -> Response:
        values = device_json.attributes(asker.body)
        await self._services.attributes.save(asker.device, Scope.CLIENT, values, actor=DEVICE, origin=asker.origin)
        return empty_answer()

    # -- owners ------------------------------------------------------------------------------------

    @_for_devices
    async def claim(self, request: Request, asker: _Asker) -> Response:
        try:
            claim = decode_claim(asker.body)
        except (BadClaim, MalformedJson) as error:  # contract 4.2
            self._log_refusal(request, asker, error)
            return error_answer(self._clock, 500, GENERAL, str(error))
        await self._services.claim_windows.open_by_device(
            asker.device, claim.secret, claim.duration_ms, asker.origin
        )
        return empty_answer()

    @_for_devices
    async def release(self, request: Request, asker: _Asker) -> Response:
        check_release(asker.body)
        try:
            await self._services.releasing.release_by_device(asker.device, asker.origin)
        except NotAllowed as error:
            self._log_refusal(request, asker, error)
            return error_answer(self._clock, 403, PERMISSION_DENIED, str(error))
        return empty_answer()

    # -- questions ---------------------------------------------------------------------------------

    @_for_devices
    async def attributes_wanted(self, request: Request, asker: _Asker) -> Response:
        client, shared = (
            device_json.split_keys(",".join(request.query_params.getlist(name)))
            for name in ("clientKeys", "sharedKeys")
        )
        wanted = device_json.AttributesWanted(client, shared)
        return json_answer(await read_attributes(self._services, asker.device, wanted))

    @_for_devices
    async def call(self, request: Request, asker: _Asker) -> Response:
        call = device_json.call(asker.body)
        return json_answer(await ask(self._services, asker.device, call, asker.origin))

    # -- news --------------------------------------------------------------------------------------

    @_for_devices
    async def attribute_updates(self, request: Request, asker: _Asker) -> Response:
        news = self._services.downlinks.next_update(asker.device.id, self._timeout_s(request))
        update = await self._polls.hold(request, asker.device, asker.judged_at, news)
        return empty_answer(NO_NEWS) if update is None else json_answer(device_json.attributes_changed(update))

    @_for_devices
    async def next_call(self, request: Request, asker: _Asker) -> Response:
        news = self._services.rpc.next(asker.device.id, self._timeout_s(request))
        call = await self._polls.hold(request, asker.device, asker.judged_at, news)
        return empty_answer(NO_NEWS) if call is None else json_answer(device_json.called(call, with_id=True))

    @_for_devices
    async def answer_to_call(self, request: Request, asker: _Asker) -> Response:
        number = request_id(request.path_params["id"])
        if number is None:
            raise InvalidValue("The number of a call is a whole number.")
        self._services.rpc.answer(asker.device.id, number, device_json.answer(asker.body))
        return empty_answer()

    def _timeout_s(self, request: Request) -> float:
        text = request.query_params.get("timeout") or "0"
        if not text.isascii() or not text.isdecimal() or len(text) > 10:
            raise InvalidValue("The timeout is a whole number of milliseconds.")
        wanted_s = int(text) / 1000 or self._config.poll_timeout.total_seconds()
        return min(wanted_s, self._config.longest_poll.total_seconds())

    # -- every request -----------------------------------------------------------------------------

    async def serve(self, handler: _Handler, request: Request) -> Response:
        """Answer a request with a handler, if its token is a device's."""
        try:
            body = await device_body(request, self._max_body)
            origin = origin_of(request)
            judged_at = time.monotonic()
            device = await device_of_token(self._services, request.path_params["token"])
            if device is None:
                return await self._refuse(request, origin)
            return await self._handle(handler, request, _Asker(device, origin, body, judged_at))
        except UnusableBody as error:
            return error_answer(self._clock, error.status, BAD_ARGUMENTS, str(error))
        except ClientDisconnect:
            return empty_answer(400)
        except Unavailable as error:
            return busy_answer(self._clock, error.retry_after_s)

    async def _handle(self, handler: _Handler, request: Request, asker: _Asker) -> Response:
        try:
            return await handler(self, request, asker)
        except InvalidValue as error:
            self._log_refusal(request, asker, error)
            return error_answer(self._clock, 400, BAD_ARGUMENTS, str(error))
        except NotFound:  # deleted meanwhile
            return empty_answer(UNKNOWN_TOKEN)
        except PollEnded as end:
            if end.why is SessionEnd.SERVER_STOPS:
                return busy_answer(self._clock, 1)
            return empty_answer(UNKNOWN_TOKEN)
        except TooManyPolls as error:
            if not error.of_device:
                return busy_answer(self._clock, 1)
            message = "Too many requests of this device wait already!"
            return error_answer(self._clock, 429, TOO_MANY_REQUESTS, message, retry_after_s=1)

    def _log_refusal(self, request: Request, asker: _Asker, error: Exception) -> None:
        self._refused.log(asker.device, request.scope["route"].path, str(error))

    async def _refuse(self, request: Request, origin: Origin) -> Response:
        delay_s = self._services.logins.refused(origin, "bad-credentials", "no device has this access token")
        free_slot(request)
        await asyncio.sleep(delay_s)
        return empty_answer(UNKNOWN_TOKEN)
