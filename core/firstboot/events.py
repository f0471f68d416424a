"""What happened, as told to observing hooks. None of these carries a secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from firstboot.model import DeviceRef, Origin, Scope, TelemetryPoint


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceProvisioned:
    """A device got credentials; they are on disk."""

    device: DeviceRef
    profile: str
    credentials_type: str
    how: str
    """``created``, ``handed-out``, ``answered-again``, ``rotated``, ``renewed``, ``re-opened`` or
    ``taken-from-pool``."""
    origin: Origin
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvisioningRefusal:
    """A device was refused."""

    code: str
    """One of `firstboot.errors.REFUSAL_CODES`, or the code of the plugin that refused."""
    reason: str
    """For operators; a device is not told."""
    tenant_id: int | None
    """None when the provision key is unknown: nobody knows whose device it is."""
    device_name: str | None
    profile: str | None
    origin: Origin
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialsChanged:
    """A device's credentials were replaced or revoked."""

    device: DeviceRef
    credentials_type: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceConnected:
    """A device logged in and has a session."""

    device: DeviceRef
    origin: Origin
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceDisconnected:
    """A device's session ended."""

    device: DeviceRef
    origin: Origin
    reason: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryReceived:
    """A device reported values, and they are on disk."""

    device: DeviceRef
    points: tuple[TelemetryPoint, ...]
    origin: Origin
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributesChanged:
    """Attributes of a device were set or deleted, and that is on disk."""

    device: DeviceRef
    scope: Scope
    values: Mapping[str, Any]
    """What was set, by key."""
    deleted: tuple[str, ...] = ()
    actor: str
    """``device``, or who did it."""
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRpc:
    """A device calls the server, and waits for the answer."""

    device: DeviceRef
    method: str
    """As the device wrote it, like ``params``."""
    params: Any
    origin: Origin
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A customer's wish to own a device or to give it back, or that it was done."""

    device: DeviceRef
    customer: str
    """Title of the customer who owns it then, or owned it until then."""
    customer_id: UUID | None
    """None while somebody signs up, because there is no such customer yet."""
    actor: str
    """Who wants or did it, as in the audit log: ``user:<e-mail>``, ``device``, ..."""
    how: str
    """``claimed``, ``signed-up``, ``transferred``, ``assigned``, ``with-gateway`` or ``released``."""
    origin: Origin
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimWindowOpened:
    """A device may be claimed until ``until_ms``."""

    device: DeviceRef
    opened_by: str
    """``device``, ``administrator`` or ``owner`` (`firstboot.model.ClaimOpener`)."""
    until_ms: int
    at_ms: int
