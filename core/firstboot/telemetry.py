"""What devices measure: the newest value of each key is kept, and everything is offered to observers."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from firstboot.attribute_values import check_values, sizes
from firstboot.batching import Batcher
from firstboot.clock import Clock
from firstboot.errors import InvalidValue, NotFound
from firstboot.events import TelemetryReceived
from firstboot.key_limit import KeyLimit
from firstboot.model import DeviceRef, LatestValue, Origin, TelemetryPoint
from firstboot.observing import Observers
from firstboot.storage import Outcome, SaveTelemetry, Storage, Write, WriteResult

MAX_AT_MS = 253_402_300_799_999
"""The last moment of the year 9999."""
_HOOK = "firstboot_telemetry_received"


class TelemetryService:
    """Takes what devices report."""

    def __init__(
        self, storage: Storage, commits: Batcher[Write, WriteResult], observers: Observers, clock: Clock
    ) -> None:
        self._storage = storage
        self._commits = commits
        self._observers = observers
        self._clock = clock
        self._limit: KeyLimit[int] = KeyLimit(self._stored_sizes)

    async def save(self, device: DeviceRef, points: Sequence[TelemetryPoint], origin: Origin) -> None:
        """Keep the newest values; they are on disk when this returns. Nothing to keep is no error.

        A device has at most 1,000 keys, and 1 MiB of keys and newest values (`firstboot.key_limit`); a report
        that would go beyond is refused as a whole.

        Raises: `InvalidValue`, `NotFound` when the device is gone, `Unavailable`.
        """
        kept = tuple(point for point in points if point.values)
        if not kept:
            return
        most: dict[str, int] = {}
        """Bytes by key: which of the values is the newest, the storage finds out."""
        for point in kept:
            if not 0 <= point.at_ms <= MAX_AT_MS:
                raise InvalidValue("A moment is in milliseconds since 1970, and before the year 10000.")
            check_values(point.values)
            for key, size in sizes(point.values).items():
                most[key] = max(size, most.get(key, 0))
        await self._limit.admit(device.id, most)
        result = await self._commits.submit(SaveTelemetry(device_id=device.id, points=kept))
        if result.outcome is not Outcome.DONE:
            self._limit.forget(device.id)
            raise NotFound(f"There is no device named {device.name!r}.")
        if self._observers.wanted(_HOOK):
            event = TelemetryReceived(device=device, points=kept, origin=origin, at_ms=self._clock.now_ms())
            self._observers.tell(_HOOK, event)

    async def latest(self, device_id: int, keys: Collection[str] | None = None) -> Sequence[LatestValue]:
        """Return the newest value of each key (None: of all keys), in the order of the keys."""
        return await self._storage.latest_telemetry(device_id, keys)

    async def _stored_sizes(self, device_id: int) -> dict[str, int]:
        return sizes({stored.key: stored.value for stored in await self._storage.latest_telemetry(device_id)})
