"""What the services need of a storage backend.

A backend is written in these terms and knows no rules: it keeps what is unique unique, does a batch of
writes in one durable transaction in which each write succeeds or fails alone, and finds things. The
conformance suite `firstboot.testing.StorageConformance` says the same as tests.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeAlias, TypeVar
from uuid import UUID

from firstboot.model import (
    ApiToken,
    Attribute,
    Customer,
    Device,
    DeviceProfile,
    DeviceRef,
    LatestValue,
    Scope,
    StoredAttribute,
    TelemetryPoint,
    Tenant,
    User,
    UserSession,
)

AuditChain: TypeAlias = Callable[[bytes, bytes], bytes]
"""Gives a row's link from the link before it (``b""`` for the first) and the row's canonical bytes."""

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One decision or change, for the append-only audit log. No secret in it, ever."""

    at_ms: int
    event: str
    """What was done or asked: ``device-provisioned``, ``provisioning-refused``, ``profile-created``, ..."""
    code: str = "ok"
    """``ok``, or the code of the refusal."""
    tenant_id: int | None = None
    profile: str | None = None
    device: str | None = None
    device_id: UUID | None = None
    actor: str = "device"
    """Who: ``device``, or for operators their name at the door they used, such as ``cli:root``."""
    address: str = ""
    transport: str = ""
    dialect: str = ""
    detail: str = ""

    def canonical(self) -> bytes:
        """Return the bytes that the audit chain covers."""
        row = (
            self.at_ms, self.event, self.code, self.tenant_id, self.profile, self.device,
            self.device_id.hex if self.device_id else None,
            self.actor, self.address, self.transport, self.dialect, self.detail,
        )  # fmt: skip
        return _encode(row).encode()


@dataclass(frozen=True, slots=True)
class AuditRow:
    """An audit entry as it is stored."""

    id: int
    entry: AuditEntry
    link: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SealedCredentials:
    """Credentials as they are stored: found by digest, readable with the keyring only."""

    type: str
    digest: bytes = field(repr=False)
    sealed: bytes = field(repr=False)


# -- writes ----------------------------------------------------------------------------------------


class Outcome(enum.Enum):
    """How one write ended."""

    DONE = "done"
    NAME_TAKEN = "name-taken"
    """Also the title of a customer, the e-mail address of a user, the name of a token."""
    KEY_TAKEN = "key-taken"
    CREDENTIALS_IN_USE = "credentials-in-use"
    DEVICE_LIMIT = "device-limit"
    PROFILE_GONE = "profile-gone"
    DEVICE_GONE = "device-gone"
    GONE = "gone"
    """The tenant, customer, user, user session or token is not there."""
    CUSTOMER_GONE = "customer-gone"
    """The customer that was named is not there, or is another tenant's."""
    STALE = "stale"
    """The write was to happen only in a certain state or version, and that is over."""
    IN_USE = "in-use"
    """A profile that has devices cannot be deleted."""
    DEFAULT_TAKEN = "default-taken"
    """The tenant has another default profile."""


