"""How often each token was used: counted in memory, and written down at most once a second."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from firstboot.errors import Unavailable
from firstboot.model import DeviceProfile, ResourceDraft
from firstboot.resources import new_resource
from firstboot.storage import CreateResource, Outcome, Storage, UpdateResource, Write

if TYPE_CHECKING:
    from firstboot.core import Core

KIND = "thingstream-uses"


class Uses:
    """Counts; several servers add to one number."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._counted: defaultdict[tuple[int, UUID], Counter[str]] = defaultdict(Counter)
        """What is not written yet: by tenant and profile, and then by the token's id."""

    def count(self, profile: DeviceProfile, token_id: str) -> None:
        """Count that a device has used a token with success."""
        self._counted[profile.tenant_id, profile.public_id][token_id] += 1

    async def write(self) -> None:
        """Add what was counted to what is stored. What cannot be written now is kept for the next time."""
        counted, self._counted = self._counted, defaultdict(Counter)
        for (tenant_id, profile_id), more in counted.items():
            try:
                written = await self._add(tenant_id, str(profile_id), more)
            except Unavailable:
                written = False
            if not written:
                self._counted[tenant_id, profile_id].update(more)

    async def _add(self, tenant_id: int, name: str, more: Mapping[str, int]) -> bool:
        """Add to one resource; False when somebody else has just done so, too."""
        stored = await self._core.storage.find_resource(tenant_id, KIND, name)
        now_ms = self._core.clock.now_ms()
        write: Write
        if stored is None:
            draft = ResourceDraft(kind=KIND, name=name, document=dict(more))
            write = CreateResource(resource=new_resource(tenant_id, draft, now_ms))
        else:
            total = dict(Counter(stored.document) + Counter(more))
            write = UpdateResource(
                resource=replace(stored, document=total, updated_at_ms=now_ms), expected_version=stored.version
            )
        outcome = (await self._core.commits.submit(write)).outcome
        return outcome not in (Outcome.STALE, Outcome.NAME_TAKEN)

    async def of(self, profile: DeviceProfile) -> Mapping[str, int]:
        """Return the uses of a profile's tokens by their ids, those that are not written yet included."""
        stored = await stored_uses(self._core.storage, profile)
        return Counter(stored) + self._counted.get((profile.tenant_id, profile.public_id), Counter())


async def stored_uses(storage: Storage, profile: DeviceProfile) -> Mapping[str, int]:
    """Return the uses of a profile's tokens as they are on disk."""
    resource = await storage.find_resource(profile.tenant_id, KIND, str(profile.public_id))
    return resource.document if resource is not None else {}
