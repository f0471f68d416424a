"""The HTTP transport: one Starlette application on uvicorn, with the routes that dialects offer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import socket
from collections.abc import Iterator, Mapping

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from firstboot.app import Services
from firstboot.config import Address
from firstboot.errors import PluginError, StartRefused
from firstboot.listening import BACKLOG, address_of, bound_socket
from firstboot.throttle import FailureThrottle
from firstboot_plugins.transports.http.answers import error_response
from firstboot_plugins.transports.http.config import HttpConfig
from firstboot_plugins.transports.http.in_flight import Busy, InFlightLimit, busy_response
from firstboot_plugins.transports.http.protocol import BoundedProtocol
from firstboot_plugins.transports.http.waiting import Waiting

logger = logging.getLogger(__name__)

REFUSALS_PER_MINUTE = 10
"""What is no request at all: lines in the log for each address, before they are summed up (threat SE-6)."""


class _Uvicorn(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._told_to_exit = asyncio.Event()

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
        self._socket: socket.socket | None = None
        self._server: _Uvicorn | None = None
        self._task: asyncio.Task[None] | None = None

    def bind(self) -> Mapping[str, Address]:
        self._socket = bound_socket("http.bind", self._config.bind)
        return {"http": address_of(self._socket)}

    async def start(self, services: Services) -> None:
        assert self._socket is not None  # bind comes first
        config = self._config
        app = Starlette(
            routes=_routes(services),
            exception_handlers={HTTPException: _http_error, Busy: _busy, Exception: _crash},
        )
        # A redirect would go to whatever host the request named (threat HT-5).
        app.router.redirect_slashes = False
        settings = {
            "config_http": config,
            "waiting": Waiting(config),
            "refusals": FailureThrottle(
                per_minute=REFUSALS_PER_MINUTE, max_delay_s=0.0, monotonic=services.clock.monotonic
            ),
        }
        self._server = _Uvicorn(
            uvicorn.Config(
                InFlightLimit(app, config.max_in_flight),
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
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        while not self._server.started and not self._task.done():  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.005)
        if self._task.done():
            error = self._task.exception()
            raise StartRefused(f"http.bind: cannot listen on {config.bind}: {error}.")

    async def stop_accepting(self) -> None:
        if self._server is not None:
            for server in self._server.servers:
                server.close()

    async def stop(self) -> None:
        if self._server is not None and self._task is not None:
            self._server.exit_now()
            await self._task
        elif self._socket is not None:
            self._socket.close()


def _routes(services: Services) -> list[BaseRoute]:
    routes: list[BaseRoute] = []
    taken: dict[tuple[str, str], str] = {}
    offers = services.plugins.offers("firstboot_http_routes", config=services.config, services=services)
    for plugin, route in offers:
        if not isinstance(route, BaseRoute):
            raise PluginError(
                plugin, f"offers {type(route).__name__} as an HTTP route.", "Offer Starlette routes."
            )
        if isinstance(route, Route):
            for method in route.methods or ():
                other = taken.setdefault((route.path, method), plugin)
                if other != plugin:
                    raise PluginError(
                        plugin,
                        f"offers {method} {route.path}, which {other!r} offers too.",
                        "Disable one of them.",
                    )
        routes.append(route)
    return routes


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # that is what it is registered for
    return error_response(error.status_code, error.headers)


def _busy(request: Request, error: Exception) -> Response:
    return busy_response()


def _crash(request: Request, error: Exception) -> Response:
    return error_response(500)
