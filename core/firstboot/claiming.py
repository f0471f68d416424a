"""Customers claim devices with a name and a secret, give them back, and sign up with their first one."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from firstboot.batching import Batcher
from firstboot.claim_secrets import claim_digest, readings
from firstboot.claim_throttle import Claimant, ClaimThrottle
from firstboot.claim_windows import ClaimWindows, OpenedWindow
from firstboot.clock import Clock
from firstboot.deciding_claims import ClaimDeciders
from firstboot.errors import AlreadyExists, ClaimRefused, InvalidValue, NotAllowed, NotFound
from firstboot.keyring import Keyring
from firstboot.model import ClaimOpener, ClaimWindow, Customer, Device, DeviceRef, Origin, User
from firstboot.names import MAX_NAME_LENGTH, clean_name
from firstboot.ownership import CLAIMED, RELEASED, TRANSFERRED, NewOwner, OwnerChanged, Ownership, claim_of
from firstboot.profile_directory import ProfileDirectory
from firstboot.secret import Secret
from firstboot.storage import AppendAudit, AuditEntry, Storage, Write, WriteResult
from firstboot.throttle import FailureThrottle, source_of

logger = logging.getLogger(__name__)

_DEVICE_SIDE = (ClaimOpener.DEVICE, ClaimOpener.ADMINISTRATOR)
_Take = Callable[[Device, ClaimWindow], Awaitable[Device]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who wants to own a device."""

    tenant_id: int
    claimant: Claimant
    actor: str
    origin: Origin


