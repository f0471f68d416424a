"""The life of one device between its owners: every row of the state table of contract 4.5, over the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from tests.integration.admin.thingsboard.buyers import (
    CLAIMED,
    DATA,
    FAILURE,
    FAR_MS,
    buyer,
    claim,
    give_back,
    on_the_shelf,
    owner,
    server_attributes,
)
from tests.integration.admin.thingsboard.rest import Rest, administered
from tests.integration.provisioning.fake_clock import FakeClock

NAME = "meter 1/7"


class Life:
    """A device, its tenant's administrator, and two customers."""

    def __init__(self, admin: Rest, ada: Rest, bob: Rest, device_id: str, token: str, now: FakeClock) -> None:
        self.admin = admin
        self.ada = ada
        self.bob = bob
        self.device_id = device_id
        self.token = token
        self.now = now

    async def device_says(self, **body: object) -> None:
        """Let the device open itself; it is never told whether that did anything (CL-1)."""
        async with httpx2.AsyncClient(base_url=self.admin.server.url) as client:
            answer = await client.post(f"/api/v1/{self.token}/claim", json=body)
        assert (answer.status_code, answer.content) == (200, b"")

    async def administrator_says(self, secret: str, until_ms: int = FAR_MS) -> None:
        """Set the attribute ``claimingData``."""
        data = {"claimingData": {"secretKey": secret, "expirationTime": until_ms}}
        await self.admin.call("POST", f"{DATA}/{self.device_id}/SERVER_SCOPE", data)

    async def owner(self) -> str | None:
        return await owner(self.admin, NAME)


@pytest.fixture
async def life(tmp_path: Path, database: str | None) -> AsyncIterator[Life]:
    """Return a device that nobody has opened, on each kind of database."""
    now = FakeClock()
    async with administered(tmp_path, database, clock=now.clock) as admin:
        device_id = await on_the_shelf(admin, NAME, None)
        token = (await admin.call("GET", f"/api/device/{device_id}/credentials"))["credentialsId"]
        yield Life(admin, await buyer(admin, "ada"), await buyer(admin, "bob"), device_id, token, now)


async def test_unclaimed_without_data_a_claim_fails_until_the_device_opens_itself(life: Life) -> None:
    before = await claim(life.ada, NAME, "s")
    await life.device_says(secretKey="s", durationMs=60_000)

    assert before == FAILURE
    assert (await claim(life.ada, NAME, "s"))[0] == 200
    assert await life.owner() == "ada"


async def test_claimable_by_the_device_a_wrong_secret_leaves_it_open_and_a_late_one_fails(life: Life) -> None:
    """Contract, section 7, CM-2: ThingsBoard ends the window at the first wrong guess; we do not."""
    await life.device_says(secretKey="s", durationMs=60_000)
    wrong = await claim(life.bob, NAME, "x")
    life.now.advance(60.001)
    late = await claim(life.ada, NAME, "s")
    await life.device_says(secretKey="s", durationMs=60_000)

    assert (wrong, late) == (FAILURE, FAILURE)
    assert (await claim(life.ada, NAME, "s"))[0] == 200


async def test_cm_8_a_clock_that_is_set_back_opens_nothing_that_was_over(life: Life) -> None:
    await life.device_says(secretKey="s", durationMs=60_000)
    life.now.advance(61)
    late = await claim(life.ada, NAME, "s")
    life.now.now_ms -= 30_000

    assert (late, await claim(life.ada, NAME, "s")) == (FAILURE, FAILURE)


async def test_claimable_by_an_administrator_a_wrong_or_late_secret_changes_nothing(life: Life) -> None:
    await life.administrator_says("s", life.now.now_ms + 60_000)
    before = await server_attributes(life.admin, life.device_id)
    wrong = await claim(life.ada, NAME, "x")
    life.now.advance(61)
    late = await claim(life.ada, NAME, "s")

    assert (wrong, late) == (FAILURE, FAILURE)
    assert (
        await server_attributes(life.admin, life.device_id)
        == before
        == {"claimingData": {"secretKey": "***", "expirationTime": life.now.now_ms - 1000}}
    )


async def test_claimed_the_device_is_not_heard_and_every_claim_is_answered_claimed(life: Life) -> None:
    await life.administrator_says("s")
    await claim(life.ada, NAME, "s")
    await life.device_says(secretKey="again")

    for person in (life.ada, life.bob):
        assert [await claim(person, NAME, secret) for secret in ("s", "again", "x", None)] == [CLAIMED] * 4
    assert await life.owner() == "ada"
    assert await server_attributes(life.admin, life.device_id) == {}


async def test_claimed_with_data_set_later_only_the_right_secret_is_told_so(life: Life) -> None:
    """Contract 4.4: FAILURE if claim data exists and the secret is wrong; CLAIMED ends the data."""
    await life.administrator_says("s")
    await claim(life.ada, NAME, "s")
    await life.administrator_says("later")

    wrong = await claim(life.bob, NAME, "x")
    right = await claim(life.bob, NAME, "later")

    assert (wrong, right, await life.owner()) == (FAILURE, CLAIMED, "ada")
    assert await server_attributes(life.admin, life.device_id) == {}


async def test_claimed_then_given_back_nothing_is_left_of_the_data(life: Life) -> None:
    await life.administrator_says("s")
    await claim(life.ada, NAME, "s")

    assert await give_back(life.ada, NAME) == (200, b"")
    assert await life.owner() is None
    assert await claim(life.bob, NAME, "s") == FAILURE
    await life.device_says(secretKey="t")
    assert (await claim(life.bob, NAME, "t"))[0] == 200


async def test_claimed_then_unassigned_by_an_administrator_it_is_as_given_back(life: Life) -> None:
    await life.administrator_says("s")
    await claim(life.ada, NAME, "s")

    await life.admin.call("DELETE", f"/api/customer/device/{life.device_id}")

    assert await life.owner() is None
    assert await claim(life.ada, NAME, "s") == FAILURE
