"""The frame of every request over CoAP: who asks, what was sent, and how answers look (contract 12.3)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from firstboot.errors import FirstbootError, ProvisioningRefused
from firstboot.model import Origin
from firstboot.secret import Secret
from firstboot.storage import ASKED_FROM
from firstboot_plugins.dialects.thinger.account_profile import NAME
from firstboot_plugins.dialects.thinger.askers import Asker
from firstboot_plugins.dialects.thinger.coap_payloads import decode, encode
from firstboot_plugins.dialects.thinger.errors import ThingerError, as_thinger_error
from firstboot_plugins.dialects.thinger.shared import Thinger
from firstboot_plugins.transports.coap.messages import Code
from firstboot_plugins.transports.coap.resources import CBOR, JSON, Answer, Handler, Request

logger = logging.getLogger(__name__)

AUTHORIZATION = "authorization"
_CODES: Mapping[int, Code] = {
    400: Code.BAD_REQUEST,
    401: Code.UNAUTHORIZED,
    403: Code.FORBIDDEN,
    404: Code.NOT_FOUND,
    406: Code.NOT_ACCEPTABLE,
    409: Code.CONFLICT,
    413: Code.REQUEST_ENTITY_TOO_LARGE,
    415: Code.UNSUPPORTED_CONTENT_FORMAT,
    429: Code.TOO_MANY_REQUESTS,
    503: Code.SERVICE_UNAVAILABLE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CoapCall:
    """One request whose asker is known; what he may do is for the handler to check."""

    asker: Asker
    thinger: Thinger
    request: Request
    body: Any
    """What the payload says; None when there is none. Without what only says who asks."""
    content_format: int
    """Of the answer."""

    @property
    def fields(self) -> dict[str, Any]:
        """Return the body, which must be an object.

        Raises: `ThingerError` (400).
        """
        if not isinstance(self.body, dict):
            raise ThingerError(400, "the body is not an object")
        return self.body

    def answer(self, code: Code, value: Any) -> Answer:
        return Answer(code, encode(value, self.content_format), self.content_format)

    def refusal(self, error: FirstbootError) -> Answer:
        """Return the answer to what is refused."""
        return refusal(error, self.content_format)


def serve(thinger: Thinger, handler: Callable[[CoapCall], Awaitable[Answer]]) -> Handler:
    """Return what answers a request whose asker is to be found first.

    The account is in the path, or else in the payload as ``user``; the token is in the query, or as ``token`` in
    the payload: one option of a query holds no more than 255 bytes.
    """

    async def answer(request: Request) -> Answer:
        content_format = _answer_format(request)
        if content_format is None:
            return refusal(ThingerError(406, "JSON or CBOR only"), JSON)
        try:
            return await handler(await _call(thinger, request, content_format))
        except FirstbootError as error:
            if isinstance(error, ProvisioningRefused) and error.delay_s:
                await asyncio.sleep(error.delay_s)
            return refusal(error, content_format)

    return answer


async def _call(thinger: Thinger, request: Request, content_format: int) -> CoapCall:
    origin = Origin(transport="coap", dialect=NAME, address=request.address)
    ASKED_FROM.set(origin)
    await thinger.ready()
    body = decode(request.payload, request.content_format)
    account, token = request.path.get("user"), request.parameter(AUTHORIZATION)
    if isinstance(body, dict):
        if account is None:
            account = body.pop("user", None)
        token = body.pop("token", None) if token is None else token
    if not isinstance(account, str):
        raise ThingerError(400, "missing field: user")
    bearer = Secret(token) if isinstance(token, str) else None
    asker = await thinger.identifying.identify(bearer, account, origin, provisioning=True)
    return CoapCall(asker=asker, thinger=thinger, request=request, body=body, content_format=content_format)


def refusal(error: FirstbootError, content_format: int) -> Answer:
    """Return the answer to what is refused."""
    refused = as_thinger_error(error)
    if refused.status >= 500 and not isinstance(error, ThingerError):
        logger.warning("a request could not be answered", extra={"code": error.code})
    code = _CODES.get(refused.status, Code.INTERNAL_SERVER_ERROR)
    payload = encode({"message": refused.message}, content_format)
    return Answer(code, payload, content_format, retry_after_s=refused.retry_after_s or 0)


def _answer_format(request: Request) -> int | None:
    """Return what to answer in: what is wanted, else what was sent; None when it is neither JSON nor CBOR."""
    if request.accept is not None:
        return request.accept if request.accept in (JSON, CBOR) else None
    return CBOR if request.content_format == CBOR else JSON
