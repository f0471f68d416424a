"""Devices, what they prove themselves with, and what is known of them."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

PROVISION_STATE = "provisionState"
"""Key of the `Scope.SERVER` attribute that says whether a device was provisioned."""
PROVISIONED = "provisioned"
"""Value of `PROVISION_STATE` once it was."""
CLAIMING_DATA = "claimingData"
"""Key of the `Scope.SERVER` attribute with which an administrator opens a claim window (ThingsBoard)."""
CLAIMING_ALLOWED = "claimingAllowed"
"""Key of the `Scope.SERVER` attribute that lets one device open claim windows where that is not the default."""
GATEWAY = "gateway"
"""Member of a device's additional information: true for one that may speak for others."""
_ENCODER = json.JSONEncoder(separators=(",", ":"))


class Scope(enum.IntEnum):
    """Who may see and set an attribute of a device."""

    SERVER = 1
    SHARED = 2
    CLIENT = 3


@dataclass(frozen=True, slots=True)
class Attribute:
    """A key and a JSON value of a device."""

    scope: Scope
    key: str
    value: Any


@dataclass(frozen=True, slots=True)
class StoredAttribute:
    """An attribute as it is stored, with the moment of its last change."""

    scope: Scope
    key: str
    value: Any
    updated_at_ms: int


@dataclass(frozen=True, slots=True)
class LatestValue:
    """The newest value that a device reported under a key."""

    key: str
    at_ms: int
    value: Any


@dataclass(frozen=True, slots=True)
class TelemetryPoint:
    """What a device measured at one moment."""

    at_ms: int
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a device proves itself with."""

    type: str
    id: str = field(repr=False)
    """Unique in the installation, over all types: an access token, a user name, a certificate's hash."""
    value: str | None = field(default=None, repr=False)
    """What a login is compared with beside the id; None when the id is all there is."""
    told: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)
    """What the device is told in place of a value that has a digest only. It is there once, and never stored."""

    def to_json(self) -> str:
        """Return the text that is sealed and stored."""
        return _ENCODER.encode([self.type, self.id, self.value])

    @classmethod
    def from_json(cls, text: str) -> Credentials:
        """Read what `to_json` wrote."""
        return cls(*json.loads(text))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRef:
    """A device, as far as sessions, events and messages need to know it."""

    id: int
    public_id: UUID
    tenant_id: int
    profile_id: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One device. ``provision_state`` is its `PROVISION_STATE` attribute, None when it has none."""

    id: int
    public_id: UUID
    tenant_id: int
    profile_id: int
    name: str
    customer_id: int | None = None
    """None: the device belongs to no customer."""
    gateway_id: int | None = None
    """The gateway that speaks for the device; None: it speaks for itself."""
    enabled: bool = True
    """Whether the device may log in."""
    label: str | None = None
    additional_info: Mapping[str, Any] | None = None
    details: Mapping[str, Any] | None = None
    """What a dialect keeps with a device and the services do not look at."""
    hardware_id: str | None = None
    """What the device calls its own hardware, such as a serial number; unproven, and several may say the same."""
    version: int = 1
    created_at_ms: int = 0
    provision_state: Any = None
    provisioned_at_ms: int | None = None
    """When the device last got credentials by asking for them."""
    delivered_at_ms: int | None = None
    """When the device confirmed that it got the answer, where the transport can tell."""
    first_login_at_ms: int | None = None
    reopened_at_ms: int | None = None
    """When an operator allowed the name to be provisioned once more."""
    request_digest: bytes | None = field(default=None, repr=False)
    """Keyed digest of the request that was answered; None when the profile never answers twice."""

    @property
    def ref(self) -> DeviceRef:
        return DeviceRef(
            id=self.id,
            public_id=self.public_id,
            tenant_id=self.tenant_id,
            profile_id=self.profile_id,
            name=self.name,
        )

    @property
    def is_gateway(self) -> bool:
        """Whether the device may speak for others."""
        return (self.additional_info or {}).get(GATEWAY) is True

    @property
    def state(self) -> str:
        """Where the device stands on its first boot, in words."""
        if self.reopened_at_ms is not None:
            return "re-opened"
        if self.first_login_at_ms is not None:
            return "in use"
        if self.provision_state is not None or self.provisioned_at_ms is not None:
            return "provisioned, never connected"
        return "waiting"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolMember:
    """A prepared device of a profile, and the hardware that it was given to, if any."""

    device_id: int
    device_name: str
    profile_id: int
    hardware_id: str | None = None
    """Who holds it, or for whom it is reserved."""
    reserved: bool = False
    """Whether an administrator has chosen the hardware: nobody else gets this member."""
    leased_at_ms: int | None = None
    leased_until_ms: int | None = None
    """None for one that is leased: for ever."""
    first_login_at_ms: int | None = None

    def state(self, now_ms: int) -> str:
        """Return ``ready``, ``leased`` or ``assigned``: it has connected with what it was given."""
        if self.leased_at_ms is None:
            return "ready"
        if self.first_login_at_ms is not None:
            return "assigned"
        return "ready" if self.leased_until_ms is not None and self.leased_until_ms < now_ms else "leased"
