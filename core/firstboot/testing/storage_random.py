"""Storage suite: random batches end as they do in `MemoryStorage`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firstboot.model import DEFAULT_TENANT, PROVISION_STATE, Attribute, Device, Scope, TelemetryPoint
from firstboot.storage import (
    AppendAudit,
    AuditChain,
    AuditQuery,
    ChangeKind,
    ConfirmDelivery,
    DeleteAttributes,
    DeleteDevice,
    DeviceQuery,
    Outcome,
    RecordLogin,
    ReopenDevice,
    SaveAttributes,
    SaveTelemetry,
    Storage,
    UpdateDevice,
    When,
    Write,
)
from firstboot.testing.memory import MemoryStorage
from firstboot.testing.samples import NOW_MS, a_device, an_audit_entry
from firstboot.testing.storage_base import (
    ALL,
    StorageSuite,
    World,
    digest,
    hand_out,
    replace_credentials,
)


@dataclass(frozen=True)
class Step:
    """A write in terms of few names and tokens, so that they collide."""

    kind: str
    name: int
    token: int
    old_token: int
    when: When
    max_devices: int | None
    at_ms: int


_STEPS = st.builds(
    Step,
    # More that make devices than of any other kind: the others need some.
    kind=st.sampled_from(
        ["create"] * 4
        + ["hand out", "replace", "rotate", "login", "confirm", "reopen", "delete", "audit"]
        + ["update", "save", "unset", "measure"]
    ),
    name=st.integers(0, 2),
    token=st.integers(0, 4),
    old_token=st.integers(0, 4),
    when=st.sampled_from(When),
    max_devices=st.sampled_from([None, None, 1, 2, 3]),
    at_ms=st.integers(NOW_MS, NOW_MS + 3),
)
SETTINGS = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.differing_executors,
        HealthCheck.too_slow,
    ],
)


def batches(steps: st.SearchStrategy[Step]) -> st.SearchStrategy[list[list[Step]]]:
    """Draw some batches of steps."""
    return st.lists(st.lists(steps, min_size=3, max_size=12), min_size=3, max_size=5)


@dataclass
class Side:
    """One of the two storages, with its own ids for the same names."""

    world: World
    prefix: str
    ids: dict[str, int] = field(default_factory=dict)
    first_change: int = 0
    first_audit: int = 0

    @classmethod
    async def begin(cls, storage: Storage, chain: AuditChain, prefix: str) -> Self:
        """Make what the steps need."""
        tenant = await storage.find_tenant(DEFAULT_TENANT)
        assert tenant is not None
        side = cls(await World.begin(storage, chain, tenant, prefix), prefix)
        side.first_change = await storage.last_change()
        newest = await storage.list_audit(AuditQuery(limit=1, newest_first=True))
        side.first_audit = newest[0].id if newest else 0
        return side

    def write(self, step: Step) -> Write:
        """Return the write that the step stands for on this side."""
        name, device_id = self.name(step), self.ids.get(self.name(step), 987_654_321)
        token, old = f"{self.prefix} token {step.token}", f"{self.prefix} token {step.old_token}"
        audit = an_audit_entry(step.kind, device=name, detail=str(step))
        extra: dict[str, Any] = {
            "attributes": (Attribute(Scope.SHARED, f"key {step.token % 2}", [step.kind, step.token]),),
            "request_digest": digest(token),
            "audit": audit,
        }
        match step.kind:
            case "create":
                return self.world.device(name, token, max_devices=step.max_devices, **extra)
            case "hand out":
                return hand_out(device_id, step.when, at_ms=step.at_ms, **extra)
            case "replace":
                return replace_credentials(device_id, old, token, when=step.when, audit=audit)
            case "rotate":
                return replace_credentials(
                    device_id,
                    old,
                    token,
                    when=step.when,
                    keep_old_until_ms=NOW_MS + 60_000,
                    at_ms=step.at_ms,
                    provisioned=True,
                    **extra,
                )
            case "login":
                return RecordLogin(device_id, step.at_ms)
            case "confirm":
                return ConfirmDelivery(device_id, NOW_MS)
            case "reopen":
                return ReopenDevice(device_id=device_id, at_ms=step.at_ms, audit=audit)
            case "update":
                wanted = a_device(
                    name,
                    id=device_id,
                    tenant_id=self.world.tenant.id,
                    profile_id=self.world.profile.id,
                    enabled=step.token % 2 == 0,
                    label=f"label {step.token}",
                )
                return UpdateDevice(device=wanted, expected_version=step.max_devices, audit=audit)
            case "save":
                return SaveAttributes(
                    device_id=device_id,
                    scope=Scope(step.old_token % 3 + 1),
                    values={PROVISION_STATE: step.token, f"key {step.token % 2}": step.kind},
                    at_ms=step.at_ms,
                    audit=audit if step.max_devices else None,
                )
            case "unset":
                return DeleteAttributes(
                    device_id=device_id,
                    scope=Scope(step.old_token % 3 + 1),
                    keys=(PROVISION_STATE, f"key {step.token % 2}"),
                    at_ms=step.at_ms,
                    audit=audit,
                )
            case "measure":
                point = TelemetryPoint(step.at_ms, {f"key {step.token % 2}": step.old_token})
                return SaveTelemetry(device_id=device_id, points=(point,))
            case "delete":
                return DeleteDevice(device_id=device_id, audit=audit)
            case _:
                return AppendAudit(audit)

    def name(self, step: Step) -> str:
        """Return the name of the device that the step is about."""
        return self.device_name(step.name)

    def device_name(self, number: int) -> str:
        """Return the name of one of the devices."""
        return f"{self.prefix} device {number}"

    def learn(self, steps: Sequence[Step], results: Sequence[Any]) -> None:
        """Note the ids of what was made."""
        for step, result in zip(steps, results, strict=True):
            if step.kind in ("create", "add") and result.outcome is Outcome.DONE:
                self.ids[self.name(step)] = result.id

    async def devices(self) -> Sequence[Device]:
        """Return the devices of this side."""
        query = DeviceQuery(tenant_id=self.world.tenant.id, profile_id=self.world.profile.id, limit=ALL)
        return await self.world.storage.list_devices(query)

    async def state(self) -> dict[str, Any]:
        """Return everything about the devices, without the ids, which differ."""
        storage = self.world.storage
        devices = await self.devices()
        return {
            "devices": [_facts(device) for device in devices],
            "count": await storage.count_devices(self.world.profile.id),
            "attributes": {each.name: list(await storage.device_attributes(each.id)) for each in devices},
            "telemetry": {each.name: list(await storage.latest_telemetry(each.id)) for each in devices},
            "credentials": {
                each.name: {
                    (found.digest, found.sealed, found.valid_until_ms, found.first_login_at_ms)
                    for found in await storage.device_credentials(each.id)
                }
                for each in devices
            },
            "audit": [
                row.entry for row in await storage.list_audit(AuditQuery(after_id=self.first_audit, limit=ALL))
            ],
        }

    async def changes(self) -> set[tuple[ChangeKind, str, str | None]]:
        """Return what others are told of the devices."""
        names = {device_id: name for name, device_id in self.ids.items()}
        changes = await self.world.storage.changes_since(self.first_change)
        return {(change.kind, names[change.ref], change.detail) for change in changes if change.ref in names}


async def end_as_in_memory(
    side: type[Side], storage: Storage, chain: AuditChain, batches: Sequence[Sequence[Step]]
) -> None:
    """Do batches in a storage and in memory, and compare what comes of it."""
    # The storage is the same for all examples; each has a profile, names and tokens of its own in it.
    prefix = uuid4().hex
    model = MemoryStorage()
    expected, actual = await side.begin(model, chain, prefix), await side.begin(storage, chain, prefix)

    for batch in batches:
        writes = [actual.write(step) for step in batch]
        results = await storage.write(writes, chain)
        # One by one, to know before each what stands against it: any of that is a true answer.
        for step, write, result in zip(batch, [expected.write(step) for step in batch], results, strict=True):
            obstacles = set(model.obstacles(write)) or {Outcome.DONE}
            assert result.outcome in obstacles, step
            (modelled,) = await model.write([write], chain)
            expected.learn([step], [modelled])
        actual.learn(batch, results)

    assert await actual.state() == await expected.state()
    assert await expected.changes() <= await actual.changes()


class RandomTests(StorageSuite):
    """Random batches, done in the storage under test and in memory."""

    @SETTINGS
    @given(batches=batches(_STEPS))
    async def test_random_batches_end_as_in_memory(
        self, storage: Storage, chain: AuditChain, batches: list[list[Step]]
    ) -> None:
        await end_as_in_memory(Side, storage, chain, batches)


def _facts(device: Device) -> tuple[object, ...]:
    return (
        device.name,
        device.provision_state,
        device.provisioned_at_ms,
        device.delivered_at_ms,
        device.first_login_at_ms,
        device.reopened_at_ms,
        device.request_digest,
        device.enabled,
        device.label,
        device.version,
    )
