"""Storage suite: claim windows are opened and closed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from firstboot.model import CLAIMING_ALLOWED, CLAIMING_DATA, Attribute, ClaimOpener, ClaimWindow, Device, Scope
from firstboot.storage import (
    CloseClaimWindows,
    CreateDevice,
    DeleteAttributes,
    DeleteDevice,
    NewClaimWindow,
    OpenClaimWindow,
    Outcome,
    SaveAttributes,
    Storage,
)
from firstboot.testing.samples import NOW_MS, a_claim_window, an_audit_entry
from firstboot.testing.storage_base import StorageSuite, World, attributes, digest

DEVICE, ADMINISTRATOR, OWNER = ClaimOpener.DEVICE, ClaimOpener.ADMINISTRATOR, ClaimOpener.OWNER
every_opener = pytest.mark.parametrize("opener", ClaimOpener, ids=lambda opener: opener.value)


def open_window(device: Device, opener: ClaimOpener = DEVICE, secret: str = "s", **fields: Any) -> OpenClaimWindow:
    """Return the write that opens a device for whoever has this secret, as long as its owner is this one."""
    owner_id = fields.pop("owner_id", device.customer_id)
    window = a_claim_window(device.id, opened_by=opener, secret_digest=digest(secret), **fields)
    return OpenClaimWindow(window=window, owner_id=owner_id, audit=an_audit_entry("claim-window-opened"))


def close_windows(device: Device, *openers: ClaimOpener) -> CloseClaimWindows:
    """Return the write that closes windows of a device."""
    audit = an_audit_entry("claim-window-closed")
    return CloseClaimWindows(device_id=device.id, opened_by=openers, audit=audit)


def new_window(secret: str | None = "s", **fields: Any) -> NewClaimWindow:
    """Return a window that another write brings along; without a secret it keeps the one before."""
    secret_digest = None if secret is None else digest(secret)
    return NewClaimWindow(secret_digest=secret_digest, **{"expires_at_ms": NOW_MS + 60_000} | fields)


def save_claiming_data(device: Device, window: NewClaimWindow, value: Any = "kept") -> SaveAttributes:
    """Return the write with which an administrator opens a device."""
    return SaveAttributes(
        device_id=device.id,
        scope=Scope.SERVER,
        values={CLAIMING_DATA: value},
        claim_window=window,
        at_ms=NOW_MS,
    )


async def windows(storage: Storage, device: Device) -> dict[ClaimOpener, ClaimWindow]:
    """Return a device's claim windows by who has opened them."""
    read = await storage.claim_windows(device.id)
    by_opener = {each.opened_by: each for each in read}
    assert len(by_opener) == len(read), "somebody has two windows"
    return by_opener


