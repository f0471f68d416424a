"""Storage suite: random batches that open, claim and release devices end as they do in `MemoryStorage`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Self

from hypothesis import given
from hypothesis import strategies as st

from firstboot.model import CLAIMING_ALLOWED, CLAIMING_DATA, Attribute, ClaimOpener, Customer, Scope
from firstboot.storage import (
    AnyOwner,
    AuditChain,
    ChangeOwner,
    CloseClaimWindows,
    DeleteAttributes,
    Follower,
    NewClaimWindow,
    OpenClaimWindow,
    PageQuery,
    SaveAttributes,
    SignUp,
    Storage,
    UpdateDevice,
    When,
    Write,
)
from firstboot.testing.samples import NOW_MS, a_claim_window, a_customer, a_device, a_user, an_audit_entry
from firstboot.testing.storage_base import StorageSuite, digest
from firstboot.testing.storage_random import SETTINGS, Side, Step, batches, end_as_in_memory

_NOBODY = 987_654_321
_STEPS = st.builds(
    Step,
    kind=st.sampled_from(
        ["create", "delete"] + ["open"] * 3 + ["change owner"] * 6 + ["put behind"] * 3
        + ["save"] * 3 + ["unset", "close", "sign up"]
    ),
    name=st.integers(0, 2),
    token=st.integers(0, 2),
    old_token=st.integers(0, 2),
    when=st.sampled_from(When),
    max_devices=st.sampled_from([None, 1, 2]),
    at_ms=st.integers(NOW_MS, NOW_MS + 2),
)  # fmt: skip


@dataclass
class ClaimSide(Side):
    """One of the two storages, with two customers and three devices."""

    customers: list[Customer] = field(default_factory=list)

    @classmethod
    async def begin(cls, storage: Storage, chain: AuditChain, prefix: str) -> Self:
        """Make what the steps need."""
        side = await super().begin(storage, chain, prefix)
        side.customers = [await side.world.make_customer(f"{prefix} {number}") for number in range(2)]
        for name in map(side.device_name, range(3)):
            side.ids[name] = (await side.world.make_device(name)).id
        return side

    def write(self, step: Step) -> Write:
        """Return the write that the step stands for on this side."""
        writes: dict[str, Callable[[Step, int], Write]] = {
            "open": self._open,
            "close": self._close,
            "change owner": self._change_owner,
            "put behind": self._put_behind,
            "save": self._save,
            "unset": self._unset,
            "sign up": self._sign_up,
        }
        if step.kind not in writes:
            return super().write(replace(step, max_devices=None))
        return writes[step.kind](step, self._device_id(step.name))

    def _device_id(self, number: int) -> int:
        return self.ids.get(self.device_name(number), _NOBODY)

    def _owner(self, number: int) -> int | None:
        return self.customers[number].id if number < len(self.customers) else None

    def _open(self, step: Step, device_id: int) -> Write:
        window = a_claim_window(
            device_id,
            opened_by=_opener(step),
            secret_digest=digest(f"{step.old_token}") if step.token else None,
            expires_at_ms=step.at_ms,
            weak=step.when is When.ALWAYS,
        )
        return OpenClaimWindow(window=window, owner_id=self._owner(step.max_devices or 2), audit=_audit(step))

    def _close(self, step: Step, device_id: int) -> Write:
        openers = (_opener(step), ClaimOpener.DEVICE)
        return CloseClaimWindows(device_id=device_id, opened_by=openers, audit=_audit(step))

    def _change_owner(self, step: Step, device_id: int) -> ChangeOwner:
        follows = step.max_devices == 2
        return ChangeOwner(
            device_id=device_id,
            customer_id=self._owner(step.token),
            expected=AnyOwner.ANY if step.when is When.ALWAYS else self._owner(step.old_token),
            window_digest=digest(f"{step.old_token}") if step.max_devices == 1 else None,
            at_ms=step.at_ms,
            attributes=(
                Attribute(Scope.SHARED, "claimed", step.token),
                Attribute(Scope.SERVER, CLAIMING_ALLOWED, True),
            ),
            followers=(Follower(self._device_id(1 + step.old_token % 2), _audit(step)),) if follows else (),
            audit=_audit(step),
        )

    def _put_behind(self, step: Step, device_id: int) -> Write:
        wanted = a_device(
            self.name(step),
            id=device_id,
            tenant_id=self.world.tenant.id,
            profile_id=self.world.profile.id,
            gateway_id=None if step.when is When.ALWAYS else self._device_id(0),
        )
        return UpdateDevice(device=wanted, audit=_audit(step))

    def _save(self, step: Step, device_id: int) -> Write:
        kept = step.token > 0
        window = NewClaimWindow(
            secret_digest=None if kept else digest(f"{step.old_token}"),
            expires_at_ms=step.at_ms,
            weak=step.when is When.ALWAYS,
        )
        values = {CLAIMING_DATA: step.token, "other": step.old_token}
        return SaveAttributes(
            device_id=device_id, scope=Scope.SERVER, values=values, claim_window=window, at_ms=step.at_ms
        )

    def _unset(self, step: Step, device_id: int) -> Write:
        keys = (CLAIMING_DATA,) if step.max_devices else ("other", "claimed")
        return DeleteAttributes(device_id=device_id, scope=Scope.SERVER, keys=keys, at_ms=step.at_ms)

    def _sign_up(self, step: Step, device_id: int) -> Write:
        email = f"{self.prefix}-{step.token}@example.org"
        return SignUp(
            customer=a_customer(email, tenant_id=self.world.tenant.id),
            user=a_user(email, tenant_id=self.world.tenant.id),
            claim=self._change_owner(step, device_id),
            customer_audit=_audit(step),
            user_audit=_audit(step),
        )

    async def state(self) -> dict[str, Any]:
        """Return everything about the devices and who owns them, without the ids, which differ."""
        storage, tenant_id = self.world.storage, self.world.tenant.id
        devices = await self.devices()
        names = {device.id: device.name for device in devices}
        query = PageQuery(text=self.prefix, page_size=1000)
        customers = (await storage.page_customers(tenant_id, query)).rows
        titles = {customer.id: customer.title for customer in customers}
        users = (await storage.page_users(tenant_id, query)).rows
        return {
            **await super().state(),
            "owners": {each.name: titles.get(each.customer_id or 0) for each in devices},
            "gateways": {each.name: names.get(each.gateway_id or 0) for each in devices},
            "windows": {
                each.name: {
                    (found.opened_by, found.secret_digest, found.expires_at_ms, found.opened_at_ms, found.weak)
                    for found in await storage.claim_windows(each.id)
                }
                for each in devices
            },
            "customers": sorted(titles.values()),
            "users": {user.email: titles.get(user.customer_id or 0) for user in users},
        }


def _opener(step: Step) -> ClaimOpener:
    return list(ClaimOpener)[step.old_token]


def _audit(step: Step) -> Any:
    return an_audit_entry(step.kind, detail=str(step))


class RandomClaimTests(StorageSuite):
    """Random claims, done in the storage under test and in memory."""

    @SETTINGS
    @given(batches=batches(_STEPS))
    async def test_random_claims_end_as_in_memory(
        self, storage: Storage, chain: AuditChain, batches: list[list[Step]]
    ) -> None:
        await end_as_in_memory(ClaimSide, storage, chain, batches)
