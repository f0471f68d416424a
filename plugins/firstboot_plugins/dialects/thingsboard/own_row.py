"""What the database says of a session's own device: whether it is a gateway, and whose."""

from __future__ import annotations

from firstboot.app import Services
from firstboot.errors import NotFound
from firstboot.model import Device, DeviceRef

MAX_AGE_S = 1.0
"""An administrator's change counts after this time."""


class OwnRow:
    """Reads the row when it is first needed, and again when it is older than a second and needed."""

    __slots__ = ("_read_at", "_ref", "_row", "_services")

    def __init__(self, services: Services, ref: DeviceRef) -> None:
        self._services = services
        self._ref = ref
        self._row: Device | None = None
        self._read_at = 0.0

    async def as_gateway(self) -> Device | None:
        """Return the device if it is a gateway.

        Raises: `NotFound` when it was deleted, `Unavailable`.
        """
        now = self._services.clock.monotonic()
        if self._row is None or now - self._read_at > MAX_AGE_S:
            ref = self._ref
            self._row = await self._services.storage.device_by_public_id(ref.tenant_id, ref.public_id)
            self._read_at = now
        if self._row is None:
            raise NotFound(f"There is no device named {self._ref.name!r}.")
        return self._row if self._row.is_gateway else None
