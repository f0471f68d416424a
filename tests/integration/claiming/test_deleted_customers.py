"""A customer who is deleted loses his devices as if he had given each of them back: all who would be are told."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from tests.harness import TestServer
from tests.integration.claiming.buyers import FROM_REST, Buyer, owner, windows
from tests.integration.claiming.shop import BUYERS_ORIGIN, Shop
from tests.integration.thingsboard_device.board import ME, Board

from firstboot.model import Customer, Device, Scope


async def customer_of(buyer: Buyer) -> Customer:
    services = buyer.server.services
    found = await services.customers.by_id(1, [buyer.user.customer_id or 0])
    return found[buyer.user.customer_id or 0]


async def test_devices_are_told_and_what_opens_them_is_closed(stored: TestServer) -> None:
    board, buyer = await Board.make(stored), await Buyer.make(stored)
    async with board.session(5):
        await board.subscribe(f"{ME}/attributes")
        await board.publish(f"{ME}/claim", {"secretKey": "s"})
        claimed = await buyer.claim(board, "s")
        assert (await board.told())[1] == {"claimed": True}
        await stored.services.releasing.offer(buyer.user, claimed, FROM_REST)
        await stored.services.claim_windows.open_by_administrator(replace(claimed, customer_id=None), actor="test")
        assert len(await windows(board)) == 2
        events = stored.services.live_events.subscribe(1, {"device-released"})

        await stored.services.customers.delete(await customer_of(buyer), actor="user:ada")

        assert (await board.told())[1] == {"claimed": False}
        told = await anext(events)
        events.close()
    assert (told.data["customer"], told.data["how"], told.data["actor"]) == ("buyer", "released", "user:ada")
    assert await owner(board) is None
    assert await windows(board) == []
    assert "claimingData" not in await board.stored(Scope.SERVER)
    kinds = [row.entry.event for row in await stored.audit()][-2:]
    assert kinds == ["device-unassigned", "customer-deleted"]


async def test_as_many_as_he_has_and_none_of_another(
    tmp_path: Path, database: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a gateway and the devices behind it, which follow it, among them."""
    monkeypatch.setattr("firstboot.customers._AT_A_TIME", 3)
    async with Shop.running(tmp_path, database) as shop:
        shop.profile = await shop.server.profile("gateways", claim_with_gateway=True)
        gone, other = await shop.buyer("gone"), await shop.buyer("other")
        gateway = await shop.device("gateway")
        update = shop.services.devices.update
        gateway = await update(replace(gateway, additional_info={"gateway": True}), actor="test")
        mine: list[Device] = [gateway]
        for number in range(10):
            device = await shop.device(f"mine {number}")
            if number % 2:
                device = await update(replace(device, gateway_id=gateway.id), actor="test")
            await shop.assign(device, gone)
            mine.append(device)
        await shop.assign(gateway, gone)
        his = await shop.device("his")
        await shop.assign(his, other)

        await shop.services.customers.delete(shop.customers[gone.customer_id or 0], actor="test")

        assert {(await shop.again(device)).customer_id for device in mine} == {None}
        assert (await shop.again(his)).customer_id == other.customer_id
        for device in mine:
            read = await shop.services.storage.device_attributes(device.id, Scope.SHARED)
            assert [(each.key, each.value) for each in read] == [("claimed", False)]
        released = [
            row.entry.device for row in await shop.server.audit() if row.entry.event == "device-unassigned"
        ]
        assert Counter(released) == Counter(device.name for device in mine)


async def test_whoever_claims_at_that_moment_owns_his_device_or_nobody_does(
    tmp_path: Path, database: str | None
) -> None:
    async with Shop.running(tmp_path, database) as shop:
        for number in range(10):
            gone, buyer = await shop.buyer(), await shop.buyer()
            devices = [await shop.device(f"d {number} {each}") for each in range(4)]
            offers = []
            for device in devices:
                await shop.assign(device, gone)
                offers.append(await shop.services.releasing.offer(gone, await shop.again(device), BUYERS_ORIGIN))

            answers, _ = await asyncio.gather(
                asyncio.gather(
                    *(
                        shop.claim(buyer, device, offered.secret.reveal())
                        for device, offered in zip(devices, offers, strict=True)
                    )
                ),
                shop.services.customers.delete(shop.customers[gone.customer_id or 0], actor="test"),
            )

            for device, answer in zip(devices, answers, strict=True):
                expected = buyer.customer_id if answer == "yours" else None
                assert (await shop.again(device)).customer_id == expected
                assert await shop.openers(device) == set()
                assert answer in ("yours", "not-open")
