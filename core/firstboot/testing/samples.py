"""Ready-made values for tests: each is complete, and takes the fields that matter to the test."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any
from uuid import uuid4

from firstboot.model import (
    PROVISIONED,
    Device,
    DeviceProfile,
    Origin,
    ProvisioningRequest,
    WantedCredentials,
)
from firstboot.secret import Secret
from firstboot.storage import AuditEntry

NOW_MS = 1_700_000_000_000
"""The moment at which the samples happen."""

ORIGIN = Origin(transport="test", dialect="test", address="192.0.2.7")

_numbers = itertools.count(1)


def a_profile(name: str = "sensor", **fields: Any) -> DeviceProfile:
    """Return a device profile of tenant 1, with a provision key of its own."""
    public_id = uuid4()
    profile = DeviceProfile(
        id=1,
        public_id=public_id,
        tenant_id=1,
        name=name,
        strategy="allow-create-new",
        provision_key=f"key-{public_id.hex}",
        secret_digest=b"digest of a secret",
        secret_sealed=b"sealed secret",
        created_at_ms=NOW_MS,
    )
    return replace(profile, **fields)


def a_request(device_name: str | None = "meter-7", **fields: Any) -> ProvisioningRequest:
    """Return a provisioning request of a device that brings no credentials."""
    request = ProvisioningRequest(
        key="a-provision-key",
        secret=Secret("a-provision-secret"),
        device_name=device_name,
        wanted=WantedCredentials(),
        facts={"hardwareId": "00-11-22"},
        origin=ORIGIN,
    )
    return replace(request, **fields)


def a_device(name: str = "meter-7", **fields: Any) -> Device:
    """Return a device of tenant 1 and profile 1 that waits to be provisioned."""
    device = Device(
        id=next(_numbers), public_id=uuid4(), tenant_id=1, profile_id=1, name=name, created_at_ms=NOW_MS
    )
    return replace(device, **fields)


def a_provisioned_device(name: str = "meter-7", **fields: Any) -> Device:
    """Return a device that was given its credentials before."""
    return a_device(name, provision_state=PROVISIONED, provisioned_at_ms=NOW_MS, **fields)


def an_audit_entry(event: str = "test", **fields: Any) -> AuditEntry:
    """Return an entry for the audit log."""
    return AuditEntry(at_ms=NOW_MS, event=event, **fields)
