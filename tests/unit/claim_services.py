"""The services of claiming over a storage in memory, for their unit tests."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import txaio
from tests.unit.memory_services import MemoryServices

from firstboot.claim_throttle import ClaimThrottle
from firstboot.claim_windows import ClaimWindows
from firstboot.claiming import Claiming
from firstboot.claiming_data import ClaimingData
from firstboot.clock import Clock
from firstboot.config import ClaimingConfig, PluginsConfig
from firstboot.deciding_claims import ClaimDeciders
from firstboot.errors import ClaimRefused
from firstboot.events import Claim, ClaimWindowOpened
from firstboot.hookspecs import OBSERVING, Refuse, hookimpl
from firstboot.model import Authority, ClaimOpener, Customer, Device, DeviceProfile, Origin, User
from firstboot.observing import Observers
from firstboot.ownership import Ownership
from firstboot.passwords import Passwords
from firstboot.plugin_manager import PluginManager
from firstboot.profile_directory import ProfileDirectory
from firstboot.refused_claims import RefusedClaims
from firstboot.releasing import Releasing
from firstboot.secret import Secret
from firstboot.signing_up import SigningUp
from firstboot.storage import CreateUser
from firstboot.testing import a_user, an_audit_entry
from firstboot.throttle import FailureThrottle

SECRET = "correct horse battery staple"
ORIGIN = Origin(transport="http", dialect="own", address="192.0.2.7")
FROM_DEVICE = Origin(transport="mqtt", dialect="thingsboard", address="198.51.100.7")
MINUTE_MS, HOUR_MS = 60_000, 3_600_000


class ClaimServices(MemoryServices):
    """Claiming with its storage, its clock, and everything that plugins were told."""

    def __init__(self, *, plugins: dict[str, Callable[..., Any]] | None = None, **settings: Any) -> None:
        """``plugins``: functions by the names of their hooks; ``settings`` of the section ``[claiming]``."""
        super().__init__()
        txaio.use_asyncio()
        self.monotonic_s = 1000.0
        self.clock = Clock(now_ms=lambda: self.now_ms, monotonic=lambda: self.monotonic_s)
        self.config = ClaimingConfig(**settings)
        self.told: list[tuple[str, Any]] = []
        manager = PluginManager(PluginsConfig())
        if plugins:
            hooks = {name: hookimpl(function) for name, function in plugins.items()}
            manager.register(SimpleNamespace(FIRSTBOOT_API=1, **hooks), "p")
        observers = _Recorder(self.told, manager)
        data = ClaimingData(self.keyring, self.config)
        self.windows = ClaimWindows(self.config, self.storage, self.commits, self.keyring, self.clock, observers)
        self.ownership = Ownership(self.config, self.storage, self.commits, self.clock, observers)
        self.directory = ProfileDirectory(self.storage, self.keyring, self.clock)
        self.claiming_data = data
        deciders = ClaimDeciders(manager)
        self.releasing = Releasing(
            storage=self.storage,
            clock=self.clock,
            windows=self.windows,
            ownership=self.ownership,
            deciders=deciders,
            profiles=self.directory,
        )
        throttle = ClaimThrottle(self.config, self.clock)
        self.claiming = Claiming(
            storage=self.storage,
            keyring=self.keyring,
            clock=self.clock,
            windows=self.windows,
            ownership=self.ownership,
            deciders=deciders,
            releasing=self.releasing,
            throttle=throttle,
            refused=RefusedClaims(
                storage=self.storage,
                commits=self.commits,
                clock=self.clock,
                windows=self.windows,
                throttle=throttle,
                failures=FailureThrottle(per_minute=1000, max_delay_s=0, monotonic=self.clock.monotonic),
            ),
        )
        self.signing_up = SigningUp(
            config=self.config,
            storage=self.storage,
            commits=self.commits,
            passwords=Passwords(memory_kib=8, passes=1),
            clock=self.clock,
            claiming=self.claiming,
            ownership=self.ownership,
        )

    def advance(self, ms: int) -> None:
        self.now_ms += ms
        self.monotonic_s += ms / 1000

    async def user(self, customer: Customer, email: str | None = None) -> User:
        """Make a user of a customer."""
        email = email or f"{customer.public_id.hex}@example.org"
        user = a_user(
            email, tenant_id=customer.tenant_id, customer_id=customer.id, authority=Authority.CUSTOMER_USER
        )
        await self.commits.submit(CreateUser(user=user, audit=an_audit_entry()))
        found = await self.storage.user_by_email(email)
        assert found is not None
        return found

    async def buyer(self, title: str = "Acme") -> User:
        """Make a customer with a user."""
        return await self.user(await self.customer(title))

    async def opened(self, device: Device, secret: str = SECRET, duration_ms: int | None = None) -> None:
        """Open a device as it does itself."""
        await self.windows.open_by_device(device.ref, Secret(secret), duration_ms, FROM_DEVICE)

    async def claim(self, user: User, device: Device, secret: str = SECRET) -> Device:
        return await self.claiming.claim(user, device.name, Secret(secret), ORIGIN)

    async def refused(self, user: User, name: str | Device, secret: str = SECRET) -> str:
        """Claim in vain; return the code."""
        name = name if isinstance(name, str) else name.name
        try:
            await self.claiming.claim(user, name, Secret(secret), ORIGIN)
        except ClaimRefused as refusal:
            return refusal.code
        raise AssertionError("the claim was not refused")

    async def openers(self, device: Device) -> set[ClaimOpener]:
        """Return who has opened the claim windows of a device."""
        return {window.opened_by for window in await self.windows.list(device)}

    async def again(self, device: Device) -> Device:
        """Read a device again."""
        found = await self.storage.device_by_public_id(device.tenant_id, device.public_id)
        assert found is not None
        return found

    async def profile(self, name: str = "sensor", tenant_id: int = 1, **fields: Any) -> DeviceProfile:
        profile = await super().profile(name, tenant_id, **fields)
        await self.directory.reload()
        return profile

    def events(self, hook: str) -> list[Any]:
        """Return what was told through a hook."""
        return [event for name, event in self.told if name == f"firstboot_{hook}"]


def refusing(asked: list[Claim]) -> Callable[[Claim], Refuse]:
    """Return a hook that notes what it is asked, and refuses."""

    def refuse(claim: Claim) -> Refuse:
        asked.append(claim)
        return Refuse("the bill is open", "not-paid")

    return refuse


class _Recorder(Observers):
    """Notes what plugins are told, instead of telling them."""

    def __init__(self, told: list[tuple[str, Any]], manager: PluginManager) -> None:
        super().__init__(manager)
        self._told = told

    def wanted(self, hook: str) -> bool:
        assert hook in OBSERVING
        return True

    def tell(self, hook: str, event: object) -> None:
        assert isinstance(event, Claim | ClaimWindowOpened)
        self._told.append((hook, event))
