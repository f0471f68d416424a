"""Which of an account's devices a list shows, and in which order (contract 4.1)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from firstboot.model import Device, Tenant
from firstboot.storage import DevicePageQuery, Storage
from firstboot_plugins.dialects.thinger.askers import Asker
from firstboot_plugins.dialects.thinger.list_query import MAX_ROWS, ListQuery

ACTION = "ListDevices"


class DeviceList:
    """Finds devices, first those whose id is the whole text: some clients read one page only."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def of(self, asker: Asker, query: ListQuery) -> Sequence[Device]:
        """Return the devices that are asked for and that the asker may list.

        Raises: `ThingerError` (403), `Unavailable`.
        """
        asker.check_some("Device", ACTION)
        named = asker.rights.resources("Device", ACTION)
        if named is not None:
            return await self._among(asker.account, named, query)
        if not query.id and not asker.rights.deny:
            return await self._page(asker.account, query, query.index, query.count)
        found: list[Device] = []
        left_out = 0
        async for device in self._matching(asker, query):
            if len(found) == query.count:
                break
            if left_out < query.index:
                left_out += 1
            else:
                found.append(device)
        return found

    async def _among(self, account: Tenant, ids: frozenset[str], query: ListQuery) -> Sequence[Device]:
        """Look up a few devices that a token is for."""
        found = [await self._storage.find_device(account.id, id_) for id_ in sorted(ids)]
        asked_for = [device for device in found if device is not None and _takes(query, device)]
        asked_for.sort(key=lambda device: device.name.casefold() != query.text.casefold())
        return asked_for[query.index : query.index + query.count]

    async def _matching(self, asker: Asker, query: ListQuery) -> AsyncIterator[Device]:
        """Look through all devices, where the database cannot know which are asked for."""
        read = 0
        while page := await self._page(asker.account, query, read, MAX_ROWS):
            for device in page:
                if _takes(query, device) and asker.may("Device", device.name, ACTION):
                    yield device
            read += len(page)

    async def _page(self, account: Tenant, query: ListQuery, offset: int, size: int) -> Sequence[Device]:
        page = DevicePageQuery(
            tenant_id=account.id,
            text=query.text or None,
            exact_first=bool(query.text),
            offset=offset,
            page_size=size,
        )
        return (await self._storage.page_devices(page)).rows


def _takes(query: ListQuery, device: Device) -> bool:
    return query.takes(device.name, device.label or "")
