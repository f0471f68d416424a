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
    EndCredentials,
    HandOut,
    RecordLogin,
    ReopenDevice,
    ReplaceCredentials,
    UpdateDevice,
)
from firstboot.storage.outcomes import WriteResult
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
    UpdateApiToken,
    UpdateCustomer,
    UpdateUser,
)
from firstboot.storage.pool_writes import GiveMember, LeaseMember, ReleaseMember
from firstboot.storage.profile_writes import (
    CreateProfile,
    DeleteProfile,
    UpdateProfile,
)
from firstboot.storage.resource_writes import (
    AppendRows,
    CreateResource,
    DeleteResource,
    DeleteRows,
    UpdateResource,
)


@dataclass(frozen=True, slots=True)
class AppendAudit:
    """Record a decision that changed nothing. Outcome: DONE."""

    audit: AuditEntry


@dataclass(frozen=True, slots=True)
class Together:
    """Do several writes, or none of them.

    Outcome: DONE with the ``parts``, or that of the first write that cannot be done; then nothing is audited, and
    nobody is told anything.
    """

    writes: tuple[Write, ...]


Write: TypeAlias = (
    CreateDevice
    | HandOut
    | ReplaceCredentials
    | EndCredentials
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
    | UpdateApiToken
    | DeleteApiToken
    | RecordTokenUse
    | OpenClaimWindow
    | CloseClaimWindows
    | ChangeOwner
    | SignUp
    | CreateResource
    | UpdateResource
    | DeleteResource
    | AppendRows
    | DeleteRows
    | LeaseMember
    | GiveMember
    | ReleaseMember
    | Together
)


def audits_of(write: Write, result: WriteResult) -> tuple[AuditEntry, ...]:
    """Return what is appended to the audit log after a write that is done."""
    if isinstance(write, ChangeOwner | SignUp):
        return write.audits
    if isinstance(write, Together):
        parts = zip(write.writes, result.parts, strict=True)
        return tuple(entry for each, part in parts for entry in audits_of(each, part))
    if isinstance(write, CreateResource) and not result.version:
        return ()  # it was there already
    entry: AuditEntry | None = getattr(write, "audit", None)
    return () if entry is None else (entry,)
