"""Devices as operators see them: create beforehand, look at, change, re-open, delete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from firstboot.attribute_values import check_value, check_values
from firstboot.batching import Batcher
from firstboot.certificate_authority import CertificateAuthority
from firstboot.claiming_data import ClaimingData
from firstboot.clock import Clock, new_public_id
from firstboot.credentials import nobodys_credentials
from firstboot.errors import AlreadyExists, InvalidValue, LimitReached, NotFound, VersionConflict
from firstboot.events import CredentialsChanged
from firstboot.keyring import Keyring
from firstboot.model import GATEWAY, Attribute, Credentials, Device, DeviceProfile, DeviceRef
from firstboot.mqtt_passwords import in_place_of
from firstboot.names import clean_name
from firstboot.observing import Observers
from firstboot.sealed_credentials import seal_credentials, unseal_credentials
from firstboot.storage import (
    AuditEntry,
    CreateDevice,
    DeleteDevice,
    DevicePageQuery,
    DeviceQuery,
    EndCredentials,
    FoundCredentials,
    Outcome,
    Page,
    ReopenDevice,
    ReplaceCredentials,
    RevokedCertificate,
    Storage,
    UpdateDevice,
    When,
    Write,
    WriteResult,
)

_HOOK = "firstboot_credentials_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceDraft:
    """A device that an operator creates before it first boots."""

    name: str
    credentials: Credentials
    label: str | None = None
    gateway: bool = False
    gateway_id: int | None = None
    attributes: tuple[Attribute, ...] = ()
    customer_id: int | None = None
    additional_info: Mapping[str, Any] | None = None
    details: Mapping[str, Any] | None = None


class DeviceService:
    """What operators do with devices. Every change is audited, and noticed by running servers."""

    def __init__(
        self,
        storage: Storage,
        commits: Batcher[Write, WriteResult],
        keyring: Keyring,
        clock: Clock,
        claiming_data: ClaimingData,
        observers: Observers | None = None,
        authority: CertificateAuthority | None = None,
    ) -> None:
        """``observers``: None where there are none, such as in a command. ``authority``: whose certificates are
        revoked together with the devices that have them."""
        self._authority = authority
        self._claiming_data = claiming_data
        self._storage = storage
        self._commits = commits
        self._keyring = keyring
        self._clock = clock
        self._observers = observers

    # -- looking -----------------------------------------------------------------------------------

    async def get(self, tenant_id: int, name: str) -> Device:
        """Return a device by name.

        Raises: `NotFound`.
        """
        device = await self._storage.find_device(tenant_id, clean_name(name, "device name"))
        if device is None:
            raise NotFound(f"There is no device named {name!r}.")
        return device

    async def by_public_id(self, tenant_id: int, public_id: UUID) -> Device:
        """Return a device of this tenant.

        Raises: `NotFound`, also for a device of another tenant.
        """
        device = await self._storage.device_by_public_id(tenant_id, public_id)
        if device is None:
            raise NotFound(f"Device with id [{public_id}] is not found")
        return device

    async def list(self, query: DeviceQuery) -> Sequence[Device]:
        return await self._storage.list_devices(query)

    async def page(self, query: DevicePageQuery) -> Page[Device]:
        return await self._storage.page_devices(query)

    async def credentials(self, device: Device) -> Credentials:
        """Return a device's current credentials, in the clear.

        Raises: `NotFound` when it has none.
        """
        for found in await self._storage.device_credentials(device.id):
            return unseal_credentials(self._keyring, found.sealed, device.public_id.bytes)
        raise NotFound(f"Device {device.name!r} has no credentials.")

    # -- creating ----------------------------------------------------------------------------------

    async def create(self, profile: DeviceProfile, draft: DeviceDraft, *, actor: str) -> Device:
        """Make a device that waits for its first boot.

        Raises: `InvalidValue` (`LimitReached` when the profile has as many as it may have), `AlreadyExists`,
        `NotFound` when the profile or the customer is gone.
        """
        write, device = self.planned(profile, draft, actor=actor)
        result = await self._commits.submit(write)
        raise_unless_done(result, device, profile)
        return replace(device, id=result.id)

    def planned(
        self, profile: DeviceProfile, draft: DeviceDraft, *, actor: str, detail: str = ""
    ) -> tuple[CreateDevice, Device]:
        """Return what makes a device, for whoever writes many at a time, and the device as it will be, but its id.

        ``detail``: what the audit log says beside.

        Raises: `InvalidValue`.
        """
        now_ms = self._clock.now_ms()
        for attribute in draft.attributes:
            check_values({attribute.key: attribute.value})
        info = dict(draft.additional_info or {})
        if draft.gateway:
            info[GATEWAY] = True
        device = _checked(
            Device(
                id=0,
                public_id=new_public_id(now_ms),
                tenant_id=profile.tenant_id,
                profile_id=profile.id,
                name=draft.name,
                label=draft.label,
                customer_id=draft.customer_id,
                gateway_id=draft.gateway_id,
                additional_info=info or None,
                details=draft.details,
                created_at_ms=now_ms,
            )
        )
        attributes, window = self._claiming_data.seal_attributes(device.public_id, draft.attributes, now_ms)
        write = CreateDevice(
            public_id=device.public_id,
            tenant_id=device.tenant_id,
            profile_id=device.profile_id,
            name=device.name,
            label=device.label,
            customer_id=device.customer_id,
            additional_info=device.additional_info,
            details=device.details,
            gateway_id=draft.gateway_id,
            attributes=tuple(attributes),
            claim_window=window,
            credentials=seal_credentials(self._keyring, draft.credentials, device.public_id.bytes),
            created_at_ms=now_ms,
            max_devices=profile.limits.max_devices,
            audit=AuditEntry.of_device(
                "device-created", device.ref, at_ms=now_ms, actor=actor, profile=profile.name, detail=detail
            ),
        )
        return write, device

    # -- changing ----------------------------------------------------------------------------------

    async def update(
        self,
        device: Device,
        *,
        expected_version: int | None = None,
        actor: str,
        profile: DeviceProfile | None = None,
        event: str = "device-updated",
    ) -> Device:
        """Replace what operators may change: name, label, gateway, both kinds of details, whether it is enabled.

        Who owns it is another matter (`firstboot.ownership`).
        ``profile``: the device's other profile, whose bounds count. ``expected_version`` None: whatever it is.

        Raises: `InvalidValue` (`LimitReached`), `AlreadyExists`, `NotFound`, `VersionConflict`.
        """
        if profile is not None:
            device = replace(device, profile_id=profile.id)
        device = _checked(device)
        result = await self._commits.submit(
            UpdateDevice(
                device=device,
                expected_version=expected_version,
                max_devices=profile.limits.max_devices if profile is not None else None,
                audit=self._audit(event, device, actor),
            )
        )
        raise_unless_done(result, device, profile)
        return replace(device, version=result.version)

    async def set_enabled(self, device: Device, enabled: bool, *, actor: str) -> Device:
        """Let a device log in, or not: its sessions end then.

        Raises: `NotFound`.
        """
        return await self._set(device, "device-enabled" if enabled else "device-disabled", actor, enabled=enabled)

    async def _set(self, device: Device, event: str, actor: str, **fields: Any) -> Device:
        """Change some fields, whatever somebody else has changed meanwhile."""
        while True:
            try:
                return await self.update(
                    replace(device, **fields), expected_version=device.version, actor=actor, event=event
                )
            except VersionConflict:
                device = await self.by_public_id(device.tenant_id, device.public_id)

    async def revoke_credentials(self, device: Device, *, actor: str) -> None:
        """Void all credentials of a device, and revoke its certificates. It waits for others, or to be re-opened.

        Raises: `NotFound`.
        """
        await self.change_credentials(device, nobodys_credentials(), actor=actor, event="credentials-revoked")

    async def change_credentials(
        self, device: Device, credentials: Credentials, *, actor: str, event: str = "credentials-changed"
    ) -> None:
        """Give a device other credentials. All that it had are void, and its sessions end.

        An MQTT password that is not given stays what it is where it is not readable (`firstboot.mqtt_passwords`).

        Raises: `AlreadyExists` when another device has them, `NotFound`.
        """
        while True:
            audit = replace(self._audit(event, device, actor), detail=credentials.type)
            result = WriteResult(Outcome.DEVICE_GONE)
            rows = await self._storage.device_credentials(device.id)
            for current in rows[:1]:
                former = unseal_credentials(self._keyring, current.sealed, device.public_id.bytes)
                given = in_place_of(former, credentials)
                result = await self._commits.submit(
                    ReplaceCredentials(
                        device_id=device.id,
                        when=When.ALWAYS,
                        replaces=current.digest,
                        credentials=seal_credentials(self._keyring, given, device.public_id.bytes),
                        keep_old_until_ms=None,
                        at_ms=audit.at_ms,
                        provisioned=False,
                        revokes=await self._certificates(device.ref, rows, kept=credentials),
                        audit=audit,
                    )
                )
            if result.outcome is not Outcome.STALE:  # else the device has just got others: those are void too
                break
        raise_unless_done(result, device, None)
        if self._observers is not None and self._observers.wanted(_HOOK):
            changed = CredentialsChanged(device=device.ref, credentials_type=credentials.type, at_ms=audit.at_ms)
            self._observers.tell(_HOOK, changed)

    async def end_former_credentials(self, device: DeviceRef, kept: int, *, actor: str) -> None:
        """Void the credentials that a device had before and that are in their grace period, but the newest ones.

        ``kept``: how many of all it keeps, the current ones among them. Its session goes on.
        Raises: `Unavailable`.
        """
        rows = await self._storage.device_credentials(device.id)
        if len(rows) <= kept:
            return
        audit = AuditEntry.of_device("credentials-ended", device, at_ms=self._clock.now_ms(), actor=actor)
        await self._commits.submit(
            EndCredentials(
                device_id=device.id,
                digests=tuple(row.digest for row in rows[kept:]),
                revokes=await self._certificates(device, rows[kept:]),
                audit=audit,
            )
        )

    async def reopen(self, device: Device, *, actor: str) -> None:
        """Let a device provision itself once more.

        Raises: `NotFound`.
        """
        audit = self._audit("device-reopened", device, actor)
        write = ReopenDevice(device_id=device.id, at_ms=audit.at_ms, audit=audit)
        raise_unless_done(await self._commits.submit(write), device, None)

    async def delete(self, device: Device, *, actor: str) -> None:
        """Delete a device and all that belongs to it; its sessions end.

        Raises: `NotFound`.
        """
        revokes = await self._certificates(device.ref, await self._storage.device_credentials(device.id))
        audit = self._audit("device-deleted", device, actor)
        write = DeleteDevice(device_id=device.id, revokes=revokes, audit=audit)
        raise_unless_done(await self._commits.submit(write), device, None)

    async def _certificates(
        self, device: DeviceRef, rows: Sequence[FoundCredentials], kept: Credentials | None = None
    ) -> tuple[RevokedCertificate, ...]:
        """Return the certificates that end with these credentials."""
        if self._authority is None:
            return ()
        known = [
            unseal_credentials(self._keyring, row.sealed, device.public_id.bytes)
            for row in rows
            if row.type == "X509_CERTIFICATE"
        ]
        ended = [each for each in known if kept is None or each.id != kept.id]
        return await self._authority.issued_among(device.tenant_id, device.public_id, ended)

    def _audit(self, event: str, device: Device, actor: str) -> AuditEntry:
        return AuditEntry.of_device(event, device.ref, at_ms=self._clock.now_ms(), actor=actor)


def _checked(device: Device) -> Device:
    """Return a device with its name and label as they are stored.

    Raises: `InvalidValue`.
    """
    for what, details in (("additional_info", device.additional_info), ("details", device.details)):
        if details is not None:
            check_value(details, what)
    label = clean_name(device.label, "label") if device.label else None
    return replace(device, name=clean_name(device.name, "device name"), label=label)


def raise_unless_done(result: WriteResult, device: Device, profile: DeviceProfile | None) -> None:
    """Say why a write has not happened, if it has not.

    Raises: `AlreadyExists`, `InvalidValue` (`LimitReached`), `NotFound`, `VersionConflict`.
    """
    match result.outcome:
        case Outcome.DONE:
            return
        case Outcome.NAME_TAKEN:
            raise AlreadyExists("Device with such name already exists!")
        case Outcome.CREDENTIALS_IN_USE:
            raise AlreadyExists("Device credentials are already assigned to another device!")
        case Outcome.DEVICE_LIMIT:
            of = f"Profile {profile.name!r}" if profile is not None else "The profile"
            raise LimitReached(f"{of} has as many devices as it may have.")
        case Outcome.PROFILE_GONE:
            raise NotFound("There is no such device profile.")
        case Outcome.CUSTOMER_GONE:
            raise NotFound("There is no such customer.")
        case Outcome.STALE:
            raise VersionConflict("Somebody else has changed the device since it was read.")
        case Outcome.DEVICE_GONE:
            raise NotFound(f"There is no device named {device.name!r}.")
        case other:
            raise InvalidValue(f"The database does not take the device {device.name!r} ({other.value}).")
