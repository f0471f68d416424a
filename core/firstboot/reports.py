"""Saying what was decided: one log line, one audit row, one event, none of them with a secret."""

from __future__ import annotations

import logging
from uuid import UUID

from firstboot.batching import Batcher
from firstboot.clock import Clock
from firstboot.errors import Refused, Unavailable
from firstboot.events import CredentialsChanged, DeviceProvisioned, ProvisioningRefusal
from firstboot.model import Credentials, Device, DeviceProfile, Origin
from firstboot.observing import Observers
from firstboot.storage import AppendAudit, AuditEntry, Write, WriteResult
from firstboot.throttle import FailureThrottle, source_of

logger = logging.getLogger(__name__)

MAX_NAME_SHOWN = 256


class Reports:
    """Reports decisions on provisioning requests. Floods of refusals are reported in sum (threat PV-2)."""

    def __init__(
        self,
        commits: Batcher[Write, WriteResult],
        observers: Observers,
        throttle: FailureThrottle,
        clock: Clock,
    ) -> None:
        self._commits = commits
        self._observers = observers
        self._throttle = throttle
        self._clock = clock

    def audit(self, how: str, origin: Origin, profile: DeviceProfile, device: str, public_id: UUID) -> AuditEntry:
        """Return the audit entry of a success; it is written with the success itself."""
        return AuditEntry(
            at_ms=self._clock.now_ms(),
            event="device-provisioned",
            tenant_id=profile.tenant_id,
            profile=profile.name,
            device=device,
            device_id=public_id,
            address=origin.address,
            transport=origin.transport,
            dialect=origin.dialect,
            detail=how,
        )

    def provisioned(
        self, how: str, device: Device, credentials: Credentials, origin: Origin, profile: DeviceProfile
    ) -> None:
        """Log and tell a success that is on disk."""
        logger.info(
            "device provisioned",
            extra={
                "how": how,
                "device": device.name,
                "profile": profile.name,
                "credentials": credentials.type,
                "address": origin.address,
                "transport": origin.transport,
            },
        )
        if self._observers.wanted("firstboot_device_provisioned"):
            event = DeviceProvisioned(
                device=device.ref,
                profile=profile.name,
                credentials_type=credentials.type,
                how=how,
                origin=origin,
                at_ms=self._clock.now_ms(),
            )
            self._observers.tell("firstboot_device_provisioned", event)

    def credentials_changed(self, device: Device, credentials: Credentials) -> None:
        """Tell that a device has other credentials now; its audit row was written with them."""
        if self._observers.wanted("firstboot_credentials_changed"):
            event = CredentialsChanged(
                device=device.ref,
                credentials_type=credentials.type,
                at_ms=self._clock.now_ms(),
            )
            self._observers.tell("firstboot_credentials_changed", event)

    def undecided(self, error: Unavailable, origin: Origin, device_name: str | None) -> None:
        """Log that nothing was decided. Nothing is audited: the database may be what is not there."""
        if self._throttle.is_news(f"undecided {source_of(origin.address)}"):
            logger.info(
                "device refused",
                extra={
                    "code": error.code,
                    "reason": str(error),
                    "device": device_name[:MAX_NAME_SHOWN] if device_name is not None else None,
                    "address": origin.address,
                    "transport": origin.transport,
                },
            )

    async def refused(
        self, refusal: Refused, origin: Origin, device_name: str | None, profile: DeviceProfile | None
    ) -> None:
        """Log, audit and tell a refusal; set how long its answer is to be held back."""
        sources = [f"address {source_of(origin.address)}"]
        if profile is not None and refusal.code == "wrong-secret":
            sources.append(f"profile {profile.name}")
        penalty = self._throttle.record(*sources)
        refusal.delay_s = penalty.delay_s
        if not penalty.report:
            return
        device = device_name[:MAX_NAME_SHOWN] if device_name is not None else None
        profile_name = profile.name if profile is not None else None
        logger.info(
            "device refused",
            extra={
                "code": refusal.code,
                "reason": str(refusal),
                "device": device,
                "profile": profile_name,
                "address": origin.address,
                "transport": origin.transport,
            },
        )
        now_ms = self._clock.now_ms()
        if self._observers.wanted("firstboot_provisioning_refused"):
            event = ProvisioningRefusal(
                code=refusal.code,
                reason=str(refusal),
                tenant_id=profile.tenant_id if profile is not None else None,
                device_name=device,
                profile=profile_name,
                origin=origin,
                at_ms=now_ms,
            )
            self._observers.tell("firstboot_provisioning_refused", event)
        entry = AuditEntry(
            at_ms=now_ms,
            event="provisioning-refused",
            code=refusal.code,
            tenant_id=profile.tenant_id if profile is not None else None,
            profile=profile_name,
            device=_storable(device),
            address=origin.address,
            transport=origin.transport,
            dialect=origin.dialect,
            detail=_storable(str(refusal)) or "",
        )
        try:
            await self._commits.submit(AppendAudit(entry))
        except Unavailable as error:  # the refusal stands, and is in the log
            logger.error("a refusal could not be written to the audit log", extra={"reason": str(error)})


def _storable(text: str | None) -> str | None:
    """Escape what a database may not keep in a text: control characters and lone surrogates."""
    if text is None or text.isprintable():
        return text
    return text.encode("unicode_escape").decode("ascii")
