"""Routes of the claim page: the page, its files, and the sessions of browsers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from firstboot.config import ClaimingConfig
from firstboot.errors import ConfigError
from firstboot_plugins.admin.answering import error_answer
from firstboot_plugins.admin.failures import Failure
from firstboot_plugins.admin.own.problems import FIRSTBOOT
from firstboot_plugins.admin.public_url import public_url
from firstboot_plugins.admin.routes import routes
from firstboot_plugins.claim_page.config import ClaimPageConfig
from firstboot_plugins.claim_page.files import StaticFiles, static_files
from firstboot_plugins.claim_page.headers import file_headers, page_headers
from firstboot_plugins.claim_page.page import page
from firstboot_plugins.claim_page.sessions import OPERATIONS
from firstboot_plugins.transports.http.answers import ErrorShape

if TYPE_CHECKING:
    from firstboot.app import Services

PAGE = "/claim"

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def claim_page_routes(services: Services) -> list[BaseRoute | ErrorShape]:
    """Return everything below ``/claim``.

    Raises: `ConfigError` when sites shall show the page and browsers would keep no cookie there.
    """
    config = services.config.section(ClaimPageConfig)
    url = public_url(services)
    _check_embedding(services, config, url)
    static = static_files(config)
    sign_up = services.config.section(ClaimingConfig).sign_up
    served = _Served(page(config, static, link=f"{url}{PAGE}", sign_up=sign_up), static, config)
    return [
        Route(PAGE, served.page, methods=["GET"]),
        Route(f"{PAGE}/static/{static.version}/{{name:path}}", served.file, methods=["GET"]),
        *routes(OPERATIONS, services),
        ErrorShape(PAGE, _errors(services)),
    ]


def _check_embedding(services: Services, config: ClaimPageConfig, url: str) -> None:
    encrypted = url.startswith("https://") or "https" in services.listeners
    if config.embed_in and not encrypted and urlsplit(url).hostname not in _LOOPBACK:
        raise ConfigError.single(
            "claim_page.embed_in",
            f"needs TLS, and people reach this server at {url}.",
            "Set http.public_url to the address that begins with https://.",
        )


class _Served:
    """Answers with what was read at start."""

    def __init__(self, document: bytes, static: StaticFiles, config: ClaimPageConfig) -> None:
        self._document = document
        self._static = static
        self._page_headers = dict(page_headers(config.embed_in))

    async def page(self, request: Request) -> Response:
        return Response(self._document, headers=self._page_headers, media_type="text/html")

    async def file(self, request: Request) -> Response:
        found = self._static.files.get(request.path_params["name"])
        if found is None:
            raise HTTPException(404)
        headers = dict(file_headers(is_drawing=found.media_type == "image/svg+xml"))
        return Response(found.content, headers={**headers, "content-type": found.media_type})


def _errors(services: Services) -> Callable[[int, Mapping[str, str]], Response]:
    def render(status: int, headers: Mapping[str, str]) -> Response:
        failure = Failure(status, HTTPStatus(status).phrase, headers=headers)
        return error_answer(FIRSTBOOT, failure, services.clock.now_ms())

    return render
