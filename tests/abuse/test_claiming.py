"""CM-1 to CM-5, LG-3, LG-8, OP-18: guessing, listing, flooding and racing for devices that are somebody else's."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.harness import TestServer, running
from tests.integration.admin.own.customers import PASSWORD, SECRET, SIGN_UP, counted, for_sale, problem, sign_up
from tests.integration.admin.thingsboard.buyers import (
    DATA,
    FAILURE,
    FAR_MS,
    buyer,
    claim,
    found,
    on_the_shelf,
    server_attributes,
)
from tests.integration.admin.thingsboard.rest import administered
from tests.integration.admin.world import House, World, world_of
from tests.integration.claiming.buyers import FROM_REST, Buyer
from tests.integration.thingsboard_device.board import Board

from firstboot.errors import ClaimRefused
from firstboot.events import Claim
from firstboot.hookspecs import Refuse, hookimpl
from firstboot.secret import Secret

OPEN_TO_ALL = {"claiming": {"sign_up": ["default"]}}
KEY = "5" * 64
"""Server key of servers that share a database."""


class Refuser:
    """A plugin that lets nobody claim."""

    FIRSTBOOT_API = 1

    @hookimpl
    def firstboot_device_claiming(self, claim: Claim) -> Refuse:
        return Refuse("Not in this country.", "not-here")


# -- listing and locking out -----------------------------------------------------------------------


async def test_lg_3_who_has_one_device_does_not_list_accounts_with_it(tmp_path: Path) -> None:
    """LG-3, CM-1: its secret stays good as long as every address is taken that is tried with it."""
    async with world_of(tmp_path, **OPEN_TO_ALL) as world:
        house = await world.house("aardvark", "default")
        await for_sale(world, house, "d1")

        told = [problem(await sign_up(world, "d1", email=house.user.email)) for _ in range(6)]

    assert told == [(409, "already-exists")] * 5 + [(429, "locked")]


async def signed_up_from(world: World, address: str, device: str, secret: str) -> tuple[int, str]:
    """Sign up from an address of this machine; return status and code."""
    transport = httpx2.AsyncHTTPTransport(local_address=address)
    body = {"email": "ada@example.com", "password": PASSWORD, "deviceName": device, "secretKey": secret}
    async with httpx2.AsyncClient(transport=transport, base_url=world.server.url) as client:
        answer = await client.post(SIGN_UP, json=body)
    return (200, "") if answer.status_code == 200 else problem(answer)


async def test_cm_2_strangers_who_guess_hold_up_nobody_who_signs_up_and_mistypes_once(tmp_path: Path) -> None:
    """CM-2: people without an account have no customer, and are not one because of that."""
    async with world_of(tmp_path, **OPEN_TO_ALL) as world:
        house = await world.house("aardvark", "default")
        await for_sale(world, house, "d1")
        for stranger in range(6):
            for guess in range(5):
                told = await signed_up_from(world, f"127.0.1.{stranger + 1}", "d1", f"a guess of mine {guess}")
                assert told == (403, "wrong-secret")

        assert await signed_up_from(world, "127.0.0.9", "d1", "a slip of the finger") == (403, "wrong-secret")
        assert await signed_up_from(world, "127.0.0.9", "d1", SECRET) == (200, "")


# -- what must not grow for ever -------------------------------------------------------------------


async def test_op_18_refusals_of_a_plugin_fill_no_audit_log(tmp_path: Path) -> None:
    """OP-18: they are no failures of the asker, and nothing else slows them down."""
    async with administered(tmp_path, plugins={"refuser": Refuser()}) as admin:
        ada = await buyer(admin, "ada")
        await on_the_shelf(admin, "d1")

        answers = Counter([await claim(ada, "d1", "s3cret") for _ in range(100)])
        rows = [row for row in await admin.server.audit() if row.entry.event == "claim-refused"]

    assert answers == {FAILURE: 100}
    assert {row.entry.code for row in rows} == {"not-here"}
    assert len(rows) <= 30


@pytest.mark.parametrize("owned", [False, True])
async def test_op_18_a_device_fills_no_audit_log_with_its_claims(tmp_path: Path, owned: bool) -> None:
    """OP-18, SE-7: some are audited, all are counted, and the last one is in force."""
    async with running(tmp_path, mqtt={"messages_per_second": 10_000, "burst": 10_000}) as server:
        board, eve = await Board.make(server), await Buyer.make(server)
        if owned:
            customers = await server.services.customers.by_id(1, [eve.user.customer_id or 0])
            await server.services.ownership.assign(board.device, next(iter(customers.values())), actor="test")
        async with board.session():
            for number in range(200):
                await board.publish("v1/devices/me/claim", {"secretKey": f"secret {number}"})
        events = Counter(row.entry.event for row in await server.audit())

        assert 0 < events["claim-window-refused" if owned else "claim-window-opened"] <= 10
        if not owned:
            assert (await eve.claim(board, "secret 199")).customer_id == eve.user.customer_id


# -- what a customer may not change ----------------------------------------------------------------


async def test_lg_8_a_customer_takes_no_name_that_is_of_another_device(tmp_path: Path) -> None:
    """LG-8, CM-7: a name is on a label. Nobody learns which are taken either."""
    async with administered(tmp_path) as admin:
        ada = await buyer(admin, "ada")
        device_id = await on_the_shelf(admin, "d1")
        await on_the_shelf(admin, "taken")
        assert (await claim(ada, "d1", "s3cret"))[0] == 200
        device = await ada.call("GET", f"/api/device/{device_id}")

        saved = [await ada.call("POST", "/api/device", {**device, "name": name, "version": None}) for name in
                 ("free", "taken")]  # fmt: skip

    assert [each["name"] for each in saved] == ["d1", "d1"]


# -- bombs, and secrets that come back ---------------------------------------------------------------

MARK = "T0P-SECRET"
UNREADABLE: dict[str, Any] = {
    "cut": f'{{"secretKey":"{MARK}',
    "deep list": f'{{"secretKey":"{MARK}","x":' + "[" * 5000,
    "deep object": '{"a":' * 5000 + f'"{MARK}"',
    "object as secret": {"secretKey": {"a": MARK}, "expirationTime": FAR_MS},
    "long secret": {"secretKey": MARK * 100, "expirationTime": FAR_MS},
    "long number": {"secretKey": MARK, "expirationTime": "9" * 5000},
    "infinity": {"secretKey": MARK, "expirationTime": "inf"},
    "list as moment": {"secretKey": MARK, "expirationTime": [FAR_MS]},
    "another key": {"secretKey": MARK, "expirationTime": FAR_MS, "more": MARK},
    "twice": f'{{"secretKey":"{MARK}","secretKey":"x","expirationTime":{FAR_MS}}}',
    "list": [MARK],
    "text": MARK,
    "mask": {"secretKey": "***", "expirationTime": FAR_MS},
}


@pytest.mark.parametrize("value", UNREADABLE.values(), ids=UNREADABLE)
async def test_cm_4_claiming_data_that_cannot_be_read_opens_nothing_and_shows_no_secret(
    tmp_path: Path, value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """CM-4, SE-5, HT-2."""
    caplog.set_level(logging.DEBUG)
    async with administered(tmp_path) as admin:
        eve = await buyer(admin, "eve")
        device_id = await on_the_shelf(admin, "d1", None)

        answer = await admin.send("POST", f"{DATA}/{device_id}/SERVER_SCOPE", {"claimingData": value})
        shown = json.dumps(await server_attributes(admin, device_id))
        for secret in (None, "***", "x", "None"):
            assert await claim(eve, "d1", secret) == FAILURE
        rows = repr(await admin.server.audit())

    assert answer.status_code in (200, 400)
    for output in (answer.text, shown, rows, caplog.text):
        assert MARK not in output


async def test_se_5_an_import_with_claiming_data_repeats_no_secret(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """SE-5, HT-8: neither of the rows that are fine nor of those that are not."""
    caplog.set_level(logging.DEBUG)
    good = json.dumps({"secretKey": MARK, "expirationTime": FAR_MS}).replace('"', '""')
    table = f'name,type,data\nd1,default,"{good}"\nd2,default,"{{""secretKey"":""{MARK}"""\n,default,"{good}"\n'
    columns = [{"type": "NAME"}, {"type": "TYPE"}, {"type": "SERVER_ATTRIBUTE", "key": "claimingData"}]
    mapping = {"columns": columns, "delimiter": ",", "header": True, "update": False}
    async with administered(tmp_path) as admin:
        eve = await buyer(admin, "eve")
        answer = await admin.send("POST", "/api/device/bulk_import", {"file": table, "mapping": mapping})
        assert answer.status_code == 200, answer.text
        device_id = str((await found(admin.server, "d1")).public_id)
        shown = json.dumps(await server_attributes(admin, device_id))
        rows = repr(await admin.server.audit())
        assert (await claim(eve, "d1", MARK))[0] == 200

    for output in (answer.text, shown, rows, caplog.text):
        assert MARK not in output


