"""Ready-made values for tests: each is complete, and takes the fields that matter to the test."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any
from uuid import uuid4

from firstboot.events import Claim
from firstboot.model import (
    PROVISIONED,
    ApiToken,
    Authority,
    ClaimOpener,
    ClaimWindow,
    Customer,
    Device,
    DeviceProfile,
    Origin,
    ProvisioningRequest,
    Resource,
    Tenant,
    User,
    UserSession,
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


def a_tenant(name: str = "other") -> Tenant:
    """Return a tenant."""
    return Tenant(1, name, uuid4(), NOW_MS)


def a_customer(title: str = "Acme", **fields: Any) -> Customer:
    """Return a customer of tenant 1."""
    return replace(
        Customer(id=1, public_id=uuid4(), tenant_id=1, title=title, created_at_ms=NOW_MS),
        **fields,
    )


def a_user(email: str = "ada@example.org", **fields: Any) -> User:
    """Return an administrator of tenant 1 who was not activated yet."""
    user = User(
        id=1,
        public_id=uuid4(),
        tenant_id=1,
        customer_id=None,
        email=email,
        authority=Authority.TENANT_ADMIN,
        created_at_ms=NOW_MS,
    )
    return replace(user, **fields)


def a_user_session(user_id: int = 1, **fields: Any) -> UserSession:
    """Return a login of a user, for a day."""
    session = UserSession(
        public_id=uuid4(),
        user_id=user_id,
        refresh_digest=uuid4().bytes,
        created_at_ms=NOW_MS,
        expires_at_ms=NOW_MS + 86_400_000,
    )
    return replace(session, **fields)


def an_api_token(name: str = "dashboard", **fields: Any) -> ApiToken:
    """Return a token of tenant 1 that may read devices."""
    token = ApiToken(
        id=1,
        public_id=uuid4(),
        tenant_id=1,
        name=name,
        scopes=("devices:read",),
        digest=uuid4().bytes,
        created_by="user:ada@example.org",
        created_at_ms=NOW_MS,
    )
    return replace(token, **fields)


def a_resource(name: str = "readings", **fields: Any) -> Resource:
    """Return a resource of tenant 1, of the kind ``bucket``."""
    resource = Resource(
        id=1,
        tenant_id=1,
        kind="bucket",
        name=name,
        document={"enabled": True},
        created_at_ms=NOW_MS,
        updated_at_ms=NOW_MS,
    )
    return replace(resource, **fields)


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


def a_claim_window(device_id: int = 1, **fields: Any) -> ClaimWindow:
    """Return a claim window that a device has opened, for a day."""
    window = ClaimWindow(
        device_id=device_id,
        opened_by=ClaimOpener.DEVICE,
        secret_digest=b"digest of a secret",
        expires_at_ms=NOW_MS + 86_400_000,
        opened_at_ms=NOW_MS,
        weak=False,
    )
    return replace(window, **fields)


def a_claim(**fields: Any) -> Claim:
    """Return what plugins are told when a customer claims a device."""
    claim = Claim(
        device=a_device().ref,
        customer="Acme",
        customer_id=uuid4(),
        actor="user:ada@example.org",
        how="claimed",
        origin=ORIGIN,
        at_ms=NOW_MS,
    )
    return replace(claim, **fields)


def an_audit_entry(event: str = "test", **fields: Any) -> AuditEntry:
    """Return an entry for the audit log."""
    return AuditEntry(at_ms=NOW_MS, event=event, **fields)
