"""The services of device life over a storage in memory, for their unit tests."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from uuid import uuid4

from firstboot.attributes import AttributeService
from firstboot.batching import Batcher
from firstboot.claiming_data import ClaimingData
from firstboot.clock import Clock
from firstboot.config import ClaimingConfig, PluginsConfig
from firstboot.devices import DeviceDraft, DeviceService
from firstboot.errors import Unavailable
from firstboot.keyring import Keyring
from firstboot.live_events import LiveEvents
from firstboot.model import Credentials, Customer, Device, DeviceProfile
from firstboot.observing import Observers
from firstboot.ownership import Ownership
from firstboot.plugin_manager import PluginManager
from firstboot.profiles import ProfileService
from firstboot.secret import Secret
from firstboot.storage import AuditEntry, AuditQuery, Change, CreateCustomer, Write, WriteResult
from firstboot.telemetry import TelemetryService
from firstboot.testing import MemoryStorage
from firstboot.testing.samples import a_profile

_numbers = itertools.count(1)


class MemoryServices:
    """Services that share one storage, a clock that a test sets, and live events to watch."""

    def __init__(self) -> None:
        self.storage = MemoryStorage()
        self.keyring = Keyring.generate()
        self.now_ms = 1_700_000_000_000
        self.clock = Clock(now_ms=lambda: self.now_ms)
        self.away = False
        commits: Batcher[Write, WriteResult] = Batcher(self._write)
        self.commits = commits
        self.live_events = LiveEvents()
        self.observers = Observers(PluginManager(PluginsConfig()), self.live_events)
        config = ClaimingConfig()
        claiming_data = ClaimingData(self.keyring, config)
        self.devices = DeviceService(
            self.storage, commits, self.keyring, self.clock, claiming_data, self.observers
        )
        self.ownership = Ownership(config, self.storage, commits, self.clock, self.observers)
        self.profiles = ProfileService(
            self.storage,
            commits,
            self.keyring,
            allow_weak_secrets=False,
            is_strategy={"allow-create-new", "disabled"}.__contains__,
            clock=self.clock,
        )
        self.attributes = AttributeService(self.storage, commits, self.observers, self.clock, claiming_data)
        self.telemetry = TelemetryService(self.storage, commits, self.observers, self.clock)

    async def _write(self, batch: Sequence[Write]) -> Sequence[WriteResult]:
        if self.away:
            raise Unavailable("The database is away.")
        return await self.storage.write(batch, self.keyring.link)

    async def profile(self, name: str = "sensor", tenant_id: int = 1, **fields: object) -> DeviceProfile:
        draft = a_profile(name, tenant_id=tenant_id, **fields)
        secret = Secret("a provision secret of 32 letters")
        return (await self.profiles.create(draft, key=None, secret=secret, actor="test")).profile

    async def device(self, name: str = "meter-7", profile: DeviceProfile | None = None) -> Device:
        """Make a device, and when none is given a profile for it."""
        number = next(_numbers)
        profile = profile or await self.profile(f"sensor-{number}")
        draft = DeviceDraft(name=name, credentials=Credentials("ACCESS_TOKEN", f"token-{number}"))
        return await self.devices.create(profile, draft, actor="test")

    async def customer(self, title: str = "Acme", tenant_id: int = 1) -> Customer:
        customer = Customer(id=0, public_id=uuid4(), tenant_id=tenant_id, title=title)
        audit = AuditEntry(at_ms=self.now_ms, event="test")
        await self.commits.submit(CreateCustomer(customer=customer, audit=audit))
        found = await self.storage.find_customer(tenant_id, public_id=customer.public_id)
        assert found is not None
        return found

    async def audit(self, event: str) -> list[AuditEntry]:
        rows = await self.storage.list_audit(AuditQuery(limit=1000))
        return [row.entry for row in rows if row.entry.event == event]

    async def changes(self) -> Sequence[Change]:
        return await self.storage.changes_since(0)
