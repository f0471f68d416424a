"""Certificates that the server's own authority has issued and taken back."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokedCertificate:
    """A certificate that is good for nothing any more, before its time."""

    serial: str
    """Serial number in lower-case hex, without leading zeros."""
    tenant_id: int
    device_public_id: UUID
    """The device for which it was issued; it may be gone."""
    expires_at_ms: int
    """Afterwards nobody needs to be told."""
    revoked_at_ms: int
