"""The provisioning service: from a request that a dialect decoded to credentials that are on disk."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from firstboot.batching import Batcher
from firstboot.certificate_authority import CertificateAuthority
from firstboot.clock import Clock, new_public_id
from firstboot.config import ProvisioningConfig
from firstboot.credentials import Holder
from firstboot.deciding import Deciders
from firstboot.errors import InvalidValue, ProvisioningRefused, Refused, Unavailable
from firstboot.issuing import Issuing
from firstboot.keyring import Keyring
from firstboot.limits import Limits
from firstboot.logins import Match
from firstboot.model import (
    GATEWAY,
    PROVISION_STATE,
    PROVISIONED,
    Attribute,
    Credentials,
    Device,
    DeviceDetails,
    DeviceProfile,
    DeviceProposal,
    Origin,
    Provisioned,
    ProvisioningRequest,
    ReprovisionPolicy,
    Scope,
)
from firstboot.names import clean_name
from firstboot.offered import Offered
from firstboot.pools import PoolService
from firstboot.profile_directory import ProfileDirectory
from firstboot.reports import Reports
from firstboot.reprovisioning import Reprovisioning
from firstboot.resources import new_resource
from firstboot.sealed_credentials import seal_credentials
from firstboot.secret import random_text
from firstboot.storage import (
    AuditEntry,
    ConfirmDelivery,
    CreateDevice,
    CreateResource,
    HandOut,
    NewMember,
    Outcome,
    ReplaceCredentials,
    Storage,
    Together,
    UpdateDevice,
    When,
    Write,
    WriteResult,
)
from firstboot.strategies import CreateNew, GiveNew, HandOutExisting, ProvisioningStrategy, TakeFromPool

GENERATED_NAME_LENGTH = 20
MAX_TRIES = 5
"""To give a member of a pool to a hardware that asks several servers at once."""
MAX_NAMES_TRIED = 1000
"""For a new member of a pool, before giving up."""
_NO_DETAILS = DeviceDetails()
_STATE_ATTRIBUTE = Attribute(Scope.SERVER, PROVISION_STATE, PROVISIONED)
_REFUSALS: Mapping[Outcome, tuple[str, str]] = {
    Outcome.CREDENTIALS_IN_USE: ("token-in-use", "Another device has the wanted credentials."),
    Outcome.DEVICE_LIMIT: ("device-limit", "The profile has as many devices as it may have."),
    Outcome.PROFILE_GONE: ("profile-gone", "The profile was deleted meanwhile."),
    Outcome.DEVICE_GONE: ("device-gone", "The device was deleted meanwhile."),
    Outcome.GONE: ("profile-gone", "The tenant was deleted meanwhile."),
    Outcome.STALE: ("try-again", "Somebody has changed meanwhile what the request speaks of."),
}


class _Finder:
    """The devices of one tenant, for strategies."""

    def __init__(self, storage: Storage, tenant_id: int) -> None:
        self._storage = storage
        self._tenant_id = tenant_id

    async def find(self, name: str) -> Device | None:
        return await self._storage.find_device(self._tenant_id, name)


class Provisioning:
    """Decides on provisioning requests of every dialect and transport."""

    def __init__(
        self,
        *,
        config: ProvisioningConfig,
        storage: Storage,
        commits: Batcher[Write, WriteResult],
        keyring: Keyring,
        profiles: ProfileDirectory,
        strategies: Mapping[str, Offered],
        generators: Mapping[str, Offered],
        deciders: Deciders,
        reports: Reports,
        ensure_fresh: Callable[[], Awaitable[None]],
        clock: Clock,
        authority: CertificateAuthority,
        pools: PoolService,
    ) -> None:
        self._config = config
        self._storage = storage
        self._commits = commits
        self._keyring = keyring
        self._profiles = profiles
        self._pools = pools
        self._strategies = strategies
        self._issuing = Issuing(generators, authority, clock)
        self._deciders = deciders
        self._reports = reports
        self._ensure_fresh = ensure_fresh
        self._clock = clock
        self._reprovisioning = Reprovisioning(storage, keyring, clock, self._issuing.renew)
        self._limits = Limits(clock)
        self._in_flight = 0
        self._finishing = False
        self._idle: asyncio.Event | None = None

    @property
    def limits(self) -> Limits:
        """What the limits of profiles allow, also to whoever else makes devices by itself."""
        return self._limits

    @property
    def credential_types(self) -> Mapping[str, object]:
        """The types of credentials that devices may ask for."""
        return self._issuing.generators

    def reveal(self, credentials: Credentials) -> Any:
        """Return what a device is told of its credentials: JSON text or object.

        Raises: `ProvisioningRefused` (``plugin-error``).
        """
        return self._issuing.reveal(credentials)

    async def provision(self, request: ProvisioningRequest) -> Provisioned:
        """Decide on a request; what is returned is on disk.

        Raises: `ProfileNotProven`, `ProvisioningRefused`: logged, audited and told to observers already.
        `Unavailable`: nothing was decided.
        """
        return await self._bounded(request, self._provision, lambda: self._profiles.find(request.key))

    async def provision_in(self, profile: DeviceProfile, request: ProvisioningRequest) -> Provisioned:
        """Decide on a request that has proven the profile in its dialect's way; key and secret are not read.

        Raises: as `provision`.
        """

        async def decide(request: ProvisioningRequest) -> Provisioned:
            return await self._decide(request, profile)

        return await self._bounded(request, decide, lambda: profile)

    async def renew(self, proof: Match, request: ProvisioningRequest) -> Provisioned:
        """Give a device that has proven itself the credentials that it wants; what is returned is on disk.

        What it has stays valid for the profile's grace. Of the request, key, secret and name are not looked at.

        Raises: `ProvisioningRefused`, `Unavailable`, as `provision`.
        """
        named = replace(request, device_name=proof.found.device_name)

        async def renew(request: ProvisioningRequest) -> Provisioned:
            return await self._renew_for(proof, request)

        return await self._bounded(named, renew, lambda: self._profiles.get(proof.found.profile_id))

    async def _bounded(
        self,
        request: ProvisioningRequest,
        decide: Callable[[ProvisioningRequest], Awaitable[Provisioned]],
        profile: Callable[[], DeviceProfile | None],
    ) -> Provisioned:
        """Decide on a request within the bounds of the server, and report a refusal."""
        self._in_flight += 1
        try:
            if self._finishing:
                raise Unavailable("The server stops.")
            if self._in_flight > self._config.max_in_flight:
                raise Unavailable("Too many provisioning requests are under way.")
            return await decide(request)
        except Refused as refusal:
            await self._reports.refused(refusal, request.origin, request.device_name, profile())
            raise
        except Unavailable as error:
            self._reports.undecided(error, request.origin, request.device_name)
            raise
        finally:
            self._in_flight -= 1
            if self._in_flight == 0 and self._idle is not None:
                self._idle.set()

    async def reload_profiles(self) -> None:
        """Notice a change of profiles at once, for whoever has made one in this process."""
        await self._profiles.reload()

    async def finish(self) -> None:
        """Take no more requests, and wait until none is under way."""
        # Peers that are connected may ask without end; what is begun after this would be cut off.
        self._finishing = True
        if self._in_flight:
            self._idle = asyncio.Event()
            await self._idle.wait()

    async def confirm_delivery(self, provisioned: Provisioned) -> None:
        """Record that the device has got the answer, so that it is not given a second time."""
        if provisioned.confirmable:
            await self._commits.submit(ConfirmDelivery(provisioned.device_id, self._clock.now_ms()))

    async def refuse_unreadable(self, origin: Origin, reason: str) -> float:
        """Report a request that could not be read; return the seconds to hold the answer back."""
        refusal = ProvisioningRefused(reason, code="bad-request")
        await self._reports.refused(refusal, origin, None, None)
        return refusal.delay_s

    async def report_refusal(
        self, refusal: Refused, origin: Origin, name: str | None = None, profile: DeviceProfile | None = None
    ) -> None:
        """Report what a dialect has refused by itself; how long to hold the answer back is in the refusal then."""
        await self._reports.refused(refusal, origin, name, profile)

    # -- deciding ----------------------------------------------------------------------------------

    async def _provision(self, request: ProvisioningRequest) -> Provisioned:
        # A blank name is refused before the key is looked at (contract PR-1).
        if request.device_name is not None and not request.device_name.strip():
            raise ProvisioningRefused("The device name is blank.", code="invalid-name")
        await self._ensure_fresh()
        return await self._decide(request, self._profiles.prove(request.key, request.secret))

    async def _decide(self, request: ProvisioningRequest, profile: DeviceProfile) -> Provisioned:
        name = self._allowed_name(profile, request)
        strategy = self._strategies.get(profile.strategy)
        if strategy is None:
            raise ProvisioningRefused(
                f"Profile {profile.name!r} wants the strategy {profile.strategy!r}, which no plugin offers.",
                code="plugin-error",
            )
        implementation: ProvisioningStrategy = strategy.object
        finder = _Finder(self._storage, profile.tenant_id)
        decision = await strategy.ask(lambda: implementation.decide(name, request, profile, finder))
        if isinstance(decision, CreateNew):
            return await self._create(decision.name, request, profile)
        if isinstance(decision, HandOutExisting) and isinstance(decision.device, Device):
            return await self._hand_out(decision.device, request, profile)
        if isinstance(decision, GiveNew) and isinstance(decision.device, Device):
            current = await self._reprovisioning.current(decision.device)
            await strategy.ask(lambda: decision.judge(current))
            grace = profile.rotation_grace if profile.reprovision is ReprovisionPolicy.ROTATE else timedelta()
            holder = self._issuing.holder(
                decision.device.name, decision.device.public_id, profile, current=current
            )
            return await self._give("renewed", decision.device, request, holder, grace)
        if isinstance(decision, TakeFromPool):
            return await self._take(decision, request, profile)
        raise strategy.unusable(f"decided {type(decision).__name__}")

    def _allowed_name(self, profile: DeviceProfile, request: ProvisioningRequest) -> str | None:
        """Return the cleaned name, once the profile's limits allow the request."""
        self._limits.check(profile, request.origin)
        if request.device_name is None:
            return None
        try:
            name = clean_name(request.device_name, "device name")
        except InvalidValue as error:
            raise ProvisioningRefused(str(error), code="invalid-name") from None
        self._limits.check_name(profile, name)
        return name

    # -- new devices -------------------------------------------------------------------------------

    async def _create(self, name: str | None, request: ProvisioningRequest, profile: DeviceProfile) -> Provisioned:
        """Make a device; one that has the name already may be the asker's."""
        made = await self._create_once(name, request, profile)
        return made if isinstance(made, Provisioned) else await self._name_taken(made, request, profile)

    async def _create_once(
        self,
        name: str | None,
        request: ProvisioningRequest,
        profile: DeviceProfile,
        member: NewMember | None = None,
    ) -> Provisioned | str:
        """Make a device; return the name that it should have if another one has it."""
        draft = request.draft or _NO_DETAILS
        proposal = DeviceProposal(
            name=name or random_text(GENERATED_NAME_LENGTH),
            profile=profile.name,
            tenant=profile.tenant_id,
            label=draft.label,
            gateway=request.gateway,
            additional_info=draft.additional_info,
        )
        if self._deciders:
            proposal = await self._deciders.ask(request, proposal)
        if proposal.name != name:
            # A name that was drawn, or that a plugin chose: leaving it out must be no way around the pattern.
            self._limits.check_name(profile, proposal.name)
        now_ms = self._clock.now_ms()
        public_id = draft.public_id or new_public_id(now_ms)
        credentials = await self._issuing.issue(
            request.wanted, self._issuing.holder(proposal.name, public_id, profile)
        )
        bucket = self._limits.rate(profile)
        if bucket is not None and not bucket.take():
            # A device that asks again makes no new one, and does not wait for those that do.
            if await self._storage.find_device(profile.tenant_id, proposal.name) is not None:
                return proposal.name
            raise _too_fast(profile, bucket.per_minute)
        info = {**proposal.additional_info, GATEWAY: True} if proposal.gateway else proposal.additional_info
        try:
            result = await self._commits.submit(
                self._with_companions(
                    CreateDevice(
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
                        request_digest=self._digest(request, profile),
                        max_devices=profile.limits.max_devices,
                        audit=self._reports.audit("created", request.origin, profile, proposal.name, public_id),
                    ),
                    draft,
                )
            )
        except Unavailable:
            if bucket is not None:
                bucket.put_back()
            raise
        if result.outcome is not Outcome.DONE:
            if bucket is not None:
                bucket.put_back()
            if result.outcome is not Outcome.NAME_TAKEN:
                raise _refusal(result.outcome)
            return proposal.name
        device = Device(
            id=result.parts[0].id if result.parts else result.id,
            public_id=public_id,
            tenant_id=profile.tenant_id,
            profile_id=profile.id,
            name=proposal.name,
            enabled=draft.enabled,
            label=proposal.label,
            additional_info=info or None,
            details=draft.details,
            hardware_id=request.hardware_id,
            created_at_ms=now_ms,
            provision_state=PROVISIONED,
            provisioned_at_ms=now_ms,
        )
        return self._succeed("created", device, credentials, request, profile)

    def _with_companions(self, create: CreateDevice, draft: DeviceDetails) -> Write:
        """Return the write that makes a device with all that belongs to it, or nothing."""
        writes: list[Write] = [create]
        for companion in draft.companions:
            resource = new_resource(create.tenant_id, companion, create.created_at_ms)
            writes.append(CreateResource(resource=resource, keep_existing=True))
        if draft.replaces is not None:
            old = draft.replaces
            event = "device-updated" if old.enabled else "device-disabled"
            writes.append(
                UpdateDevice(
                    device=old,
                    expected_version=old.version,
                    audit=AuditEntry.of_device(
                        event, old.ref, at_ms=create.created_at_ms, actor="server", detail="replaced"
                    ),
                )
            )
        return create if len(writes) == 1 else Together(tuple(writes))

    async def _name_taken(self, name: str, request: ProvisioningRequest, profile: DeviceProfile) -> Provisioned:
        device = await self._storage.find_device(profile.tenant_id, name)
        if device is None or device.profile_id != profile.id:
            raise ProvisioningRefused(f"A device named {name!r} exists already.", code="name-taken")
        if device.reopened_at_ms is not None:
            holder = self._issuing.holder(device.name, device.public_id, profile)
            credentials = await self._issuing.issue(request.wanted, holder)
            audit = self._reports.audit("re-opened", request.origin, profile, device.name, device.public_id)
            write = await self._reprovisioning.take_over(
                device, credentials, self._digest(request, profile), audit
            )
            return await self._finish(write, "re-opened", device, credentials, request, profile)
        return await self._again(device, request, profile, code="name-taken")

    # -- pools -------------------------------------------------------------------------------------

    async def _take(self, wish: TakeFromPool, request: ProvisioningRequest, profile: DeviceProfile) -> Provisioned:
        """Give a hardware a member of the profile's pool, with the credentials that it wants.

        Its requests that are under way at the same time, such as after a lost connection, are answered one after
        the other: what the last one got is what counts.
        """
        async with self._pools.turn(profile, wish.hardware_id):
            for left in reversed(range(MAX_TRIES)):
                try:
                    return await self._take_once(wish, request, profile)
                except ProvisioningRefused as refusal:
                    if refusal.code != "try-again" or not left:
                        raise
        raise AssertionError("the last try returns or raises")

    async def _take_once(
        self, wish: TakeFromPool, request: ProvisioningRequest, profile: DeviceProfile
    ) -> Provisioned:
        device = await self._pools.lease(wish, profile)
        if device is None:
            return await self._add_to_pool(wish, request, profile)
        try:
            return await self._give_member(device, wish, request, profile)
        except ProvisioningRefused as refusal:
            if device.provisioned_at_ms is None:  # nobody has got anything of it: what is refused leaves nothing
                await self._pools.take_back(device, wish.hardware_id, detail=refusal.code)
            raise

    async def _give_member(
        self, device: Device, wish: TakeFromPool, request: ProvisioningRequest, profile: DeviceProfile
    ) -> Provisioned:
        """Give a hardware the member that it holds; whatever opened it before opens nothing any more."""
        is_new = device.provisioned_at_ms is None
        if not (is_new or device.enabled):
            raise ProvisioningRefused(f"Device {device.name!r} is switched off.", code="device-disabled")
        attributes = await self._decided_attributes(device, request, profile)
        current = await self._reprovisioning.current(device)
        credentials = await self._issuing.issue(
            request.wanted, self._issuing.holder(device.name, device.public_id, profile, current=current)
        )
        bucket = self._limits.rate(profile) if is_new else None
        if bucket is not None and not bucket.take():
            raise _too_fast(profile, bucket.per_minute)
        write = await self._reprovisioning.hand_over(
            device,
            credentials,
            instead_of=current,
            attributes=attributes,
            digest=self._digest(request, profile),
            audit=self._reports.audit("taken-from-pool", request.origin, profile, device.name, device.public_id),
        )
        result = await self._commits.submit(Together((self._pools.giving(device, wish), write)))
        if result.outcome is not Outcome.DONE:
            if bucket is not None:
                bucket.put_back()
            raise _refusal(result.outcome)
        if not is_new:
            self._reports.credentials_changed(device, credentials)
        return self._succeed("taken-from-pool", device, credentials, request, profile)

    async def _add_to_pool(
        self, wish: TakeFromPool, request: ProvisioningRequest, profile: DeviceProfile
    ) -> Provisioned:
        """Make a member for a hardware when none is ready."""
        if wish.new_name is None:
            raise ProvisioningRefused(f"No device of pool {profile.name!r} is ready.", code="pool-empty")
        tried = ""
        for _ in range(MAX_NAMES_TRIED):
            number = await self._pools.next_number(profile)
            try:
                name = clean_name(wish.new_name(number), "device name")
            except InvalidValue as error:
                raise ProvisioningRefused(str(error), code="invalid-name") from None
            if name == tried:  # the number is no part of it
                break
            tried = name
            if await self._storage.find_device(profile.tenant_id, name) is None:
                self._limits.check_name(profile, name)
                made = await self._create_once(name, request, profile, self._pools.new_member(wish))
                if isinstance(made, Provisioned):
                    return made
                if made != name:  # a plugin wants a name that is taken; it would want it again
                    break
        raise ProvisioningRefused(f"A device named {tried!r} exists already.", code="name-taken")

    # -- devices that exist ------------------------------------------------------------------------

    async def _hand_out(self, device: Device, request: ProvisioningRequest, profile: DeviceProfile) -> Provisioned:
        attributes = await self._decided_attributes(device, request, profile)
        credentials = await self._reprovisioning.current(device)
        self.reveal(credentials)  # what cannot be told must not count as handed out
        write = HandOut(
            device_id=device.id,
            when=When.NOT_PROVISIONED,
            at_ms=self._clock.now_ms(),
            attributes=attributes,
            request_digest=self._digest(request, profile),
            audit=self._reports.audit("handed-out", request.origin, profile, device.name, device.public_id),
        )
        result = await self._commits.submit(write)
        if result.outcome is Outcome.STALE:
            # The other asker has won, perhaps just now: look at the device as it is.
            fresh = await self._storage.find_device(profile.tenant_id, device.name)
            return await self._again(fresh or device, request, profile, code="already-provisioned")
        if result.outcome is not Outcome.DONE:
            raise _refusal(result.outcome)
        return self._succeed("handed-out", device, credentials, request, profile)

    async def _decided_attributes(
        self, device: Device, request: ProvisioningRequest, profile: DeviceProfile
    ) -> tuple[Attribute, ...]:
        """Ask plugins whether a device that exists may be given; return the attributes that they give it."""
        if not self._deciders:
            return ()
        proposal = DeviceProposal(
            name=device.name, profile=profile.name, tenant=profile.tenant_id, label=device.label, existing=True
        )
        return (await self._deciders.ask(request, proposal)).attributes

    async def _again(
        self, device: Device, request: ProvisioningRequest, profile: DeviceProfile, *, code: str
    ) -> Provisioned:
        """Answer a device that was provisioned before, if the profile's policy allows it."""
        if profile.reprovision is ReprovisionPolicy.REJECT:
            raise ProvisioningRefused(f"Device {device.name!r} was provisioned before.", code=code)
        rotate = profile.reprovision is ReprovisionPolicy.ROTATE
        how = "rotated" if rotate else "answered-again"
        audit = self._reports.audit(how, request.origin, profile, device.name, device.public_id)
        digest = self._digest(request, profile)
        issued = None
        if request.wanted.given and not self._issuing.are_named(request.wanted.type):
            issued = await self._issuing.issue(
                request.wanted, self._issuing.holder(device.name, device.public_id, profile)
            )
        if rotate:
            write, credentials = await self._reprovisioning.rotate(device, profile, issued, digest, audit)
        else:
            write, credentials = await self._reprovisioning.retry(device, profile, issued, digest, audit)
        return await self._finish(write, how, device, credentials, request, profile)

    async def _renew_for(self, proof: Match, request: ProvisioningRequest) -> Provisioned:
        await self._ensure_fresh()
        profile = self._profiles.get(proof.found.profile_id)
        device = await self._storage.find_device(proof.found.tenant_id, proof.found.device_name)
        if profile is None or device is None or device.id != proof.found.device_id:
            raise _refusal(Outcome.DEVICE_GONE)
        holder = self._issuing.holder(
            device.name,
            device.public_id,
            profile,
            current=await self._reprovisioning.current(device),
            proven_with=proof.credentials,
        )
        return await self._give("renewed", device, request, holder, profile.rotation_grace)

    async def _give(
        self, how: str, device: Device, request: ProvisioningRequest, holder: Holder, grace: timedelta
    ) -> Provisioned:
        """Give a device that exists, and has proven to be it, the credentials that it wants."""
        profile, current = holder.profile, holder.current
        assert current is not None  # of a device that exists
        if not device.enabled:
            raise ProvisioningRefused(f"Device {device.name!r} is switched off.", code="device-disabled")
        await self._decided_attributes(device, request, profile)
        credentials = await self._issuing.issue(request.wanted, holder)
        write = await self._reprovisioning.give(
            device,
            credentials,
            instead_of=current,
            grace=grace,
            digest=self._digest(request, profile),
            audit=self._reports.audit(how, request.origin, profile, device.name, device.public_id),
        )
        return await self._finish(write, how, device, credentials, request, profile)

    async def _finish(
        self,
        write: Write,
        how: str,
        device: Device,
        credentials: Credentials,
        request: ProvisioningRequest,
        profile: DeviceProfile,
    ) -> Provisioned:
        result = await self._commits.submit(write)
        if result.outcome is Outcome.STALE:
            raise ProvisioningRefused(
                f"Device {device.name!r} has used its credentials meanwhile.", code="not-the-same-device"
            )
        if result.outcome is not Outcome.DONE:
            raise _refusal(result.outcome)
        if isinstance(write, ReplaceCredentials):
            self._reports.credentials_changed(device, credentials)
        return self._succeed(how, device, credentials, request, profile)

    def _digest(self, request: ProvisioningRequest, profile: DeviceProfile) -> bytes | None:
        """Return what tells whether two requests are the same; None where nobody will ask."""
        if profile.reprovision is ReprovisionPolicy.REJECT:
            return None
        wanted = request.wanted
        parts = (
            profile.id, request.device_name, request.gateway, wanted.type, wanted.token,
            wanted.client_id, wanted.username, wanted.password, wanted.certificate,
        )  # fmt: skip
        return self._keyring.digest("provisioning-request", json.dumps(parts))

    def _succeed(
        self,
        how: str,
        device: Device,
        credentials: Credentials,
        request: ProvisioningRequest,
        profile: DeviceProfile,
    ) -> Provisioned:
        self._reports.provisioned(how, device, credentials, request.origin, profile)
        return Provisioned(
            device_id=device.id,
            device_name=device.name,
            public_id=device.public_id,
            credentials=credentials,
            confirmable=profile.reprovision is not ReprovisionPolicy.REJECT,
            made=device if how == "created" else None,
        )


def _too_fast(profile: DeviceProfile, per_minute: int) -> ProvisioningRefused:
    return ProvisioningRefused(
        f"Profile {profile.name!r} provisions at most {per_minute} devices a minute.", code="rate-limit"
    )


def _refusal(outcome: Outcome) -> ProvisioningRefused:
    code, message = _REFUSALS.get(outcome, ("unavailable", "The database refused the write."))
    return ProvisioningRefused(message, code=code)
