"""What the transports of the dialect share: one object for each server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from firstboot.app import Services
from firstboot.config import LoginConfig
from firstboot_plugins.dialects.thinger.accounts import Accounts
from firstboot_plugins.dialects.thinger.assets import GROUP, TYPE, Assets, Documents
from firstboot_plugins.dialects.thinger.autoprovision import Autoprovision
from firstboot_plugins.dialects.thinger.bucket_topics import BucketTopics
from firstboot_plugins.dialects.thinger.buckets import Buckets
from firstboot_plugins.dialects.thinger.companions import Companions
from firstboot_plugins.dialects.thinger.config import ThingerConfig
from firstboot_plugins.dialects.thinger.dashboards import DASHBOARD
from firstboot_plugins.dialects.thinger.device_tokens import DeviceTokens
from firstboot_plugins.dialects.thinger.devices import Devices
from firstboot_plugins.dialects.thinger.ensuring import Ensuring
from firstboot_plugins.dialects.thinger.identifying import Identifying
from firstboot_plugins.dialects.thinger.limits import Limits
from firstboot_plugins.dialects.thinger.person_logins import PersonLogins
from firstboot_plugins.dialects.thinger.pool_claims import PoolClaims
from firstboot_plugins.dialects.thinger.pools import Pools
from firstboot_plugins.dialects.thinger.products import Products
from firstboot_plugins.dialects.thinger.rules import Rules
from firstboot_plugins.dialects.thinger.server_name import server_name
from firstboot_plugins.dialects.thinger.templates import Templates
from firstboot_plugins.dialects.thinger.token_directory import TokenDirectory
from firstboot_plugins.dialects.thinger.tokens import AccessTokens


class Thinger:
    """The parts of the dialect, each of which knows no transport."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.config = services.config.section(ThingerConfig)
        self._loaders: list[Callable[[], Awaitable[None]]] = []
        self._loading = asyncio.Lock()
        self._loaded = 0

        self.accounts = Accounts(services)
        self.limits = Limits(
            self.config, services.config.section(LoginConfig).api_token_rate, services.clock.monotonic
        )
        self.directory = TokenDirectory(services, self.accounts)
        self.load_first(self.directory.load)
        listener = services.listeners.get("http")
        self.tokens = AccessTokens(
            services.api_tokens,
            services.core.keyring,
            services.clock,
            server_name(services.config, listener.port if listener is not None else 0),
        )
        self.device_tokens = DeviceTokens(self.tokens, self.directory)
        self.logins = PersonLogins(services, self.accounts)
        self.identifying = Identifying(services, self.directory, self.logins, self.limits)
        self.types = Assets(self, TYPE)
        self.groups = Assets(self, GROUP)
        self.products = Products(self)
        self.buckets = Buckets(self)
        self.bucket_topics = BucketTopics(self)
        self.dashboards = Documents(self, DASHBOARD)
        self.companions = Companions(self)
        self.devices = Devices(self)
        self.ensuring = Ensuring(self)
        self.templates = Templates(self)
        self.rules = Rules(self)
        self.autoprovision = Autoprovision(self)
        self.pools = Pools(self)
        self.claims = PoolClaims(self)

    @classmethod
    def of(cls, services: Services) -> Thinger:
        """Return the one object of a server."""
        found = services.shared.get(cls)
        if found is None:
            found = services.shared[cls] = cls(services)
        assert isinstance(found, cls)
        return found

    def load_first(self, loader: Callable[[], Awaitable[None]]) -> None:
        """Await ``loader`` once, before the first request: for parts that keep what is stored in memory."""
        self._loaders.append(loader)

    async def ready(self) -> None:
        """Wait until all that is kept in memory is there, and true; each transport does so before each request.

        Raises: `Unavailable`; then the next request tries again.
        """
        await self.services.changes.ensure_fresh()
        if self._loaded == len(self._loaders):
            return
        async with self._loading:
            while self._loaded < len(self._loaders):
                await self._loaders[self._loaded]()
                self._loaded += 1
