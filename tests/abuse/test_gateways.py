"""MQ-8, CM-2, LG-8: what gateways, and devices that would be one, can do to devices of others: nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.harness import running
from tests.integration.admin.thingsboard.buyers import buyer, claim, found, give_back, on_the_shelf, owner
from tests.integration.admin.thingsboard.rest import Rest, administered
from tests.integration.gateways.gateway import Gateway, customer, waiting_device

from firstboot.model import ClaimOpener

REFUSED = 0x87


async def token_of(person: Rest, device_id: str) -> str:
    """Return the access token of a device, as its owner may read it."""
    token: str = (await person.call("GET", f"/api/device/{device_id}/credentials"))["credentialsId"]
    return token


async def told_to_be_a_gateway(person: Rest, device_id: str) -> dict[str, Any]:
    """Save a device as a gateway; return how it is saved."""
    device = await person.call("GET", f"/api/device/{device_id}")
    info = {**(device["additionalInfo"] or {}), "gateway": True, "description": "mine"}
    saved: dict[str, Any] = await person.call("POST", "/api/device", {**device, "additionalInfo": info})
    return saved


async def test_lg_8_a_customer_makes_no_gateway_of_a_device(tmp_path: Path) -> None:
    """LG-8, MQ-8: who is a gateway makes devices and profiles in the tenant, and opens others for claiming."""
    async with administered(tmp_path) as admin:
        ada = await buyer(admin, "ada")
        device_id = await on_the_shelf(admin, "d1")
        assert (await claim(ada, "d1", "s3cret"))[0] == 200

        saved = await told_to_be_a_gateway(ada, device_id)
        assert saved["additionalInfo"] == {"description": "mine"}, "the rest is the customer's to change"

        board = Gateway(admin.server, await found(admin.server, "d1"), await token_of(ada, device_id))
        async with board.session(5):
            assert await board.connects("another") == 0x90
        assert await admin.server.device("another") is None


async def test_lg_8_a_customer_keeps_a_gateway_a_gateway(tmp_path: Path) -> None:
    async with administered(tmp_path) as admin:
        ada = await buyer(admin, "ada")
        device_id = await on_the_shelf(admin, "gw")
        await told_to_be_a_gateway(admin, device_id)
        assert (await claim(ada, "gw", "s3cret"))[0] == 200

        device = await ada.call("GET", f"/api/device/{device_id}")
        saved = await ada.call("POST", "/api/device", {**device, "additionalInfo": None})

        assert saved["additionalInfo"] == {"gateway": True}


async def test_cm_2_a_gateway_opens_nothing_that_an_administrator_has_put_up_for_sale(tmp_path: Path) -> None:
    """CM-2, MQ-8: its own secret would come before the one on the label, and lock the buyer out."""
    async with administered(tmp_path) as admin:
        eve, ada = await buyer(admin, "eve"), await buyer(admin, "ada")
        gateway_id = await on_the_shelf(admin, "gw")
        await told_to_be_a_gateway(admin, gateway_id)
        await on_the_shelf(admin, "meter-7", "label secret")
        assert (await claim(eve, "gw", "s3cret"))[0] == 200
        gateway = Gateway(admin.server, await found(admin.server, "gw"), await token_of(eve, gateway_id))
        assert (await give_back(eve, "gw"))[0] == 200  # as those on the shelf it is nobody's now

        async with gateway.session(5):
            assert await gateway.say("claim", {"meter-7": {"secretKey": "mine"}}) == REFUSED
            assert await gateway.connects("meter-7") == REFUSED

        assert (await claim(eve, "meter-7", "mine"))[0] == 400
        assert (await claim(ada, "meter-7", "label secret"))[0] == 200
        assert await owner(admin, "meter-7") == "ada"


async def test_cm_1_a_gateway_speaks_for_a_device_that_its_owner_has_bought(tmp_path: Path) -> None:
    """CM-1: with the secret of its label; then it goes behind the gateway of its owner."""
    async with administered(tmp_path) as admin:
        ada = await buyer(admin, "ada")
        gateway_id = await on_the_shelf(admin, "gw")
        await told_to_be_a_gateway(admin, gateway_id)
        await on_the_shelf(admin, "meter-7", "label secret")
        for name, secret in (("gw", "s3cret"), ("meter-7", "label secret")):
            assert (await claim(ada, name, secret))[0] == 200

        gateway = Gateway(admin.server, await found(admin.server, "gw"), await token_of(ada, gateway_id))
        async with gateway.session(5):
            assert await gateway.connects("meter-7") == 0


async def test_cm_5_devices_that_are_for_sale_do_not_follow_a_gateway_to_its_owner(tmp_path: Path) -> None:
    """CM-5: though its profile says that its devices do."""
    async with running(tmp_path) as server:
        profile = await server.profile("gateways", claim_with_gateway=True)
        gateway = await Gateway.make(server, "gw", profile)
        device = await waiting_device(server, "meter-7")
        await server.services.claim_windows.open_by_administrator(device, actor="test")

        async with gateway.session(5):
            await gateway.connects("meter-7")
            await gateway.give_to(await customer(server, "eve"))

        assert (await found(server, "meter-7")).customer_id is None


@pytest.mark.parametrize("customers", [False, True])
async def test_op_18_a_gateway_fills_no_audit_log_with_claims_of_devices_that_have_owners(
    tmp_path: Path, customers: bool
) -> None:
    """OP-18, CM-1: neither refused nor repeated claims of devices add a row each for ever."""
    generous = {"messages_per_second": 10_000, "burst": 10_000}
    async with running(tmp_path, mqtt=generous) as server:
        gateway, ada = await Gateway.make(server), await customer(server, "ada")
        names = [f"d{number}" for number in range(100)]
        async with gateway.session(5):
            for name in names:
                await gateway.connects(name)
            for name in names if customers else ():
                await server.services.ownership.assign(await found(server, name), ada, actor="test")
            before = len(await server.audit())
            for _ in range(20):
                assert await gateway.say("claim", {name: {"secretKey": "a"} for name in names}) == 0
            after = len(await server.audit())

        assert after - before <= 5 * len(names)
        windows = await server.services.claim_windows.list(await found(server, "d0"))
        assert [window.opened_by for window in windows] == ([] if customers else [ClaimOpener.DEVICE])
