"""Customers claim devices with a name and a secret."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from firstboot.claim_secrets import claim_digest, readings
from firstboot.claim_throttle import ClaimThrottle
from firstboot.claim_windows import DEVICE_SIDE, ClaimWindows
from firstboot.claimants import Asker, Claimant
from firstboot.clock import Clock
from firstboot.deciding_claims import ClaimDeciders
from firstboot.errors import AlreadyExists, ClaimRefused
from firstboot.keyring import Keyring
from firstboot.model import ClaimOpener, ClaimWindow, Customer, Device, Origin, User
from firstboot.owner_lookups import customer_of, device_named
from firstboot.ownership import CLAIMED, TRANSFERRED, NewOwner, OwnerChanged, Ownership, claim_of
from firstboot.refused_claims import RefusedClaims
from firstboot.releasing import Releasing
from firstboot.secret import Secret
from firstboot.storage import Storage

_Take = Callable[[Device, ClaimWindow], Awaitable[Device]]


class Claiming:
    """Gives devices to those who prove their secrets; all is judged again in the write that changes the owner."""

    def __init__(
        self,
        *,
        storage: Storage,
        keyring: Keyring,
        clock: Clock,
        windows: ClaimWindows,
        ownership: Ownership,
        deciders: ClaimDeciders,
        releasing: Releasing,
        throttle: ClaimThrottle,
        refused: RefusedClaims,
    ) -> None:
        self._storage = storage
        self._keyring = keyring
        self._clock = clock
        self._windows = windows
        self._ownership = ownership
        self._deciders = deciders
        self._releasing = releasing
        self._throttle = throttle
        self._refused = refused

    async def claim(self, user: User, name: str, secret: Secret, origin: Origin) -> Device:
        """Make a customer's user's customer the owner of a device.

        Raises: `ClaimRefused`, `NotAllowed` for somebody who is no customer's user, `NotFound` when the device or
        the customer is deleted at this moment, `Unavailable`.
        """
        customer = await customer_of(self._storage, user)
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
                device = await device_named(self._storage, asker.tenant_id, name)
                try:
                    window = await self._open_window(asker, device, secret)
                except ClaimRefused as refusal:
                    if _owner(await device_named(self._storage, asker.tenant_id, name)) != _owner(device):
                        continue  # somebody became the owner between the two looks at the device and its windows
                    if refusal.code not in ("locked", "already-yours"):
                        await self._refused.guessed(asker, name, device, refusal)
                    raise
                assert device is not None  # for the type checker: nothing opens what is not there
                try:
                    return await take(device, window)
                except OwnerChanged:
                    continue  # somebody was faster: what is there now decides
                except ClaimRefused as refusal:
                    await self._refused.by_plugin(asker, device, refusal)
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
        failed_before = self._throttle.has_failed(asker.claimant, device_id)
        candidates = _candidates(device, windows, now_ms, yours=yours, all_open=failed_before)
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
            await self._windows.use_up(device, actor=asker.actor)
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
            await self._releasing.may_release(device, actor=asker.actor, origin=asker.origin, how=how)
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


def _owner(device: Device | None) -> tuple[int, int | None] | None:
    return None if device is None else (device.id, device.customer_id)


def _candidates(
    device: Device, windows: Sequence[ClaimWindow], now_ms: int, *, yours: bool, all_open: bool
) -> Sequence[ClaimWindow]:
    """Return the windows of which one may be opened: what the owner offers, and what was opened before.

    A device's own window, while it is open, stands before an administrator's (contract CL-9). Whoever has failed
    at that (``all_open``) may open either, as on ThingsBoard (CL-12): else whoever has the device's token could
    keep the secret on its label from working.
    """
    by_opener = {window.opened_by: window for window in windows}
    found = []
    if device.customer_id is not None and not yours and ClaimOpener.OWNER in by_opener:
        found.append(by_opener[ClaimOpener.OWNER])
    own = [by_opener[opener] for opener in DEVICE_SIDE if opener in by_opener]
    still_open = [window for window in own if window.expires_at_ms >= now_ms]
    return [*found, *((still_open if all_open else still_open[:1]) or own)]


def _fits(window: ClaimWindow, digests: Sequence[bytes]) -> bool:
    if window.secret_digest is None:
        return False
    # All are compared, so that the time does not tell which.
    fitting = [hmac.compare_digest(window.secret_digest, digest) for digest in digests]
    return any(fitting)
