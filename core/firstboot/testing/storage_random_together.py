"""Storage suite: random batches of resources, and of writes done together, end as they do in `MemoryStorage`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from firstboot.model import Resource, ResourceRow
from firstboot.storage import (
    AppendRows,
    AuditChain,
    CreateDevice,
    CreateResource,
    DeleteResource,
    DeleteRows,
    Outcome,
    RowQuery,
    Storage,
    Together,
    UpdateResource,
    When,
    Write,
    WriteResult,
)
from firstboot.testing.samples import NOW_MS, an_audit_entry
from firstboot.testing.storage_base import ALL, StorageSuite
from firstboot.testing.storage_random import SETTINGS, Side, Step, batches, end_as_in_memory

_NOBODYS = 987_654_321
_PARTS = {
    "device and bucket": ("create", "keep"),
    "device and new bucket": ("create", "bucket"),
    "device and two buckets": ("create", "keep", "keep other"),
    "mixed": ("bucket", "fill", "change", "create", "empty"),
    "nested": ("keep", "device and new bucket", "empty"),
}
_STEPS = st.builds(
    Step,
    kind=st.sampled_from(
        [*_PARTS, *_PARTS, "create", "delete", "bucket", "keep", "change", "drop", "drop", "fill", "fill", "empty"]
    ),
    name=st.integers(0, 2),
    token=st.integers(0, 4),
    old_token=st.integers(0, 2),
    when=st.sampled_from(When),
    max_devices=st.sampled_from([None, None, 1, 2]),
    at_ms=st.integers(NOW_MS, NOW_MS + 3),
)


@dataclass
class TogetherSide(Side):
    """One of the two storages, with buckets beside the devices."""

    buckets: dict[str, int] = field(default_factory=dict)

    def write(self, step: Step) -> Write:
        """Return the write that the step stands for on this side."""
        return self._write(step, step.kind)

    def _write(self, step: Step, kind: str) -> Write:
        if kind in _PARTS:
            return Together(tuple(self._write(step, part) for part in _PARTS[kind]))
        name = self._bucket(step.old_token + (kind == "keep other"))
        id_ = self.buckets.get(name, _NOBODYS)
        audit = an_audit_entry(kind, detail=str(step))
        resource = Resource(
            id=id_,
            tenant_id=self.world.tenant.id,
            kind="bucket",
            name=name,
            document={"token": step.token},
            created_at_ms=step.at_ms,
            updated_at_ms=step.at_ms,
        )
        match kind:
            case "bucket" | "keep" | "keep other":
                return CreateResource(resource=resource, keep_existing=kind != "bucket", audit=audit)
            case "change":
                return UpdateResource(resource=resource, expected_version=step.max_devices, audit=audit)
            case "drop":
                return DeleteResource(resource_id=id_, at_ms=step.at_ms)
            case "fill":
                return AppendRows(id_, [ResourceRow(step.at_ms, n) for n in range(step.token)])
            case "empty":
                before_ms = None if step.max_devices else step.at_ms
                return DeleteRows(resource_id=id_, before_ms=before_ms)
            case _:
                return super().write(replace(step, kind=kind))

    def _bucket(self, number: int) -> str:
        return f"{self.prefix} bucket {number % 3}"

    def learn(self, steps: Sequence[Step], results: Sequence[Any]) -> None:
        """Note the ids of what was made."""
        for step, result in zip(steps, results, strict=True):
            self._learn(self.write(step), result)

    def _learn(self, write: Write, result: WriteResult) -> None:
        if result.outcome is not Outcome.DONE:
            return
        if isinstance(write, Together):
            for part, made in zip(write.writes, result.parts, strict=True):
                self._learn(part, made)
        elif isinstance(write, CreateResource):
            self.buckets[write.resource.name] = result.id
        elif isinstance(write, CreateDevice):
            self.ids[write.name] = result.id

    async def state(self) -> dict[str, Any]:
        """Return everything about devices and buckets, without the ids, which differ."""
        storage = self.world.storage
        listed = await storage.list_resources("bucket", tenant_id=self.world.tenant.id)
        own = [each for each in listed if each.name.startswith(self.prefix)]
        return {
            **await super().state(),
            "buckets": [(each.name, each.document, each.version, each.updated_at_ms) for each in own],
            "rows": {
                each.name: list(await storage.resource_rows(RowQuery(resource_id=each.id, limit=ALL)))
                for each in own
            },
        }


class RandomTogetherTests(StorageSuite):
    """Random resources and writes done together, done in the storage under test and in memory."""

    @SETTINGS
    @given(batches=batches(_STEPS))
    async def test_random_writes_done_together_end_as_in_memory(
        self, storage: Storage, chain: AuditChain, batches: list[list[Step]]
    ) -> None:
        await end_as_in_memory(TogetherSide, storage, chain, batches)
