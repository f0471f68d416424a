"""What the audit log says of one device."""

from __future__ import annotations

from collections.abc import AsyncIterator

from firstboot.model import Device
from firstboot.storage import AuditQuery, AuditRow, Storage

PAGE = 500


async def entries_of(storage: Storage, device: Device, before_id: int | None = None) -> AsyncIterator[AuditRow]:
    """Yield the entries of a device, the newest first; with ``before_id`` only older ones.

    Raises: `Unavailable`.
    """
    while True:
        page = await storage.list_audit(
            AuditQuery(
                tenant_id=device.tenant_id,
                device_id=device.public_id,
                before_id=before_id,
                limit=PAGE,
                newest_first=True,
            )
        )
        for row in page:
            yield row
        if len(page) < PAGE:
            return
        before_id = page[-1].id