@dataclass(frozen=True, slots=True)
class WriteResult:
    """The outcome of one write, and the id of what it made, if it made something."""

    outcome: Outcome
    id: int = 0
    version: int = 0
    """The new version of what was updated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateDevice:
    """Make a device with its credentials and attributes.

    Outcomes: DONE with the device's id, NAME_TAKEN, CREDENTIALS_IN_USE, DEVICE_LIMIT, PROFILE_GONE.
    """

    public_id: UUID
    tenant_id: int
    profile_id: int
    name: str
    credentials: SealedCredentials
    created_at_ms: int
    label: str | None = None
    additional_info: Mapping[str, Any] | None = None
    attributes: tuple[Attribute, ...] = ()
    provisioned_at_ms: int | None = None
    request_digest: bytes | None = None
    max_devices: int | None = None
    """How many devices the profile may have, this one included."""
    audit: AuditEntry


class When(enum.Enum):
    """The state in which a device must be for a write to happen; otherwise its outcome is STALE."""

    NOT_PROVISIONED = "not-provisioned"
    """It has no `PROVISION_STATE` attribute, or was re-opened."""
    NEVER_USED = "never-used"
    """It never logged in, and never confirmed that it got its credentials."""
    REOPENED = "re-opened"
    """An operator re-opened it."""
    ALWAYS = "always"


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOut:
    """Record that a device that exists was given the credentials that it has.

    Sets its `PROVISION_STATE`, adds ``attributes``, ends a re-opening, forgets a confirmed delivery.
    Outcomes: DONE, STALE, DEVICE_GONE.
    """

    device_id: int
    when: When
    at_ms: int
    attributes: tuple[Attribute, ...] = ()
    request_digest: bytes | None = None
    audit: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceCredentials:
    """Give a device that exists other credentials, in place of those with the digest ``replaces``.

    The old ones stay valid until ``keep_old_until_ms`` (None: all others end at once, also those that were
    replaced before and are in their grace period). ``provisioned``: the device
    asked for it, so `PROVISION_STATE` is set and a re-opening ends. Other processes are told.
    Outcomes: DONE, CREDENTIALS_IN_USE, STALE (also when ``replaces`` is not current any more), DEVICE_GONE.
    """

    device_id: int
    when: When
    replaces: bytes = field(repr=False)
    credentials: SealedCredentials
    keep_old_until_ms: int | None
    at_ms: int
    provisioned: bool
    attributes: tuple[Attribute, ...] = ()
    request_digest: bytes | None = None
    audit: AuditEntry


@dataclass(frozen=True, slots=True)
class RecordLogin:
    """Record that a device logged in, the first time only. Outcomes: DONE, DEVICE_GONE."""

    device_id: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class ConfirmDelivery:
    """Record that a device has got its answer. Outcomes: DONE, DEVICE_GONE."""

    device_id: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class AppendAudit:
    """Record a decision that changed nothing. Outcome: DONE."""

    audit: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class ReopenDevice:
    """Let a device be provisioned once more: removes `PROVISION_STATE`. Outcomes: DONE, DEVICE_GONE."""

    device_id: int
    at_ms: int
    audit: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteDevice:
    """Delete a device with all that belongs to it. Other processes are told. Outcomes: DONE, DEVICE_GONE."""

    device_id: int
    audit: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateDevice:
    """Replace what administrators may change of a device; its ``version`` is counted up.

    Takes from ``device``: name, profile_id, customer_id, enabled, label, additional_info, details. Other
    processes are told when it is disabled, and its sessions end.
    Outcomes: DONE with the new version, DEVICE_GONE, NAME_TAKEN, PROFILE_GONE (also one of another tenant),
    CUSTOMER_GONE, DEVICE_LIMIT (only when the profile changes), STALE (another version than expected).
    """

    device: Device
    expected_version: int | None = None
    """None: whatever it is now."""
    max_devices: int | None = None
    """How many devices the profile may have, this one included; counts when the profile changes."""
    audit: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveAttributes:
    """Set attributes of a device. For `Scope.SHARED` other processes are told the keys.

    Setting `PROVISION_STATE` of `Scope.SERVER` is like setting any other. Outcomes: DONE, DEVICE_GONE.
    """

    device_id: int
    scope: Scope
    values: Mapping[str, Any]
    at_ms: int
    audit: AuditEntry | None = None
    """None for what devices report of themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteAttributes:
    """Delete attributes of a device; keys that are not there do not matter. Otherwise as `SaveAttributes`.

    Deleting `PROVISION_STATE` of `Scope.SERVER` lets the device be provisioned once more, as `ReopenDevice` does.
    """

    device_id: int
    scope: Scope
    keys: tuple[str, ...]
    at_ms: int
    audit: AuditEntry | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveTelemetry:
    """Keep the newest value of each key. Outcomes: DONE, DEVICE_GONE."""

    device_id: int
    points: tuple[TelemetryPoint, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTenant:
    """Make a tenant; the ``id`` in it is ignored. Outcomes: DONE with its id, NAME_TAKEN."""

    tenant: Tenant
    audit: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateCustomer:
    """Make a customer; the ``id`` in it is ignored. Outcomes: DONE with its id, NAME_TAKEN."""

    customer: Customer
    audit: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateCustomer:
    """Replace title and details. Outcomes: DONE with the new version, GONE, NAME_TAKEN, STALE."""

    customer: Customer
    expected_version: int | None = None
    audit: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteCustomer:
    """Delete a customer and its users; its devices belong to no customer then. Outcomes: DONE, GONE."""

    customer_id: int
    audit: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateUser:
    """Make a user; the ``id`` in it is ignored.

    Outcomes: DONE with the id, NAME_TAKEN (whichever tenant has the address), CUSTOMER_GONE.
    """

    user: User
    audit: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateUser:
    """Replace a user. Other processes are told, because sessions may have to end.

    ``end_sessions``: all logins of the user end in the same transaction.
    Outcomes: DONE with the new version, GONE, NAME_TAKEN, STALE.
    """

    user: User
    expected_version: int | None = None
    end_sessions: bool = False
    audit: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteUser:
    """Delete a user with all logins. Other processes are told. Outcomes: DONE, GONE."""

    user_id: int
    audit: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenUserSession:
    """Record a login of a user; sessions that expired before it are removed. Outcomes: DONE, GONE."""

    session: UserSession
    audit: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewUserSession:
    """Exchange a session's refresh token for another.

    Outcomes: DONE; STALE when ``replaces`` is not the good one any more: somebody has used it before, and the
    session is ended with that; GONE.
    """

    session_id: UUID
    replaces: bytes = field(repr=False)
    refresh_digest: bytes = field(repr=False)
    at_ms: int
    expires_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndUserSession:
    """End one login. Outcomes: DONE, GONE."""

    session_id: UUID
    audit: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateApiToken:
    """Make a token; the ``id`` in it is ignored. Outcomes: DONE with its id, NAME_TAKEN."""

    token: ApiToken
    audit: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteApiToken:
    """Revoke a token. Other processes are told, and its sessions end. Outcomes: DONE, GONE."""

    token_id: int
    audit: AuditEntry


@dataclass(frozen=True, slots=True)
class RecordTokenUse:
    """Record when a token was last used. Outcomes: DONE, GONE."""

    token_id: int
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateProfile:
    """Make a device profile; the ``id`` in it is ignored. Other processes are told.

    Outcomes: DONE with its id, NAME_TAKEN, KEY_TAKEN, DEFAULT_TAKEN.
    """

    profile: DeviceProfile
    audit: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateProfile:
    """Replace a device profile; its ``version`` is counted up. Other processes are told.

    Outcomes: DONE with the new version, NAME_TAKEN, KEY_TAKEN, PROFILE_GONE, DEFAULT_TAKEN, STALE.
    """

    profile: DeviceProfile
    expected_version: int | None = None
    audit: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteProfile:
    """Delete a profile without devices. Other processes are told. Outcomes: DONE, IN_USE, PROFILE_GONE."""

    profile_id: int
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
)


