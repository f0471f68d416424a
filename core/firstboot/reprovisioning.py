"""What a device that was provisioned before gets when it asks again (threats PV-4, PV-6).

A device proves that it is the same one with its own credentials, current or in their grace period. Without
such a proof it may only be answered while nobody can have used the first answer: the device never logged in,
never confirmed the delivery, and asks the same question within the retry window.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from datetime import timedelta

from firstboot.clock import Clock, milliseconds
from firstboot.errors import ProvisioningRefused
from firstboot.keyring import Keyring
from firstboot.model import Attribute, Credentials, Device, DeviceProfile
from firstboot.sealed_credentials import seal_credentials, unseal_credentials
from firstboot.storage import (
    AppendAudit,
    AuditEntry,
    FoundCredentials,
    HandOut,
    ReplaceCredentials,
    Storage,
    When,
    Write,
)

MAX_VALID = 16
"""Credentials of one device that are valid at the same time, those in their grace period included."""


class Reprovisioning:
    """Finds the write that answers a device again, and the credentials to tell it."""

    def __init__(
        self,
        storage: Storage,
        keyring: Keyring,
        clock: Clock,
        renew: Callable[[Credentials], Awaitable[Credentials]],
    ) -> None:
        self._storage = storage
        self._keyring = keyring
        self._clock = clock
        self._renew = renew

    async def current(self, device: Device) -> Credentials:
        """Return the credentials that a device has.

        Raises: `ProvisioningRefused` when the device was deleted meanwhile.
        """
        current, _ = await self._credentials(device)
        return current

    async def retry(
        self,
        device: Device,
        profile: DeviceProfile,
        issued: Credentials | None,
        digest: bytes | None,
        audit: AuditEntry,
    ) -> tuple[Write, Credentials]:
        """Answer with the same credentials. ``issued``: those that the device brought, None when it brought none.

        Raises: `ProvisioningRefused` (``not-the-same-device``).
        """
        current, _ = await self._credentials(device)
        if issued is not None:
            # Whoever knows the current credentials learns nothing new from the answer.
            if not _same(issued, current):
                raise _not_the_same(device)
            if device.delivered_at_ms is not None:
                # To hand out again would forget the confirmed delivery, and let others ask without a proof.
                return AppendAudit(audit), current
            when = When.ALWAYS
        else:
            self._check_unused(device, profile, digest)
            when = When.NEVER_USED
        write = HandOut(
            device_id=device.id,
            when=when,
            # The first answer's moment: answering again must not lengthen the window.
            at_ms=device.provisioned_at_ms or self._clock.now_ms(),
            request_digest=device.request_digest,
            audit=audit,
        )
        return write, current

    async def rotate(
        self,
        device: Device,
        profile: DeviceProfile,
        issued: Credentials | None,
        digest: bytes | None,
        audit: AuditEntry,
    ) -> tuple[Write, Credentials]:
        """Answer with new credentials; the old ones stay valid for the profile's grace period.

        Raises: `ProvisioningRefused` (``not-the-same-device``, ``cannot-rotate``, ``rate-limit``).
        """
        current, rows = await self._credentials(device)
        when = When.ALWAYS
        valid = self._valid(device, rows)
        if issued is None:
            self._check_unused(device, profile, digest)
            when = When.NEVER_USED
        elif not any(_same(issued, known) for known in valid):
            raise _not_the_same(device)
        if profile.rotation_grace:
            self._check_number(device, rows)
        renewed = await self._renew(current)
        grace = profile.rotation_grace
        return self._replacing(device, rows, renewed, digest, audit, when=when, grace=grace), renewed

    async def take_over(
        self, device: Device, credentials: Credentials, digest: bytes | None, audit: AuditEntry
    ) -> Write:
        """Give a re-opened device the credentials of its new request; the old ones end."""
        current, rows = await self._credentials(device)
        if _same(credentials, current):
            return HandOut(
                device_id=device.id,
                when=When.REOPENED,
                at_ms=self._clock.now_ms(),
                request_digest=digest,
                audit=audit,
            )
        return self._replacing(device, rows, credentials, digest, audit, when=When.REOPENED)

    async def give(
        self,
        device: Device,
        issued: Credentials,
        *,
        instead_of: Credentials,
        grace: timedelta,
        digest: bytes | None,
        audit: AuditEntry,
    ) -> Write:
        """Give a device that has proven itself other credentials; the old ones stay valid for ``grace``.

        Raises: `ProvisioningRefused` (``not-the-same-device``: somebody was faster; ``rate-limit``).
        """
        current, rows = await self._credentials(device)
        if not _same(current, instead_of):
            raise _not_the_same(device)
        if _same(issued, current):
            return AppendAudit(audit)
        if grace:
            self._check_number(device, rows)
        return self._replacing(device, rows, issued, digest, audit, grace=grace)

    async def hand_over(
        self,
        device: Device,
        issued: Credentials,
        *,
        instead_of: Credentials,
        attributes: tuple[Attribute, ...],
        digest: bytes | None,
        audit: AuditEntry,
    ) -> Write:
        """Give a device to whoever holds it now; all that it had is void.

        Raises: `ProvisioningRefused` (``try-again``: somebody was faster).
        """
        current, rows = await self._credentials(device)
        if _same(issued, current):
            return HandOut(
                device_id=device.id,
                when=When.ALWAYS,
                at_ms=self._clock.now_ms(),
                attributes=attributes,
                request_digest=digest,
                audit=audit,
            )
        if not _same(current, instead_of):
            raise ProvisioningRefused(f"Device {device.name!r} has just got other credentials.", code="try-again")
        return self._replacing(device, rows, issued, digest, audit, attributes=attributes)

    def _replacing(
        self,
        device: Device,
        rows: list[FoundCredentials],
        credentials: Credentials,
        digest: bytes | None,
        audit: AuditEntry,
        *,
        when: When = When.ALWAYS,
        grace: timedelta = timedelta(),
        attributes: tuple[Attribute, ...] = (),
    ) -> ReplaceCredentials:
        """Return the write after which a device has other credentials than the newest of ``rows``."""
        now_ms = self._clock.now_ms()
        return ReplaceCredentials(
            device_id=device.id,
            when=when,
            replaces=rows[0].digest,
            credentials=seal_credentials(self._keyring, credentials, device.public_id.bytes),
            keep_old_until_ms=now_ms + milliseconds(grace) if grace else None,
            at_ms=now_ms,
            provisioned=True,
            attributes=attributes,
            request_digest=digest,
            audit=audit,
        )

    async def _credentials(self, device: Device) -> tuple[Credentials, list[FoundCredentials]]:
        rows = list(await self._storage.device_credentials(device.id))
        if not rows or rows[0].valid_until_ms is not None:
            raise ProvisioningRefused("The device was deleted meanwhile.", code="device-gone")
        return unseal_credentials(self._keyring, rows[0].sealed, device.public_id.bytes), rows

    def _valid(self, device: Device, rows: list[FoundCredentials]) -> list[Credentials]:
        now_ms = self._clock.now_ms()
        return [
            unseal_credentials(self._keyring, row.sealed, device.public_id.bytes)
            for row in rows
            if row.valid_until_ms is None or row.valid_until_ms >= now_ms
        ]

    def _check_number(self, device: Device, rows: list[FoundCredentials]) -> None:
        number = len(self._valid(device, rows))
        if number >= MAX_VALID:
            raise ProvisioningRefused(
                f"Device {device.name!r} has {number} credentials that are valid until their grace ends.",
                code="rate-limit",
            )

    def _check_unused(self, device: Device, profile: DeviceProfile, digest: bytes | None) -> None:
        same_request = (
            device.request_digest is not None
            and digest is not None
            and hmac.compare_digest(device.request_digest, digest)
        )
        unused = device.first_login_at_ms is None and device.delivered_at_ms is None
        ends_at_ms = (device.provisioned_at_ms or 0) + milliseconds(profile.retry_window)
        if not (same_request and unused and self._clock.now_ms() <= ends_at_ms):
            raise _not_the_same(device)


def _same(one: Credentials, other: Credentials) -> bool:
    return hmac.compare_digest(one.to_json().encode(), other.to_json().encode())


def _not_the_same(device: Device) -> ProvisioningRefused:
    return ProvisioningRefused(
        f"Nothing proves that the asker is the device {device.name!r}. Re-open the device if it is.",
        code="not-the-same-device",
    )
