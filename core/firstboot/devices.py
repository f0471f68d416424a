"""Devices as operators see them: create beforehand, look at, re-open, delete."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from firstboot.batching import Batcher
from firstboot.clock import Clock, new_public_id
from firstboot.errors import AlreadyExists, InvalidValue, NotFound
from firstboot.keyring import Keyring, credentials_place
from firstboot.logins import credentials_digest
from firstboot.model import Attribute, Credentials, Device, DeviceProfile
from firstboot.names import clean_name
from firstboot.storage import (
    AuditEntry,
    CreateDevice,
    DeleteDevice,
    DeviceQuery,
    Outcome,
    ReopenDevice,
    SealedCredentials,
    Storage,
    Write,
    WriteResult,
)


def seal_credentials(keyring: Keyring, credentials: Credentials, device_public_id: bytes) -> SealedCredentials:
    """Return credentials as they are stored with this device."""
    return SealedCredentials(
        credentials.type,
        credentials_digest(keyring, credentials.id),
        keyring.seal(credentials.to_json(), credentials_place(device_public_id)),
    )


def unseal_credentials(keyring: Keyring, sealed: bytes, device_public_id: bytes) -> Credentials:
    """Read what `seal_credentials` made."""
    return Credentials.from_json(keyring.unseal(sealed, credentials_place(device_public_id)))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceDraft:
    """A device that an operator creates before it first boots."""

    name: str
    credentials: Credentials
    label: str | None = None
    gateway: bool = False
    attributes: tuple[Attribute, ...] = ()


class DeviceService:
    """What operators do with devices. Every change is audited, and noticed by running servers."""

    def __init__(
        self, storage: Storage, commits: Batcher[Write, WriteResult], keyring: Keyring, clock: Clock
    ) -> None:
        self._storage = storage
        self._commits = commits
        self._keyring = keyring
        self._clock = clock

    async def get(self, tenant_id: int, name: str) -> Device:
        """Return a device by name.

        Raises: `NotFound`.
        """
        device = await self._storage.find_device(tenant_id, clean_name(name, "device name"))
        if device is None:
            raise NotFound(f"There is no device named {name!r}.")
        return device

    async def list(self, query: DeviceQuery) -> Sequence[Device]:
        return await self._storage.list_devices(query)

    async def credentials(self, device: Device) -> Credentials:
        """Return a device's current credentials, in the clear.

        Raises: `NotFound` when it has none.
        """
        for found in await self._storage.device_credentials(device.id):
            return unseal_credentials(self._keyring, found.sealed, device.public_id.bytes)
        raise NotFound(f"Device {device.name!r} has no credentials.")

    async def create(self, profile: DeviceProfile, draft: DeviceDraft, *, actor: str) -> int:
        """Make a device that waits for its first boot; return its id.

        Raises: `InvalidValue`, `AlreadyExists`, `NotFound` when the profile is gone.
        """
        name = clean_name(draft.name, "device name")
        now_ms = self._clock.now_ms()
        public_id = new_public_id(now_ms)
        result = await self._commits.submit(
            CreateDevice(
                public_id=public_id,
                tenant_id=profile.tenant_id,
                profile_id=profile.id,
                name=name,
                label=draft.label,
                additional_info={"gateway": True} if draft.gateway else None,
                attributes=draft.attributes,
                credentials=seal_credentials(self._keyring, draft.credentials, public_id.bytes),
                created_at_ms=now_ms,
                max_devices=profile.limits.max_devices,
                audit=AuditEntry(
                    at_ms=now_ms,
                    event="device-created",
                    tenant_id=profile.tenant_id,
                    profile=profile.name,
                    device=name,
                    device_id=public_id,
                    actor=actor,
                ),
            )
        )
        match result.outcome:
            case Outcome.DONE:
                return result.id
            case Outcome.NAME_TAKEN:
                raise AlreadyExists(f"There is a device named {name!r} already.")
            case Outcome.CREDENTIALS_IN_USE:
                raise AlreadyExists("Device credentials are already assigned to another device!")
            case Outcome.DEVICE_LIMIT:
                raise InvalidValue(f"Profile {profile.name!r} has as many devices as it may have.")
            case Outcome.PROFILE_GONE:
                raise NotFound(f"There is no device profile named {profile.name!r}.")
            case other:
                raise InvalidValue(f"The database does not take the device {name!r} ({other.value}).")

    async def reopen(self, device: Device, *, actor: str) -> None:
        """Let a device provision itself once more.

        Raises: `NotFound`.
        """
        audit = self._audit("device-reopened", device, actor)
        await self._do(device, ReopenDevice(device_id=device.id, at_ms=audit.at_ms, audit=audit))

    async def delete(self, device: Device, *, actor: str) -> None:
        """Delete a device and all that belongs to it; its sessions end.

        Raises: `NotFound`.
        """
        await self._do(
            device, DeleteDevice(device_id=device.id, audit=self._audit("device-deleted", device, actor))
        )

    async def _do(self, device: Device, write: Write) -> None:
        result = await self._commits.submit(write)
        if result.outcome is not Outcome.DONE:
            raise NotFound(f"There is no device named {device.name!r}.")

    def _audit(self, event: str, device: Device, actor: str) -> AuditEntry:
        return AuditEntry(
            at_ms=self._clock.now_ms(),
            event=event,
            tenant_id=device.tenant_id,
            device=device.name,
            device_id=device.public_id,
            actor=actor,
        )