# -- two servers -----------------------------------------------------------------------------------


@pytest.fixture
async def servers(tmp_path: Path, postgres_database: str) -> AsyncIterator[tuple[TestServer, TestServer]]:
    """Run two servers on one PostgreSQL."""
    async with AsyncExitStack() as stack:
        one, two = [
            await stack.enter_async_context(
                running(
                    tmp_path / name,
                    database=postgres_database,
                    server={"key": KEY},
                    claiming={"sign_up": ["default"], "failures": 1000, "address_failures_per_hour": 10_000},
                )
            )
            for name in ("one", "two")
        ]
        yield one, two


async def test_cm_5_at_two_servers_one_secret_makes_one_owner(servers: tuple[TestServer, TestServer]) -> None:
    """CM-5, OP-17: of customers who claim, and of people who sign up, at both at once."""
    one, two = servers
    buyers = [await Buyer.make(one, f"buyer {number}") for number in range(4)]
    for round_ in range(10):
        name = f"d{round_}"
        board = await Board.make(one, name)
        opened = await one.services.claim_windows.open_by_administrator(board.device, actor="test")

        async def take(server: TestServer, person: Buyer, name: str = name, secret: Secret = opened.secret) -> int:
            device = await server.services.claiming.claim(person.user, name, secret, FROM_REST)
            return device.customer_id or 0

        async def join(server: TestServer, email: str, name: str = name, secret: Secret = opened.secret) -> int:
            user, _ = await server.services.signing_up.sign_up(
                "default", email, Secret(PASSWORD), name, secret, FROM_REST
            )
            return user.customer_id or 0

        outcomes = await asyncio.gather(
            *(take(server, person) for person in buyers for server in servers),
            *(join(server, f"{number}@{name}.example") for number, server in enumerate(servers)),
            return_exceptions=True,
        )

        winners = [outcome for outcome in outcomes if isinstance(outcome, int)]
        refusals = {outcome.code for outcome in outcomes if isinstance(outcome, ClaimRefused)}
        assert len(winners) + sum(isinstance(outcome, ClaimRefused) for outcome in outcomes) == len(outcomes)
        assert len(winners) == 1
        assert refusals <= {"already-claimed", "already-yours"}
        device = await two.device(name)
        assert device is not None
        assert device.customer_id == winners[0]
        claimed = device.customer_id in {person.user.customer_id for person in buyers}
        accounts = [await two.services.storage.user_by_email(f"{number}@{name}.example") for number in range(2)]
        assert len([account for account in accounts if account is not None]) == (0 if claimed else 1)


