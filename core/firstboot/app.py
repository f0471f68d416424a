"""The server: one owner of start and stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from firstboot.clock import Clock
from firstboot.config import Address, AdminConfig
from firstboot.core import Core, Foundation, Report, open_core
from firstboot.data_dir import prepare_data_dir, sole_server
from firstboot.errors import StartRefused
from firstboot.first_admin import ensure_administrator
from firstboot.listening import open_listeners
from firstboot.periodic import Periodic
from firstboot.services import Services
from firstboot.sessions import SessionEnd
from firstboot.tls_settings import open_tls
from firstboot.wiring import open_services

__all__ = ["Server", "Services", "Transport", "running_server"]

logger = logging.getLogger(__name__)


class Transport(Protocol):
    """A protocol on sockets. Reads, asks the services, answers; decides nothing."""

    name: str

    def bind(self) -> Mapping[str, Address]:
        """Take the addresses to listen on, and return them by listener (``mqtt``, ``http``, ...).

        Raises: `StartRefused` with what to do, such as for a port that is taken.
        """
        ...

    async def start(self, services: Services) -> None:
        """Accept."""
        ...

    async def stop_accepting(self) -> None:
        """Take no new connections; those that exist go on."""
        ...

    async def stop(self) -> None:
        """Tell every peer and close. Also called when `start` never was."""
        ...


@dataclass(frozen=True, slots=True)
class Server:
    """A server that accepts."""

    listeners: Mapping[str, Address]
    core: Core
    services: Services


@asynccontextmanager
async def running_server(foundation: Foundation, clock: Clock | None = None) -> AsyncIterator[Server]:
    """Start everything; stop it in reverse order at the end: requests under way finish first.

    Raises: `StartRefused`; then nothing is left open.
    """
    config = foundation.config
    clock = clock or Clock()
    async with contextlib.AsyncExitStack() as stack:
        report = Report()
        try:
            prepare_data_dir(config.server.data_dir)
            stack.enter_context(sole_server(config.server.data_dir))
        except StartRefused as error:
            report.add(error)
        tls = None
        try:
            tls = open_tls(config, foundation.plugins.config_sections(), clock)
        except StartRefused as error:
            report.add(error)
        bound = await stack.enter_async_context(contextlib.AsyncExitStack())
        transports, listeners = _bind(foundation, bound, report)
        core = None
        try:
            core = await stack.enter_async_context(open_core(foundation, clock))
        except StartRefused as error:
            report.add(error)
        report.raise_problems()
        assert core is not None  # for the type checker: the report had no problem
        await ensure_administrator(core.storage, core.users, config.section(AdminConfig), config.server.data_dir)
        services = await open_services(core, listeners, tls, stack)
        # From here on transports stop before what they use: the storage, and the observers of a session's end.
        stack.push_async_exit(bound.pop_all())
        for transport in transports:
            await transport.start(services)
        periodic = Periodic(foundation.plugins.offers("firstboot_periodic_jobs", config=config, services=services))
        foundation.plugins.raise_errors()  # of the hooks that transports called, and of this one
        stop_timeout_s = config.server.stop_timeout.total_seconds()
        stack.push_async_callback(periodic.stop, stop_timeout_s)
        stack.push_async_callback(_finish, transports, services, stop_timeout_s)
        _warn_of_open_listeners(listeners)
        periodic.start()
        yield Server(listeners, core, services)


def _bind(
    foundation: Foundation, stack: contextlib.AsyncExitStack, report: Report
) -> tuple[list[Transport], dict[str, Address]]:
    offered = foundation.plugins.collect("firstboot_transports", "name", config=foundation.config)
    report.add(*foundation.plugins.errors)
    transports: list[Transport] = [transport for _, (_, transport) in sorted(offered.items())]
    listeners: dict[str, Address] = {}
    for transport in transports:
        stack.push_async_callback(transport.stop)
        try:
            listeners.update(transport.bind())
        except StartRefused as error:
            report.add(error)
    return transports, listeners


async def _finish(transports: Sequence[Transport], services: Services, timeout_s: float) -> None:
    """Stop accepting, and let the requests under way finish, but no longer than this."""
    for transport in transports:
        await transport.stop_accepting()
    try:
        async with asyncio.timeout(timeout_s):
            await services.provisioning.finish()
    except TimeoutError:
        logger.error("requests were still under way when the server stopped")
    services.sessions.end_all(SessionEnd.SERVER_STOPS)
    services.live_events.close()


def _warn_of_open_listeners(listeners: Mapping[str, Address]) -> None:
    for name, address in open_listeners(listeners).items():
        logger.warning(
            "a listener without encryption is open to the network",
            extra={"listener": name, "address": str(address)},
        )
