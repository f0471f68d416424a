"""The provisioning service: from a request that a dialect decoded to credentials that are on disk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from firstboot.batching import Batcher
from firstboot.certificate_authority import CertificateAuthority
from firstboot.clock import Clock
from firstboot.concluding import Concluding, refusal_for
from firstboot.config import ProvisioningConfig
from firstboot.deciding import Deciders
from firstboot.errors import InvalidValue, ProvisioningRefused, Refused, Unavailable
from firstboot.existing_devices import ExistingDevices
from firstboot.giving_members import GivingMembers
from firstboot.issuing import Issuing
from firstboot.keyring import Keyring
from firstboot.limits import Limits
from firstboot.logins import Match
from firstboot.making_devices import MakingDevices, NameTaken
from firstboot.model import Credentials, Device, DeviceProfile, Origin, Provisioned, ProvisioningRequest
from firstboot.names import clean_name
from firstboot.offered import Offered
from firstboot.pool_leases import PoolLeases
from firstboot.profile_directory import ProfileDirectory
from firstboot.reports import Reports
from firstboot.reprovisioning import Reprovisioning
from firstboot.storage import ConfirmDelivery, Outcome, Storage, Write, WriteResult
from firstboot.strategies import CreateNew, GiveNew, HandOutExisting, ProvisioningStrategy, TakeFromPool
from firstboot.under_way import UnderWay


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
    ) -> None:
        self._storage = storage
        self._commits = commits
        self._profiles = profiles
        self._strategies = strategies
        self._issuing = issuing = Issuing(generators, authority, clock)
        self._reports = reports
        self._ensure_fresh = ensure_fresh
        self._clock = clock
        self._limits = limits = Limits(clock)
        self._under_way = UnderWay(config.max_in_flight)
        reprovisioning = Reprovisioning(storage, keyring, clock, issuing.renew)
        concluding = Concluding(commits, keyring, reports)
        self._making = MakingDevices(
            storage=storage,
            keyring=keyring,
            issuing=issuing,
            deciders=deciders,
            limits=limits,
            concluding=concluding,
            clock=clock,
        )
        self._existing = ExistingDevices(
            storage=storage,
            issuing=issuing,
            deciders=deciders,
            reprovisioning=reprovisioning,
            concluding=concluding,
            clock=clock,
        )
        self._members = GivingMembers(
            storage=storage,
            leases=PoolLeases(storage, commits, clock),
            making=self._making,
            issuing=issuing,
            deciders=deciders,
            limits=limits,
            reprovisioning=reprovisioning,
            concluding=concluding,
        )

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

        Raises: `ProvisioningRefused` (``cannot-be-told``, ``plugin-error``).
        """
        return self._issuing.reveal(credentials)

    async def provision(self, request: ProvisioningRequest) -> Provisioned:
        """Decide on a request; what is returned is on disk.

        Raises: `ProfileNotProven`, `ProvisioningRefused`: logged, audited and told to observers already.
        `Unavailable`: nothing was decided.
        """
        return await self._bounded(
            request, lambda: self._provision(request), lambda: self._profiles.find(request.key)
        )

    async def provision_in(self, profile: DeviceProfile, request: ProvisioningRequest) -> Provisioned:
        """Decide on a request that has proven the profile in its dialect's way; key and secret are not read.

        Raises: as `provision`.
        """
        return await self._bounded(request, lambda: self._decide(request, profile), lambda: profile)

    async def renew(self, proof: Match, request: ProvisioningRequest) -> Provisioned:
        """Give a device that has proven itself the credentials that it wants; what is returned is on disk.

        What it has stays valid for the profile's grace. Of the request, key, secret and name are not looked at.

        Raises: `ProvisioningRefused`, `Unavailable`, as `provision`.
        """
        named = replace(request, device_name=proof.found.device_name)
        return await self._bounded(
            named, lambda: self._renew(proof, named), lambda: self._profiles.get(proof.found.profile_id)
        )

    async def _bounded(
        self,
        request: ProvisioningRequest,
        decide: Callable[[], Awaitable[Provisioned]],
        profile: Callable[[], DeviceProfile | None],
    ) -> Provisioned:
        """Decide on a request within the bounds of the server, and report a refusal."""
        try:
            with self._under_way.one_more():
                try:
                    return await decide()
                except Refused as refusal:
                    await self._reports.refused(refusal, request.origin, request.device_name, profile())
                    raise
        except Unavailable as error:
            self._reports.undecided(error, request.origin, request.device_name)
            raise

    async def reload_profiles(self) -> None:
        """Notice a change of profiles at once, for whoever has made one in this process."""
        await self._profiles.reload()

    async def finish(self) -> None:
        """Take no more requests, and wait until none is under way."""
        await self._under_way.finish()

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
            try:
                return await self._making.make(decision.name, request, profile)
            except NameTaken as taken:
                return await self._existing.under_name(taken.name, request, profile)
        if isinstance(decision, HandOutExisting) and isinstance(decision.device, Device):
            return await self._existing.hand_out(decision.device, request, profile)
        if isinstance(decision, GiveNew) and isinstance(decision.device, Device):
            return await self._existing.give_new(
                decision.device,
                lambda current: strategy.ask(lambda: decision.judge(current)),
                request,
                profile,
            )
        if isinstance(decision, TakeFromPool):
            return await self._members.give(decision, request, profile)
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

    async def _renew(self, proof: Match, request: ProvisioningRequest) -> Provisioned:
        await self._ensure_fresh()
        profile = self._profiles.get(proof.found.profile_id)
        device = await self._storage.find_device(proof.found.tenant_id, proof.found.device_name)
        if profile is None or device is None or device.id != proof.found.device_id:
            raise refusal_for(Outcome.DEVICE_GONE)
        return await self._existing.renew(device, proof, request, profile)
