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
    TOKEN_CREATED,
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
    EndCredentials,
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
    UpdateApiToken,
    UpdateCustomer,
    UpdateUser,
)
from firstboot.storage.pool_writes import (
    GiveMember,
    LeaseMember,
    NewMember,
    PoolOrder,
    Rebind,
    ReleaseMember,
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
    RowQuery,
)
from firstboot.storage.resource_writes import (
    AppendRows,
    CreateResource,
    DeleteResource,
    DeleteRows,
    UpdateResource,
)
from firstboot.storage.writes import (
    AppendAudit,
    Together,
    Write,
    audits_of,
)

__all__ = [
    "ASKED_FROM",
    "MAX_USER_SESSIONS",
    "TOKEN_CREATED",
    "AnyOwner",
    "AppendAudit",
    "AppendRows",
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
    "CreateResource",
    "CreateTenant",
    "CreateUser",
    "DeleteApiToken",
    "DeleteAttributes",
    "DeleteCustomer",
    "DeleteDevice",
    "DeleteProfile",
    "DeleteResource",
    "DeleteRows",
    "DeleteUser",
    "DevicePageQuery",
    "DeviceQuery",
    "EndCredentials",
    "EndUserSession",
    "Follower",
    "FoundCredentials",
    "GiveMember",
    "HandOut",
    "LeaseMember",
    "NewClaimWindow",
    "NewMember",
    "OpenClaimWindow",
    "OpenUserSession",
    "Outcome",
    "Page",
    "PageQuery",
    "PoolOrder",
    "Rebind",
    "RecordLogin",
    "RecordTokenUse",
    "ReleaseMember",
    "RenewUserSession",
    "ReopenDevice",
    "ReplaceCredentials",
    "RevokedCertificate",
    "RowQuery",
    "SaveAttributes",
    "SaveTelemetry",
    "SealedCredentials",
    "SignUp",
    "Storage",
    "StorageBackend",
    "Together",
    "UpdateApiToken",
    "UpdateCustomer",
    "UpdateDevice",
    "UpdateProfile",
    "UpdateResource",
    "UpdateUser",
    "When",
    "Write",
    "WriteResult",
    "audits_of",
]
