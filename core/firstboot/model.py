"""The nouns of provisioning and claiming, as frozen values that everybody may pass around.

Moments are milliseconds since 1970 in UTC, in names that end in ``_ms``. Secrets and the look-up ids of
credentials (an access token is both) never show in a ``repr``.
"""

from __future__ import annotations

import enum
import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeAlias
from uuid import UUID

from firstboot.secret import Secret

DEFAULT_TENANT = "default"
PROVISION_STATE = "provisionState"
"""Key of the `Scope.SERVER` attribute that says whether a device was provisioned."""
PROVISIONED = "provisioned"
"""Value of `PROVISION_STATE` once it was."""
CLAIMING_DATA = "claimingData"
"""Key of the `Scope.SERVER` attribute with which an administrator opens a claim window (ThingsBoard)."""
CLAIMING_ALLOWED = "claimingAllowed"
"""Key of the `Scope.SERVER` attribute that lets one device open claim windows where that is not the default."""
DIALECT = "dialect"
"""Key in a profile's details: the name of the only dialect whose logins its devices may use. Not there: of any."""
GATEWAY = "gateway"
"""Member of a device's additional information: true for one that may speak for others."""

_ENCODER = json.JSONEncoder(separators=(",", ":"))

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


class Scope(enum.IntEnum):
    """Who may see and set an attribute of a device."""

    SERVER = 1
    SHARED = 2
    CLIENT = 3


class ReprovisionPolicy(enum.StrEnum):
    """What happens when a device asks again under a name that it got before."""

    REJECT = "reject"
    """Refuse."""
    RETRY = "retry"
    """The same request gets the same answer while the device has not been able to use the first one."""
    ROTATE = "rotate"
    """A device that proves itself gets new credentials; the old ones stay valid for a grace period."""


class Authority(enum.StrEnum):
    """What a person may do at all."""

    SYS_ADMIN = "SYS_ADMIN"
    """Makes tenants and their administrators; sees no devices."""
    TENANT_ADMIN = "TENANT_ADMIN"
    """Does everything within one tenant."""
    CUSTOMER_USER = "CUSTOMER_USER"
    """Sees and uses the devices of one customer."""


