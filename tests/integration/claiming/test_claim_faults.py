"""SIGKILL among claims, releases and sign-ups: what people were told is true, nothing is half-done (CM-5, CM-11).

For a long run by hand: ``FIRSTBOOT_KILL_ROUNDS=100 FIRSTBOOT_KILL_SEED=7 pytest <this file>``.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Sequence
from pathlib import Path

import httpx2
import pytest
from tests.harness import firstboot, running, server_process
from tests.integration.claiming.claim_load import (
    KEY,
    LOST,
    PASSWORD,
    Buyer,
    Ledger,
    client_of,
    owners,
    secret_of,
    send,
    settings,
    stock,
    what_never_may_be,
)
from tests.integration.faults.load import database_in

ROUNDS = int(os.environ.get("FIRSTBOOT_KILL_ROUNDS", "4"))
SEED = int(os.environ.get("FIRSTBOOT_KILL_SEED", "20250101"))
CUSTOMERS = 6
DEVICES = 300
"""For each round; never all of them are claimed before the kill."""


async def claim_all(client: httpx2.AsyncClient, buyer: Buyer, names: Sequence[str], ledger: Ledger) -> None:
    """Claim one device after another, and give every third one back that was won, until the server is gone."""
    for number, name in enumerate(names):
        try:
            answer = await send(client, "POST", buyer, name)
            if answer != "200":
                if answer != '400 "CLAIMED"' and not (answer == '400 "FAILURE"' and number % 3 == 0):
                    ledger.others.append(answer)
                continue
            ledger.claimed[name] = buyer.customer_id
            ledger.grown.set()
            if number % 3 == 0:
                ledger.asked_back.add(name)
                assert await send(client, "DELETE", buyer, name) == "200"
                ledger.released.add(name)
        except LOST:
            return


async def sign_up_all(client: httpx2.AsyncClient, names: Sequence[str], ledger: Ledger) -> None:
    """Make an account with each device until the server is gone."""
    for name in names:
        email = f"new-{name}@example.com"
        body = {"email": email, "password": PASSWORD.reveal(), "deviceName": name, "secretKey": secret_of(name)}
        try:
            answer = await client.post("/api/firstboot/sign-up", json=body)
        except LOST:
            return
        if answer.status_code == 200:
            ledger.signed_up[email] = name
            ledger.grown.set()
        else:
            ledger.others.append(answer.text)


@pytest.mark.timeout(60 + 30 * ROUNDS)
async def test_everybody_who_was_told_that_a_device_is_his_owns_it_after_a_kill(
    tmp_path: Path, database: str | None
) -> None:
    chance = random.Random(SEED)
    shelves = [[f"d-{round_}-{number}" for number in range(DEVICES)] for round_ in range(ROUNDS)]
    with_accounts = [[f"s-{round_}-{number}" for number in range(DEVICES)] for round_ in range(ROUNDS)]
    buyers = await stock(
        tmp_path, database, CUSTOMERS, [name for shelf in (*shelves, *with_accounts) for name in shelf]
    )
    stored, more = database_in(tmp_path, database), settings(database)
    assert await what_never_may_be(stored) == {}

    for shelf, first_devices in zip(shelves, with_accounts, strict=True):
        ledger = Ledger()
        with server_process(tmp_path, **more) as server:
            async with client_of(server.http_port) as client:
                people = [
                    *(asyncio.create_task(claim_all(client, buyer, shelf, ledger)) for buyer in buyers),
                    asyncio.create_task(sign_up_all(client, first_devices, ledger)),
                ]
                await asyncio.wait_for(ledger.wait_for(chance.randint(20, 150)), 60)
                await asyncio.sleep(chance.random() * 0.01)  # not synchronisation: the moment of the kill
                server.process.send_signal(signal.SIGKILL)
                await asyncio.gather(*people)
        assert ledger.others == []
        await check(ledger, tmp_path, database, f"seed {SEED}")

    with server_process(tmp_path, **more) as server:
        assert await what_never_may_be(stored) == {}
        async with client_of(server.http_port) as client:
            # What was open before the kill is open after it (CM-11), and what is owned is not.
            found = await owners(stored)
            free = [name for name, owner in found.items() if owner is None and name in shelves[-1][-50:]]
            assert free, "all were claimed before the kill"
            assert await send(client, "POST", buyers[0], free[0]) == "200"
            taken = next(name for name, owner in found.items() if owner not in (None, buyers[0].customer_id))
            assert await send(client, "POST", buyers[0], taken) == '400 "CLAIMED"'
        assert server.stop() == 0
        assert "whole" in firstboot(server.environment, "audit", "verify").stdout


async def check(ledger: Ledger, tmp_path: Path, database: str | None, seed: str) -> None:
    """Compare what people were told with what is in the database that a killed server has left."""
    stored = database_in(tmp_path, database)
    found = await owners(stored)
    wrong = {name: found[name] for name, owner in ledger.claimed.items() if found[name] not in (owner, None)}
    lost = {name for name in ledger.claimed if found[name] is None and name not in ledger.asked_back}
    kept = {name for name in ledger.released if found[name] is not None}
    assert (wrong, lost, kept) == ({}, set(), set()), seed
    accounts = dict(await stored.sql("SELECT email, customer_id FROM app_user"))
    for email, name in ledger.signed_up.items():
        assert found[name] == accounts[email], seed
    assert await what_never_may_be(stored) == {}, seed


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("UPDATE device SET customer_id = 1 WHERE name = 'open'", "a claim window of a device that is owned"),
        ("DELETE FROM claim_window", "claimingData without its window"),
        ("DELETE FROM attribute WHERE key = 'claimingData'", "a window without its claimingData"),
        ("DELETE FROM attribute WHERE key = 'claimed'", "a device that is owned and was not told so"),
        ("UPDATE device SET customer_id = NULL", "a device that is free and was told that it is owned"),
        ("DELETE FROM audit", "a change of an owner without its audit row"),
        ("DELETE FROM app_user", "a customer without a user"),
        ("UPDATE customer SET title = 'new-x' WHERE id = 2", "somebody who signed up and has no device"),
    ],
)
async def test_what_never_may_be_is_found(tmp_path: Path, damage: str, found: str) -> None:
    buyers = await stock(tmp_path, None, 2, ["open", "owned"])
    async with running(tmp_path, server={"key": KEY}) as server, client_of(server.http_port) as client:
        assert await send(client, "POST", buyers[0], "owned") == "200"
    stored = database_in(tmp_path, None)
    assert await what_never_may_be(stored) == {}

    await stored.sql(damage)

    assert found in await what_never_may_be(stored)
