"""What the services need of a storage backend.

A backend is written in these terms and knows no rules: it keeps what is unique unique, does a batch of
writes in one durable transaction in which each write succeeds or fails alone, and finds things. The
conformance suite `firstboot.testing.StorageConformance` says the same as tests.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias
from uuid import UUID

from firstboot.model import Attribute, Device, DeviceProfile, Tenant

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
    KEY_TAKEN = "key-taken"
    CREDENTIALS_IN_USE = "credentials-in-use"
    DEVICE_LIMIT = "device-limit"
    PROFILE_GONE = "profile-gone"
    DEVICE_GONE = "device-gone"
    STALE = "stale"
    """The write was to happen only in a certain state of the device, and that state is over."""
    IN_USE = "in-use"
    """A profile that has devices cannot be deleted."""


@dataclass(frozen=True, slots=True)
class WriteResult:
    """The outcome of one write, and the id of what it made, if it made something."""

    outcome: Outcome
    id: int = 0


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
class CreateProfile:
    """Make a device profile; the ``id`` in it is ignored. Other processes are told.

    Outcomes: DONE with its id, NAME_TAKEN, KEY_TAKEN.
    """

    profile: DeviceProfile
    audit: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateProfile:
    """Replace a device profile. Other processes are told. Outcomes: DONE, NAME_TAKEN, KEY_TAKEN, PROFILE_GONE."""

    profile: DeviceProfile
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
    | CreateProfile
    | UpdateProfile
    | DeleteProfile
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
class AuditQuery:
    """Which audit rows to list, ordered by id."""

    after_id: int = 0
    limit: int = 1000
    newest_first: bool = False


class ChangeKind(enum.StrEnum):
    """What another process must look at again."""

    PROFILE = "profile"
    CREDENTIALS = "credentials"
    """``ref`` is the id of the device whose sessions must end."""
    DEVICE_DELETED = "device-deleted"


@dataclass(frozen=True, slots=True)
class Change:
    """Something that a process other than the one that did it must know."""

    id: int
    kind: ChangeKind
    ref: int


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

    async def all_profiles(self) -> Sequence[DeviceProfile]:
        """Return every profile of the installation; there are few, and the services keep them in memory."""
        ...

    async def count_devices(self, profile_id: int) -> int: ...

    async def find_device(self, tenant_id: int, name: str) -> Device | None: ...

    async def list_devices(self, query: DeviceQuery) -> Sequence[Device]: ...

    async def device_credentials(self, device_id: int) -> Sequence[FoundCredentials]:
        """Return a device's credentials, the current ones first."""
        ...

    async def find_credentials(self, digests: Sequence[bytes]) -> Sequence[FoundCredentials]:
        """Return those of the digests that exist, in any order. Asked for many logins at a time."""
        ...

    async def device_attributes(self, device_id: int) -> Sequence[Attribute]: ...

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
