"""Kinds of devices, and how devices of a kind may provision themselves."""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeAlias
from uuid import UUID

DIALECT = "dialect"
"""Key in a profile's details: the name of the only dialect whose logins its devices may use. Not there: of any."""
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


class ReprovisionPolicy(enum.StrEnum):
    """What happens when a device asks again under a name that it got before."""

    REJECT = "reject"
    """Refuse."""
    RETRY = "retry"
    """The same request gets the same answer while the device has not been able to use the first one."""
    ROTATE = "rotate"
    """A device that proves itself gets new credentials; the old ones stay valid for a grace period."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileLimits:
    """Bounds to the harm that a leaked provision key can do (threat PV-3). None: no bound."""

    expires_at_ms: int | None = None
    max_devices: int | None = None
    max_per_minute: int | None = None
    name_pattern: str | None = None
    """Regular expression (RE2 syntax) that the whole device name must match."""
    allowed_networks: tuple[Network, ...] = ()
    """Where requests may come from; empty: from anywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceProfile:
    """A kind of device, and how devices of this kind may provision themselves."""

    id: int
    public_id: UUID
    tenant_id: int
    name: str
    strategy: str
    """Name of a provisioning strategy."""
    provision_key: str | None
    secret_digest: bytes | None = field(repr=False)
    secret_sealed: bytes | None = field(repr=False)
    previous_secret_digest: bytes | None = field(default=None, repr=False)
    previous_secret_until_ms: int | None = None
    enabled: bool = True
    reprovision: ReprovisionPolicy = ReprovisionPolicy.REJECT
    retry_window: timedelta = timedelta(minutes=10)
    """How long after the first answer the same request may be answered again (`ReprovisionPolicy.RETRY`)."""
    rotation_grace: timedelta = timedelta(hours=24)
    """How long replaced credentials stay valid (`ReprovisionPolicy.ROTATE`)."""
    limits: ProfileLimits = ProfileLimits()
    description: str = ""
    weak_secret: bool = False
    """Whether the secret was chosen by a person and is shorter than 16 characters."""
    is_default: bool = False
    """Whether devices get this profile when none is named; one in each tenant at most."""
    claim_with_gateway: bool = False
    """Whether the devices behind a gateway of this profile get the owner that the gateway gets."""
    release_by_device: bool = False
    """Whether a device may take itself from its owner, such as when it is reset."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What a dialect keeps with a profile and the services do not look at."""
    version: int = 1
    created_at_ms: int = 0
