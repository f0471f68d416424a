"""How a storage in memory opens claim windows and changes owners."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from firstboot.model import CLAIMING_ALLOWED, CLAIMING_DATA, Attribute, ClaimOpener, Scope
from firstboot.storage import (
    AnyOwner,
    AttributeChange,
    ChangeKind,
    ChangeOwner,
    CloseClaimWindows,
    CreateCustomer,
    CreateUser,
    OpenClaimWindow,
    Outcome,
    SignUp,
    WriteResult,
)
from firstboot.testing.memory_devices import DeviceWrites
from firstboot.testing.memory_people import PeopleWrites

ClaimWrite = OpenClaimWindow | CloseClaimWindows | ChangeOwner | SignUp


class ClaimWrites(DeviceWrites, PeopleWrites):
    """The part of a `firstboot.testing.MemoryStorage` that writes what claiming is about."""

    def _claim_obstacles(self, write: ClaimWrite) -> Iterator[Outcome]:
        match write:
            case OpenClaimWindow():
                device = self._tables.devices.get(write.window.device_id)
                if device is None:
                    yield Outcome.DEVICE_GONE
                elif device.customer_id != write.owner_id:
                    yield Outcome.STALE
            case CloseClaimWindows():
                if write.device_id not in self._tables.devices:
                    yield Outcome.DEVICE_GONE
            case ChangeOwner():
                yield from self._owner_obstacles(write)
                device = self._tables.devices.get(write.device_id)
                if device is not None and not self._tables.has_customer(write.customer_id, device.tenant_id):
                    yield Outcome.CUSTOMER_GONE
            case SignUp():
                yield from self._people_obstacles(_customer_of(write))
                yield from self._user_clashes(replace(write.user, customer_id=None), own_id=0)
                yield from self._owner_obstacles(write.claim)
                device = self._tables.devices.get(write.claim.device_id)
                if device is not None and device.tenant_id != write.customer.tenant_id:
                    yield Outcome.CUSTOMER_GONE

    def _owner_obstacles(self, write: ChangeOwner) -> Iterator[Outcome]:
        device = self._tables.devices.get(write.device_id)
        if device is None:
            yield Outcome.DEVICE_GONE
            return
        if write.expected not in (AnyOwner.ANY, device.customer_id):
            yield Outcome.STALE
        if write.window_digest is not None and not any(
            (window.device_id, window.secret_digest) == (device.id, write.window_digest)
            and window.expires_at_ms >= write.at_ms
            for window in self._tables.windows.values()
        ):
            yield Outcome.STALE
        for follower in write.followers:
            behind = self._tables.devices.get(follower.device_id)
            if behind is None or (behind.customer_id, behind.gateway_id) != (device.customer_id, device.id):
                yield Outcome.STALE

    def _apply_to_claims(self, write: ClaimWrite) -> WriteResult:
        windows = self._tables.windows
        match write:
            case OpenClaimWindow():
                windows[write.window.device_id, write.window.opened_by] = write.window
            case CloseClaimWindows():
                self._close(write)
            case ChangeOwner():
                return WriteResult(Outcome.DONE, version=self._change_owner(write))
            case SignUp():
                customer_id = self._apply_to_people(_customer_of(write)).id
                user = replace(write.user, customer_id=customer_id)
                user_id = self._apply_to_people(CreateUser(user=user, audit=write.user_audit)).id
                version = self._change_owner(replace(write.claim, customer_id=customer_id))
                return WriteResult(Outcome.DONE, user_id, version)
        return WriteResult(Outcome.DONE)

    def _close(self, write: CloseClaimWindows) -> None:
        for opener in write.opened_by:
            self._tables.windows.pop((write.device_id, opener), None)
            if opener is ClaimOpener.ADMINISTRATOR:
                self._tables.attributes.pop((write.device_id, Scope.SERVER, CLAIMING_DATA), None)
        if write.permission:
            self._tables.attributes.pop((write.device_id, Scope.SERVER, CLAIMING_ALLOWED), None)

    def _change_owner(self, write: ChangeOwner) -> int:
        for device_id in (write.device_id, *(follower.device_id for follower in write.followers)):
            device = self._tables.devices[device_id]
            for opener in ClaimOpener:
                self._tables.windows.pop((device_id, opener), None)
            for key in (CLAIMING_DATA, CLAIMING_ALLOWED):
                self._tables.attributes.pop((device_id, Scope.SERVER, key), None)
            self._tables.change_device(device_id, customer_id=write.customer_id, version=device.version + 1)
            self._set_attributes(device_id, write.attributes, write.at_ms)
            shared = _shared_keys(write.attributes)
            if shared:
                self._tables.tell(ChangeKind.ATTRIBUTES, device_id, AttributeChange(updated=shared).to_json())
        return self._tables.devices[write.device_id].version


def _customer_of(write: SignUp) -> CreateCustomer:
    return CreateCustomer(customer=write.customer, audit=write.customer_audit)


def _shared_keys(attributes: Iterable[Attribute]) -> tuple[str, ...]:
    return tuple(each.key for each in attributes if each.scope is Scope.SHARED)
