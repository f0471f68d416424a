"""Writes that make, hand out, change and delete devices."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from firstboot.model import Attribute, Device
from firstboot.storage.audit import AuditEntry
from firstboot.storage.certificates import RevokedCertificate
from firstboot.storage.claim_writes import NewClaimWindow
from firstboot.storage.credentials import SealedCredentials
from firstboot.storage.pool_writes import NewMember


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateDevice:
    """Make a device with its credentials and attributes.

    Outcomes: DONE with the device's id, NAME_TAKEN, CREDENTIALS_IN_USE, DEVICE_LIMIT, PROFILE_GONE,
    CUSTOMER_GONE, DEVICE_GONE (its gateway is, or is another tenant's), STALE (another member of the pool has the
    hardware id). Other processes are told of a new member that is ready.
    """

    public_id: UUID
    tenant_id: int
    profile_id: int
    name: str
    credentials: SealedCredentials
    created_at_ms: int
    label: str | None = None
    additional_info: Mapping[str, Any] | None = None
    customer_id: int | None = None
    details: Mapping[str, Any] | None = None
    attributes: tuple[Attribute, ...] = ()
    provisioned_at_ms: int | None = None
    request_digest: bytes | None = None
    max_devices: int | None = None
    """How many devices the profile may have, this one included."""
    gateway_id: int | None = None
    claim_window: NewClaimWindow | None = None
    enabled: bool = True
    hardware_id: str | None = None
    member: NewMember | None = None
    """None: the device is in no pool."""
    audit: AuditEntry


class When(enum.Enum):
    """The state in which a device must be for a write to happen; otherwise its outcome is STALE."""

    NOT_PROVISIONED = "not-provisioned"
    """It has no `PROVISION_STATE` attribute, or was re-opened."""
    NEVER_USED = "never-used"
    """It never logged in, and never confirmed that it got its credentials."""
    REOPENED = "re-opened"
    """An operator re-opened it."""
    ALWAYS = "always"


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOut:
    """Record that a device that exists was given the credentials that it has.

    Sets its `PROVISION_STATE`, adds ``attributes``, ends a re-opening, forgets a confirmed delivery.
    Outcomes: DONE, STALE, DEVICE_GONE.
    """

    device_id: int
    when: When
    at_ms: int
    attributes: tuple[Attribute, ...] = ()
    request_digest: bytes | None = None
    audit: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceCredentials:
    """Give a device that exists other credentials, in place of those with the digest ``replaces``.

    The old ones stay valid until ``keep_old_until_ms`` (None: all others end at once, also those that were
    replaced before and are in their grace period). ``provisioned``: the device
    asked for it, so `PROVISION_STATE` is set and a re-opening ends. Other processes are told.
    When the old ones end at once, the new ones may have the same digest: a password under the same user name.
    Outcomes: DONE, CREDENTIALS_IN_USE, STALE (also when ``replaces`` is not current any more), DEVICE_GONE.
    """

    device_id: int
    when: When
    replaces: bytes = field(repr=False)
    credentials: SealedCredentials
    keep_old_until_ms: int | None
    at_ms: int
    provisioned: bool
    attributes: tuple[Attribute, ...] = ()
    request_digest: bytes | None = None
    revokes: tuple[RevokedCertificate, ...] = ()
    """Certificates of the device that are taken back with it."""
    audit: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class EndCredentials:
    """Void some of the credentials that a device had before, and that are in their grace period.

    The current ones stay, and so do sessions: the device goes on with what it has newer.
    Outcomes: DONE, DEVICE_GONE.
    """

    device_id: int
    digests: tuple[bytes, ...] = field(repr=False)
    revokes: tuple[RevokedCertificate, ...] = ()
    """See `ReplaceCredentials`."""
    audit: AuditEntry


@dataclass(frozen=True, slots=True)
class RecordLogin:
    """Record that a device logged in, the first time only. Outcomes: DONE, DEVICE_GONE."""

    device_id: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class ConfirmDelivery:
    """Record that a device has got its answer. Outcomes: DONE, DEVICE_GONE."""

    device_id: int
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReopenDevice:
    """Let a device be provisioned once more: removes `PROVISION_STATE`. Outcomes: DONE, DEVICE_GONE."""

    device_id: int
    at_ms: int
    audit: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteDevice:
    """Delete a device with all that belongs to it. Other processes are told. Outcomes: DONE, DEVICE_GONE."""

    device_id: int
    revokes: tuple[RevokedCertificate, ...] = ()
    """Certificates of the device that are taken back with it."""
    audit: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateDevice:
    """Replace what administrators may change of a device; its ``version`` is counted up.

    Takes from ``device``: name, profile_id, gateway_id, enabled, label, additional_info, details, hardware_id;
    the customer is changed by `ChangeOwner` alone. With another profile it leaves the pool that it is in.
    Other processes are told when it is disabled, and its sessions end.
    Outcomes: DONE with the new version, DEVICE_GONE (also its gateway), NAME_TAKEN, PROFILE_GONE (those of
    other tenants too), DEVICE_LIMIT (only when the profile changes), STALE (another version than expected).
    """

    device: Device
    expected_version: int | None = None
    """None: whatever it is now."""
    max_devices: int | None = None
    """How many devices the profile may have, this one included; counts when the profile changes."""
    audit: AuditEntry
