"""Writes that give prepared devices to hardware, and take them back."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from firstboot.storage.audit import AuditEntry


class PoolOrder(enum.StrEnum):
    """Which of the members that are ready is given to a hardware for which none is reserved."""

    FIFO = "fifo"
    """The one that was added first."""
    LOWEST = "lowest"
    """The one whose name comes first; names are compared by their code points."""
    RANDOM = "random"
    NONE = "none"
    """None at all."""


class Rebind(enum.StrEnum):
    """What a hardware gets that holds a member already."""

    UNTIL_CONFIRMED = "until-confirmed"
    """The same member, as long as that has never logged in."""
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMember:
    """Membership of a new device in the pool of its profile."""

    hardware_id: str | None = None
    reserved: bool = False
    leased_at_ms: int | None = None
    """None: it is ready."""
    leased_until_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseMember:
    """Give a hardware a member of a profile's pool: the one it holds, one reserved for it, or one that is ready.

    A member is ready when nobody holds it, or when its lease is over and it never logged in. One that was ready
    gets the hardware's id, forgets that it was provisioned or has logged in before, and is off until `GiveMember`:
    what whoever had it was given opens nothing, and sessions that it opened end. One that the hardware holds stays
    as it is, but its lease begins anew. A hardware never holds two members of one pool.
    Outcomes: DONE with the device's id; STALE: it holds one that ``rebind`` does not give again; POOL_EMPTY.
    """

    profile_id: int
    hardware_id: str
    order: PoolOrder
    rebind: Rebind
    at_ms: int
    until_ms: int | None
    """End of the lease of a member that does not log in; None: for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveMember:
    """Let the hardware that holds a member use it; goes together with the write of its credentials.

    A device that was never provisioned is switched on. The lease begins anew, unless the device has logged in.
    Outcomes: DONE, STALE (the hardware does not hold it).
    """

    device_id: int
    hardware_id: str
    at_ms: int
    until_ms: int | None
    """End of the lease; None: for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseMember:
    """Make a member ready again: its device is switched off, forgets its hardware, its logins and that it was
    provisioned; a reservation stays. Other processes are told, and its sessions end.

    Outcomes: DONE, DEVICE_GONE (also when it is no member), STALE (see ``unused_by``).
    """

    device_id: int
    at_ms: int
    unused_by: str | None = None
    """Only if this hardware holds it, and was never provisioned; None: in any case."""
    audit: AuditEntry
