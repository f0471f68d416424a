"""Permission to own a device."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field


class ClaimOpener(enum.StrEnum):
    """Who has opened a claim window."""

    DEVICE = "device"
    ADMINISTRATOR = "administrator"
    OWNER = "owner"
    """The customer who owns the device, for whoever is to own it next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimWindow:
    """Permission to claim a device with a secret until a moment. At most one of a device and an opener."""

    device_id: int
    opened_by: ClaimOpener
    secret_digest: bytes | None = field(repr=False)
    """None: nothing opens it, because what an administrator has written cannot be read."""
    expires_at_ms: int
    """The last moment at which it is open."""
    opened_at_ms: int
    weak: bool = False
    """Whether the secret can be found by trying."""
