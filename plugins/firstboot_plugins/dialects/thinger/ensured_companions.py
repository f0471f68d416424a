"""Buckets and dashboards that an ``ensure`` wants beside its device (contract 12.5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from firstboot.model import ResourceDraft
from firstboot_plugins.dialects.thinger.askers import Asker
from firstboot_plugins.dialects.thinger.buckets import bucket_limit
from firstboot_plugins.dialects.thinger.device_bodies import EnsuredDevice

if TYPE_CHECKING:
    from firstboot_plugins.dialects.thinger.shared import Thinger

_KINDS = {"thinger-bucket": ("bucket", "Bucket"), "thinger-dashboard": ("dashboard", "Dashboard")}
"""What the API calls one, and its name in permissions and actions, by kind of resource."""


class EnsuredCompanions:
    """Those of one request. Each succeeds or fails alone; atomic ones are made with the device, or nothing is."""

    def __init__(self, thinger: Thinger, asker: Asker, wanted: EnsuredDevice) -> None:
        """Raises: `ThingerError` (400) for those that cannot be read."""
        self._thinger = thinger
        self._asker = asker
        self._atomic = wanted.atomic
        self._drafts: Sequence[ResourceDraft] = ()
        self._there: frozenset[tuple[str, str]] = frozenset()
        if wanted.companions:
            self._drafts = thinger.companions.plan(asker.account.name, wanted.template)

    async def check(self) -> None:
        """Refuse atomic ones that the asker may not make, or for which the account has no room.

        Raises: `ThingerError` (400, 403).
        """
        if not self._atomic:
            return
        for draft in self._drafts:
            _, title = _KINDS[draft.kind]
            self._asker.check(title, draft.name, f"Create{title}")
        if not all(self._thinger.companions.fit(self._asker.account, self._drafts)):
            raise bucket_limit()
        self._there = frozenset([(each.kind, each.name) for each in self._drafts if await self._is_there(each)])

    async def _is_there(self, draft: ResourceDraft) -> bool:
        found = await self._thinger.services.storage.find_resource(self._asker.account.id, draft.kind, draft.name)
        return found is not None

    @property
    def together(self) -> Sequence[ResourceDraft]:
        """What is to be made in the same moment as the device."""
        return self._drafts if self._atomic else ()

    async def make(self, *, is_new: bool) -> dict[str, Any]:
        """Make what is not made with a new device, and return what the answer says of all.

        Raises: `ThingerError`, `Unavailable`.
        """
        if not self._drafts:
            return {}
        if not self._atomic:
            made = await self._thinger.companions.make(self._asker, self._drafts)
        else:
            if not is_new:
                await self._thinger.services.resources.create_missing(
                    self._asker.account.id, self._drafts, actor=self._asker.actor
                )
                await self._thinger.companions.known()
            made = [self._made(draft) for draft in self._drafts]
        by_kind: dict[str, list[dict[str, Any]]] = {}
        for draft, each in zip(self._drafts, made, strict=True):
            by_kind.setdefault(f"{_KINDS[draft.kind][0]}s", []).append(each)
        return by_kind

    def _made(self, draft: ResourceDraft) -> dict[str, Any]:
        result = "exists" if (draft.kind, draft.name) in self._there else "created"
        return {_KINDS[draft.kind][0]: draft.name, "status": 200, "result": result}
