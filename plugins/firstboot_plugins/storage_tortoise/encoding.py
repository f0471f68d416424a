"""How the values of the core stand in columns. Both kinds of database hold the same."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from firstboot.model import DeviceProfile, ProfileLimits, ReprovisionPolicy
from firstboot.storage import AuditEntry, FoundCredentials
from firstboot_plugins.storage_tortoise.statements import Rejected

_MICROSECOND = timedelta(microseconds=1)

PROFILE_COLUMNS = (
    "public_id", "tenant_id", "name", "strategy", "provision_key", "secret_digest", "secret_sealed",
    "previous_secret_digest", "previous_secret_until_ms", "enabled", "settings", "created_at_ms",
    "is_default",
)  # fmt: skip

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")

_encode = json.JSONEncoder(separators=(",", ":")).encode


def to_json(value: Any) -> str:
    """Return ASCII: NUL and lone surrogates become escapes, which PostgreSQL can store and the characters not.

    Raises: `Rejected` for what JSON does not know.
    """
    try:
        return _encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise Rejected(type(error).__name__) from error


def optional_json(value: Any) -> str | None:
    """Return `to_json`, but None for None."""
    return None if value is None else to_json(value)


def from_json(text: str | None) -> Any:
    """Read what `to_json` wrote; None stays None."""
    return None if text is None else json.loads(text)


def profile_values(profile: DeviceProfile) -> tuple[Any, ...]:
    """Return the values of `PROFILE_COLUMNS`."""
    return (
        profile.public_id.bytes, profile.tenant_id, profile.name, str(profile.strategy), profile.provision_key,
        profile.secret_digest, profile.secret_sealed, profile.previous_secret_digest,
        profile.previous_secret_until_ms, int(profile.enabled), _settings(profile), profile.created_at_ms,
        int(profile.is_default),
    )  # fmt: skip


def _settings(profile: DeviceProfile) -> str:
    limits = profile.limits
    return to_json(
        {
            "reprovision": profile.reprovision.value,
            "retry_window_us": profile.retry_window // _MICROSECOND,
            "rotation_grace_us": profile.rotation_grace // _MICROSECOND,
            "description": profile.description,
            "weak_secret": profile.weak_secret,
            "claim_with_gateway": profile.claim_with_gateway,
            "release_by_device": profile.release_by_device,
            "details": dict(profile.details),
            "limits": {
                "expires_at_ms": limits.expires_at_ms,
                "max_devices": limits.max_devices,
                "max_per_minute": limits.max_per_minute,
                "name_pattern": limits.name_pattern,
                "allowed_networks": [str(network) for network in limits.allowed_networks],
            },
        }
    )


def read_settings(text: str) -> dict[str, Any]:
    """Return the fields of a `DeviceProfile` that its column ``settings`` holds."""
    settings: Mapping[str, Any] = json.loads(text)
    limits: Mapping[str, Any] = settings["limits"]
    return {
        "reprovision": ReprovisionPolicy(settings["reprovision"]),
        "retry_window": settings["retry_window_us"] * _MICROSECOND,
        "rotation_grace": settings["rotation_grace_us"] * _MICROSECOND,
        "description": settings["description"],
        "weak_secret": settings["weak_secret"],
        "claim_with_gateway": settings.get("claim_with_gateway", False),  # older programs wrote none
        "release_by_device": settings.get("release_by_device", False),
        "details": settings.get("details", {}),
        "limits": ProfileLimits(
            expires_at_ms=limits["expires_at_ms"],
            max_devices=limits["max_devices"],
            max_per_minute=limits["max_per_minute"],
            name_pattern=limits["name_pattern"],
            allowed_networks=tuple(ipaddress.ip_network(network) for network in limits["allowed_networks"]),
        ),
    }


AUDIT_COLUMNS = (
    ("at_ms", "bigint"),
    ("entry", "text"),
    ("tenant_id", "bigint"),
    ("event", "text"),
    ("code", "text"),
    ("profile", "text"),
    ("device", "text"),
    ("device_id", "text"),
    ("actor", "text"),
)
"""Names and types in PostgreSQL. All beside ``entry`` is for searching."""


def audit_values(entry: AuditEntry, canonical: bytes) -> tuple[Any, ...]:
    """Return the values of `AUDIT_COLUMNS`."""
    return (
        entry.at_ms, canonical.decode("ascii"), entry.tenant_id, searchable(entry.event), searchable(entry.code),
        searchable(entry.profile), searchable(entry.device), entry.device_id.hex if entry.device_id else None,
        searchable(entry.actor),
    )  # fmt: skip


def searchable(text: str | None) -> str | None:
    """Return a text with a mark in place of each character that PostgreSQL cannot store."""
    return text if text is None or (text.isascii() and "\0" not in text) else _UNSTORABLE.sub("\ufffd", text)


def storable(text: str) -> bool:
    """Whether a column can hold this text at all; what it cannot hold is nowhere."""
    return not _UNSTORABLE.search(text)


def read_audit_entry(text: str) -> AuditEntry:
    """Read what `AuditEntry.canonical` wrote; what somebody else wrote is shown, and breaks the chain."""
    try:
        return _audit_entry(*json.loads(text))
    except (TypeError, ValueError, AttributeError):
        return AuditEntry(at_ms=0, event="unreadable", address="", transport="", dialect="", detail=text)


def _audit_entry(
    at_ms: int,
    event: str,
    code: str,
    tenant_id: int | None,
    profile: str | None,
    device: str | None,
    device_id: str | None,
    actor: str,
    address: str,
    transport: str,
    dialect: str,
    detail: str,
) -> AuditEntry:
    if not isinstance(at_ms, int):
        raise TypeError("at_ms")
    return AuditEntry(
        at_ms=at_ms,
        event=event,
        code=code,
        tenant_id=tenant_id,
        profile=profile,
        device=device,
        device_id=UUID(device_id) if device_id else None,
        actor=actor,
        address=address,
        transport=transport,
        dialect=dialect,
        detail=detail,
    )


FOUND_COLUMNS = (
    "credentials.digest, credentials.type, credentials.sealed, credentials.valid_until_ms,"
    " device.id, device.public_id, device.name, device.tenant_id, device.profile_id, device.first_login_at_ms,"
    " device.enabled"
)


def found_credentials(row: Sequence[Any]) -> FoundCredentials:
    """Make one of a row of `FOUND_COLUMNS`."""
    (
        digest,
        type_,
        sealed,
        valid_until_ms,
        device_id,
        public_id,
        name,
        tenant_id,
        profile_id,
        first_login,
        *rest,
    ) = row
    (enabled,) = rest
    return FoundCredentials(
        digest=digest,
        type=type_,
        sealed=sealed,
        valid_until_ms=valid_until_ms,
        device_id=device_id,
        device_public_id=UUID(bytes=public_id),
        device_name=name,
        tenant_id=tenant_id,
        profile_id=profile_id,
        first_login_at_ms=first_login,
        device_enabled=bool(enabled),
    )
