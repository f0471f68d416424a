"""Writes that open claim windows, and that change who owns a device."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from firstboot.model import Attribute, ClaimOpener, ClaimWindow, Customer, User
from firstboot.storage.audit import AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class NewClaimWindow:
    """A claim window that an administrator opens together with another write."""

    secret_digest: bytes | None = field(repr=False)
    """None: as it is in the window that this one replaces; without one, nothing opens it."""
    expires_at_ms: int
    weak: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenClaimWindow:
    """Open a claim window, in place of the last one of the same opener.

    Outcomes: DONE, DEVICE_GONE, STALE (its owner is not the one that was expected).
    """

    window: ClaimWindow
    owner_id: int | None
    """The customer to whom the device must belong; None: to nobody."""
    audit: AuditEntry | None
    """None: the same was told a moment ago."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseClaimWindows:
    """Close those claim windows of a device that these have opened, whatever their state.

    With those of `ClaimOpener.ADMINISTRATOR` the attribute `CLAIMING_DATA` goes too.
    Outcomes: DONE, DEVICE_GONE.
    """

    device_id: int
    opened_by: tuple[ClaimOpener, ...]
    permission: bool = False
    """Whether the attribute `CLAIMING_ALLOWED` goes too, so that the device opens itself no more."""
    audit: AuditEntry | None = None


class AnyOwner(enum.Enum):
    """Stands for whichever owner, or none."""

    ANY = "any"


@dataclass(frozen=True, slots=True)
class Follower:
    """A device behind a gateway that gets the owner that the gateway gets."""

    device_id: int
    audit: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeOwner:
    """Give a device to a customer, or to none; its ``version`` is counted up.

    Closes all claim windows of the device, deletes its server attributes `CLAIMING_DATA` and `CLAIMING_ALLOWED`,
    and then sets ``attributes``; other processes are told of shared ones. The same for every follower.
    Outcomes: DONE with the new version, DEVICE_GONE, CUSTOMER_GONE (also one of another tenant), STALE (the owner
    is not the expected one, the window is not there, or a follower has another owner than the device or is behind
    another gateway).
    """

    device_id: int
    customer_id: int | None
    expected: int | AnyOwner | None
    """To whom the device must belong; None: to nobody."""
    window_digest: bytes | None = field(default=None, repr=False)
    """Digest of the secret of a claim window that must be there and open; None: none is needed."""
    at_ms: int
    attributes: tuple[Attribute, ...] = ()
    followers: tuple[Follower, ...] = ()
    audit: AuditEntry

    @property
    def audits(self) -> tuple[AuditEntry, ...]:
        return (self.audit, *(follower.audit for follower in self.followers))


@dataclass(frozen=True, slots=True, kw_only=True)
class SignUp:
    """Make a customer with its first user, who claims a device: all of it or nothing.

    The ids of customer, of the user's customer and of the claim's customer are of no account: they are made.
    Outcomes: DONE with the user's id, GONE (the tenant), NAME_TAKEN (title or e-mail address), and those of
    `ChangeOwner`.
    """

    customer: Customer
    user: User
    claim: ChangeOwner
    customer_audit: AuditEntry
    user_audit: AuditEntry

    @property
    def audits(self) -> tuple[AuditEntry, ...]:
        return (self.customer_audit, self.user_audit, *self.claim.audits)