async def test_cm_5_at_two_servers_an_offer_is_good_once(servers: tuple[TestServer, TestServer]) -> None:
    """CM-5, CM-6: whoever comes too late neither gets the device nor ends what its new owner has."""
    one, _ = servers
    owner, *buyers = [await Buyer.make(one, f"buyer {number}") for number in range(5)]
    customers = await one.services.customers.by_id(1, [owner.user.customer_id or 0])
    for round_ in range(10):
        board = await Board.make(one, f"o{round_}")
        device = await one.services.ownership.assign(board.device, next(iter(customers.values())), actor="test")
        offer = await one.services.releasing.offer(owner.user, device, FROM_REST)

        outcomes = await asyncio.gather(
            *(
                server.services.claiming.claim(person.user, device.name, offer.secret, FROM_REST)
                for person in buyers
                for server in servers
            ),
            return_exceptions=True,
        )

        winners = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
        assert len(winners) == 1, outcomes
        found_now = await one.device(device.name)
        assert found_now is not None
        assert found_now.customer_id == winners[0].customer_id


async def test_lg_8_nobody_signs_up_as_more_than_a_customer(tmp_path: Path) -> None:
    """LG-8: what a new account is, is not in the request."""
    async with world_of(tmp_path, **OPEN_TO_ALL) as world:
        house: House = await world.house("aardvark", "default")
        await for_sale(world, house, "d1")
        before = await counted(world, house)
        more: list[dict[str, Any]] = [
            {"authority": "TENANT_ADMIN"},
            {"customerId": str(house.customer.public_id)},
            {"tenantId": str(house.tenant.public_id)},
            {"id": str(house.admin.public_id)},
        ]

        told = [problem(await sign_up(world, "d1", **fields)) for fields in more]

        assert told == [(400, "invalid-value")] * 4
        assert await counted(world, house) == before
