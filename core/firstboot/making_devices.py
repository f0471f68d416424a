"""Devices that are made for whoever asks, with all that a dialect wants to be made along with them."""

from __future__ import annotations

from firstboot.clock import Clock, new_public_id
from firstboot.concluding import Concluding
from firstboot.deciding import Deciders
from firstboot.errors import ProvisioningRefused
from firstboot.issuing import Issuing
from firstboot.keyring import Keyring
from firstboot.limits import Limits
from firstboot.model import (
    GATEWAY,
    PROVISION_STATE,
    PROVISIONED,
    Attribute,
    Device,
    DeviceDetails,
    DeviceProfile,
    DeviceProposal,
    Provisioned,
    ProvisioningRequest,
    Scope,
)
from firstboot.resources import new_resource
from firstboot.sealed_credentials import seal_credentials
from firstboot.secret import random_text
from firstboot.storage import (
    AuditEntry,
    CreateDevice,
    CreateResource,
    NewMember,
    Outcome,
    Storage,
    Together,
    UpdateDevice,
    Write,
)

GENERATED_NAME_LENGTH = 20
_NO_DETAILS = DeviceDetails()
_STATE_ATTRIBUTE = Attribute(Scope.SERVER, PROVISION_STATE, PROVISIONED)


class NameTaken(ProvisioningRefused):
    """Another device has the name, perhaps the one that asks."""

    def __init__(self, name: str) -> None:
        super().__init__(f"A device named {name!r} exists already.", code="name-taken")
        self.name = name


class MakingDevices:
    """Makes devices."""

    def __init__(
        self,
        *,
        storage: Storage,
        keyring: Keyring,
        issuing: Issuing,
        deciders: Deciders,
        limits: Limits,
        concluding: Concluding,
        clock: Clock,
    ) -> None:
        self._storage = storage
        self._keyring = keyring
        self._issuing = issuing
        self._deciders = deciders
        self._limits = limits
        self._concluding = concluding
        self._clock = clock

    async def make(
        self,
        name: str | None,
        request: ProvisioningRequest,
        profile: DeviceProfile,
        *,
        member: NewMember | None = None,
    ) -> Provisioned:
        """Make a device. ``name`` None: the server draws one; ``member``: what it is in the profile's pool.

        Raises: `NameTaken`, `ProvisioningRefused`, `Unavailable`.
        """
        draft = request.draft or _NO_DETAILS
        proposal = await self._proposal(name, draft, request, profile)
        now_ms = self._clock.now_ms()
        public_id = draft.public_id or new_public_id(now_ms)
        credentials = await self._issuing.issue(
            request.wanted, self._issuing.holder(proposal.name, public_id, profile)
        )
        info = {**proposal.additional_info, GATEWAY: True} if proposal.gateway else proposal.additional_info
        create = CreateDevice(
            public_id=public_id,
            tenant_id=profile.tenant_id,
            profile_id=profile.id,
            name=proposal.name,
            label=proposal.label,
            additional_info=info or None,
            details=draft.details,
            enabled=draft.enabled,
            hardware_id=request.hardware_id,
            member=member,
            attributes=(_STATE_ATTRIBUTE, *proposal.attributes),
            credentials=seal_credentials(self._keyring, credentials, public_id.bytes),
            created_at_ms=now_ms,
            provisioned_at_ms=now_ms,
            request_digest=self._concluding.digest(request, profile),
            max_devices=profile.limits.max_devices,
            audit=self._concluding.audit("created", proposal.name, public_id, request, profile),
        )
        device = Device(
            id=await self._write(create, draft, profile),
            public_id=public_id,
            tenant_id=create.tenant_id,
            profile_id=create.profile_id,
            name=create.name,
            enabled=create.enabled,
            label=create.label,
            additional_info=create.additional_info,
            details=create.details,
            hardware_id=create.hardware_id,
            created_at_ms=now_ms,
            provision_state=PROVISIONED,
            provisioned_at_ms=now_ms,
        )
        return self._concluding.success("created", device, credentials, request, profile)

    async def _proposal(
        self, name: str | None, draft: DeviceDetails, request: ProvisioningRequest, profile: DeviceProfile
    ) -> DeviceProposal:
        """Return the device as plugins will have it."""
        proposal = DeviceProposal(
            name=name or random_text(GENERATED_NAME_LENGTH),
            profile=profile.name,
            tenant=profile.tenant_id,
            label=draft.label,
            gateway=request.gateway,
            additional_info=draft.additional_info,
        )
        proposal = await self._deciders.ask(request, proposal)
        if proposal.name != name:
            # A name that was drawn, or that a plugin chose: leaving it out must be no way around the pattern.
            self._limits.check_name(profile, proposal.name)
        return proposal

    async def _write(self, create: CreateDevice, draft: DeviceDetails, profile: DeviceProfile) -> int:
        """Make the device, or nothing; return its id."""
        write = _with_companions(create, draft)
        try:
            with self._limits.counting(profile):
                result = await self._concluding.write(write, unless=Outcome.NAME_TAKEN)
                if result.outcome is Outcome.NAME_TAKEN:
                    raise NameTaken(create.name)
        except ProvisioningRefused as refusal:
            # A device that asks again makes no new one, and does not wait for those that do.
            if (
                refusal.code == "rate-limit"
                and await self._storage.find_device(profile.tenant_id, create.name) is not None
            ):
                raise NameTaken(create.name) from None
            raise
        return result.parts[0].id if result.parts else result.id


def _with_companions(create: CreateDevice, draft: DeviceDetails) -> Write:
    """Return the write that makes a device with all that belongs to it, or nothing."""
    writes: list[Write] = [create]
    for companion in draft.companions:
        resource = new_resource(create.tenant_id, companion, create.created_at_ms)
        writes.append(CreateResource(resource=resource, keep_existing=True))
    if draft.replaces is not None:
        old = draft.replaces
        event = "device-updated" if old.enabled else "device-disabled"
        audit = AuditEntry.of_device(event, old.ref, at_ms=create.created_at_ms, actor="server", detail="replaced")
        writes.append(UpdateDevice(device=old, expected_version=old.version, audit=audit))
    return create if len(writes) == 1 else Together(tuple(writes))
