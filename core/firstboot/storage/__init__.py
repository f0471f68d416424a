"""What the services need of a storage backend.

A backend is written in these terms and knows no rules: it keeps what is unique unique, does a batch of
writes in one durable transaction in which each write succeeds or fails alone, and finds things. The
conformance suite `firstboot.testing.StorageConformance` says the same as tests.
"""

from firstboot.storage.audit import (
    ASKED_FROM,
    AuditChain,
    AuditEntry,
    AuditQuery,
    AuditRow,
)
from firstboot.storage.certificates import RevokedCertificate
from firstboot.storage.changes import (
    AttributeChange,
    Change,
    ChangeKind,
)
from firstboot.storage.claim_writes import (
    AnyOwner,
    ChangeOwner,
    CloseClaimWindows,
    Follower,
    NewClaimWindow,
    OpenClaimWindow,
    SignUp,
)
from firstboot.storage.credentials import (
    FoundCredentials,
    SealedCredentials,
)
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
    When,
)
from firstboot.storage.outcomes import (
    Outcome,
    WriteResult,
)
from firstboot.storage.people_writes import (
    MAX_USER_SESSIONS,
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
from firstboot.storage.protocol import (
    Storage,
    StorageBackend,
)
from firstboot.storage.queries import (
    DevicePageQuery,
    DeviceQuery,
    Page,
    PageQuery,
)
from firstboot.storage.writes import (
    AppendAudit,
    Write,
    audits_of,
)

__all__ = [
    "ASKED_FROM",
    "MAX_USER_SESSIONS",
    "AnyOwner",
    "AppendAudit",
    "AttributeChange",
    "AuditChain",
    "AuditEntry",
    "AuditQuery",
    "AuditRow",
    "Change",
    "ChangeKind",
    "ChangeOwner",
    "CloseClaimWindows",
    "ConfirmDelivery",
    "CreateApiToken",
    "CreateCustomer",
    "CreateDevice",
    "CreateProfile",
    "CreateTenant",
    "CreateUser",
    "DeleteApiToken",
    "DeleteAttributes",
    "DeleteCustomer",
    "DeleteDevice",
    "DeleteProfile",
    "DeleteUser",
    "DevicePageQuery",
    "DeviceQuery",
    "EndUserSession",
    "Follower",
    "FoundCredentials",
    "HandOut",
    "NewClaimWindow",
    "OpenClaimWindow",
    "OpenUserSession",
    "Outcome",
    "Page",
    "PageQuery",
    "RecordLogin",
    "RecordTokenUse",
    "RenewUserSession",
    "ReopenDevice",
    "ReplaceCredentials",
    "RevokedCertificate",
    "SaveAttributes",
    "SaveTelemetry",
    "SealedCredentials",
    "SignUp",
    "Storage",
    "StorageBackend",
    "UpdateCustomer",
    "UpdateDevice",
    "UpdateProfile",
    "UpdateUser",
    "When",
    "Write",
    "WriteResult",
    "audits_of",
]
