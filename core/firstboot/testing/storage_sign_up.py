"""Storage suite: somebody makes an account while he claims his first device."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from firstboot.model import Device
from firstboot.storage import ChangeOwner, DeleteDevice, Outcome, PageQuery, SignUp, Storage
from firstboot.testing.samples import a_customer, a_user, an_audit_entry
from firstboot.testing.storage_base import StorageSuite, World, digest
from firstboot.testing.storage_claims import open_window, windows
from firstboot.testing.storage_owners import CLAIMED, ELSEWHERE, change_owner, follower

NOBODYS_ID = 0


def sign_up(world: World, device: Device, email: str = "ada@example.org", **fields: Any) -> SignUp:
    """Return the write with which somebody gets an account and a device that a secret opens."""
    values: dict[str, Any] = {
        "customer": a_customer(email, id=NOBODYS_ID, tenant_id=world.tenant.id),
        "user": a_user(email, id=NOBODYS_ID, tenant_id=world.tenant.id),
        "claim": claim(device),
        "customer_audit": an_audit_entry("customer-created", detail=email),
        "user_audit": an_audit_entry("user-created", detail=email),
    }
    return SignUp(**values | fields)


def claim(device: Device, **fields: Any) -> ChangeOwner:
    """Return the part of it that takes the device."""
    asked: dict[str, Any] = {"expected": None, "window_digest": digest("s"), "attributes": (CLAIMED,)}
    return change_owner(device, None, **asked | fields)


class SignUpTests(StorageSuite):
    """A customer with its first user and its first device: all of it or nothing."""

    async def test_an_account_is_made_with_its_device(self, world: World) -> None:
        device = await world.make_device()
        await world.do(open_window(device))
        write = sign_up(world, device)
        entries = len(await world.audit())

        (result,) = await world.storage.write([write], world.chain)

        assert (result.outcome, result.version) == (Outcome.DONE, 2)
        user = await world.storage.user_by_email("ada@example.org")
        assert user is not None
        assert user.customer_id is not None
        assert user == replace(write.user, id=result.id, customer_id=user.customer_id)
        (customer,) = await world.storage.customers_by_id(world.tenant.id, [user.customer_id])
        assert customer == replace(write.customer, id=user.customer_id)
        assert await world.read(device.name) == replace(device, customer_id=customer.id, version=2)
        assert await windows(world.storage, device) == {}
        audited = [row.entry for row in (await world.audit())[entries:]]
        assert audited == [write.customer_audit, write.user_audit, write.claim.audit]

    async def test_a_gateway_brings_its_devices(self, world: World) -> None:
        gateway = await world.make_device("gateway")
        behind = await world.make_device("behind", gateway_id=gateway.id)
        await world.do(open_window(gateway))

        write = sign_up(world, gateway, claim=claim(gateway, followers=(follower(behind),)))

        assert await world.do(write) == [Outcome.DONE]
        one, other = [(await world.read(each.name)).customer_id for each in (gateway, behind)]
        assert one is not None
        assert one == other

    async def test_whatever_stands_against_it_nothing_is_left_behind(
        self, world: World, other_world: World
    ) -> None:
        device, owned = await world.make_device(), await world.make_device("owned")
        gateway, stranger = await world.make_device("gateway"), await world.make_device("stranger")
        theirs = await other_world.make_device("theirs", "their token")
        gone = await world.make_device("gone")
        customer = await world.make_customer("taken title")
        await world.make_user("taken@example.org")
        await world.do(
            *(open_window(each) for each in (device, owned, gateway)),
            change_owner(owned, customer),
            DeleteDevice(device_id=gone.id, audit=an_audit_entry()),
        )
        await other_world.do(open_window(theirs))
        titled = a_customer("taken title", id=NOBODYS_ID, tenant_id=world.tenant.id)
        nowhere = a_customer("new", id=NOBODYS_ID, tenant_id=ELSEWHERE)
        follows = claim(gateway, followers=(follower(stranger),))
        refused = [
            (sign_up(world, device, "taken@example.org"), Outcome.NAME_TAKEN),
            (sign_up(world, device, customer=titled), Outcome.NAME_TAKEN),
            (sign_up(world, device, customer=nowhere), Outcome.GONE),
            (sign_up(world, owned), Outcome.STALE),
            (sign_up(world, device, claim=claim(device, window_digest=digest("wrong"))), Outcome.STALE),
            (sign_up(world, gateway, claim=follows), Outcome.STALE),
            (sign_up(world, gone), Outcome.DEVICE_GONE),
            (sign_up(world, theirs), Outcome.CUSTOMER_GONE),
        ]
        before, before_there = await world.state(), await other_world.state()

        for write, outcome in refused:
            assert await world.do(write) == [outcome]
        together = await world.do(*(write for write, _ in refused))

        assert together == [outcome for _, outcome in refused]
        assert await world.state() == before
        assert await other_world.state() == before_there

    async def test_one_that_is_refused_disturbs_no_other_of_its_batch(self, world: World) -> None:
        devices = [await world.make_device(f"meter-{number}") for number in range(3)]
        await world.do(*map(open_window, devices))
        before = await world.storage.last_change()

        outcomes = await world.do(
            change_owner(devices[0], None, attributes=(CLAIMED,)),
            sign_up(world, devices[0], "late@example.org"),
            sign_up(world, devices[1], "ada@example.org"),
            sign_up(world, devices[2], "ada@example.org"),
            sign_up(world, devices[1], "late@example.org"),
            sign_up(world, devices[2], "bob@example.org"),
            world.device("new"),
        )

        done, stale = Outcome.DONE, Outcome.STALE
        assert outcomes == [done, stale, done, Outcome.NAME_TAKEN, stale, done, done]
        assert await world.storage.user_by_email("late@example.org") is None
        titles = {each.title for each in (await world.storage.page_customers(world.tenant.id, PageQuery())).rows}
        assert titles == {"ada@example.org", "bob@example.org"}
        assert [each.ref for each in await world.storage.changes_since(before)] == [each.id for each in devices]

    async def test_of_rivals_over_two_storages_one_signs_up(self, world: World, other_storage: Storage) -> None:
        """CM-5: nobody else gets an account that he has no device for."""
        device = await world.make_device()
        await world.do(open_window(device))
        other = replace(world, storage=other_storage)
        writes = [sign_up(world, device, f"user-{number}@example.org") for number in range(10)]

        outcomes = await self.rivals([world, other], writes)

        assert outcomes == {Outcome.DONE: 1, Outcome.STALE: 9}
        assert (await world.storage.page_users(world.tenant.id, PageQuery())).total == 1
        assert (await world.storage.page_customers(world.tenant.id, PageQuery())).total == 1
