"""The nouns of provisioning and claiming, as frozen values that everybody may pass around.

Moments are milliseconds since 1970 in UTC, in names that end in ``_ms``. Secrets and the look-up ids of
credentials (an access token is both) never show in a ``repr``.
"""

from firstboot.model.claims import (
    ClaimOpener,
    ClaimWindow,
)
from firstboot.model.devices import (
    CLAIMING_ALLOWED,
    CLAIMING_DATA,
    GATEWAY,
    PROVISION_STATE,
    PROVISIONED,
    Attribute,
    Credentials,
    Device,
    DeviceRef,
    LatestValue,
    PoolMember,
    Scope,
    StoredAttribute,
    TelemetryPoint,
)
from firstboot.model.people import (
    DEFAULT_TENANT,
    ApiToken,
    Authority,
    Customer,
    Tenant,
    User,
    UserSession,
)
from firstboot.model.profiles import (
    DIALECT,
    DeviceProfile,
    Network,
    ProfileLimits,
    ReprovisionPolicy,
)
from firstboot.model.requests import (
    DeviceDetails,
    DeviceProposal,
    Origin,
    PeerCertificate,
    Provisioned,
    ProvisioningRequest,
    WantedCredentials,
)
from firstboot.model.resources import (
    Resource,
    ResourceDraft,
    ResourceRow,
)

__all__ = [
    "CLAIMING_ALLOWED",
    "CLAIMING_DATA",
    "DEFAULT_TENANT",
    "DIALECT",
    "GATEWAY",
    "PROVISIONED",
    "PROVISION_STATE",
    "ApiToken",
    "Attribute",
    "Authority",
    "ClaimOpener",
    "ClaimWindow",
    "Credentials",
    "Customer",
    "Device",
    "DeviceDetails",
    "DeviceProfile",
    "DeviceProposal",
    "DeviceRef",
    "LatestValue",
    "Network",
    "Origin",
    "PeerCertificate",
    "PoolMember",
    "ProfileLimits",
    "Provisioned",
    "ProvisioningRequest",
    "ReprovisionPolicy",
    "Resource",
    "ResourceDraft",
    "ResourceRow",
    "Scope",
    "StoredAttribute",
    "TelemetryPoint",
    "Tenant",
    "User",
    "UserSession",
    "WantedCredentials",
]
