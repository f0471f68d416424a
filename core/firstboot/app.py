"""The server: one owner of start and stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from firstboot.api_tokens import ApiTokenService
from firstboot.attributes import AttributeService
from firstboot.certificate_authority import CertificateAuthority
from firstboot.changes import ChangeFollower
from firstboot.claim_throttle import ClaimThrottle
from firstboot.claim_windows import ClaimWindows
from firstboot.claiming import Claiming
from firstboot.claiming_data import ClaimingData
from firstboot.clock import Clock
from firstboot.config import Address, AdminConfig, ClaimingConfig, Config, LoginConfig
from firstboot.core import Core, Foundation, Report, open_core
from firstboot.customers import CustomerService
from firstboot.data_dir import prepare_data_dir, sole_server
from firstboot.deciding import Deciders
from firstboot.deciding_claims import ClaimDeciders
from firstboot.devices import DeviceService
from firstboot.downlink import Downlinks
from firstboot.errors import StartRefused
from firstboot.first_admin import ensure_administrator
from firstboot.health import Health, HealthCheck
from firstboot.listening import open_listeners
from firstboot.live_events import LiveEvents
from firstboot.login import Authentication
from firstboot.logins import Logins
from firstboot.observing import Observers
from firstboot.offered import Offered
from firstboot.ownership import Ownership
from firstboot.periodic import Periodic
from firstboot.plugin_manager import PluginManager
from firstboot.pool_news import PoolNews
from firstboot.pools import PoolService
from firstboot.profile_directory import ProfileDirectory
from firstboot.profiles import ProfileService
from firstboot.provisioning import Provisioning
from firstboot.refused_claims import RefusedClaims
from firstboot.releasing import Releasing
from firstboot.reports import Reports
from firstboot.resources import ResourceService
from firstboot.rpc import RpcExchange
from firstboot.sessions import SessionEnd, Sessions
from firstboot.signing_up import SigningUp
from firstboot.storage import ChangeKind, Storage
from firstboot.telemetry import TelemetryService
from firstboot.tenants import TenantService
from firstboot.throttle import FailureThrottle
from firstboot.tls_settings import open_tls
from firstboot.users import UserService
from firstboot.watchdog import Watchdog

if TYPE_CHECKING:
    from firstboot.tls import Tls

logger = logging.getLogger(__name__)

SWEEP_INTERVAL_S = 5.0


@dataclass(frozen=True, slots=True)
class Services:
    """What transports and dialects work with."""

    config: Config
    plugins: PluginManager
    provisioning: Provisioning
    logins: Logins
    sessions: Sessions
    observers: Observers
    clock: Clock
    core: Core
    storage: Storage
    devices: DeviceService
    claim_windows: ClaimWindows
    ownership: Ownership
    claiming: Claiming
    releasing: Releasing
    signing_up: SigningUp
    profiles: ProfileService
    profile_directory: ProfileDirectory
    """The profiles in memory, for what is asked often."""
    attributes: AttributeService
    telemetry: TelemetryService
    downlinks: Downlinks
    rpc: RpcExchange
    live_events: LiveEvents
    tenants: TenantService
    customers: CustomerService
    users: UserService
    authentication: Authentication
    api_tokens: ApiTokenService
    certificates: CertificateAuthority
    resources: ResourceService
    pools: PoolService
    pool_news: PoolNews
    changes: ChangeFollower
    """What other processes, and this one, have changed: for whoever keeps stored things in memory."""
    listeners: Mapping[str, Address]
    """Where the server listens, by listener (``mqtt``, ``http``, ...)."""
    health: Callable[[], Awaitable[Health]]
    tls: Tls | None
    """The certificates for listeners that encrypt; None where there are none, and no such listener."""
    shared: dict[type, object] = field(default_factory=dict)
    """What the parts of a plugin have in common, by its type: hooks of several transports find one object here."""


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
        services = await _services(core, listeners, tls, stack)
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


async def _services(
    core: Core, listeners: Mapping[str, Address], tls: Tls | None, stack: contextlib.AsyncExitStack
) -> Services:
    foundation = core.foundation
    config, plugins, clock = foundation.config, foundation.plugins, core.clock
    live_events = LiveEvents()
    observers = Observers(plugins, live_events)
    stack.push_async_callback(observers.stop, config.plugins.timeout.total_seconds())
    throttle = FailureThrottle(
        per_minute=config.provisioning.failures_per_minute,
        max_delay_s=config.provisioning.failure_delay.total_seconds(),
        monotonic=clock.monotonic,
    )
    profiles = ProfileDirectory(core.storage, core.keyring, clock)
    sessions = Sessions()
    downlinks = Downlinks(core.storage)
    follower = ChangeFollower(core.storage, profiles, sessions, downlinks, core.changed)
    pool_news = PoolNews(core.storage, core.clock)
    follower.watch(ChangeKind.POOL, pool_news.follow)
    await follower.start()
    for profile in profiles.all():
        if profile.strategy not in foundation.strategies:
            logger.error(
                "no plugin offers the strategy of a profile; its devices are refused",
                extra={"profile": profile.name, "strategy": profile.strategy},
            )
    for background in (
        follower.follow(),
        downlinks.tell(),
        _sweep(throttle),
        Watchdog(plugins.owner_of).watch(),
        *([tls.watch()] if tls is not None else []),
    ):
        stack.push_async_callback(_cancelled, asyncio.create_task(background))
    claiming_config = config.section(ClaimingConfig)
    claiming_data = ClaimingData(core.keyring, claiming_config)
    windows = ClaimWindows(claiming_config, core.storage, core.commits, core.keyring, clock, observers)
    ownership = Ownership(claiming_config, core.storage, core.commits, clock, observers)
    deciders = ClaimDeciders(plugins)
    releasing = Releasing(
        storage=core.storage,
        clock=clock,
        windows=windows,
        ownership=ownership,
        deciders=deciders,
        profiles=profiles,
    )
    claim_throttle = ClaimThrottle(claiming_config, clock)
    claiming = Claiming(
        storage=core.storage,
        keyring=core.keyring,
        clock=clock,
        windows=windows,
        ownership=ownership,
        deciders=deciders,
        releasing=releasing,
        throttle=claim_throttle,
        refused=RefusedClaims(
            storage=core.storage,
            commits=core.commits,
            clock=clock,
            windows=windows,
            throttle=claim_throttle,
            failures=throttle,
        ),
    )
    return Services(
        config=config,
        plugins=plugins,
        provisioning=Provisioning(
            config=config.provisioning,
            storage=core.storage,
            commits=core.commits,
            keyring=core.keyring,
            profiles=profiles,
            strategies={
                name: Offered(plugins.runner(by), item) for name, (by, item) in foundation.strategies.items()
            },
            generators={
                name: Offered(plugins.runner(by), item) for name, (by, item) in foundation.generators.items()
            },
            deciders=Deciders(plugins),
            reports=Reports(core.commits, observers, throttle, clock),
            ensure_fresh=follower.ensure_fresh,
            clock=clock,
            authority=core.certificates,
            pools=core.pools,
        ),
        logins=Logins(core.storage, core.commits, core.keyring, profiles, throttle, clock),
        sessions=sessions,
        observers=observers,
        clock=clock,
        core=core,
        storage=core.storage,
        devices=DeviceService(
            core.storage, core.commits, core.keyring, clock, claiming_data, observers, core.certificates
        ),
        claim_windows=windows,
        ownership=ownership,
        claiming=claiming,
        releasing=releasing,
        signing_up=SigningUp(
            config=claiming_config,
            storage=core.storage,
            commits=core.commits,
            passwords=core.passwords,
            clock=clock,
            claiming=claiming,
            ownership=ownership,
        ),
        profiles=core.profiles,
        profile_directory=profiles,
        attributes=AttributeService(core.storage, core.commits, observers, clock, claiming_data),
        telemetry=TelemetryService(core.storage, core.commits, observers, clock),
        downlinks=downlinks,
        rpc=RpcExchange(downlinks, plugins, core.commits, clock),
        live_events=live_events,
        tenants=core.tenants,
        customers=CustomerService(core.storage, core.commits, clock, ownership),
        users=core.users,
        authentication=Authentication(
            config=config.section(LoginConfig),
            storage=core.storage,
            commits=core.commits,
            keyring=core.keyring,
            passwords=core.passwords,
            users=core.users,
            api_tokens=core.api_tokens,
            throttle=throttle,
            clock=clock,
        ),
        api_tokens=core.api_tokens,
        certificates=core.certificates,
        resources=core.resources,
        pools=core.pools,
        pool_news=pool_news,
        changes=follower,
        listeners=listeners,
        health=HealthCheck(core.storage, core.write_failed, plugins, listeners, tls),
        tls=tls,
    )


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


async def _sweep(throttle: FailureThrottle) -> None:
    while True:
        await asyncio.sleep(SWEEP_INTERVAL_S)
        throttle.sweep()


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


def _warn_of_open_listeners(listeners: Mapping[str, Address]) -> None:
    for name, address in open_listeners(listeners).items():
        logger.warning(
            "a listener without encryption is open to the network",
            extra={"listener": name, "address": str(address)},
        )
