"""All routes of the dialect, and the form of the errors below them."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import Response

from firstboot.app import Services
from firstboot_plugins.dialects.thinger import device_token_routes, oauth_routes, token_routes
from firstboot_plugins.dialects.thinger.asset_routes import asset_routes
from firstboot_plugins.dialects.thinger.bucket_routes import bucket_routes
from firstboot_plugins.dialects.thinger.device_routes import device_routes
from firstboot_plugins.dialects.thinger.errors import NOT_FOUND, TOO_MANY, TRY_AGAIN, ThingerError
from firstboot_plugins.dialects.thinger.http import error_answer
from firstboot_plugins.dialects.thinger.pool_routes import pool_routes
from firstboot_plugins.dialects.thinger.rule_routes import rule_routes
from firstboot_plugins.dialects.thinger.shared import Thinger
from firstboot_plugins.transports.http.answers import ErrorShape

PREFIXES = ("/v1/users", "/v1/server", "/v3/users", "/oauth")
_MESSAGES: Mapping[int, str] = {404: NOT_FOUND, 429: TOO_MANY, 503: TRY_AGAIN}


def routes(services: Services) -> list[object]:
    """Return what the HTTP transport serves."""
    thinger = Thinger.of(services)
    return [
        *(ErrorShape(prefix, _render) for prefix in PREFIXES),
        *device_routes(thinger),  # first, because they are asked for most
        *oauth_routes.routes(thinger),
        *token_routes.routes(thinger),
        *device_token_routes.routes(thinger),
        *asset_routes(thinger),
        *bucket_routes(thinger),
        *rule_routes(thinger),
        *pool_routes(thinger),
    ]


def _render(status: int, headers: Mapping[str, str]) -> Response:
    answer = error_answer(ThingerError(status, _MESSAGES.get(status, HTTPStatus(status).phrase.lower())))
    answer.headers.update(headers)
    return answer