class ClaimOpener(enum.StrEnum):
    """Who has opened a claim window."""

    DEVICE = "device"
    ADMINISTRATOR = "administrator"
    OWNER = "owner"
    """The customer who owns the device, for whoever is to own it next."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """The owner of profiles, customers and devices."""

    id: int
    name: str
    public_id: UUID
    created_at_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """Whoever bought devices of a tenant."""

    id: int
    public_id: UUID
    tenant_id: int
    title: str
    details: Mapping[str, Any] = field(default_factory=dict)
    """Address and whatever else a dialect keeps with a customer, by the dialect's field names."""
    version: int = 1
    created_at_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person who may log in. Without a password hash the account was not activated yet."""

    id: int
    public_id: UUID
    tenant_id: int | None
    """None: a `Authority.SYS_ADMIN`."""
    customer_id: int | None
    email: str
    """Unique in the installation, in lower case."""
    authority: Authority
    first_name: str | None = None
    last_name: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    """Phone and whatever else a dialect keeps with a user."""
    enabled: bool = True
    password_hash: str | None = field(default=None, repr=False)
    """Argon2id, in its standard text form."""
    must_change: bool = False
    """Whether the password is a first one that has to be changed."""
    activation_digest: bytes | None = field(default=None, repr=False)
    activation_sealed: bytes | None = field(default=None, repr=False)
    activation_until_ms: int | None = None
    version: int = 1
    created_at_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UserSession:
    """One login of a person, as long as it is renewed. Access ends with it, whatever a token says."""

    public_id: UUID
    user_id: int
    refresh_digest: bytes = field(repr=False)
    """Digest of the only refresh token that is still good."""
    created_at_ms: int
    expires_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    """A named secret for programs, with scopes (`firstboot.scopes`)."""

    id: int
    public_id: UUID
    tenant_id: int
    name: str
    """Unique in the tenant."""
    scopes: tuple[str, ...]
    digest: bytes = field(repr=False)
    created_by: str
    created_at_ms: int
    expires_at_ms: int | None = None
    last_used_at_ms: int | None = None
    enabled: bool = True
    details: Mapping[str, Any] = field(default_factory=dict)
    """What a dialect keeps with a token and the services do not look at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileLimits:
    """Bounds to the harm that a leaked provision key can do (threat PV-3). None: no bound."""

    expires_at_ms: int | None = None
    max_devices: int | None = None
    max_per_minute: int | None = None
    name_pattern: str | None = None
    """Regular expression (RE2 syntax) that the whole device name must match."""
    allowed_networks: tuple[Network, ...] = ()
    """Where requests may come from; empty: from anywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceProfile:
    """A kind of device, and how devices of this kind may provision themselves."""

    id: int
    public_id: UUID
    tenant_id: int
    name: str
    strategy: str
    """Name of a provisioning strategy."""
    provision_key: str | None
    secret_digest: bytes | None = field(repr=False)
    secret_sealed: bytes | None = field(repr=False)
    previous_secret_digest: bytes | None = field(default=None, repr=False)
    previous_secret_until_ms: int | None = None
    enabled: bool = True
    reprovision: ReprovisionPolicy = ReprovisionPolicy.REJECT
    retry_window: timedelta = timedelta(minutes=10)
    """How long after the first answer the same request may be answered again (`ReprovisionPolicy.RETRY`)."""
    rotation_grace: timedelta = timedelta(hours=24)
    """How long replaced credentials stay valid (`ReprovisionPolicy.ROTATE`)."""
    limits: ProfileLimits = ProfileLimits()
    description: str = ""
    weak_secret: bool = False
    """Whether the secret was chosen by a person and is shorter than 16 characters."""
    is_default: bool = False
    """Whether devices get this profile when none is named; one in each tenant at most."""
    claim_with_gateway: bool = False
    """Whether the devices behind a gateway of this profile get the owner that the gateway gets."""
    release_by_device: bool = False
    """Whether a device may take itself from its owner, such as when it is reset."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What a dialect keeps with a profile and the services do not look at."""
    version: int = 1
    created_at_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerCertificate:
    """A certificate whose private key the peer has shown to have, on this very connection (threat SE-10).

    Nothing more is known of it: its dates and its names are for the reader to judge.
    """

    der: bytes = field(repr=False)
    """The peer's own certificate."""
    chain: tuple[bytes, ...] = field(default=(), repr=False)
    """What the peer has sent beside it to vouch for it, each DER, in the peer's order."""
    is_trusted: bool = False
    """Whether a chain was found up to ``tls.client_ca`` whose signatures hold. The own dates are not in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a request came from."""

    transport: str
    dialect: str
    address: str
    """IP address of the peer, without port; empty when there is none (the command line)."""
    certificate: PeerCertificate | None = field(default=None, repr=False, compare=False)
    """What the peer has proven with over TLS; None when it was not asked, or has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedCredentials:
    """What a device asks to log in with later. All fields None: the server is to make credentials of ``type``."""

    type: str = "ACCESS_TOKEN"
    token: str | None = field(default=None, repr=False)
    client_id: str | None = field(default=None, repr=False)
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    certificate: str | None = field(default=None, repr=False)
    """PEM, or the base64 of the DER; as the device sent it."""

    @property
    def given(self) -> bool:
        """Whether the device brought any part of its credentials itself."""
        return bool(self.token or self.client_id or self.username or self.password or self.certificate)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceDraft:
    """A `Resource` that is to be made."""

    kind: str
    name: str
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceDetails:
    """What a dialect wants a new device to have beside name and credentials. Devices that exist keep theirs."""

    public_id: UUID | None = None
    """None: the server draws one."""
    label: str | None = None
    enabled: bool = True
    additional_info: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] | None = None
    """See `Device.details`."""
    companions: tuple[ResourceDraft, ...] = ()
    """Made together with the device: all of it, or nothing. Those that exist already are left as they are."""
    replaces: Device | None = None
    """The device whose place it takes, as it is to be from then on, with the version that was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvisioningRequest:
    """What the request of any dialect becomes."""

    key: str
    secret: Secret
    device_name: str | None
    """As the device wrote it; None when it gave none and the server is to choose."""
    wanted: WantedCredentials
    gateway: bool = False
    facts: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What else the device said of itself, by the dialect's field names. Unproven."""
    hardware_id: str | None = None
    """See `Device.hardware_id`."""
    draft: DeviceDetails | None = None
    """What a dialect wants a new device to have beside its name."""
    origin: Origin


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a device proves itself with."""

    type: str
    id: str = field(repr=False)
    """Unique in the installation, over all types: an access token, a user name, a certificate's hash."""
    value: str | None = field(default=None, repr=False)
    """What a login is compared with beside the id; None when the id is all there is."""
    told: str | None = field(default=None, repr=False, compare=False)
    """What the device is told in place of a value that has a digest only. It is there once, and never stored."""

    def to_json(self) -> str:
        """Return the text that is sealed and stored."""
        return _ENCODER.encode([self.type, self.id, self.value])

    @classmethod
    def from_json(cls, text: str) -> Credentials:
        """Read what `to_json` wrote."""
        return cls(*json.loads(text))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRef:
    """A device, as far as sessions, events and messages need to know it."""

    id: int
    public_id: UUID
    tenant_id: int
    profile_id: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One device. ``provision_state`` is its `PROVISION_STATE` attribute, None when it has none."""

    id: int
    public_id: UUID
    tenant_id: int
    profile_id: int
    name: str
    customer_id: int | None = None
    """None: the device belongs to no customer."""
    gateway_id: int | None = None
    """The gateway that speaks for the device; None: it speaks for itself."""
    enabled: bool = True
    """Whether the device may log in."""
    label: str | None = None
    additional_info: Mapping[str, Any] | None = None
    details: Mapping[str, Any] | None = None
    """What a dialect keeps with a device and the services do not look at."""
    hardware_id: str | None = None
    """What the device calls its own hardware, such as a serial number; unproven, and several may say the same."""
    version: int = 1
    created_at_ms: int = 0
    provision_state: Any = None
    provisioned_at_ms: int | None = None
    """When the device last got credentials by asking for them."""
    delivered_at_ms: int | None = None
    """When the device confirmed that it got the answer, where the transport can tell."""
    first_login_at_ms: int | None = None
    reopened_at_ms: int | None = None
    """When an operator allowed the name to be provisioned once more."""
    request_digest: bytes | None = field(default=None, repr=False)
    """Keyed digest of the request that was answered; None when the profile never answers twice."""

    @property
    def ref(self) -> DeviceRef:
        return DeviceRef(
            id=self.id,
            public_id=self.public_id,
            tenant_id=self.tenant_id,
            profile_id=self.profile_id,
            name=self.name,
        )

    @property
    def is_gateway(self) -> bool:
        """Whether the device may speak for others."""
        return (self.additional_info or {}).get(GATEWAY) is True

    @property
    def state(self) -> str:
        """Where the device stands on its first boot, in words."""
        if self.reopened_at_ms is not None:
            return "re-opened"
        if self.first_login_at_ms is not None:
            return "in use"
        if self.provision_state is not None or self.provisioned_at_ms is not None:
            return "provisioned, never connected"
        return "waiting"


@dataclass(frozen=True, slots=True)
class Attribute:
    """A key and a JSON value of a device."""

    scope: Scope
    key: str
    value: Any


@dataclass(frozen=True, slots=True)
class StoredAttribute:
    """An attribute as it is stored, with the moment of its last change."""

    scope: Scope
    key: str
    value: Any
    updated_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A named JSON document of a tenant, of a kind that a dialect knows: a dashboard, a bucket, a product."""

    id: int
    tenant_id: int
    kind: str
    """Such as ``thinger-bucket``."""
    name: str
    """Unique in the tenant and the kind."""
    document: Mapping[str, Any]
    version: int = 1
    created_at_ms: int = 0
    updated_at_ms: int = 0


