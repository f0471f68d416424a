"""The HTTP transport: one Starlette application on uvicorn, with the routes that dialects offer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import socket
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route

from firstboot.app import Services
from firstboot.config import Address
from firstboot.errors import PluginError, StartRefused
from firstboot.listening import BACKLOG, address_of, bound_sockets
from firstboot.throttle import FailureThrottle, source_of
from firstboot_plugins.transports.http.answers import ErrorShape, error_response
from firstboot_plugins.transports.http.config import HttpConfig
from firstboot_plugins.transports.http.in_flight import Busy, InFlightLimit
from firstboot_plugins.transports.http.protocol import BoundedProtocol
from firstboot_plugins.transports.http.routing import GroupedRouter
from firstboot_plugins.transports.http.waiting import Waiting

if TYPE_CHECKING:
    from firstboot.tls import Tls
    from firstboot.tls_connection import TlsListener

logger = logging.getLogger(__name__)

REFUSALS_PER_MINUTE = 10
"""What is no request at all: lines in the log for each address, before they are summed up (threat SE-6)."""


class _Uvicorn(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._told_to_exit = asyncio.Event()

    async def listen_tls(self, bound: socket.socket, listener: TlsListener) -> None:
        """Accept TLS on a further socket, with the same protocol inside."""

        def accept() -> asyncio.Protocol:
            inner = self.config.http_protocol_class(  # type: ignore[call-arg]
                config=self.config, server_state=self.server_state, app_state=self.lifespan.state
            )
            return listener.accept(inner)

        loop = asyncio.get_running_loop()
        self.servers.append(await loop.create_server(accept, sock=bound, backlog=BACKLOG))

    def exit_now(self) -> None:
        self.should_exit = True
        self._told_to_exit.set()

    async def main_loop(self) -> None:
        """Keep the date for the answers, without waking ten times a second to see whether to exit."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._told_to_exit.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to their one owner, the application."""
        yield


class HttpTransport:
    """Listens, bounds what peers may cost, and routes to the dialects."""

    name = "http"

    def __init__(self, config: HttpConfig) -> None:
        self._config = config
        self._sockets: dict[str, socket.socket] = {}
        """Those that nobody listens on yet, by listener."""
        self._waiting = Waiting(config)
        self._server: _Uvicorn | None = None
        self._task: asyncio.Task[None] | None = None

    def bind(self) -> Mapping[str, Address]:
        self._sockets = bound_sockets("http", self._config)
        return {name: address_of(bound) for name, bound in self._sockets.items()}

    async def start(self, services: Services) -> None:
        config = self._config
        routes, shapes = _offers(services)
        errors = _Errors(routes, shapes)
        app = Starlette(
            exception_handlers={HTTPException: errors.http, Busy: errors.busy, Exception: errors.crash},
        )
        app.router = GroupedRouter(routes)
        refusals = FailureThrottle(
            per_minute=REFUSALS_PER_MINUTE, max_delay_s=0.0, monotonic=services.clock.monotonic
        )
        settings = {"config_http": config, "waiting": self._waiting, "refusals": refusals}
        self._server = _Uvicorn(
            uvicorn.Config(
                InFlightLimit(app, config.max_in_flight, errors.busy_at),
                http=type("Protocol", (BoundedProtocol,), settings),
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                backlog=BACKLOG,
                timeout_graceful_shutdown=math.ceil(services.config.server.stop_timeout.total_seconds()),
            )
        )
        self._task = asyncio.create_task(self._server.serve(sockets=[self._sockets.pop("http")]))
        while not self._server.started and not self._task.done():  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.005)
        if self._task.done():
            error = self._task.exception()
            raise StartRefused(f"http.bind: cannot listen on {config.bind}: {error}.")
        if "https" in self._sockets:
            assert services.tls is not None  # such a listener without a certificate is refused before
            listener = self._tls_listener(services.tls, refusals)
            await self._server.listen_tls(self._sockets.pop("https"), listener)

    def _tls_listener(self, tls: Tls, refusals: FailureThrottle) -> TlsListener:
        # Not before it is needed: a server without such listeners does without its memory.
        from firstboot.tls_connection import TlsListener

        def failed(address: str, reason: str) -> None:
            if refusals.is_news(f"http {source_of(address)}"):
                logger.info("a TLS handshake failed", extra={"address": address, "reason": reason})

        return TlsListener(
            tls=tls,
            arrivals=self._waiting,
            asks_for_certificate=self._config.client_certificates == "optional",
            handshake_timeout_s=self._config.header_timeout.total_seconds(),
            failed=failed,
        )

    async def stop_accepting(self) -> None:
        if self._server is not None:
            for server in self._server.servers:
                server.close()

    async def stop(self) -> None:
        if self._server is not None and self._task is not None:
            self._server.exit_now()
            await self._task
        for bound in self._sockets.values():
            bound.close()
        self._waiting.drop_all()  # who has not come as far as HTTP


def _offers(services: Services) -> tuple[list[BaseRoute], list[ErrorShape]]:
    routes: list[BaseRoute] = []
    shapes: list[ErrorShape] = []
    taken: dict[tuple[str, str], str] = {}
    offers = services.plugins.offers("firstboot_http_routes", config=services.config, services=services)
    for plugin, offer in offers:
        if isinstance(offer, ErrorShape):
            shapes.append(offer)
            continue
        if not isinstance(offer, BaseRoute):
            raise PluginError(
                plugin, f"offers {type(offer).__name__} as an HTTP route.", "Offer Starlette routes."
            )
        if isinstance(offer, Route):
            for method in offer.methods or ():
                other = taken.setdefault((offer.path, method), plugin)
                if other != plugin:
                    raise PluginError(
                        plugin,
                        f"offers {method} {offer.path}, which {other!r} offers too.",
                        "Disable one of them.",
                    )
        routes.append(offer)
    return routes, shapes


class _Errors:
    """Answers what no route has answered, in the shape of whoever the path belongs to."""

    def __init__(self, routes: list[BaseRoute], shapes: list[ErrorShape]) -> None:
        self._routes = routes
        self._shapes = sorted(shapes, key=lambda shape: len(shape.prefix), reverse=True)

    def http(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # that is what it is registered for
        headers = {name.lower(): value for name, value in (error.headers or {}).items()}
        if error.status_code == 405:
            headers["allow"] = ", ".join(self._methods(request))
        return self._answer(request.scope["path"], error.status_code, headers)

    def _methods(self, request: Request) -> list[str]:
        """Return what the path takes; several routes may have it, and Starlette names the methods of one."""
        routes = [route for route in self._routes if isinstance(route, Route)]
        path = next(route.path for route in routes if route.matches(request.scope)[0] is not Match.NONE)
        return sorted({method for route in routes if route.path == path for method in route.methods or ()})

    def busy(self, request: Request, error: Exception) -> Response:
        return self.busy_at(request.scope["path"])

    def busy_at(self, path: str) -> Response:
        return self._answer(path, 503, {"retry-after": "1"})

    def crash(self, request: Request, error: Exception) -> Response:
        return self._answer(request.scope["path"], 500, {})

    def _answer(self, path: str, status: int, headers: Mapping[str, str]) -> Response:
        for shape in self._shapes:
            if shape.covers(path):
                return shape.render(status, headers)
        return error_response(status, headers)
