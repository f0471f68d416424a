"""What follows when a claim is refused: it is counted, its answer is held back, and it is written down."""

from __future__ import annotations

import logging

from firstboot.batching import Batcher
from firstboot.claim_throttle import ClaimThrottle
from firstboot.claim_windows import ClaimWindows
from firstboot.claimants import Asker
from firstboot.clock import Clock
from firstboot.errors import ClaimRefused, Unavailable
from firstboot.model import Device
from firstboot.names import MAX_NAME_LENGTH
from firstboot.storage import AppendAudit, AuditEntry, Storage, Write, WriteResult
from firstboot.throttle import FailureThrottle, source_of

logger = logging.getLogger(__name__)


class RefusedClaims:
    """Counts failed claims and reports refused ones; floods of them are reported in sum."""

    def __init__(
        self,
        *,
        storage: Storage,
        commits: Batcher[Write, WriteResult],
        clock: Clock,
        windows: ClaimWindows,
        throttle: ClaimThrottle,
        failures: FailureThrottle,
    ) -> None:
        self._storage = storage
        self._commits = commits
        self._clock = clock
        self._windows = windows
        self._throttle = throttle
        self._failures = failures

    async def guessed(self, asker: Asker, name: str, device: Device | None, refusal: ClaimRefused) -> None:
        """Count a claim that may have been a guess; set how long its answer is to be held back.

        Raises: `NotFound` when the device is deleted at this moment, `Unavailable`.
        """
        begins = self._throttle.failed(asker.claimant, None if device is None else device.id)
        penalty = self._failures.record(f"claim {source_of(asker.origin.address)}")
        refusal.delay_s = penalty.delay_s
        if penalty.report:
            await self._report(asker, name, device, refusal)
        if begins and device is not None:
            await self._end_weak_windows(device)

    async def by_plugin(self, asker: Asker, device: Device, refusal: ClaimRefused) -> None:
        """Report that a plugin has refused a claim whose secret was right, which is no failure."""
        if self._failures.is_news(f"claims that plugins refuse {asker.actor}"):
            await self._report(asker, device.name, device, refusal)

    async def _report(self, asker: Asker, name: str, device: Device | None, refusal: ClaimRefused) -> None:
        named = name[:MAX_NAME_LENGTH] if device is None else device.name
        logger.info("claim refused", extra={"code": refusal.code, "device": named, "actor": asker.actor})
        entry = AuditEntry(
            at_ms=self._clock.now_ms(),
            event="claim-refused",
            code=refusal.code,
            tenant_id=asker.tenant_id,
            device=named,
            device_id=None if device is None else device.public_id,
            actor=asker.actor,
            address=asker.origin.address,
            transport=asker.origin.transport,
            dialect=asker.origin.dialect,
            detail=str(refusal),
        )
        try:
            await self._commits.submit(AppendAudit(entry))
        except Unavailable as error:  # the refusal stands all the same
            logger.error("a refused claim could not be recorded", extra={"reason": str(error)})

    async def _end_weak_windows(self, device: Device) -> None:
        """Ask for a fresh window where many people together might find the secret (threat CM-3)."""
        logger.warning("the claim secret of a device is being guessed at", extra={"device": device.name})
        entry = AuditEntry.of_device("claim-guessing", device.ref, at_ms=self._clock.now_ms(), actor="server")
        await self._commits.submit(AppendAudit(entry))
        weak = [each.opened_by for each in await self._storage.claim_windows(device.id) if each.weak]
        if weak:
            await self._windows.close(device, opened_by=weak, actor="server")
