"""Old Things that end when their successors log in, or when the time for that is over (contract section 9).

Each is a resource that is written together with the new Thing: so it outlives a restart, and any server may see to
it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from firstboot.errors import NotFound
from firstboot.model import Device, DeviceRef, Resource, ResourceDraft
from firstboot.resource_mirror import ResourceMirror
from firstboot.storage import DeleteResource
from firstboot_plugins.dialects.thingstream.things import Things

if TYPE_CHECKING:
    from firstboot.changes import ChangeFollower
    from firstboot.core import Core

KIND = "thingstream-ending"
ACTOR = "server"


def ending(old: Device, until_ms: int) -> ResourceDraft:
    """Return what says that a Thing ends at the latest then."""
    return ResourceDraft(kind=KIND, name=str(old.public_id), document={"until": until_ms})


@dataclass(frozen=True, slots=True)
class _Due:
    until_ms: int
    resource: Resource


class Endings:
    """Ends old Things."""

    def __init__(self, core: Core, things: Things, changes: ChangeFollower) -> None:
        self._core = core
        self._things = things
        self._mirror = ResourceMirror(KIND, core.storage, changes)
        self._pending: dict[int, _Due] = {}
        self._mirror.on_change(self._note)

    def _note(self, before: Resource | None, after: Resource | None) -> None:
        if before is not None:
            self._pending.pop(before.id, None)
        if after is not None:
            self._pending[after.id] = _Due(int(after.document["until"]), after)

    async def sweep(self) -> None:
        """End those whose time is over.

        Raises: `Unavailable`.
        """
        await self._mirror.load()
        now_ms = self._core.clock.now_ms()
        for due in [each for each in self._pending.values() if each.until_ms <= now_ms]:
            await self._end(due.resource)

    async def logged_in(self, device: DeviceRef) -> None:
        """End those in whose place a Thing is that has just logged in for the first time.

        Raises: `Unavailable`.
        """
        storage = self._core.storage
        new = await storage.device_by_public_id(device.tenant_id, device.public_id)
        if new is None or new.hardware_id is None:
            return
        for old in await storage.devices_of_hardware(new.tenant_id, new.hardware_id):
            if old.id < new.id and old.profile_id == new.profile_id:
                resource = await storage.find_resource(old.tenant_id, KIND, str(old.public_id))
                if resource is not None:
                    await self._end(resource)

    async def _end(self, resource: Resource) -> None:
        old = await self._core.storage.device_by_public_id(resource.tenant_id, UUID(resource.name))
        if old is not None:
            try:
                await self._things.deactivate(old, actor=ACTOR)
            except NotFound:  # deleted meanwhile, which is an end as well
                pass
        await self._core.commits.submit(DeleteResource(resource_id=resource.id, at_ms=self._core.clock.now_ms()))
        self._pending.pop(resource.id, None)
