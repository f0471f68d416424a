"""Credentials as they are stored and found."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from firstboot.model import DeviceRef


@dataclass(frozen=True, slots=True)
class SealedCredentials:
    """Credentials as they are stored: found by digest, readable with the keyring only."""

    type: str
    digest: bytes = field(repr=False)
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundCredentials:
    """Credentials found by digest, with what a login needs to know of their device."""

    digest: bytes = field(repr=False)
    type: str
    sealed: bytes = field(repr=False)
    valid_until_ms: int | None
    """None: current. A moment: replaced, and valid until then."""
    device_id: int
    device_public_id: UUID
    device_name: str
    tenant_id: int
    profile_id: int
    first_login_at_ms: int | None
    device_enabled: bool = True

    @property
    def device(self) -> DeviceRef:
        return DeviceRef(
            id=self.device_id,
            public_id=self.device_public_id,
            tenant_id=self.tenant_id,
            profile_id=self.profile_id,
            name=self.device_name,
        )
