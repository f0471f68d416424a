"""Many customers claim one device at the same moment (threat CM-5)."""

from __future__ import annotations

import asyncio
from collections import Counter

import httpx2
from tests.integration.admin.thingsboard.buyers import (
    NOBODY,
    buyer,
    claim,
    give_back,
    link,
    on_the_shelf,
    opened_by_device,
    owner,
)
from tests.integration.admin.thingsboard.rest import Rest

BUYERS = 30
ROUNDS = 3


async def buyers(admin: Rest, count: int) -> list[Rest]:
    return list(await asyncio.gather(*(buyer(admin, f"buyer-{number}") for number in range(count))))


def outcome(answer: httpx2.Response) -> str:
    return "owner" if answer.status_code == 200 else str(answer.json())


async def test_cm_5_of_many_who_claim_at_once_one_becomes_the_owner(admin: Rest) -> None:
    people = await buyers(admin, BUYERS)

    for number in range(ROUNDS):
        name = f"d{number}"
        await on_the_shelf(admin, name)
        answers = await asyncio.gather(
            *(person.send("POST", link(name), {"secretKey": "s3cret"}) for person in people)
        )

        assert Counter(map(outcome, answers)) == {"owner": 1, "CLAIMED": BUYERS - 1}
        (winner,) = [number for number, answer in enumerate(answers) if answer.status_code == 200]
        assert await owner(admin, name) == f"buyer-{winner}"
    claimed = Counter(
        row.entry.device for row in await admin.server.audit() if row.entry.event == "device-claimed"
    )
    assert claimed == {f"d{number}": 1 for number in range(ROUNDS)}


async def test_cm_5_people_of_one_customer_claim_together_and_it_is_theirs(admin: Rest) -> None:
    customer = await admin.customer("family")
    people = [await admin.active_user(f"u{number}@example.com", customer) for number in range(5)]
    await on_the_shelf(admin, "d1")

    answers = await asyncio.gather(
        *(person.send("POST", link("d1"), {"secretKey": "s3cret"}) for person in people)
    )

    assert Counter(map(outcome, answers)) == {"owner": 1, "CLAIMED": 4}
    assert await owner(admin, "d1") == "family"


async def test_cm_5_claims_releases_and_assignments_at_once_leave_one_truth(admin: Rest) -> None:
    """Whatever wins, the owner is who was told so last, and nobody who was not."""
    people = await buyers(admin, 6)
    device_id = await on_the_shelf(admin, "d1", None)

    for _ in range(ROUNDS):
        await opened_by_device(admin.server, "d1", "s3cret")
        await asyncio.gather(
            *(claim(person, "d1", "s3cret") for person in people),
            *(give_back(person, "d1") for person in people),
            give_back(admin, "d1"),
        )
        holder = (await admin.call("GET", f"/api/device/{device_id}"))["customerId"]["id"]
        holders = [person for person in people if (await give_back(person, "d1"))[0] == 200]
        assert len(holders) == (0 if holder == NOBODY else 1)
        assert (await admin.call("GET", f"/api/device/{device_id}"))["customerId"]["id"] == NOBODY
