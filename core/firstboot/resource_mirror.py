"""A copy in memory of the resources of one kind, which follows every change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from firstboot.changes import ChangeFollower
from firstboot.model import Resource
from firstboot.storage import Change, ChangeKind, Storage


class ResourceMirror:
    """All resources of one kind in memory, for what is asked with every request.

    Kept true by the log of changes, also those of other servers. Answers nothing before `load`.
    """

    def __init__(self, kind: str, storage: Storage, changes: ChangeFollower) -> None:
        self._kind = kind
        self._storage = storage
        self._by_id: dict[int, Resource] = {}
        self._by_name: dict[tuple[int, str], Resource] = {}
        self._listeners: list[Callable[[Resource | None, Resource | None], None]] = []
        self._newer: set[int] | None = set()
        """Those that have changed since `load` began to read; None: it is done."""
        self._loading = asyncio.Lock()
        changes.watch(ChangeKind.RESOURCE, self._follow)

    async def load(self) -> None:
        """Read them all, unless that is done already.

        Raises: `Unavailable`.
        """
        async with self._loading:
            if self._newer is None:
                return
            found = await self._storage.list_resources(self._kind)
            newer, self._newer = self._newer, None
            for resource in found:
                if resource.id not in newer:
                    self._take(resource.id, resource)

    def on_change(self, listener: Callable[[Resource | None, Resource | None], None]) -> None:
        """Call ``listener`` with what a resource was and what it is; None: it was not, or is no more."""
        self._listeners.append(listener)

    def find(self, tenant_id: int, name: str) -> Resource | None:
        return self._by_name.get((tenant_id, name))

    def get(self, resource_id: int) -> Resource | None:
        return self._by_id.get(resource_id)

    def all(self) -> Sequence[Resource]:
        """Return those of all tenants."""
        return list(self._by_id.values())

    def of_tenant(self, tenant_id: int) -> Sequence[Resource]:
        """Return those of a tenant, in the order of their names."""
        own = [resource for resource in self._by_id.values() if resource.tenant_id == tenant_id]
        return sorted(own, key=lambda resource: resource.name)

    async def _follow(self, changes: Sequence[Change]) -> None:
        ids = dict.fromkeys(change.ref for change in changes if change.detail == self._kind)
        if self._newer is not None:
            self._newer.update(ids)
        new = [id_ for id_ in ids if id_ not in self._by_id]
        at_once: dict[int, Resource] = {}
        if self._newer is None and len(new) > 1:  # such as the companions of many devices that were made together
            made = await self._storage.list_resources(self._kind, after_id=min(new) - 1)
            at_once = {resource.id: resource for resource in made}
        for id_ in ids:
            self._take(id_, at_once.get(id_) or await self._storage.resource(id_))

    def _take(self, id_: int, resource: Resource | None) -> None:
        before = self._by_id.pop(id_, None)
        if before is not None and self.find(before.tenant_id, before.name) is before:  # else its name is another's
            del self._by_name[before.tenant_id, before.name]
        if resource is not None:
            self._by_id[id_] = resource
            self._by_name[resource.tenant_id, resource.name] = resource
        for listener in self._listeners:
            listener(before, resource)