@dataclass(frozen=True, slots=True)
class ResourceRow:
    """One of the values that a resource has collected. Two of one moment are two."""

    at_ms: int
    value: Any
    id: int = field(default=0, compare=False)
    """Given by the storage, in the order of arrival."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolMember:
    """A prepared device of a profile, and the hardware that it was given to, if any."""

    device_id: int
    device_name: str
    profile_id: int
    hardware_id: str | None = None
    """Who holds it, or for whom it is reserved."""
    reserved: bool = False
    """Whether an administrator has chosen the hardware: nobody else gets this member."""
    leased_at_ms: int | None = None
    leased_until_ms: int | None = None
    """None for one that is leased: for ever."""
    first_login_at_ms: int | None = None

    def state(self, now_ms: int) -> str:
        """Return ``ready``, ``leased`` or ``assigned``: it has connected with what it was given."""
        if self.leased_at_ms is None:
            return "ready"
        if self.first_login_at_ms is not None:
            return "assigned"
        return "ready" if self.leased_until_ms is not None and self.leased_until_ms < now_ms else "leased"


@dataclass(frozen=True, slots=True)
class LatestValue:
    """The newest value that a device reported under a key."""

    key: str
    at_ms: int
    value: Any


@dataclass(frozen=True, slots=True)
class TelemetryPoint:
    """What a device measured at one moment."""

    at_ms: int
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceProposal:
    """The device that is about to be made or handed out; deciding hooks may change what is new.

    For a device that exists already (``existing``) only ``attributes`` are taken from the proposal.
    """

    name: str
    profile: str
    """Name of the profile."""
    tenant: int
    label: str | None = None
    gateway: bool = False
    attributes: tuple[Attribute, ...] = ()
    additional_info: Mapping[str, Any] = field(default_factory=dict)
    existing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisioned:
    """A provisioning that succeeded and is on disk."""

    device_id: int
    device_name: str
    public_id: UUID
    credentials: Credentials
    confirmable: bool = False
    """Whether a transport that can tell should report the delivery of the answer."""
    made: Device | None = None
    """The device as it was made; None for one that was there before."""


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
