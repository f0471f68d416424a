"""What happened, as told to observing hooks. None of these carries a secret."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from firstboot.model import Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceProvisioned:
    """A device got credentials; they are on disk."""

    device_id: UUID
    device_name: str
    profile: str
    credentials_type: str
    how: str
    """``created``, ``handed-out``, ``answered-again``, ``rotated`` or ``re-opened``."""
    origin: Origin
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvisioningRefusal:
    """A device was refused."""

    code: str
    """One of `firstboot.errors.REFUSAL_CODES`, or the code of the plugin that refused."""
    reason: str
    """For operators; a device is not told."""
    device_name: str | None
    profile: str | None
    origin: Origin
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialsChanged:
    """A device's credentials were replaced or revoked."""

    device_id: UUID
    device_name: str
    credentials_type: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceConnected:
    """A device logged in and has a session."""

    device_name: str
    device_id: int
    origin: Origin
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceDisconnected:
    """A device's session ended."""

    device_name: str
    device_id: int
    origin: Origin
    reason: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A customer's wish to own a device, or to give it back."""

    device_id: UUID
    device_name: str
    customer: str
    user: str
    origin: Origin
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimWindowOpened:
    """A device may be claimed until ``until_ms``."""

    device_id: UUID
    device_name: str
    opened_by: str
    """``device`` or ``administrator``."""
    until_ms: int
    at_ms: int
