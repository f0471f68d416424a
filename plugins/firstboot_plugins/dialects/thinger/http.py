"""The frame of every REST call: who asks, how much of it, what was sent, and how answers look."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json
from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from firstboot import json_profile
from firstboot.errors import FirstbootError
from firstboot.model import Origin
from firstboot.secret import Secret
from firstboot.storage import ASKED_FROM
from firstboot_plugins.dialects.thinger.askers import Asker
from firstboot_plugins.dialects.thinger.errors import ThingerError, as_thinger_error
from firstboot_plugins.dialects.thinger.shared import Thinger
from firstboot_plugins.transports.http.answers import UncachedJson
from firstboot_plugins.transports.http.bodies import BodyEncoded, BodyTooLarge, read_body
from firstboot_plugins.transports.http.endpoints import Endpoint
from firstboot_plugins.transports.http.peer import peer_address

logger = logging.getLogger(__name__)

DIALECT = "thinger"
ACCOUNT = "user"
"""Name of the path parameter with the account."""
_BODILESS = frozenset({"GET", "HEAD", "DELETE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request whose asker is known; what he may do is for the handler to check."""

    asker: Asker
    thinger: Thinger
    request: Request
    params: Mapping[str, str]
    """From the path."""
    body: Any
    """What the JSON of the body says; None when there is none."""

    @property
    def query(self) -> QueryParams:
        return self.request.query_params

    @property
    def fields(self) -> dict[str, Any]:
        """Return the body, which must be an object.

        Raises: `ThingerError` (400).
        """
        if not isinstance(self.body, dict):
            raise ThingerError(400, "the body is not a JSON object")
        return self.body


Handler = Callable[[Call], Awaitable[Any]]
"""Returns what JSON can hold, or a Starlette response."""


def route(
    thinger: Thinger,
    path: str,
    method: str,
    handler: Handler,
    *,
    provisioning: bool = False,
    document: bool = False,
    head: bool = True,
) -> Route:
    """Return the route of one method of one path; ``{user}`` in it is the account that the token must be of.

    ``provisioning``: the call may make a device, and such calls are bounded more tightly. ``document``: the body
    may be as large as a dashboard. ``head``: False for a GET that does something, which HEAD must not.
    """
    most = thinger.config.max_document if document else thinger.config.max_body

    async def answer(request: Request) -> Response:
        origin = origin_of(request)
        ASKED_FROM.set(origin)
        await thinger.ready()
        check_encryption(thinger, request)
        params = request.path_params
        asker = await thinger.identifying.identify(
            bearer_of(request), params.get(ACCOUNT), origin, provisioning=provisioning
        )
        body = None if request.method in _BODILESS else await read_json(request, most)
        value = await handler(Call(asker=asker, thinger=thinger, request=request, params=params, body=body))
        return value if isinstance(value, Response) else json_answer(value)

    made = Route(path, Endpoint(answering(answer)), methods=[method])
    if not head and made.methods is not None:
        made.methods.discard("HEAD")
    return made


def answering(
    answer: Callable[[Request], Awaitable[Response]],
) -> Callable[[Request], Awaitable[Response]]:
    """Put every refusal of ``answer`` into the dialect's form."""

    async def guarded(request: Request) -> Response:
        try:
            return await answer(request)
        except ClientDisconnect:
            return error_answer(ThingerError(400, "the body has not arrived"))
        except FirstbootError as error:
            refusal = as_thinger_error(error)
            if refusal.status >= 500 and not isinstance(error, ThingerError):
                logger.warning("a request could not be answered", extra={"code": error.code})
            return error_answer(refusal)

    return guarded


def check_encryption(thinger: Thinger, request: Request) -> None:
    """Refuse what came in plain text, where the configuration says so: clients follow no redirect (section 1).

    Raises: `ThingerError` (403).
    """
    if not thinger.config.plain_http and request.url.scheme != "https":
        raise ThingerError(403, "this server answers over https only")


def bearer_of(request: Request) -> Secret | None:
    """Return the token of a request: that of the header, else that of the query (contract 2.1)."""
    for name, value in request.scope["headers"]:
        if name == b"authorization":
            scheme, _, token = value.decode("latin-1").partition(" ")
            if scheme.lower() == "bearer":
                return Secret(token.strip())
            break
    text = request.query_params.get("authorization")
    return None if text is None else Secret(text)


async def read_json(request: Request, most: int) -> Any:
    """Return what the body says; None when it is empty.

    Raises: `ThingerError` (413, 415, 400); `starlette.requests.ClientDisconnect`.
    """
    body = await read_bytes(request, most)
    if not body.strip():
        return None
    try:
        return json_profile.decode(body, max_bytes=most)
    except json_profile.MalformedJson as error:
        raise ThingerError(400, f"invalid JSON: {error}") from None


async def read_bytes(request: Request, most: int) -> bytes:
    """Return the body.

    Raises: `ThingerError` (413, 415); `starlette.requests.ClientDisconnect`.
    """
    try:
        return await read_body(request, most)
    except BodyTooLarge:
        raise ThingerError(413, f"the body has more than {most} bytes") from None
    except BodyEncoded:
        raise ThingerError(415, "compressed bodies are not supported") from None


def json_answer(value: Any, status: int = 200) -> Response:
    """Return an answer. Its status is 200 even when something was made: clients compare (contract section 1)."""
    return UncachedJson(to_json(value), status)


def error_answer(error: ThingerError) -> Response:
    """Return an error in the dialect's form."""
    answer = json_answer(error.to_json(), error.status)
    if error.retry_after_s is not None:
        answer.headers["retry-after"] = str(error.retry_after_s)
    return answer


def origin_of(request: Request) -> Origin:
    return Origin(transport="http", dialect=DIALECT, address=peer_address(request))
