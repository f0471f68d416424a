"""Putting the services of a server together, and starting what goes on in the background."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firstboot.attributes import AttributeService
from firstboot.changes import ChangeFollower
from firstboot.claim_throttle import ClaimThrottle
from firstboot.claim_windows import ClaimWindows
from firstboot.claiming import Claiming
from firstboot.claiming_data import ClaimingData
from firstboot.config import Address, ClaimingConfig, LoginConfig
from firstboot.core import Core
from firstboot.customers import CustomerService
from firstboot.deciding import Deciders
from firstboot.deciding_claims import ClaimDeciders
from firstboot.devices import DeviceService
from firstboot.downlink import Downlinks
from firstboot.health import HealthCheck
from firstboot.live_events import LiveEvents
from firstboot.login import Authentication
from firstboot.logins import Logins
from firstboot.observing import Observers
from firstboot.offered import Offered
from firstboot.ownership import Ownership
from firstboot.pool_news import PoolNews
from firstboot.profile_directory import ProfileDirectory
from firstboot.provisioning import Provisioning
from firstboot.refused_claims import RefusedClaims
from firstboot.releasing import Releasing
from firstboot.reports import Reports
from firstboot.rpc import RpcExchange
from firstboot.services import Services
from firstboot.sessions import Sessions
from firstboot.signing_up import SigningUp
from firstboot.storage import ChangeKind
from firstboot.telemetry import TelemetryService
from firstboot.throttle import FailureThrottle
from firstboot.watchdog import Watchdog

if TYPE_CHECKING:
    from firstboot.tls import Tls

logger = logging.getLogger(__name__)

SWEEP_INTERVAL_S = 5.0


async def open_services(
    core: Core, listeners: Mapping[str, Address], tls: Tls | None, stack: AsyncExitStack
) -> Services:
    """Make the services, and start what goes on in the background; the stack ends it."""
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
    pool_news = PoolNews(core.storage, clock)
    follower.watch(ChangeKind.POOL, pool_news.follow)
    await follower.start()
    _name_profiles_without_strategy(core, profiles)
    background: list[Coroutine[Any, Any, None]] = [
        follower.follow(),
        downlinks.tell(),
        _sweep(throttle),
        Watchdog(plugins.owner_of).watch(),
    ]
    if tls is not None:
        background.append(tls.watch())
    for each in background:
        stack.push_async_callback(_cancelled, asyncio.create_task(each))
    claims = _claims(core, observers, profiles, throttle)
    return Services(
        config=config,
        plugins=plugins,
        provisioning=_provisioning(core, profiles, follower, Reports(core.commits, observers, throttle, clock)),
        logins=Logins(core.storage, core.commits, core.keyring, profiles, throttle, clock),
        sessions=sessions,
        observers=observers,
        clock=clock,
        core=core,
        storage=core.storage,
        devices=DeviceService(
            core.storage, core.commits, core.keyring, clock, claims.data, observers, core.certificates
        ),
        claim_windows=claims.windows,
        ownership=claims.ownership,
        claiming=claims.claiming,
        releasing=claims.releasing,
        signing_up=claims.signing_up,
        profiles=core.profiles,
        profile_directory=profiles,
        attributes=AttributeService(core.storage, core.commits, observers, clock, claims.data),
        telemetry=TelemetryService(core.storage, core.commits, observers, clock),
        downlinks=downlinks,
        rpc=RpcExchange(downlinks, plugins, core.commits, clock),
        live_events=live_events,
        tenants=core.tenants,
        customers=CustomerService(core.storage, core.commits, clock, claims.ownership),
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


def _provisioning(
    core: Core, profiles: ProfileDirectory, follower: ChangeFollower, reports: Reports
) -> Provisioning:
    foundation = core.foundation

    def offered(items: Mapping[str, tuple[str, Any]]) -> Mapping[str, Offered]:
        return {name: Offered(foundation.plugins.runner(by), item) for name, (by, item) in items.items()}

    return Provisioning(
        config=foundation.config.provisioning,
        storage=core.storage,
        commits=core.commits,
        keyring=core.keyring,
        profiles=profiles,
        strategies=offered(foundation.strategies),
        generators=offered(foundation.generators),
        deciders=Deciders(foundation.plugins),
        reports=reports,
        ensure_fresh=follower.ensure_fresh,
        clock=core.clock,
        authority=core.certificates,
    )


@dataclass(frozen=True, slots=True)
class _Claims:
    """The services with which devices get and lose owners."""

    data: ClaimingData
    windows: ClaimWindows
    ownership: Ownership
    claiming: Claiming
    releasing: Releasing
    signing_up: SigningUp


def _claims(core: Core, observers: Observers, profiles: ProfileDirectory, throttle: FailureThrottle) -> _Claims:
    config, clock = core.foundation.config.section(ClaimingConfig), core.clock
    windows = ClaimWindows(config, core.storage, core.commits, core.keyring, clock, observers)
    ownership = Ownership(config, core.storage, core.commits, clock, observers)
    deciders = ClaimDeciders(core.foundation.plugins)
    releasing = Releasing(
        storage=core.storage,
        clock=clock,
        windows=windows,
        ownership=ownership,
        deciders=deciders,
        profiles=profiles,
    )
    claim_throttle = ClaimThrottle(config, clock)
    refused = RefusedClaims(
        storage=core.storage,
        commits=core.commits,
        clock=clock,
        windows=windows,
        throttle=claim_throttle,
        failures=throttle,
    )
    claiming = Claiming(
        storage=core.storage,
        keyring=core.keyring,
        clock=clock,
        windows=windows,
        ownership=ownership,
        deciders=deciders,
        releasing=releasing,
        throttle=claim_throttle,
        refused=refused,
    )
    signing_up = SigningUp(
        config=config,
        storage=core.storage,
        commits=core.commits,
        passwords=core.passwords,
        clock=clock,
        claiming=claiming,
        ownership=ownership,
    )
    return _Claims(ClaimingData(core.keyring, config), windows, ownership, claiming, releasing, signing_up)


def _name_profiles_without_strategy(core: Core, profiles: ProfileDirectory) -> None:
    for profile in profiles.all():
        if profile.strategy not in core.foundation.strategies:
            logger.error(
                "no plugin offers the strategy of a profile; its devices are refused",
                extra={"profile": profile.name, "strategy": profile.strategy},
            )


async def _sweep(throttle: FailureThrottle) -> None:
    while True:
        await asyncio.sleep(SWEEP_INTERVAL_S)
        throttle.sweep()


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
