"""``POST /oauth/token``: logging in with a password, and going on with a refresh token (contract 2.2)."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from firstboot import json_profile
from firstboot.errors import NotAuthenticated
from firstboot.secret import Secret
from firstboot.storage import ASKED_FROM
from firstboot_plugins.dialects.thinger.errors import ThingerError, too_many
from firstboot_plugins.dialects.thinger.http import (
    answering,
    check_encryption,
    json_answer,
    origin_of,
    read_bytes,
)
from firstboot_plugins.dialects.thinger.shared import Thinger
from firstboot_plugins.transports.http.endpoints import Endpoint

MAX_FIELDS = 20
_WRONG_PASSWORD = "invalid username or password"
_WRONG_TOKEN = "invalid refresh token"


def routes(thinger: Thinger) -> list[Route]:
    """Return the route of both grants."""

    async def answer(request: Request) -> Response:
        origin = origin_of(request)
        ASKED_FROM.set(origin)
        check_encryption(thinger, request)
        fields = _fields(request, await read_bytes(request, thinger.config.max_body))
        wrong = _WRONG_PASSWORD
        try:
            match fields.get("grant_type"):
                case "password":
                    name, password = _text(fields, "username"), _text(fields, "password")
                    return json_answer(await thinger.logins.log_in(name, Secret(password), origin.address))
                case "refresh_token":
                    wrong = _WRONG_TOKEN
                    token = Secret(_text(fields, "refresh_token"))
                    return json_answer(await thinger.logins.refresh(token, origin.address))
        except NotAuthenticated as refusal:
            if refusal.retry_after_s is not None:
                raise too_many(refusal.retry_after_s) from None
            thinger.limits.failed_token(origin.address)
            raise ThingerError(401, wrong) from None
        raise ThingerError(400, "grant_type is password or refresh_token")

    return [Route("/oauth/token", Endpoint(answering(answer)), methods=["POST"])]


def _fields(request: Request, body: bytes) -> dict[str, Any]:
    """Read a form, or the JSON object that newer clients send."""
    if request.headers.get("content-type", "").lower().startswith("application/json"):
        try:
            return json_profile.decode_object(body)
        except json_profile.MalformedJson as error:
            raise ThingerError(400, f"invalid JSON: {error}") from None
    try:
        return dict(
            parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
        )
    except ValueError:
        raise ThingerError(400, "the body is no form") from None


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise ThingerError(400, f"missing field: {name}")
    return value
