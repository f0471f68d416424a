"""Everything that a storage can be asked to write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from firstboot.storage.audit import AuditEntry
from firstboot.storage.claim_writes import ChangeOwner, CloseClaimWindows, OpenClaimWindow, SignUp
from firstboot.storage.data_writes import (
    DeleteAttributes,
    SaveAttributes,
    SaveTelemetry,
)
from firstboot.storage.device_writes import (
    ConfirmDelivery,
    CreateDevice,
    DeleteDevice,
    HandOut,
    RecordLogin,
    ReopenDevice,
    ReplaceCredentials,
    UpdateDevice,
)
from firstboot.storage.people_writes import (
    CreateApiToken,
    CreateCustomer,
    CreateTenant,
    CreateUser,
    DeleteApiToken,
    DeleteCustomer,
    DeleteUser,
    EndUserSession,
    OpenUserSession,
    RecordTokenUse,
    RenewUserSession,
    UpdateCustomer,
    UpdateUser,
)
from firstboot.storage.profile_writes import (
    CreateProfile,
    DeleteProfile,
    UpdateProfile,
)


@dataclass(frozen=True, slots=True)
class AppendAudit:
    """Record a decision that changed nothing. Outcome: DONE."""

    audit: AuditEntry


Write: TypeAlias = (
    CreateDevice
    | HandOut
    | ReplaceCredentials
    | RecordLogin
    | ConfirmDelivery
    | AppendAudit
    | ReopenDevice
    | DeleteDevice
    | UpdateDevice
    | SaveAttributes
    | DeleteAttributes
    | SaveTelemetry
    | CreateProfile
    | UpdateProfile
    | DeleteProfile
    | CreateTenant
    | CreateCustomer
    | UpdateCustomer
    | DeleteCustomer
    | CreateUser
    | UpdateUser
    | DeleteUser
    | OpenUserSession
    | RenewUserSession
    | EndUserSession
    | CreateApiToken
    | DeleteApiToken
    | RecordTokenUse
    | OpenClaimWindow
    | CloseClaimWindows
    | ChangeOwner
    | SignUp
)


def audits_of(write: Write) -> tuple[AuditEntry, ...]:
    """Return what is appended to the audit log when the write is done."""
    if isinstance(write, ChangeOwner | SignUp):
        return write.audits
    entry: AuditEntry | None = getattr(write, "audit", None)
    return () if entry is None else (entry,)
