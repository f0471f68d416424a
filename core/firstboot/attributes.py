"""Attributes of devices: read, set and deleted within limits, and everybody told who needs to know."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from firstboot.attribute_values import check_key, check_values, sizes
from firstboot.batching import Batcher
from firstboot.claiming_data import ClaimingData
from firstboot.clock import Clock
from firstboot.errors import NotFound
from firstboot.events import AttributesChanged, ClaimWindowOpened
from firstboot.key_limit import KeyLimit
from firstboot.model import ClaimOpener, DeviceRef, Origin, Scope, StoredAttribute
from firstboot.observing import Observers
from firstboot.storage import AuditEntry, DeleteAttributes, Outcome, SaveAttributes, Storage, Write, WriteResult

DEVICE = "device"
"""The actor of what devices report of themselves; that is not audited."""
_HOOK = "firstboot_attributes_changed"
_OPENED_HOOK = "firstboot_claim_window_opened"
_MAX_DETAIL = 256


class AttributeService:
    """Sets and deletes attributes. Changes of shared ones reach the device through the log of changes.

    In each scope a device has at most 1,000 attributes, and 1 MiB of keys and values (`firstboot.key_limit`).
    `CLAIMING_DATA` among those of the server opens a claim window (`firstboot.claiming_data`).
    """

    def __init__(
        self,
        storage: Storage,
        commits: Batcher[Write, WriteResult],
        observers: Observers | None,
        clock: Clock,
        claiming_data: ClaimingData,
    ) -> None:
        """``observers``: None where there are none, such as in a command."""
        self._claiming_data = claiming_data
        self._storage = storage
        self._commits = commits
        self._observers = observers
        self._clock = clock
        self._limit: KeyLimit[tuple[int, Scope]] = KeyLimit(self._stored_sizes)

    async def read(
        self, device_id: int, scope: Scope | None = None, keys: Collection[str] | None = None
    ) -> Sequence[StoredAttribute]:
        """Return attributes in the order of scope and key. None: of all scopes, or all keys."""
        return await self._storage.device_attributes(device_id, scope, keys)

    async def save(
        self,
        device: DeviceRef,
        scope: Scope,
        values: Mapping[str, Any],
        *,
        actor: str,
        origin: Origin | None = None,
    ) -> None:
        """Set attributes; they are on disk when this returns. Nothing to set is no error.

        ``origin``: where an operator's wish came from, for the audit log.

        Raises: `InvalidValue`, `NotFound` when the device is gone, `Unavailable`.
        """
        if not values:
            return
        check_values(values)
        at_ms, window = self._clock.now_ms(), None
        if scope is Scope.SERVER:
            values, window = self._claiming_data.seal_values(device.public_id, values, at_ms)
        owner = (device.id, scope)
        await self._limit.admit(owner, sizes(values))
        done = "attributes-saved" if window is None else "claim-window-opened"
        audit = self._audit(done, device, scope, values, actor, origin, at_ms)
        write = SaveAttributes(
            device_id=device.id, scope=scope, values=values, at_ms=at_ms, audit=audit, claim_window=window
        )
        await self._do(device, write)
        self._tell(device, scope, values, (), actor, at_ms)
        if window is not None and self._observers is not None and self._observers.wanted(_OPENED_HOOK):
            opener, until_ms = ClaimOpener.ADMINISTRATOR.value, window.expires_at_ms
            opened = ClaimWindowOpened(device=device, opened_by=opener, until_ms=until_ms, at_ms=at_ms)
            self._observers.tell(_OPENED_HOOK, opened)

    async def delete(
        self,
        device: DeviceRef,
        scope: Scope,
        keys: Collection[str],
        *,
        actor: str,
        origin: Origin | None = None,
    ) -> None:
        """Delete attributes; keys that are not there do not matter.

        Raises: `InvalidValue`, `NotFound` when the device is gone, `Unavailable`.
        """
        if not keys:
            return
        for key in keys:
            check_key(key)
        at_ms = self._clock.now_ms()
        audit = self._audit("attributes-deleted", device, scope, keys, actor, origin, at_ms)
        deleted = tuple(keys)
        await self._do(
            device, DeleteAttributes(device_id=device.id, scope=scope, keys=deleted, at_ms=at_ms, audit=audit)
        )
        self._limit.forget((device.id, scope))
        self._tell(device, scope, {}, deleted, actor, at_ms)

    async def _do(self, device: DeviceRef, write: SaveAttributes | DeleteAttributes) -> None:
        result = await self._commits.submit(write)
        if result.outcome is not Outcome.DONE:
            self._limit.forget((device.id, write.scope))
            raise NotFound(f"There is no device named {device.name!r}.")

    async def _stored_sizes(self, owner: tuple[int, Scope]) -> dict[str, int]:
        stored = await self._storage.device_attributes(*owner)
        return sizes({attribute.key: attribute.value for attribute in stored})

    def _tell(
        self,
        device: DeviceRef,
        scope: Scope,
        values: Mapping[str, Any],
        deleted: tuple[str, ...],
        actor: str,
        at_ms: int,
    ) -> None:
        if self._observers is not None and self._observers.wanted(_HOOK):
            event = AttributesChanged(
                device=device, scope=scope, values=dict(values), deleted=deleted, actor=actor, at_ms=at_ms
            )
            self._observers.tell(_HOOK, event)

    def _audit(
        self,
        event: str,
        device: DeviceRef,
        scope: Scope,
        keys: Collection[str],
        actor: str,
        origin: Origin | None,
        at_ms: int,
    ) -> AuditEntry | None:
        if actor == DEVICE:
            return None
        # The keys alone: a value may be a secret.
        detail = f"{scope.name.lower()}: {', '.join(keys)}"[:_MAX_DETAIL]
        return AuditEntry.of_device(event, device, origin, at_ms=at_ms, actor=actor, detail=detail)
