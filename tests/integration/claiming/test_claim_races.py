"""CM-5: many customers claim one device at the same moment, and one becomes its owner."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from tests.harness import server_process
from tests.integration.claiming.claim_load import client_of, owners, send, settings, stock, what_never_may_be
from tests.integration.claiming.shop import BUYERS_ORIGIN, Shop
from tests.integration.storage.databases import Database

from firstboot.errors import NotFound

CUSTOMERS, ROUNDS = 50, 20


async def test_cm_5_of_fifty_customers_at_once_one_becomes_the_owner(tmp_path: Path, database: str | None) -> None:
    async with Shop.running(tmp_path, database) as shop:
        people = [await shop.buyer(f"buyer {number}") for number in range(CUSTOMERS)]
        for number in range(ROUNDS):
            device = await shop.device(f"d-{number}")
            await shop.device_opens(device, "secret")
            await shop.administrator_opens(device, "secret", shop.now.now_ms + 1)

            answers = await asyncio.gather(*(shop.claim(user, device, "secret") for user in people))

            assert Counter(answers) == {"yours": 1, "already-claimed": CUSTOMERS - 1}
            after = await shop.again(device)
            assert after.customer_id == people[answers.index("yours")].customer_id
            assert after.version == 2
            assert await shop.openers(device) == set()
        claimed = Counter(
            row.entry.device for row in await shop.server.audit() if row.entry.event == "device-claimed"
        )
        assert claimed == {f"d-{number}": 1 for number in range(ROUNDS)}


async def test_cm_5_of_fifty_customers_at_two_server_processes_one_becomes_the_owner(
    tmp_path: Path, postgres_database: str
) -> None:
    names = [f"d-{number}" for number in range(ROUNDS)]
    people = await stock(tmp_path / "setup", postgres_database, CUSTOMERS, names)
    database = Database(postgres_database)
    with ExitStack() as stack:
        for folder in ("one", "two"):
            (tmp_path / folder).mkdir()
        servers = [
            stack.enter_context(server_process(tmp_path / folder, **settings(postgres_database)))
            for folder in ("one", "two")
        ]
        async with client_of(servers[0].http_port) as one, client_of(servers[1].http_port) as two:
            for name in names:
                asked = [send((one, two)[number % 2], "POST", buyer, name) for number, buyer in enumerate(people)]

                answers = await asyncio.gather(*asked)

                assert Counter(answers) == {"200": 1, '400 "CLAIMED"': CUSTOMERS - 1}
                assert (await owners(database))[name] == people[answers.index("200")].customer_id
        for server in servers:
            assert server.stop() == 0

    assert await what_never_may_be(database) == {}


async def test_claims_releases_offers_and_assignments_at_once_leave_one_truth(
    tmp_path: Path, database: str | None
) -> None:
    """Whatever wins: each change follows from the one before, and the audit log has all of them in order."""
    async with Shop.running(tmp_path, database) as shop:
        people = [await shop.buyer(f"buyer {number}") for number in range(8)]
        device = await shop.device("d")

        async def gives_back(number: int) -> None:
            try:
                await shop.services.releasing.release(people[number], "d", BUYERS_ORIGIN)
            except NotFound:
                pass

        async def hands_over(number: int) -> None:
            try:
                offered = await shop.services.releasing.offer(
                    people[number], await shop.again(device), BUYERS_ORIGIN
                )
            except NotFound:
                return
            await shop.claim(people[number - 1], device, offered.secret.reveal())

        for round_ in range(ROUNDS):
            await shop.device_opens(device, "secret")
            await asyncio.gather(
                *(shop.claim(user, device, "secret") for user in people),
                *(gives_back(number) for number in range(8)),
                *(hands_over(number) for number in range(8)),
                shop.assign(device, people[round_ % 8] if round_ % 3 else None),
                shop.services.releasing.release_by_device(device.ref, BUYERS_ORIGIN),
            )
        after = await shop.again(device)
        events = (
            "device-claimed",
            "device-transferred",
            "device-assigned",
            "device-released",
            "device-unassigned",
        )
        entries = [row.entry for row in await shop.server.audit() if row.entry.event in events]

    assert len(entries) == after.version - 1
    owner = "nobody"
    for entry in entries:
        match entry.event:
            case "device-claimed":
                assert owner == "nobody"
            case "device-transferred" | "device-released":
                assert owner != "nobody"
        owner = entry.detail or ""
    customer = shop.customers.get(after.customer_id or 0)
    assert owner == ("nobody" if customer is None else f"{customer.title} ({customer.public_id})")


@pytest.mark.parametrize("both", ["gateway", "device"])
async def test_a_gateway_and_a_device_behind_it_are_claimed_at_once(
    tmp_path: Path, database: str | None, both: str
) -> None:
    """Where devices follow their gateway: whoever is first, none is taken from the other."""
    async with Shop.running(tmp_path, database) as shop:
        profile = await shop.server.profile("gateways", claim_with_gateway=True)
        one, two = await shop.buyer("one"), await shop.buyer("two")
        for number in range(ROUNDS):
            shop.profile = profile
            gateway = await shop.device(f"gateway {number}")
            update = shop.services.devices.update
            gateway = await update(replace(gateway, additional_info={"gateway": True}), actor="test")
            behind = await shop.device(f"behind {number}")
            behind = await update(replace(behind, gateway_id=gateway.id), actor="test")
            for device in (gateway, behind):
                await shop.device_opens(device, "secret")
            claims = [shop.claim(one, gateway, "secret"), shop.claim(two, behind, "secret")]
            if both == "device":
                claims.reverse()

            answers = await asyncio.gather(*claims)

            if both == "device":
                answers.reverse()
            owner, owner_behind = [(await shop.again(each)).customer_id for each in (gateway, behind)]
            assert (answers[0], owner) == ("yours", one.customer_id)
            if answers[1] == "yours":
                assert owner_behind == two.customer_id
            else:
                assert (answers[1], owner_behind) == ("already-claimed", one.customer_id)
            assert await shop.openers(behind) == set()
