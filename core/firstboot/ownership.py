"""Who owns a device: changed in one write, with all that depends on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from firstboot.batching import Batcher
from firstboot.clock import Clock
from firstboot.config import ClaimingConfig
from firstboot.errors import NotFound
from firstboot.events import Claim
from firstboot.model import CLAIMING_ALLOWED, Attribute, Customer, Device, Origin, Scope
from firstboot.observing import Observers
from firstboot.owner_lookups import read_again
from firstboot.storage import (
    ASKED_FROM,
    AnyOwner,
    AuditEntry,
    ChangeOwner,
    Follower,
    Outcome,
    Storage,
    Write,
    WriteResult,
)

CLAIMED = "device-claimed"
TRANSFERRED = "device-transferred"
RELEASED = "device-released"
ASSIGNED = "device-assigned"
UNASSIGNED = "device-unassigned"
OWNER_EVENTS = (CLAIMED, TRANSFERRED, RELEASED, ASSIGNED, UNASSIGNED)
"""What the audit log calls a change of owner."""
_CLAIMED_HOOK = "firstboot_device_claimed"
_RELEASED_HOOK = "firstboot_device_released"


class OwnerChanged(Exception):
    """The device is not in the state any more in which it was to change its owner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOwner:
    """How a device is to change its owner."""

    customer: Customer | None
    """None: nobody."""
    expected: int | AnyOwner | None
    """Id of the customer to whom the device must belong until then; None: to nobody."""
    event: str
    """One of `OWNER_EVENTS`."""
    how: str
    """See `firstboot.events.Claim`."""
    actor: str
    origin: Origin
    window_digest: bytes | None = None
    """Digest of the secret of the claim window that must be open."""


class Ownership:
    """Gives devices to customers and takes them back, with those behind a gateway where its profile says so."""

    def __init__(
        self,
        config: ClaimingConfig,
        storage: Storage,
        commits: Batcher[Write, WriteResult],
        clock: Clock,
        observers: Observers | None = None,
    ) -> None:
        """``observers``: None where there are none, such as in a command."""
        self._config = config
        self._storage = storage
        self._commits = commits
        self._clock = clock
        self._observers = observers

    async def assign(self, device: Device, customer: Customer | None, *, actor: str) -> Device:
        """Give a device to a customer, or (None) to no customer, whoever owns it.

        Raises: `NotFound` when either is gone, `Unavailable`.
        """
        new = NewOwner(
            customer=customer,
            expected=AnyOwner.ANY,
            event=UNASSIGNED if customer is None else ASSIGNED,
            how="released" if customer is None else "assigned",
            actor=actor,
            origin=ASKED_FROM.get(),
        )
        while True:
            try:
                return await self.change(device, new)
            except OwnerChanged:  # a device behind it did, since it was read
                device = await read_again(self._storage, device.ref)

    async def change(self, device: Device, new: NewOwner) -> Device:
        """Change the owner, and tell the device and whoever observes.

        Raises: `OwnerChanged`, `NotFound`, `Unavailable`.
        """
        write, behind = await self.plan(device, new)
        result = await self._commits.submit(write)
        if result.outcome is Outcome.STALE:
            raise OwnerChanged
        if result.outcome is Outcome.CUSTOMER_GONE:
            raise NotFound("There is no such customer.")
        if result.outcome is not Outcome.DONE:
            raise NotFound(f"There is no device named {device.name!r}.")
        await self.tell(device, new, behind, write.at_ms)
        owner_id = None if new.customer is None else new.customer.id
        return replace(device, customer_id=owner_id, version=result.version)

    async def plan(self, device: Device, new: NewOwner) -> tuple[ChangeOwner, Sequence[Device]]:
        """Return the write that changes the owner, and the devices that follow the gateway that it is."""
        at_ms = self._clock.now_ms()
        behind = await self._behind(device)
        to = "nobody" if new.customer is None else f"{new.customer.title} ({new.customer.public_id})"

        def audit(changed: Device, detail: str) -> AuditEntry:
            return AuditEntry.of_device(
                new.event, changed.ref, new.origin, at_ms=at_ms, actor=new.actor, detail=detail
            )

        write = ChangeOwner(
            device_id=device.id,
            customer_id=None if new.customer is None else new.customer.id,
            expected=new.expected,
            window_digest=new.window_digest,
            at_ms=at_ms,
            attributes=self._attributes(new.customer),
            followers=tuple(
                Follower(each.id, audit(each, f"{to}, with the gateway {device.name}")) for each in behind
            ),
            audit=audit(device, to),
        )
        return write, behind

    async def tell(self, device: Device, new: NewOwner, behind: Sequence[Device], at_ms: int) -> None:
        """Tell whoever observes that owners have changed."""
        for each in (device, *behind):
            await self._tell_released(each, new, at_ms)
            if new.customer is not None:
                how = new.how if each is device else "with-gateway"
                self._tell(_CLAIMED_HOOK, each, new.customer, how, new, at_ms)

    async def _tell_released(self, device: Device, new: NewOwner, at_ms: int) -> None:
        if device.customer_id is None or not self._wanted(_RELEASED_HOOK):
            return
        for former in await self._storage.customers_by_id(device.tenant_id, [device.customer_id]):
            self._tell(_RELEASED_HOOK, device, former, new.how, new, at_ms)

    def _tell(self, hook: str, device: Device, customer: Customer, how: str, new: NewOwner, at_ms: int) -> None:
        if self._observers is not None and self._wanted(hook):
            event = claim_of(device, customer, how=how, actor=new.actor, origin=new.origin, at_ms=at_ms)
            self._observers.tell(hook, event)

    def _wanted(self, hook: str) -> bool:
        return self._observers is not None and self._observers.wanted(hook)

    async def _behind(self, device: Device) -> Sequence[Device]:
        if not device.is_gateway:
            return ()
        profiles = await self._storage.all_profiles()
        if not any(profile.id == device.profile_id and profile.claim_with_gateway for profile in profiles):
            return ()
        behind = await self._storage.devices_behind(device.id)
        return [each for each in behind if each.customer_id == device.customer_id and each.id != device.id]

    def _attributes(self, customer: Customer | None) -> tuple[Attribute, ...]:
        attributes = []
        if self._config.device_attribute:
            attributes.append(Attribute(Scope.SHARED, self._config.device_attribute, customer is not None))
        if customer is None and not self._config.allow_by_default:
            attributes.append(Attribute(Scope.SERVER, CLAIMING_ALLOWED, True))  # contract CL-22
        return tuple(attributes)


def claim_of(device: Device, customer: Customer, *, how: str, actor: str, origin: Origin, at_ms: int) -> Claim:
    """Return what plugins are told of a customer and a device."""
    return Claim(
        device=device.ref,
        customer=customer.title,
        customer_id=customer.public_id if customer.id else None,
        how=how,
        actor=actor,
        origin=origin,
        at_ms=at_ms,
    )