# -- reads -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundCredentials:
    """Credentials found by digest, with what a login needs to know of their device."""

    digest: bytes = field(repr=False)
    type: str
    sealed: bytes = field(repr=False)
    valid_until_ms: int | None
    """None: current. A moment: replaced, and valid until then."""
    device_id: int
    device_public_id: UUID
    device_name: str
    tenant_id: int
    profile_id: int
    first_login_at_ms: int | None
    device_enabled: bool = True

    @property
    def device(self) -> DeviceRef:
        return DeviceRef(
            id=self.device_id,
            public_id=self.device_public_id,
            tenant_id=self.tenant_id,
            profile_id=self.profile_id,
            name=self.device_name,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceQuery:
    """Which devices to list, ordered by id."""

    tenant_id: int
    after_id: int = 0
    limit: int = 100
    profile_id: int | None = None
    text: str | None = None
    """Only names that contain this, whatever the case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageQuery:
    """Which page of a list: 0-based, with rows in an order of the caller's choice and then by id."""

    page: int = 0
    page_size: int = 100
    text: str | None = None
    """Only rows whose name (title, e-mail address) or label contains this, whatever the case."""
    sort: str = "created_at_ms"
    """``created_at_ms``, ``name`` (title, e-mail address), or for devices ``label`` or ``profile``."""
    descending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicePageQuery(PageQuery):
    """Which page of a tenant's devices."""

    tenant_id: int
    customer_id: int | None = None
    profile_id: int | None = None
    ids: frozenset[int] | None = None
    """Only these, such as those that are connected."""
    enabled: bool | None = None


Row = TypeVar("Row", covariant=True)


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows of a list, and how many the whole list has."""

    rows: Sequence[Row]
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """Which audit rows to list, ordered by id. None: whatever it is."""

    after_id: int = 0
    before_id: int | None = None
    limit: int = 1000
    newest_first: bool = False
    tenant_id: int | None = None
    event: str | None = None
    code: str | None = None
    refusals: bool = False
    """Only rows whose code is not ``ok``."""
    device_id: UUID | None = None
    device: str | None = None
    """Name of the device."""
    profile: str | None = None
    actor: str | None = None
    from_ms: int | None = None
    until_ms: int | None = None
    """Before this moment."""


class ChangeKind(enum.StrEnum):
    """What another process must look at again."""

    PROFILE = "profile"
    CREDENTIALS = "credentials"
    """``ref`` is the id of the device whose sessions must end."""
    DEVICE_DELETED = "device-deleted"
    DEVICE_DISABLED = "device-disabled"
    ATTRIBUTES = "attributes"
    """Shared attributes of the device ``ref`` changed; ``detail`` names the keys (`AttributeChange`)."""
    USER = "user"
    """The user ``ref`` was changed or deleted, or has lost its logins."""
    API_TOKEN = "api-token"
    """The token ``ref`` was revoked."""


@dataclass(frozen=True, slots=True)
class Change:
    """Something that a process other than the one that did it must know."""

    id: int
    kind: ChangeKind
    ref: int
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class AttributeChange:
    """The ``detail`` of a change of shared attributes."""

    updated: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()

    def to_json(self) -> str:
        return _encode([self.updated, self.deleted])

    @classmethod
    def from_json(cls, text: str) -> AttributeChange:
        updated, deleted = json.loads(text)
        return cls(tuple(updated), tuple(deleted))


class Storage(Protocol):
    """An open storage. Reads and writes raise `firstboot.errors.Unavailable` when it cannot be reached."""

    async def close(self) -> None:
        """Let go of everything. Nothing else is called afterwards."""
        ...

    async def write(self, batch: Sequence[Write], chain: AuditChain) -> Sequence[WriteResult]:
        """Do all writes in one transaction that is durable when this returns.

        Each write succeeds or fails alone, as if they were done one after another in order: one that
        fails leaves nothing behind, its audit entry included. The audit entries of those that succeed are
        appended to the chain, in order.

        Raises: `firstboot.errors.Unavailable`; then nothing of the batch has happened.
        """
        ...

    async def read_meta(self, name: str) -> bytes | None:
        """Return a value that belongs to the installation as a whole."""
        ...

    async def write_meta(self, name: str, value: bytes, expected: bytes | None) -> bool:
        """Set such a value if it still is ``expected`` (None: not there); say whether it was."""
        ...

    async def find_tenant(self, name: str) -> Tenant | None: ...

    async def all_tenants(self) -> Sequence[Tenant]: ...

    async def all_profiles(self) -> Sequence[DeviceProfile]:
        """Return every profile of the installation; there are few, and the services keep them in memory."""
        ...

    async def count_devices(self, profile_id: int) -> int: ...

    async def find_device(self, tenant_id: int, name: str) -> Device | None: ...

    async def device_by_public_id(self, tenant_id: int, public_id: UUID) -> Device | None: ...

    async def list_devices(self, query: DeviceQuery) -> Sequence[Device]: ...

    async def page_devices(self, query: DevicePageQuery) -> Page[Device]: ...

    async def find_customer(self, tenant_id: int, *, public_id: UUID) -> Customer | None: ...

    async def customers_by_id(self, tenant_id: int, ids: Collection[int]) -> Sequence[Customer]:
        """Return those of the ids that exist in the tenant, in any order."""
        ...

    async def page_customers(self, tenant_id: int, query: PageQuery) -> Page[Customer]: ...

    async def user_by_email(self, email: str) -> User | None:
        """Return a user of any tenant. ``email`` is in lower case."""
        ...

    async def user_by_public_id(self, public_id: UUID) -> User | None:
        """Return a user of any tenant; the caller compares the tenant."""
        ...

    async def user_by_activation(self, digest: bytes) -> User | None: ...

    async def page_users(
        self, tenant_id: int | None, query: PageQuery, *, customer_id: int | None = None
    ) -> Page[User]:
        """Return users of a tenant (None: those that belong to none), or only those of one customer."""
        ...

    async def user_session(self, session_id: UUID) -> tuple[UserSession, User] | None:
        """Return a login that has not ended, with its user. Expiry is for the caller to judge."""
        ...

    async def api_token_by_digest(self, digest: bytes) -> ApiToken | None: ...

    async def list_api_tokens(self, tenant_id: int) -> Sequence[ApiToken]: ...

    async def device_credentials(self, device_id: int) -> Sequence[FoundCredentials]:
        """Return a device's credentials, the current ones first."""
        ...

    async def find_credentials(self, digests: Sequence[bytes]) -> Sequence[FoundCredentials]:
        """Return those of the digests that exist, in any order. Asked for many logins at a time."""
        ...

    async def device_attributes(
        self, device_id: int, scope: Scope | None = None, keys: Collection[str] | None = None
    ) -> Sequence[StoredAttribute]:
        """Return attributes in the order of scope and key. None: of all scopes, or all keys."""
        ...

    async def latest_telemetry(self, device_id: int, keys: Collection[str] | None = None) -> Sequence[LatestValue]:
        """Return the newest values in the order of their keys."""
        ...

    async def list_audit(self, query: AuditQuery) -> Sequence[AuditRow]: ...

    async def last_change(self) -> int:
        """Return the id of the newest change, 0 when there is none."""
        ...

    async def changes_since(self, change_id: int) -> Sequence[Change]:
        """Return the changes after that one, oldest first."""
        ...

    async def backup(self, path: str) -> None:
        """Write a consistent copy to a file that does not exist yet, while others go on.

        Raises: `firstboot.errors.InvalidValue` when this backend leaves that to the database's own tools.
        """
        ...


class StorageBackend(Protocol):
    """Opens storages of certain URL schemes; this is what a plugin offers."""

    schemes: Iterable[str]
    """Such as ``("sqlite",)``."""

    async def open(self, url: str) -> Storage:
        """Connect, and bring the schema to this program's version.

        Raises: `firstboot.errors.StorageRefused` with what to do.
        """
        ...