class ClaimWindowTests(StorageSuite):
    """Opening, replacing, reading and closing."""

    # -- opening -----------------------------------------------------------------------------------

    @every_opener
    async def test_a_window_comes_back_as_it_was_opened(self, world: World, opener: ClaimOpener) -> None:
        device, other = await world.make_device(), await world.make_device("other")
        write = open_window(device, opener, expires_at_ms=2**53 - 1, opened_at_ms=0, weak=True)

        assert await world.told(write) == []

        assert list(await world.storage.claim_windows(device.id)) == [write.window]
        assert list(await world.storage.claim_windows(other.id)) == []
        assert (await world.audit())[-1].entry == write.audit

    async def test_a_window_may_have_no_secret(self, world: World) -> None:
        device = await world.make_device()
        write = open_window(device)
        await world.do(open_window(device, secret="before"))
        write = replace(write, window=replace(write.window, secret_digest=None))

        await world.do(write)

        assert await windows(world.storage, device) == {DEVICE: write.window}

    async def test_the_latest_window_of_an_opener_replaces_only_that_one(self, world: World) -> None:
        """CL-4 as section 7 of the contract corrects it: the latest message replaces."""
        device = await world.make_device()
        first = [open_window(device, opener, "first") for opener in ClaimOpener]
        latest = open_window(device, DEVICE, "latest", expires_at_ms=NOW_MS - 1, weak=True)

        assert await world.do(*first, latest) == [Outcome.DONE] * 4

        expected = {write.window.opened_by: write.window for write in (*first, latest)}
        assert await windows(world.storage, device) == expected

    async def test_a_window_is_opened_only_while_the_owner_is_the_expected_one(self, world: World) -> None:
        """CL-2: a device that belongs to somebody is not opened by what it says itself."""
        customer, other = await world.make_customer(), await world.make_customer("other")
        free = await world.make_device("free")
        owned = await world.make_device("owned", customer_id=customer.id)
        before = await world.state()

        outcomes = await world.do(
            open_window(free, owner_id=customer.id),
            open_window(owned, owner_id=None),
            open_window(owned, OWNER, owner_id=other.id),
        )

        assert outcomes == [Outcome.STALE] * 3
        assert await world.state() == before
        assert await world.do(open_window(owned, OWNER), open_window(free)) == [Outcome.DONE] * 2

    async def test_a_device_that_is_gone_has_no_windows(self, world: World) -> None:
        device = await world.make_device()
        await world.do(open_window(device), open_window(device, OWNER))

        assert await world.do(DeleteDevice(device_id=device.id, audit=an_audit_entry())) == [Outcome.DONE]

        assert list(await world.storage.claim_windows(device.id)) == []
        before = await world.state()
        assert await world.do(open_window(device), close_windows(device, DEVICE)) == [Outcome.DEVICE_GONE] * 2
        assert await world.state() == before

    async def test_windows_are_there_after_closing_and_opening(self, world: World, other_storage: Storage) -> None:
        """CM-11: they are rows."""
        device = await world.make_device()
        write = open_window(device)

        await world.do(write)

        assert await windows(other_storage, device) == {DEVICE: write.window}

    # -- closing -----------------------------------------------------------------------------------

    @every_opener
    async def test_only_the_windows_that_are_named_are_closed(self, world: World, opener: ClaimOpener) -> None:
        device, other = await world.make_device(), await world.make_device("other")
        await world.do(*(open_window(each, by) for each in (device, other) for by in ClaimOpener))

        assert await world.told(close_windows(device, opener)) == []

        assert set(await windows(world.storage, device)) == set(ClaimOpener) - {opener}
        assert set(await windows(world.storage, other)) == set(ClaimOpener)
        assert (await world.audit())[-1].entry.event == "claim-window-closed"

    async def test_closing_what_is_closed_is_done(self, world: World) -> None:
        device = await world.make_device()

        assert await world.do(close_windows(device, *ClaimOpener), close_windows(device)) == [Outcome.DONE] * 2

    async def test_closing_without_an_audit_entry_leaves_none(self, world: World) -> None:
        device = await world.make_device()
        before = await world.audit()

        await world.do(CloseClaimWindows(device_id=device.id, opened_by=(DEVICE,)))

        assert await world.audit() == before

    async def test_the_permission_to_open_itself_goes_only_when_that_is_wished(self, world: World) -> None:
        device = await world.make_device(attributes=(Attribute(Scope.SERVER, CLAIMING_ALLOWED, True),))
        close = close_windows(device, *ClaimOpener)

        await world.do(close)
        assert (Scope.SERVER, CLAIMING_ALLOWED) in await attributes(world.storage, device.id)
        await world.do(replace(close, permission=True))

        assert await attributes(world.storage, device.id) == {}

    async def test_claiming_data_goes_with_the_administrators_window_alone(self, world: World) -> None:
        device = await world.make_device()
        await world.do(save_claiming_data(device, new_window()), open_window(device))

        await world.do(close_windows(device, DEVICE, OWNER))
        assert (Scope.SERVER, CLAIMING_DATA) in await attributes(world.storage, device.id)
        await world.do(close_windows(device, ADMINISTRATOR))

        assert await attributes(world.storage, device.id) == {}
        assert await windows(world.storage, device) == {}

    # -- with other writes -------------------------------------------------------------------------

    async def test_attributes_bring_a_window_of_the_administrator_along(self, world: World) -> None:
        device = await world.make_device()
        await world.do(open_window(device, DEVICE), open_window(device, ADMINISTRATOR, "old"))

        await world.do(save_claiming_data(device, new_window("new", expires_at_ms=7, weak=True)))

        found = await windows(world.storage, device)
        assert found[ADMINISTRATOR] == ClaimWindow(
            device_id=device.id,
            opened_by=ADMINISTRATOR,
            secret_digest=digest("new"),
            expires_at_ms=7,
            opened_at_ms=NOW_MS,
            weak=True,
        )
        assert found[DEVICE].secret_digest == digest("s")
        assert await attributes(world.storage, device.id) == {(Scope.SERVER, CLAIMING_DATA): '"kept"'}

    async def test_a_device_that_is_owned_gets_a_window_of_the_administrator_too(self, world: World) -> None:
        customer = await world.make_customer()
        device = await world.make_device(customer_id=customer.id)

        await world.do(save_claiming_data(device, new_window()))

        assert set(await windows(world.storage, device)) == {ADMINISTRATOR}

    async def test_a_window_without_a_secret_keeps_the_one_that_was_there(self, world: World) -> None:
        device = await world.make_device()
        await world.do(save_claiming_data(device, new_window("secret", weak=True)))

        await world.do(save_claiming_data(device, new_window(None, expires_at_ms=7)))

        window = (await windows(world.storage, device))[ADMINISTRATOR]
        assert (window.secret_digest, window.weak, window.expires_at_ms) == (digest("secret"), True, 7)

    async def test_a_window_without_a_secret_keeps_none_where_none_was(self, world: World) -> None:
        device = await world.make_device()
        await world.do(open_window(device, DEVICE, "of the device"))

        await world.do(save_claiming_data(device, new_window(None)))

        assert (await windows(world.storage, device))[ADMINISTRATOR].secret_digest is None

    async def test_windows_of_one_batch_are_opened_in_order(self, world: World) -> None:
        device, other = await world.make_device(), await world.make_device("other")
        await world.do(save_claiming_data(device, new_window("oldest")))

        await world.do(
            save_claiming_data(device, new_window("old")),
            save_claiming_data(device, new_window("new", weak=True)),
            save_claiming_data(device, new_window(None, expires_at_ms=7)),
            save_claiming_data(other, new_window(None)),
            save_claiming_data(device, new_window(None, expires_at_ms=8)),
        )

        window = (await windows(world.storage, device))[ADMINISTRATOR]
        assert (window.secret_digest, window.weak, window.expires_at_ms) == (digest("new"), True, 8)
        assert (await windows(world.storage, other))[ADMINISTRATOR].secret_digest is None

    async def test_deleting_claiming_data_closes_the_administrators_window(self, world: World) -> None:
        device = await world.make_device()
        await world.do(save_claiming_data(device, new_window()), open_window(device))

        def delete(scope: Scope, *keys: str) -> DeleteAttributes:
            return DeleteAttributes(device_id=device.id, scope=scope, keys=keys, at_ms=NOW_MS)

        await world.do(delete(Scope.SHARED, CLAIMING_DATA), delete(Scope.SERVER, "other"))
        assert set(await windows(world.storage, device)) == {DEVICE, ADMINISTRATOR}
        await world.do(delete(Scope.SERVER, CLAIMING_DATA))

        assert set(await windows(world.storage, device)) == {DEVICE}

    async def test_devices_are_made_with_windows(self, world: World) -> None:
        kept = (Attribute(Scope.SERVER, CLAIMING_DATA, "kept"),)
        writes: list[CreateDevice] = [
            world.device("one", claim_window=new_window("one", weak=True), attributes=kept),
            world.device("two"),
            world.device("one", "another token", claim_window=new_window("not made")),
            world.device("three", claim_window=new_window(None)),
        ]

        outcomes = await world.do(*writes)

        assert outcomes == [Outcome.DONE, Outcome.DONE, Outcome.NAME_TAKEN, Outcome.DONE]
        found = [await windows(world.storage, await world.read(name)) for name in ("one", "two", "three")]
        assert [set(each) for each in found] == [{ADMINISTRATOR}, set(), {ADMINISTRATOR}]
        one, three = found[0][ADMINISTRATOR], found[2][ADMINISTRATOR]
        assert (one.secret_digest, one.weak, one.opened_at_ms) == (digest("one"), True, NOW_MS)
        assert three.secret_digest is None

    async def test_attributes_of_a_device_that_is_gone_open_nothing(self, world: World) -> None:
        device = await world.make_device()
        await world.do(DeleteDevice(device_id=device.id, audit=an_audit_entry()))

        assert await world.do(save_claiming_data(device, new_window())) == [Outcome.DEVICE_GONE]

        assert await windows(world.storage, device) == {}