class Claiming:
    """Decides who owns a device next. Everything is judged again in the write that changes the owner."""

    def __init__(
        self,
        *,
        storage: Storage,
        commits: Batcher[Write, WriteResult],
        keyring: Keyring,
        clock: Clock,
        windows: ClaimWindows,
        ownership: Ownership,
        deciders: ClaimDeciders,
        profiles: ProfileDirectory,
        throttle: ClaimThrottle,
        failures: FailureThrottle,
    ) -> None:
        self._storage = storage
        self._commits = commits
        self._keyring = keyring
        self._clock = clock
        self._windows = windows
        self._ownership = ownership
        self._deciders = deciders
        self._profiles = profiles
        self._throttle = throttle
        self._failures = failures

    # -- claiming ----------------------------------------------------------------------------------

    async def claim(self, user: User, name: str, secret: Secret, origin: Origin) -> Device:
        """Make a customer's user's customer the owner of a device.

        Raises: `ClaimRefused`, `NotAllowed` for somebody who is no customer's user, `NotFound` when the device or
        the customer is deleted at this moment, `Unavailable`.
        """
        customer = await self._customer_of(user)
        asker = Asker(
            tenant_id=customer.tenant_id,
            claimant=Claimant(person=user.id, customer_id=customer.id, address=origin.address),
            actor=f"user:{user.email}",
            origin=origin,
        )

        async def take(device: Device, window: ClaimWindow) -> Device:
            return await self._ownership.change(device, await self.new_owner(device, window, customer, asker))

        return await self.prove(asker, name, secret, take)

    async def prove(self, asker: Asker, name: str, secret: Secret, take: _Take) -> Device:
        """Let ``take`` change the owner of the device that a secret opens; it may find that too late.

        Raises: `ClaimRefused`, and what ``take`` raises.
        """
        async with self._throttle.turn(asker.claimant):
            while True:
                device = await self._find(asker.tenant_id, name)
                try:
                    window = await self._open_window(asker, device, secret)
                except ClaimRefused as refusal:
                    if _owner(await self._find(asker.tenant_id, name)) != _owner(device):
                        continue  # somebody became the owner between the two looks at the device and its windows
                    if refusal.code not in ("locked", "already-yours"):
                        await self._failed(asker, name, device, refusal)
                    raise
                assert device is not None  # for the type checker: nothing opens what is not there
                try:
                    return await take(device, window)
                except OwnerChanged:
                    continue  # somebody was faster: what is there now decides
                except ClaimRefused as refusal:  # a plugin refused
                    if self._failures.is_news(f"claims that plugins refuse {asker.actor}"):
                        await self._report(asker, name, device, refusal)
                    raise
                except AlreadyExists:  # who has one device must not learn by it who has an account (threat LG-3)
                    self._throttle.failed(asker.claimant, None)
                    raise

    async def _open_window(self, asker: Asker, device: Device | None, secret: Secret) -> ClaimWindow:
        """Return the window that the secret opens for this asker.

        Raises: `ClaimRefused`.
        """
        # The same steps for a device that is not there (threat CM-7).
        device_id = 0 if device is None else device.id
        self._throttle.check_device(asker.claimant, device_id)
        windows = await self._storage.claim_windows(device_id)
        public_id = UUID(int=0) if device is None else device.public_id
        digests = [claim_digest(self._keyring, public_id, each) for each in readings(secret)]
        if device is None:
            raise ClaimRefused("unknown-device", "The tenant has no device of this name.")
        now_ms = self._windows.now_ms()
        yours = device.customer_id is not None and device.customer_id == asker.claimant.customer_id
        candidates = _candidates(device, windows, now_ms, yours=yours)
        owned = ("already-yours", "The device is yours already.") if yours else (
            "already-claimed", "The device belongs to somebody else.",
        )  # fmt: skip
        if not candidates:
            if device.customer_id is None:
                raise ClaimRefused("not-open", "The device is not open for claiming.")
            raise ClaimRefused(*owned)
        opened = next((each for each in candidates if _fits(each, digests)), None)
        if opened is None:
            raise ClaimRefused("wrong-secret", "The secret is not the right one.")
        if opened.expires_at_ms < now_ms:
            raise ClaimRefused("expired", "The time to claim the device is over.")
        if device.customer_id is not None and opened.opened_by is not ClaimOpener.OWNER:
            # Somebody gave it to a customer while it was open: these windows have no use any more.
            await self._windows.close(device, opened_by=_DEVICE_SIDE, actor=asker.actor)
            raise ClaimRefused(*owned)
        return opened

    async def new_owner(
        self, device: Device, window: ClaimWindow, customer: Customer, asker: Asker, how: str = "claimed"
    ) -> NewOwner:
        """Ask the plugins, and return what is to happen."""
        transferred = window.opened_by is ClaimOpener.OWNER
        how = "transferred" if transferred else how
        at_ms = self._clock.now_ms()
        if transferred:
            await self._may_release(device, actor=asker.actor, origin=asker.origin, how=how)
        await self._deciders.may_claim(
            claim_of(device, customer, how=how, actor=asker.actor, origin=asker.origin, at_ms=at_ms)
        )
        return NewOwner(
            customer=customer,
            expected=device.customer_id,
            event=TRANSFERRED if transferred else CLAIMED,
            how=how,
            actor=asker.actor,
            origin=asker.origin,
            window_digest=window.secret_digest,
        )

    async def _find(self, tenant_id: int, name: str) -> Device | None:
        try:
            name = clean_name(name, "device name")
        except InvalidValue:  # no device has it
            name = ""
        return await self._storage.find_device(tenant_id, name)

    # -- releasing ---------------------------------------------------------------------------------

    async def release(self, user: User, name: str, origin: Origin) -> None:
        """Give a device of a customer back.

        Raises: `NotFound`, also for a device of somebody else (threat CM-6); `ClaimRefused` by a plugin;
        `NotAllowed`, `Unavailable`.
        """
        customer = await self._customer_of(user)
        while True:
            device = await self._find(customer.tenant_id, name)
            if device is None or device.customer_id != customer.id:
                raise NotFound(f"There is no device named {name!r}.")
            try:
                await self._release(device, customer.id, f"user:{user.email}", origin)
            except OwnerChanged:
                continue
            return

    async def release_as_administrator(self, device: Device, *, actor: str, origin: Origin) -> Device:
        """Take a device from its owner; of one that has none only its own claim window is closed (contract CL-21).

        Raises: `ClaimRefused` by a plugin, `NotFound`, `Unavailable`.
        """
        while device.customer_id is not None:
            try:
                return await self._release(device, device.customer_id, actor, origin)
            except OwnerChanged:
                device = await self._again(device.ref)
        await self._windows.close(device, opened_by=(ClaimOpener.DEVICE,), actor=actor)
        return device

    async def release_by_device(self, ref: DeviceRef, origin: Origin) -> None:
        """Take a device from its owner because it says so itself, such as when it is reset.

        Raises: `NotAllowed` when its profile does not let it, `ClaimRefused` by a plugin, `NotFound`,
        `Unavailable`.
        """
        profile = self._profiles.get(ref.profile_id)
        if profile is None or not profile.release_by_device:
            raise NotAllowed("Devices of this profile may not release themselves.")
        while True:
            device = await self._again(ref)
            if device.customer_id is None:
                return
            try:
                await self._release(device, device.customer_id, "device", origin)
            except OwnerChanged:
                continue
            return

    async def _release(self, device: Device, owner_id: int, actor: str, origin: Origin) -> Device:
        await self._may_release(device, actor=actor, origin=origin, how="released")
        new = NewOwner(
            customer=None, expected=owner_id, event=RELEASED, how="released", actor=actor, origin=origin
        )
        return await self._ownership.change(device, new)

    async def _may_release(self, device: Device, *, actor: str, origin: Origin, how: str) -> None:
        assert device.customer_id is not None  # for the type checker: somebody owns it
        for owner in await self._storage.customers_by_id(device.tenant_id, [device.customer_id]):
            claim = claim_of(device, owner, how=how, actor=actor, origin=origin, at_ms=self._clock.now_ms())
            await self._deciders.may_release(claim)

    # -- handing over ------------------------------------------------------------------------------

    async def offer(self, user: User, device: Device, origin: Origin) -> OpenedWindow:
        """Let the customer who comes next claim a device that still belongs to this user's customer.

        Raises: `NotFound` for a device of somebody else, `NotAllowed`, `Unavailable`.
        """
        await self._own(user, device)
        return await self._windows.open_by_owner(device, actor=f"user:{user.email}", origin=origin)

    async def withdraw(self, user: User, device: Device) -> None:
        """Take an offer back.

        Raises: as `offer`.
        """
        await self._own(user, device)
        await self._windows.close(device, opened_by=(ClaimOpener.OWNER,), actor=f"user:{user.email}")

    async def _own(self, user: User, device: Device) -> None:
        customer = await self._customer_of(user)
        if device.customer_id != customer.id:
            raise NotFound(f"Device with id [{device.public_id}] is not found")

    # -- looking and telling -----------------------------------------------------------------------

    async def _customer_of(self, user: User) -> Customer:
        if user.tenant_id is None or user.customer_id is None:
            raise NotAllowed("Only a customer's users claim devices.")
        for customer in await self._storage.customers_by_id(user.tenant_id, [user.customer_id]):
            return customer
        raise NotAllowed("The customer was deleted.")

    async def _again(self, ref: DeviceRef) -> Device:
        device = await self._storage.device_by_public_id(ref.tenant_id, ref.public_id)
        if device is None:
            raise NotFound(f"There is no device named {ref.name!r}.")
        return device

    async def _failed(self, asker: Asker, name: str, device: Device | None, refusal: ClaimRefused) -> None:
        guessed = self._throttle.failed(asker.claimant, None if device is None else device.id)
        penalty = self._failures.record(f"claim {source_of(asker.origin.address)}")
        refusal.delay_s = penalty.delay_s
        if penalty.report:
            await self._report(asker, name, device, refusal)
        if guessed and device is not None:
            await self._end_weak_windows(device)

    async def _report(self, asker: Asker, name: str, device: Device | None, refusal: ClaimRefused) -> None:
        named = name[:MAX_NAME_LENGTH] if device is None else device.name
        logger.info("claim refused", extra={"code": refusal.code, "device": named, "actor": asker.actor})
        entry = AuditEntry(
            at_ms=self._clock.now_ms(),
            event="claim-refused",
            code=refusal.code,
            tenant_id=asker.tenant_id,
            device=named,
            device_id=None if device is None else device.public_id,
            actor=asker.actor,
            address=asker.origin.address,
            transport=asker.origin.transport,
            dialect=asker.origin.dialect,
            detail=str(refusal),
        )
        await self._commits.submit(AppendAudit(entry))

    async def _end_weak_windows(self, device: Device) -> None:
        """Ask for a fresh window where many people together might find the secret (threat CM-3)."""
        logger.warning("the claim secret of a device is being guessed at", extra={"device": device.name})
        entry = AuditEntry.of_device("claim-guessing", device.ref, at_ms=self._clock.now_ms(), actor="server")
        await self._commits.submit(AppendAudit(entry))
        weak = [each.opened_by for each in await self._storage.claim_windows(device.id) if each.weak]
        if weak:
            await self._windows.close(device, opened_by=weak, actor="server")


def _owner(device: Device | None) -> tuple[int, int | None] | None:
    return None if device is None else (device.id, device.customer_id)


def _candidates(
    device: Device, windows: Sequence[ClaimWindow], now_ms: int, *, yours: bool
) -> Sequence[ClaimWindow]:
    """Return the windows of which one may be opened: what the owner offers, and what was opened before.

    A device's own window, while it is open, stands before an administrator's (contract CL-9).
    """
    by_opener = {window.opened_by: window for window in windows}
    found = []
    if device.customer_id is not None and not yours and ClaimOpener.OWNER in by_opener:
        found.append(by_opener[ClaimOpener.OWNER])
    own = [by_opener[opener] for opener in _DEVICE_SIDE if opener in by_opener]
    still_open = [window for window in own if window.expires_at_ms >= now_ms]
    return [*found, *(still_open[:1] or own)]


def _fits(window: ClaimWindow, digests: Sequence[bytes]) -> bool:
    if window.secret_digest is None:
        return False
    # All are compared, so that the time does not tell which.
    fitting = [hmac.compare_digest(window.secret_digest, digest) for digest in digests]
    return any(fitting)
