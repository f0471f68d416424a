"""ThingsBoard over CoAP: the device API (contract 3.5, 4.2, section 6).

The access token is in the path. Over DTLS a device may leave it out and prove itself with its certificate.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import wraps

from firstboot.app import Services
from firstboot.attributes import DEVICE
from firstboot.errors import InvalidValue, NotAllowed, NotFound, Unavailable
from firstboot.model import DeviceProfile, DeviceRef, Origin, Scope
from firstboot_plugins.dialects.thingsboard import device_json
from firstboot_plugins.dialects.thingsboard.claim_json import BadClaim, check_release
from firstboot_plugins.dialects.thingsboard.claim_payloads import decode_claim
from firstboot_plugins.dialects.thingsboard.coap_login import CoapLogin, origin_of
from firstboot_plugins.dialects.thingsboard.coap_observing import ObservedAttributes, ObservedCalls
from firstboot_plugins.dialects.thingsboard.device_requests import ask, read_attributes
from firstboot_plugins.dialects.thingsboard.device_topics import request_id
from firstboot_plugins.dialects.thingsboard.refused_messages import RefusedMessages
from firstboot_plugins.transports.coap.messages import Code
from firstboot_plugins.transports.coap.resources import TEXT, Answer, Request

_TRANSPORT_TYPES = (None, "DEFAULT", "COAP")
_NOTHING = b"{}"


@dataclass(frozen=True, slots=True)
class _Asker:
    """The device whose token a request has, or whose certificate, and what else a handler needs."""

    device: DeviceRef
    profile: DeviceProfile | None
    origin: Origin
    judged_at: float


_Handler = Callable[["DeviceApi", Request, _Asker], Awaitable[Answer]]


def _for_devices(handler: _Handler) -> Callable[[DeviceApi, Request], Awaitable[Answer]]:
    """Find the device first, and answer with a code whatever goes wrong."""

    @wraps(handler)
    async def answer(self: DeviceApi, request: Request) -> Answer:
        return await self.serve(handler, request)

    return answer


class DeviceApi:
    """The resources of a device."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._refused = RefusedMessages(services.clock)
        self._login = CoapLogin(services)

    # -- reports -----------------------------------------------------------------------------------

    @_for_devices
    async def telemetry(self, request: Request, asker: _Asker) -> Answer:
        points = device_json.telemetry(request.payload, self._services.clock.now_ms())
        await self._services.telemetry.save(asker.device, points, asker.origin)
        return Answer(Code.CREATED)

    @_for_devices
    async def attributes(self, request: Request, asker: _Asker) -> Answer:
        values = device_json.attributes(request.payload)
        await self._services.attributes.save(asker.device, Scope.CLIENT, values, actor=DEVICE, origin=asker.origin)
        return Answer(Code.CREATED)

    # -- owners ------------------------------------------------------------------------------------

    @_for_devices
    async def claim(self, request: Request, asker: _Asker) -> Answer:
        try:
            claim = decode_claim(request.payload, asker.profile)
        except BadClaim as error:
            self._refused.log(asker.device, "claim", str(error))
            return Answer(Code.INTERNAL_SERVER_ERROR)  # contract 4.2
        await self._services.claim_windows.open_by_device(
            asker.device, claim.secret, claim.duration_ms, asker.origin
        )
        return Answer(Code.CREATED)

    @_for_devices
    async def release(self, request: Request, asker: _Asker) -> Answer:
        check_release(request.payload)
        await self._services.releasing.release_by_device(asker.device, asker.origin)
        return Answer(Code.CREATED)

    # -- questions ---------------------------------------------------------------------------------

    @_for_devices
    async def attributes_wanted(self, request: Request, asker: _Asker) -> Answer:
        if request.observer is not None:
            # Before the values are read: what changes meanwhile is told after them.
            ObservedAttributes(self._services, asker.device, request.observer).begin(asker.judged_at)
            values = await self._services.attributes.read(asker.device.id, Scope.SHARED, None)
            return _content(device_json.encode({each.key: each.value for each in values}))
        client, shared = (
            device_json.split_keys(request.parameter(name) or "") for name in ("clientKeys", "sharedKeys")
        )
        wanted = device_json.AttributesWanted(client, shared)
        found = await read_attributes(self._services, asker.device, wanted)
        return Answer(Code.NOT_FOUND) if found == _NOTHING else _content(found)

    @_for_devices
    async def calls_wanted(self, request: Request, asker: _Asker) -> Answer:
        if request.observer is not None:
            ObservedCalls(self._services, asker.device, request.observer).begin(asker.judged_at)
            return Answer(Code.VALID)
        return Answer(Code.VALID if request.stops_observing else Code.BAD_REQUEST)

    @_for_devices
    async def call(self, request: Request, asker: _Asker) -> Answer:
        call = device_json.call(request.payload)
        return _content(await ask(self._services, asker.device, call, asker.origin))

    @_for_devices
    async def answer_to_call(self, request: Request, asker: _Asker) -> Answer:
        number = request_id(request.path["id"])
        if number is None:
            raise InvalidValue("The number of a call is a whole number.")
        self._services.rpc.answer(asker.device.id, number, device_json.answer(request.payload))
        return Answer(Code.CREATED)

    # -- every request -----------------------------------------------------------------------------

    async def serve(self, handler: _Handler, request: Request) -> Answer:
        """Answer a request with a handler, if its token, or its certificate, is a device's."""
        origin = origin_of(request)
        judged_at = time.monotonic()
        try:
            device = await self._login.device(request)
            if device is None:
                return Answer(Code.UNAUTHORIZED)
            profile = self._services.profile_directory.get(device.profile_id)
            if profile is not None and profile.details.get("transportType") not in _TRANSPORT_TYPES:
                return Answer(Code.INTERNAL_SERVER_ERROR)
            return await self._handle(handler, request, _Asker(device, profile, origin, judged_at))
        except Unavailable as error:
            return Answer(Code.SERVICE_UNAVAILABLE, retry_after_s=error.retry_after_s)

    async def _handle(self, handler: _Handler, request: Request, asker: _Asker) -> Answer:
        try:
            return await handler(self, request, asker)
        except InvalidValue as error:
            self._refused.log(asker.device, handler.__name__, str(error))
            return Answer(Code.BAD_REQUEST)
        except NotAllowed as error:
            self._refused.log(asker.device, handler.__name__, str(error))
            return Answer(Code.FORBIDDEN)
        except NotFound:  # deleted meanwhile
            return Answer(Code.UNAUTHORIZED)


def _content(payload: bytes) -> Answer:
    return Answer(Code.CONTENT, payload, TEXT)
